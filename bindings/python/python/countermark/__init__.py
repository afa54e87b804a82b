"""Sign, verify and count the links and tokens of image delivery and upload.

What needs no network is here at once; :class:`Client` and :class:`AsyncClient` are loaded when first named, since
they bring the HTTP library along (``pip install countermark[http]``).
"""

from __future__ import annotations

from countermark._native import (
    Signer,
    TokenValue,
    Verdicts,
    VerifiedUrl,
    __version__,
    unverified_token_id,
)

__all__ = ["Signer", "TokenValue", "Verdicts", "VerifiedUrl", "__version__", "unverified_token_id"]
