"""Why a decision is as it is: the same here and at the service."""

from __future__ import annotations

from dataclasses import dataclass

from countermark.decision import Decision

__all__ = ["ExplainedStep", "Explanation"]


@dataclass(frozen=True)
class ExplainedStep:
    """One rule of the order of refusal."""

    code: str
    """The refusal that the rule can give."""
    outcome: str
    """``passed``, ``refused``, or ``notReached`` if an earlier rule has refused."""


@dataclass(frozen=True)
class Explanation:
    """A decision with its reasons, with neither a signature nor a secret."""

    decision: Decision
    """What would be decided, taking no use."""
    steps: tuple[ExplainedStep, ...] = ()
    """Every rule in the order of refusal; empty if no token was found."""
    form: str | None = None
    """How the URL is signed, ``cm1`` or ``s-token2``; none for values and malformed URLs."""
    canonical_string: str | None = None
    """What the URL's signature must be over; none for values, malformed URLs and ``s-token2``."""
    differs: tuple[str, ...] = ()
    """In plain words, what differs from a request that would be allowed."""
