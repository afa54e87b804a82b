"""What speaks against a request, as HTTP tells it."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from http import HTTPStatus

from countermark.errors import BadRequest, CountermarkError, Refused, ServiceError
from countermark.web.original import TargetUnknown

__all__ = ["Refusal"]

_log = logging.getLogger("countermark.web")

_BEARER = 'Bearer realm="countermark"'
_INVALID = 'Bearer realm="countermark", error="invalid_token"'

# As the service's gate answers proxies that pass its status on.
_STATUSES = {
    "MALFORMED": 400,
    "NO_CREDENTIAL": 401,
    "UNKNOWN_TOKEN": 401,
    "WRONG_TYPE": 401,
    "BAD_SIGNATURE": 401,
    "AUTHENTICATION_REQUIRED": 401,
    "EXPIRED": 410,
    "LINK_EXPIRED": 410,
    "LIMIT_REACHED": 429,
}
_CHALLENGES = {
    "NO_CREDENTIAL": _BEARER,
    "UNKNOWN_TOKEN": _INVALID,
    "WRONG_TYPE": _INVALID,
    "BAD_SIGNATURE": _INVALID,
    "AUTHENTICATION_REQUIRED": 'Basic realm="countermark", charset="UTF-8"',
    "PERMISSION_DENIED": 'Bearer realm="countermark", error="insufficient_scope"',
}
# Whatever the application says itself is short.
_TOO_LARGE = 413
# Members of a question that the application chooses. All others come from its client.
_OWN_MEMBERS = ("/request/permission", "/request/storage", "/request/cloudId", "/cost")


@dataclass(frozen=True)
class Refusal:
    """An answer instead of the application's own."""

    status: int
    """HTTP status."""
    code: str
    """Stable code: that of the refusal, or `UNAVAILABLE`, or `TARGET_UNKNOWN`."""
    detail: str
    """What happened, for people."""
    challenge: str | None = None
    """The `WWW-Authenticate` header."""
    retry_after: int | None = None
    """Seconds."""

    @staticmethod
    def of(error: CountermarkError) -> Refusal:
        """The answer to what speaks against a request. What the operator must know of is logged, without a
        credential."""
        if isinstance(error, Refused):
            status = _STATUSES.get(error.code, 403)
            return Refusal(status, error.code, str(error), _CHALLENGES.get(error.code))
        if isinstance(error, TargetUnknown):
            _log.error("request refused: %s", error)
            return Refusal(500, error.code, "the application cannot verify signed URLs under this server")
        if isinstance(error, BadRequest) and not _is_own_fault(error):
            return Refusal(400, "MALFORMED", "the request cannot be put to the service")
        if isinstance(error, ServiceError):
            return _unavailable(error)
        raise error

    @property
    def headers(self) -> dict[str, str]:
        """Headers beside the body's `Content-Type: application/problem+json`."""
        headers = {"Cache-Control": "no-store"}
        if self.challenge is not None:
            headers["WWW-Authenticate"] = self.challenge
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return headers

    @property
    def problem(self) -> dict[str, str | int]:
        """The body (RFC 9457)."""
        title = HTTPStatus(self.status).phrase
        return {"title": title, "status": self.status, "detail": self.detail, "code": self.code}


def _is_own_fault(error: BadRequest) -> bool:
    if error.problem is not None and error.problem.status == _TOO_LARGE:
        return False
    members = error.problem.members if error.problem is not None else ()
    return not members or any(pointer.endswith(_OWN_MEMBERS) for pointer, _ in members)


def _unavailable(error: ServiceError) -> Refusal:
    """Nothing was decided, hence nothing is allowed; that the key is wrong is no business of the client's
    either."""
    request_id = error.problem.request_id if error.problem is not None else None
    _log.error("the service did not decide: %s: %s (request id %s)", error.code, error, request_id)
    wait = error.problem.retry_after if error.problem is not None else None
    seconds = max(1, math.ceil(wait)) if wait is not None else 1
    return Refusal(503, "UNAVAILABLE", "no decision could be made now", retry_after=seconds)
