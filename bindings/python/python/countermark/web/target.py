"""The request target as the client sent it. What a framework has decoded is never encoded again to rebuild
it."""

from __future__ import annotations

import re
from urllib.parse import unquote

from countermark.errors import Malformed

__all__ = ["host_in_header", "raw_target", "without_signature"]

# Such a prefix has one spelling only: it may be put before bytes that are signed.
_PLAIN = re.compile(r"[A-Za-z0-9._~/-]*")
# The name goes before the target in the URL that is verified: a slash in it would move the border between the
# two.
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")

_SIGNATURE_SEGMENT = re.compile(r"(/[A-Za-z0-9_-]{1,64})/s-(?:cm1|token2):[^/]*(?=/)")


def raw_target(raw_path: str, query: str, *, root: str, path: str) -> str:
    """The target that the client asked for, proven to be the one that the application serves.

    Args:
        raw_path: undecoded path as the server received it.
        query: undecoded query, without the question mark.
        root: decoded path under which the application is mounted, or which a proxy before it has taken off.
        path: decoded path below `root`, by which the framework finds its route.

    Raises:
        Malformed: if `raw_path` does not decode to what the framework serves. Whoever rewrites paths before
            the application would else have one URL verified and another one served.
    """
    if not raw_path.startswith("/"):
        raise Malformed("expected a request target that begins with a slash")
    if not (raw_path.isascii() and query.isascii()):
        raise Malformed("expected a request target in ASCII")
    decoded = unquote(raw_path)
    if decoded == path and decoded != root + path:
        if not _PLAIN.fullmatch(root):
            raise Malformed("the prefix that was taken off the path can be spelled in several ways")
        raw_path = root + raw_path
    elif decoded != root + path:
        raise Malformed("the request target is not the path that is served")
    return f"{raw_path}?{query}" if query else raw_path


def host_in_header(host: str | None) -> str:
    """The `Host` header if it is a name or address with or without port.

    Raises:
        Malformed: if it is anything else, or missing.
    """
    if host is None or not _HOST.fullmatch(host):
        raise Malformed("expected a host name, with or without port, in the Host header")
    return host


def without_signature(path: str) -> str:
    """A path without the segment of a signature in path placement: as the server behind is to see it."""
    found = _SIGNATURE_SEGMENT.match(path)
    return path if found is None else found[1] + path[found.end() :]
