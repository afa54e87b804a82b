"""Where the service is and who calls, as constructors and environment say."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from countermark.errors import InvalidArgument

__all__ = ["Address", "address"]

VISIBLE = re.compile(r"[\x21-\x7e]{1,4096}")


@dataclass(frozen=True)
class Address:
    """A checked URL and key."""

    base_url: str
    """Without a slash at the end."""
    key: str = field(repr=False)


def address(base_url: str | None, key: str | None) -> Address:
    """What is given, or what COUNTERMARK_URL and COUNTERMARK_KEY say.

    Raises:
        InvalidArgument: one of them is missing or cannot be meant; the message never holds the key.
    """
    base_url = base_url or os.environ.get("COUNTERMARK_URL")
    key = key or os.environ.get("COUNTERMARK_KEY")
    if not base_url:
        raise InvalidArgument("base_url: expected the service's URL, here or in COUNTERMARK_URL")
    if not key:
        raise InvalidArgument("key: expected a key cmk_…, here or in COUNTERMARK_KEY")
    if VISIBLE.fullmatch(key) is None:
        raise InvalidArgument("key: expected visible ASCII characters only")
    return Address(checked(base_url), key)


def checked(base_url: str) -> str:
    """The URL without a slash at the end.

    Raises:
        InvalidArgument: it is not an http or https URL with a host, or holds a login, a query or a fragment.
    """
    expected = InvalidArgument("base_url: expected http:// or https://, a host and at most a path")
    try:
        parts = urlsplit(base_url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        # As a resolver does: empty labels, and those of more than 63 characters, are a UnicodeError.
        (parts.hostname or "").encode("idna")
    except ValueError:
        raise expected from None
    is_plain = VISIBLE.fullmatch(base_url) and not set("?#@\\") & set(base_url)
    if not is_usable or not is_plain:
        raise expected
    return base_url.rstrip("/")
