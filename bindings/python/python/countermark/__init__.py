"""Sign, verify and count the links and tokens of image delivery and upload.

What needs no network is here at once; :class:`Client` and :class:`AsyncClient` are loaded when first named, since
they bring the HTTP library along (``pip install countermark[http]``).
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
from countermark.decision import Decision, Request
from countermark.directives import UploadDirectives, UploadParameters
from countermark.explanation import ExplainedStep, Explanation

__all__ = [
    "Decision",
    "ExplainedStep",
    "Explanation",
    "Request",
    "Signer",
    "Token",
    "TokenValue",
    "UploadDirectives",
    "UploadParameters",
    "Verdicts",
    "VerifiedUrl",
    "__version__",
    "unverified_token_id",
]
