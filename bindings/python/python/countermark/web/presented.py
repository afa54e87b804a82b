"""Which credential a request presents: the only one."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

from countermark._native import looks_signed
from countermark.errors import Malformed, Refused, UnknownToken
from countermark.web.original import Original, query_value

__all__ = ["NoCredential", "Presented"]


# Longer values the service does not read, nor user names and passwords.
_MOST_BYTES = 4096


class NoCredential(Refused):
    """The request presents nothing."""

    code = "NO_CREDENTIAL"
    message = "no credential was presented"


@dataclass(frozen=True)
class Presented:
    """Exactly one of signed URL, value, and user name with password. Its `repr` shows none of them."""

    url: str | None = field(default=None, repr=False)
    value: str | None = field(default=None, repr=False)
    basic: tuple[str, str] | None = field(default=None, repr=False)
    viewer: tuple[str, str] | None = field(default=None, repr=False)
    """Beside a signed URL: the viewer's own user name and password."""

    @staticmethod
    def read(original: Original, *, reads_query: bool) -> Presented:
        """What the request presents: its own signed URL, `Authorization` with `Bearer`, `ApiKey` or `Basic`,
        or `X-Custom-Auth-Key`, and `?token=` if `reads_query`.

        Looks everywhere, so that nothing is overlooked beside the credential that decides.

        Raises:
            Malformed: if there are several; the application and whatever stands before it could each take
                another.
            UnknownToken: for one that nobody could have issued.
            NoCredential: if there is none.
        """
        is_signed = looks_signed(original.target or f"/?{original.query}")
        parameter = query_value(original.query, "token") if reads_query else None
        header = None if original.authorization is None else _Authorization.read(original.authorization)
        others = [found for found in (header, original.custom_key, parameter) if found is not None]
        if is_signed:
            return _beside_link(original, others)
        if len(others) > 1:
            raise Malformed("more than one credential was presented")
        if not others:
            raise NoCredential
        found = others[0]
        return found.presented() if isinstance(found, _Authorization) else Presented(value=_usable(found))


@dataclass(frozen=True)
class _Authorization:
    scheme: str
    rest: str = field(repr=False)

    @staticmethod
    def read(text: str) -> _Authorization:
        scheme, _, rest = text.partition(" ")
        return _Authorization(scheme.lower(), rest)

    def presented(self) -> Presented:
        if self.scheme == "basic":
            return Presented(basic=self.pair())
        if self.scheme in ("bearer", "apikey"):
            return Presented(value=_usable(self.rest))
        # Someone else's scheme, perhaps the application's own.
        raise NoCredential

    def pair(self) -> tuple[str, str]:
        """User name and password, cut at the first colon."""
        padded = self.rest + "=" * (-len(self.rest) % 4)
        try:
            text = base64.b64decode(padded, validate=True).decode()
        except (binascii.Error, ValueError):
            raise UnknownToken from None
        user, colon, password = text.partition(":")
        if max(len(user.encode()), len(password.encode())) > _MOST_BYTES:
            raise UnknownToken
        if not colon or any(ord(sign) < 0x20 or 0x7F <= ord(sign) < 0xA0 for sign in text):
            raise UnknownToken
        return user, password


def _beside_link(original: Original, others: list[_Authorization | str]) -> Presented:
    match others:
        case []:
            return Presented(url=original.url)
        case [_Authorization(scheme="basic") as header]:
            return Presented(url=original.url, viewer=header.pair())
        case _:
            raise Malformed("more than one credential was presented")


def _usable(text: str) -> str:
    """Nothing was ever issued that is empty, endless or has spaces."""
    if not 0 < len(text) <= _MOST_BYTES or not all("!" <= sign <= "~" for sign in text):
        raise UnknownToken
    return text
