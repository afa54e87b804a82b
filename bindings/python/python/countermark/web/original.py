"""A request as the client made it, whatever the framework."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from countermark.decision import Request
from countermark.errors import CountermarkError, Malformed
from countermark.web.target import host_in_header, raw_target

__all__ = ["PREFLIGHT_HEADERS", "PREFLIGHT_STATUS", "Original", "TargetUnknown"]

PREFLIGHT_STATUS = 204
"""Answers a preflight, without a body."""
PREFLIGHT_HEADERS = {"Cache-Control": "no-store"}
"""Beside :data:`PREFLIGHT_STATUS`."""


class TargetUnknown(CountermarkError):
    """The server does not tell the request target as it was sent, so that no signed URL can be verified."""

    code = "TARGET_UNKNOWN"
    message = (
        "the server does not tell the undecoded request target: under ASGI it must set scope['raw_path'], "
        "under WSGI REQUEST_URI or RAW_URI"
    )


@dataclass(frozen=True)
class Original:
    """One request. What could be a credential, or hold one, is not in its `repr`."""

    method: str
    """HTTP method, upper case."""
    host: str | None = field(default=None, repr=False)
    """The `Host` header, or what the framework trusts instead."""
    target: str | None = field(default=None, repr=False)
    """Undecoded path and query; none where the server does not tell it."""
    query: str = field(default="", repr=False)
    """Undecoded query alone."""
    authorization: str | None = field(default=None, repr=False)
    """The `Authorization` header."""
    custom_key: str | None = field(default=None, repr=False)
    """The `X-Custom-Auth-Key` header."""
    client_ip: str | None = None
    """Address of the client, where it is one."""
    content_length: str | None = None
    """The `Content-Length` header."""
    content_type: str | None = None
    """The `Content-Type` header."""
    has_preflight_headers: bool = False
    """Whether both `Origin` and `Access-Control-Request-Method` are there."""

    @staticmethod
    def of_scope(scope: Mapping[str, Any], *, host: str | None = None, root: str | None = None) -> Original:
        """The request of an ASGI scope of type `http`.

        Args:
            scope: as the server made it, and mounting has changed it.
            host: what the framework takes for the host, if it trusts another header; `Host` if absent.
            root: decoded path at which the framework takes the application to stand; the scope's if absent.

        Raises:
            Malformed: for a repeated credential or host header, and where the undecoded path is not the one
                served.
        """
        headers: dict[str, list[str]] = {}
        for name, text in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(text.decode("latin-1"))
        client = scope.get("client")
        query = scope.get("query_string", b"")
        # Django's AsyncClient makes it a text.
        query = query if isinstance(query, str) else query.decode("latin-1")
        return Original(
            method=scope["method"],
            host=_only(headers, "host") if host is None else host,
            target=_target_of_scope(scope, query, root),
            query=query,
            authorization=_only(headers, "authorization"),
            custom_key=_only(headers, "x-custom-auth-key"),
            client_ip=_address(client[0] if client else None),
            content_length=_only(headers, "content-length"),
            content_type=_only(headers, "content-type"),
            has_preflight_headers="origin" in headers and "access-control-request-method" in headers,
        )

    @staticmethod
    def of_environ(
        environ: Mapping[str, Any],
        *,
        host: str | None = None,
        root: str | None = None,
        path: str | None = None,
    ) -> Original:
        """The request of a WSGI environment.

        Args:
            environ: as the server made it. Of headers that stood twice, servers make one text that is no
                credential.
            host: what the framework takes for the host, if it trusts another header; `Host` if absent.
            root: decoded path at which the framework takes the application to stand; `SCRIPT_NAME` if absent.
            path: decoded path below it; `PATH_INFO` if absent.

        Raises:
            Malformed: where the undecoded path is not the one served.
        """
        root = _decoded(environ, "SCRIPT_NAME") if root is None else root
        path = _decoded(environ, "PATH_INFO") if path is None else path
        query = environ.get("QUERY_STRING", "")
        return Original(
            method=environ["REQUEST_METHOD"],
            host=environ.get("HTTP_HOST") if host is None else host,
            target=_target_of_environ(environ, query, root=root, path=path),
            query=query,
            authorization=environ.get("HTTP_AUTHORIZATION"),
            custom_key=environ.get("HTTP_X_CUSTOM_AUTH_KEY"),
            client_ip=_address(environ.get("REMOTE_ADDR")),
            content_length=environ.get("CONTENT_LENGTH"),
            content_type=environ.get("CONTENT_TYPE"),
            has_preflight_headers="HTTP_ORIGIN" in environ
            and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ,
        )

    @property
    def is_preflight(self) -> bool:
        """Whether a browser only asks if it may: such a request needs no credential, and no view may see it.

        Anybody can send one. It is answered with :data:`PREFLIGHT_STATUS` and :data:`PREFLIGHT_HEADERS`;
        what browsers want to hear, CORS middleware says, which stands before.
        """
        has_key = self.authorization is not None or self.custom_key is not None
        return self.method == "OPTIONS" and self.has_preflight_headers and not has_key

    @property
    def url(self) -> str:
        """The whole URL, to be verified; the scheme is not signed.

        Raises:
            TargetUnknown: if the server does not tell the target.
            Malformed: if the host is none.
        """
        if self.target is None:
            raise TargetUnknown
        return f"https://{host_in_header(self.host)}{self.target}"

    def facts(self, *, permission: str | None, storage: str | None, cloud_id: str | None) -> Request:
        """What is told of the request where the credential is a value."""
        uploads = self.method in ("POST", "PUT", "PATCH") and not _is_multipart(self.content_type)
        return Request(
            method=self.method,
            cloud_id=cloud_id,
            path=None if self.target is None else self.target.partition("?")[0],
            permission=permission,
            storage=storage,
            bytes=_length(self.content_length) if uploads else None,
            content_type=(self.content_type or None) if uploads else None,
            client_ip=self.client_ip,
        )


def _target_of_scope(scope: Mapping[str, Any], query: str, root: str | None) -> str | None:
    raw_path = scope.get("raw_path")
    if raw_path is None:
        return None
    if root is None:
        # Mounting grows root_path by what stands in the path anyhow; what a proxy took off stays in
        # app_root_path.
        root = str(scope.get("app_root_path", scope.get("root_path", "")))
    root = root.rstrip("/")
    path: str = scope["path"]
    if root and (path == root or path.startswith(f"{root}/")):
        path = path[len(root) :]
    return raw_target(raw_path.decode("latin-1"), query, root=root, path=path)


def _target_of_environ(environ: Mapping[str, Any], query: str, *, root: str, path: str) -> str | None:
    raw = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    if raw is None:
        return None
    raw_path, _, raw_query = raw.partition("?")
    if raw_query != query:
        raise Malformed("the query is not the one that was sent")
    return raw_target(raw_path, query, root=root, path=path)


def _only(headers: Mapping[str, list[str]], name: str) -> str | None:
    found = headers.get(name, [])
    if len(found) > 1:
        raise Malformed(f"the header {name} stands twice")
    return found[0] if found else None


def _decoded(environ: Mapping[str, Any], name: str) -> str:
    """WSGI hands over bytes as the Latin-1 text of the same numbers."""
    return str(environ.get(name, "")).encode("latin-1").decode("utf-8", "replace")


def _address(text: str | None) -> str | None:
    """An address; servers also name sockets and, in tests, fantasies here."""
    try:
        return None if text is None else str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _length(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 20 else None


def _is_multipart(content_type: str | None) -> bool:
    """A form's size and type are not those of the file in it: unknown, hence refused where they are
    restricted."""
    return (content_type or "").lower().startswith("multipart/")


def query_value(query: str, name: str) -> str | None:
    """The decoded value of the query's only parameter of this name; a `+` stays one.

    Raises:
        Malformed: if it stands twice.
    """
    found = [
        text for key, _, text in (part.partition("=") for part in query.split("&")) if unquote(key) == name
    ]
    if len(found) > 1:
        raise Malformed(f"the parameter {name} stands twice")
    return unquote(found[0]) if found else None
