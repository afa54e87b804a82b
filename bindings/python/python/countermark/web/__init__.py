"""What the integrations of web frameworks share: no framework, no network.

A framework's request becomes an :class:`Original`; a :class:`Demand` makes of it what the service is asked;
whatever speaks against a use becomes a :class:`Refusal` with status, challenge and body. Statuses and the
order of credentials are those of the service's own gate, so that a client meets the same answers whether the
gate or an application asks.
"""

from __future__ import annotations

from countermark.web.ask import Ask, Demand, Signers, TokenType, verify_link
from countermark.web.keeping import Keeping
from countermark.web.original import PREFLIGHT_HEADERS, PREFLIGHT_STATUS, Original, TargetUnknown
from countermark.web.presented import NoCredential, Presented
from countermark.web.refusal import Refusal
from countermark.web.target import host_in_header, raw_target

__all__ = [
    "PREFLIGHT_HEADERS",
    "PREFLIGHT_STATUS",
    "Ask",
    "Demand",
    "Keeping",
    "NoCredential",
    "Original",
    "Presented",
    "Refusal",
    "Signers",
    "TargetUnknown",
    "TokenType",
    "host_in_header",
    "raw_target",
    "verify_link",
]
