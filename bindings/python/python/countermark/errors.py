"""All exceptions of this package.

Whatever it raises on purpose is a :class:`CountermarkError` and has a stable ``code``.
"""

from __future__ import annotations

# Who only signs and verifies need not wait for dataclasses and typing. Type checkers take this for true.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar

    from countermark.problem import Problem

__all__ = [
    "AuthenticationRequired",
    "BadRequest",
    "BadSignature",
    "Conflict",
    "ConnectionFailed",
    "ConstraintFailed",
    "CountermarkError",
    "CountingRequired",
    "Disabled",
    "Expired",
    "Forbidden",
    "IdempotencyMismatch",
    "InvalidArgument",
    "LimitReached",
    "LinkExpired",
    "Malformed",
    "MethodDenied",
    "NotFound",
    "NotYetValid",
    "PathDenied",
    "PermissionDenied",
    "PreconditionFailed",
    "Refused",
    "Revoked",
    "ServiceError",
    "StorageDenied",
    "Throttled",
    "TimedOut",
    "Unauthenticated",
    "Unavailable",
    "UnexpectedAnswer",
    "UnknownToken",
    "WrongCloud",
    "WrongHost",
    "WrongType",
]


class CountermarkError(Exception):
    """Base of everything that this package raises on purpose."""

    code: str = "ERROR"
    """Stable name of what happened, in capitals."""
    message: ClassVar[str] = "something went wrong"
    problem: Problem | None = None
    """The service's own words, where it was the service that refused."""

    def __init__(
        self, message: str | None = None, *, code: str | None = None, problem: Problem | None = None
    ) -> None:
        super().__init__(message or self.message)
        # Only what differs from the class is kept: the rest of the dictionary is what pickle carries along.
        if code is not None:
            self.code = code
        if problem is not None:
            self.problem = problem


class InvalidArgument(CountermarkError, ValueError):
    """An argument that cannot be meant.

    A secret too short, an id with a typing error, an instant beyond the year 9999.
    """

    code = "INVALID_ARGUMENT"
    message = "an argument is not acceptable"


class CountingRequired(CountermarkError):
    """Everything else allows; only the service can take the limited use, or knows the upload's state."""

    code = "COUNTING_REQUIRED"
    message = "the token has a limit: ask the service, which counts"


class Refused(CountermarkError):
    """A use is refused. Its subclasses are the reasons, in the order in which they are tried."""

    code = "REFUSED"
    message = "the use is refused"


class Malformed(Refused, ValueError):
    """The signed URL or the request breaks the grammar, even where the signature fits."""

    code = "MALFORMED"
    message = "the signed URL or request breaks the grammar"


class UnknownToken(Refused):
    """No token fits this credential."""

    code = "UNKNOWN_TOKEN"
    message = "no token fits this credential"


class WrongType(Refused):
    """The token is of a type that cannot be used this way."""

    code = "WRONG_TYPE"
    message = "the token is of a type that cannot be used this way"


class BadSignature(Refused):
    """The signature does not fit, or the secret version that the URL names is unknown or retired."""

    code = "BAD_SIGNATURE"
    message = "the signature does not fit"


class Revoked(Refused):
    """The token has been ended for ever."""

    code = "REVOKED"
    message = "the token is revoked"


class Disabled(Refused):
    """The token is switched off, reversibly."""

    code = "DISABLED"
    message = "the token is switched off"


class NotYetValid(Refused):
    """The token's ``notBefore`` lies ahead."""

    code = "NOT_YET_VALID"
    message = "the token is not valid yet"


class Expired(Refused):
    """The token's ``expiry`` has come."""

    code = "EXPIRED"
    message = "the token has expired"


class LinkExpired(Refused):
    """This link's own expiry has come; the token may go on."""

    code = "LINK_EXPIRED"
    message = "this link has expired"
    expires: int | None = None
    """The second from which on the link is expired, where it is known; its signature was good."""


class MethodDenied(Refused):
    """The method is not among those of the token's type."""

    code = "METHOD_DENIED"
    message = "the method is not allowed for this type of token"


class WrongCloud(Refused):
    """Another cloud than the token's, or none named."""

    code = "WRONG_CLOUD"
    message = "another cloud than the token's"


class WrongHost(Refused):
    """Another host than the token's, or none named."""

    code = "WRONG_HOST"
    message = "another host than the token's"


class PathDenied(Refused):
    """Outside the token's base path, ambiguous, or no path named."""

    code = "PATH_DENIED"
    message = "the path lies outside the token's base path"


class StorageDenied(Refused):
    """Another storage than the token's, or none named."""

    code = "STORAGE_DENIED"
    message = "another storage than the token's"


class PermissionDenied(Refused):
    """The permission is not granted, or none was asked for."""

    code = "PERMISSION_DENIED"
    message = "the permission is not granted"


class ConstraintFailed(Refused):
    """Size, content type or name prefix is not as the token demands, or is not named."""

    code = "CONSTRAINT_FAILED"
    message = "the upload does not meet the token's constraints"


class AuthenticationRequired(Refused):
    """The viewer's Basic credentials are missing or wrong."""

    code = "AUTHENTICATION_REQUIRED"
    message = "the viewer must log in"


class LimitReached(Refused):
    """The uses are spent, or fewer are left than the cost."""

    code = "LIMIT_REACHED"
    message = "the token's uses are spent"


class ServiceError(CountermarkError):
    """The service refused a call that decides about no use, or gave no answer."""

    code = "SERVICE_ERROR"
    message = "the service refused the call"


class BadRequest(ServiceError):
    """A member, parameter or header is not acceptable (400, 405, 413, 415): see ``problem.members``."""

    code = "BAD_REQUEST"
    message = "the service does not accept the request"


class Unauthenticated(ServiceError):
    """The key is missing, wrong or ended (401)."""

    code = "UNAUTHENTICATED"
    message = "a valid management key is needed"


class Forbidden(ServiceError):
    """The key lacks a permission, or asks for more than it has (403)."""

    code = "FORBIDDEN"
    message = "the key may not do this"


class NotFound(ServiceError):
    """There is nothing of this id, or nothing that the key may see (404)."""

    code = "NOT_FOUND"
    message = "there is nothing here"


class Conflict(ServiceError):
    """What is asked contradicts the present state (409)."""

    code = "CONFLICT"
    message = "the present state does not allow this"


class PreconditionFailed(ServiceError):
    """The record has changed since it was read (412)."""

    code = "PRECONDITION_FAILED"
    message = "the record has changed since it was read"


class IdempotencyMismatch(ServiceError):
    """The idempotency key was used for another request (422)."""

    code = "IDEMPOTENCY_MISMATCH"
    message = "the idempotency key was used for another request"


class Throttled(ServiceError):
    """Too many failed attempts or uploads under way (429); again after ``problem.retry_after`` seconds."""

    code = "THROTTLED"
    message = "too many attempts"


class Unavailable(ServiceError):
    """The service cannot answer now (5xx); whether the call has taken effect is not known."""

    code = "UNAVAILABLE"
    message = "the service cannot answer now"
    may_have_arrived: bool = True
    """Whether the call may have reached the service; false where no connection came about."""


class ConnectionFailed(Unavailable):
    """The service was not reached, or the connection broke before the answer."""

    code = "CONNECTION_FAILED"
    message = "the service was not reached"


class TimedOut(Unavailable):
    """No answer came within the timeout, or the service did not get the whole request in its own (408)."""

    code = "TIMED_OUT"
    message = "the service did not answer in time"


class UnexpectedAnswer(ServiceError):
    """What answered does not speak like a Countermark: a wrong address, or a proxy between."""

    code = "UNEXPECTED_ANSWER"
    message = "the answer is not one of Countermark's"


REFUSALS: dict[str, type[Refused]] = {
    refusal.code: refusal
    for refusal in (
        Malformed,
        UnknownToken,
        WrongType,
        BadSignature,
        Revoked,
        Disabled,
        NotYetValid,
        Expired,
        LinkExpired,
        MethodDenied,
        WrongCloud,
        WrongHost,
        PathDenied,
        StorageDenied,
        PermissionDenied,
        ConstraintFailed,
        AuthenticationRequired,
        LimitReached,
    )
}
"""Each reason's exception by its code, in the order of refusal."""
