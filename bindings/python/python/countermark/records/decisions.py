"""Questions about uses and what is answered to them, beyond :mod:`countermark.decision`."""

from __future__ import annotations

from dataclasses import dataclass, field

from countermark.decision import Decision, Request
from countermark.records.shape import Members

__all__ = ["ExplainedStep", "Explanation", "Introspection", "Question", "decision_from_json"]


@dataclass(frozen=True)
class Question:
    """A question of ``authorize_many``: exactly one of ``url``, ``value`` and ``basic`` was presented."""

    url: str | None = field(default=None, repr=False)
    """A whole signed URL, byte for byte as the client sent it."""
    value: str | None = field(default=None, repr=False)
    """A token value."""
    basic: tuple[str, str] | None = field(default=None, repr=False)
    """User name and password of HTTP Basic, both the value."""
    request: Request | None = None
    """What it is to be used for."""
    cost: int = 1
    """Uses to take if the request counts, all or none; 0 takes nothing."""
    dry_run: bool = False
    """Whether only to tell what would be decided."""
    idempotency_key: str | None = None
    """Makes a repetition of the same question free for 24 hours; the client makes one where there is none."""


def decision_from_json(found: object, where: str = "") -> Decision:
    """Reads a decision of the service; in a batch, one that could not be made has a code and nothing else."""
    members = Members(found, where)
    return Decision(
        allowed=members.flag("allowed"),
        code=members.text("code"),
        token_id=members.text_or_none("tokenId"),
        type=members.text_or_none("type"),
        owner=members.text_or_none("owner"),
        limit=members.number_or_none("limit"),
        used=members.number_or_none("used"),
        remaining=members.number_or_none("remaining"),
        expiry=members.number_or_none("expiry"),
    )


@dataclass(frozen=True)
class ExplainedStep:
    """One rule of the order of refusal."""

    code: str
    """The refusal that the rule can give."""
    outcome: str
    """``passed``, ``refused`` or ``notReached``."""

    @classmethod
    def from_json(cls, found: object, where: str = "") -> ExplainedStep:
        """Reads the service's JSON."""
        members = Members(found, where)
        return cls(members.text("code"), members.text("outcome"))


@dataclass(frozen=True)
class Explanation:
    """A decision with its reasons, with neither a signature nor a secret."""

    decision: Decision
    """What ``authorize`` would answer."""
    steps: tuple[ExplainedStep, ...] = ()
    """Every rule in the order of refusal; empty if no token was found."""
    form: str | None = None
    """How the URL is signed, ``cm1`` or ``s-token2``; none for values and malformed URLs."""
    canonical_string: str | None = None
    """What the URL's signature must be over; none for values, malformed URLs and ``s-token2``."""
    differs: tuple[str, ...] = ()
    """In plain words, what differs from a request that would be allowed."""

    @classmethod
    def from_json(cls, found: object, where: str = "") -> Explanation:
        """Reads the service's JSON."""
        members = Members(found, where)
        return cls(
            decision_from_json(found, where),
            members.items("steps", ExplainedStep.from_json),
            members.text_or_none("form"),
            members.text_or_none("canonicalString"),
            members.texts("differs"),
        )


@dataclass(frozen=True)
class Introspection:
    """What a value is worth now (RFC 7662). True if it is active; what is unknown or unusable is inactive."""

    active: bool
    """Whether the value may be used now."""
    scope: str | None = None
    """Permissions, separated by spaces."""
    token_id: str | None = None
    """The token; ``jti`` on the wire."""
    type: str | None = None
    """``upload`` or ``apiKey``."""
    owner: str | None = None
    """On whose behalf it acts; ``sub`` on the wire."""
    expiry: int | None = None
    """Unix seconds from which on it no longer works; ``exp`` on the wire."""
    not_before: int | None = None
    """Unix seconds from which on it works; ``nbf`` on the wire."""

    def __bool__(self) -> bool:
        return self.active

    @classmethod
    def from_json(cls, found: object, where: str = "") -> Introspection:
        """Reads the service's JSON."""
        members = Members(found, where)
        return cls(
            members.flag("active"),
            members.text_or_none("scope"),
            members.text_or_none("jti"),
            members.text_or_none("type"),
            members.text_or_none("sub"),
            members.number_or_none("exp"),
            members.number_or_none("nbf"),
        )
