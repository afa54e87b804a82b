"""Sign, verify and count the links and tokens of image delivery and upload.

What needs no network is here at once; :class:`Client` and :class:`AsyncClient` are loaded when first named,
since they bring the HTTP library along (``pip install countermark[http]``).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from countermark._native import (
    Signer,
    Token,
    TokenValue,
    Verdicts,
    VerifiedUrl,
    __version__,
    unverified_token_id,
)
from countermark.decision import Decision, Request
from countermark.directives import UploadDirectives, UploadParameters

if TYPE_CHECKING:
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
    "Client",
    "Decision",
    "ExplainedStep",
    "Explanation",
    "Issued",
    "Question",
    "Request",
    "RetryPolicy",
    "Signer",
    "Token",
    "TokenRecord",
    "TokenValue",
    "Upload",
    "UploadDirectives",
    "UploadParameters",
    "Verdicts",
    "VerifiedUrl",
    "__version__",
    "unverified_token_id",
]

LAZY = {
    "AsyncClient": "countermark.service.async_client",
    "Client": "countermark.service.client",
    "ExplainedStep": "countermark.records",
    "Explanation": "countermark.records",
    "Issued": "countermark.records",
    "Question": "countermark.records",
    "RetryPolicy": "countermark.service.retry",
    "TokenRecord": "countermark.records",
    "UNSET": "countermark.service.arguments",
    "Upload": "countermark.records",
}


def __getattr__(name: str) -> object:
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
