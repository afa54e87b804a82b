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

__all__ = [
    "UNSET",
    "AsyncClient",
    "AuthenticationRequired",
    "BadRequest",
    "BadSignature",
    "Client",
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


OF_HTTP = ("AsyncClient", "Client")
# What ``from countermark import *`` means depends on whether the HTTP library is there, which takes long to
# find out: so ``__all__`` is left to ``__getattr__``. Type checkers do not see it go.
PUBLIC = __all__
del globals()["__all__"]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "__all__":
        return _public()
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        found: object = getattr(import_module(LAZY[name]), name)
    except ModuleNotFoundError as error:
        if error.name not in ("httpx2", "anyio"):
            raise
        raise _missing(name) from error
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_public(), "__all__"})


def _public() -> list[str]:
    from importlib.util import find_spec

    has_http = find_spec("httpx2") is not None
    return [name for name in PUBLIC if has_http or name not in OF_HTTP]


def _missing(name: str) -> Exception:
    import sys

    message = f"countermark.{name} needs the HTTP library: pip install 'countermark[http]'"
    # No class can be both errors. ``from countermark import …`` looks the name up by the import system and
    # would hide the words of an AttributeError; everybody else, ``hasattr`` before all, expects one.
    asking = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]
    importing = asking.f_globals.get("__name__") == "importlib._bootstrap"
    error = ImportError if importing else AttributeError
    return error(message, name=name)
