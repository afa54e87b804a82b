"""Sign, verify and count the links and tokens of image delivery and upload.

What needs no network is here at once; :class:`Client` and :class:`AsyncClient` are loaded when first named,
since they bring the HTTP library along (``pip install countermark[http]``).
"""

from __future__ import annotations

from countermark._native import (
    Signer,
    Token,
    TokenValue,
    Verdicts,
    VerifiedUrl,
    __version__,
    unverified_token_id,
)
from countermark.errors import (
    AuthenticationRequired,
    BadRequest,
    BadSignature,
    Conflict,
    ConnectionFailed,
    ConstraintFailed,
    CountermarkError,
    CountingRequired,
    Disabled,
    Expired,
    Forbidden,
    IdempotencyMismatch,
    InvalidArgument,
    LimitReached,
    LinkExpired,
    Malformed,
    MethodDenied,
    NotFound,
    NotYetValid,
    PathDenied,
    PermissionDenied,
    PreconditionFailed,
    Refused,
    Revoked,
    ServiceError,
    StorageDenied,
    Throttled,
    TimedOut,
    Unauthenticated,
    Unavailable,
    UnexpectedAnswer,
    UnknownToken,
    WrongCloud,
    WrongHost,
    WrongType,
)

# Whoever only signs and verifies waits for nothing else. Type checkers take this name for true.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from countermark.decision import Decision as Decision
    from countermark.decision import Request as Request
    from countermark.directives import UploadDirectives as UploadDirectives
    from countermark.directives import UploadParameters as UploadParameters
    from countermark.problem import Problem as Problem
    from countermark.records import ExplainedStep as ExplainedStep
    from countermark.records import Explanation as Explanation
    from countermark.records import Issued as Issued
    from countermark.records import Question as Question
    from countermark.records import TokenRecord as TokenRecord
    from countermark.records import Upload as Upload
    from countermark.service.arguments import UNSET as UNSET
    from countermark.service.async_client import AsyncClient as AsyncClient
    from countermark.service.client import Client as Client
    from countermark.service.retry import RetryPolicy as RetryPolicy

# Without the clients: whoever takes everything need not have the HTTP library.
__all__ = [
    "UNSET",
    "AuthenticationRequired",
    "BadRequest",
    "BadSignature",
    "Conflict",
    "ConnectionFailed",
    "ConstraintFailed",
    "CountermarkError",
    "CountingRequired",
    "Decision",
    "Disabled",
    "Expired",
    "ExplainedStep",
    "Explanation",
    "Forbidden",
    "IdempotencyMismatch",
    "InvalidArgument",
    "Issued",
    "LimitReached",
    "LinkExpired",
    "Malformed",
    "MethodDenied",
    "NotFound",
    "NotYetValid",
    "PathDenied",
    "PermissionDenied",
    "PreconditionFailed",
    "Problem",
    "Question",
    "Refused",
    "Request",
    "RetryPolicy",
    "Revoked",
    "ServiceError",
    "Signer",
    "StorageDenied",
    "Throttled",
    "TimedOut",
    "Token",
    "TokenRecord",
    "TokenValue",
    "Unauthenticated",
    "Unavailable",
    "UnexpectedAnswer",
    "UnknownToken",
    "Upload",
    "UploadDirectives",
    "UploadParameters",
    "Verdicts",
    "VerifiedUrl",
    "WrongCloud",
    "WrongHost",
    "WrongType",
    "__version__",
    "unverified_token_id",
]

LAZY = {
    "AsyncClient": "countermark.service.async_client",
    "Client": "countermark.service.client",
    "Decision": "countermark.decision",
    "ExplainedStep": "countermark.records",
    "Explanation": "countermark.records",
    "Issued": "countermark.records",
    "Problem": "countermark.problem",
    "Question": "countermark.records",
    "Request": "countermark.decision",
    "RetryPolicy": "countermark.service.retry",
    "TokenRecord": "countermark.records",
    "UNSET": "countermark.service.arguments",
    "Upload": "countermark.records",
    "UploadDirectives": "countermark.directives",
    "UploadParameters": "countermark.directives",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        found: object = getattr(import_module(LAZY[name]), name)
    except ModuleNotFoundError as error:
        if error.name not in ("httpx2", "anyio"):
            raise
        raise ImportError(
            f"countermark.{name} needs the HTTP library: pip install 'countermark[http]'"
        ) from error
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
