"""Figures and the audit log as the service shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from countermark.records.shape import Members, as_number

__all__ = ["AuditEntry", "NodeLease", "Nodes", "RevocationWaits", "StatsBucket", "UsageBucket"]


@dataclass(frozen=True)
class UsageBucket:
    """Uses and refusals of one token within one step; at most 5 s late."""

    from_: int
    """Its beginning, Unix seconds."""
    uses: int
    """Uses that were granted."""
    refusals: int
    """Requests that were refused."""

    @classmethod
    def from_json(cls, found: object, where: str = "") -> UsageBucket:
        """Reads the service's JSON."""
        members = Members(found, where)
        return cls(members.number("from"), members.number("uses"), members.number("refusals"))


@dataclass(frozen=True)
class StatsBucket:
    """Decisions of the whole installation within one step; at most 5 s late."""

    from_: int
    """Its beginning, Unix seconds."""
    uses: int
    """Requests that were allowed."""
    refusals: int
    """Requests that were refused."""
    by_code: Mapping[str, int]
    """Decisions by their code; codes that did not occur are left out."""

    @classmethod
    def from_json(cls, found: object, where: str = "") -> StatsBucket:
        """Reads the service's JSON."""
        members = Members(found, where)
        return cls(
            members.number("from"),
            members.number("uses"),
            members.number("refusals"),
            members.map("byCode", as_number),
        )


@dataclass(frozen=True)
class NodeLease:
    """How long a node trusts what it remembers."""

    length_millis: int
    """Its length."""
    age_millis: int
    """How long ago it was last renewed."""
    held: bool
    """Whether it holds. If not, each look-up reads the database."""

    @classmethod
    def from_json(cls, found: object, where: str = "") -> NodeLease:
        """Reads the service's JSON."""
        members = Members(found, where)
        return cls(members.number("lengthMillis"), members.number("ageMillis"), members.flag("held"))


@dataclass(frozen=True)
class RevocationWaits:
    """How long revocations and other changes have waited until every node knew of them."""

    count: int
    """How many were answered since the start of the answering node."""
    bound_millis: int | None = None
    """The longest that a change waits for a node that does not answer; none where a node is always alone."""
    p50_millis: int | None = None
    """What half of them did not exceed; none without any."""
    p99_millis: int | None = None
    """What 99 of 100 did not exceed; none without any."""

    @classmethod
    def from_json(cls, found: object, where: str = "") -> RevocationWaits:
        """Reads the service's JSON."""
        members = Members(found, where)
        return cls(
            members.number("count"),
            members.number_or_none("boundMillis"),
            members.number_or_none("p50Millis"),
            members.number_or_none("p99Millis"),
        )


@dataclass(frozen=True)
class Nodes:
    """The nodes that share the installation, as the answering one sees them."""

    live: int
    """Nodes that hold a lease, the answering one included."""
    revocation: RevocationWaits
    """How long changes have waited at the answering node."""
    lease: NodeLease | None = None
    """The lease of the answering node; none on SQLite, where a node is always alone."""

    @classmethod
    def from_json(cls, found: object, where: str = "") -> Nodes:
        """Reads the service's JSON."""
        members = Members(found, where)
        return cls(
            members.number("live"),
            members.read("revocation", RevocationWaits.from_json),
            members.read_or_none("lease", NodeLease.from_json),
        )


@dataclass(frozen=True)
class AuditEntry:
    """Who did what to which token, from where. Values are never in it."""

    number: int
    """Ascending."""
    at: int
    """When, Unix seconds."""
    action: str
    """What was done, as ``token.issue``."""
    actor: str | None = None
    """The key that acted; none for the installation itself and the command line."""
    token: str | None = None
    """To which token."""
    members: tuple[str, ...] = ()
    """Members that changed, by name."""
    address: str | None = None
    """From which address."""
    request_id: str | None = None
    """In which request."""

    @classmethod
    def from_json(cls, found: object, where: str = "") -> AuditEntry:
        """Reads the service's JSON."""
        members = Members(found, where)
        return cls(
            members.number("number"),
            members.number("at"),
            members.text("action"),
            members.text_or_none("actor"),
            members.text_or_none("token"),
            members.texts("members"),
            members.text_or_none("address"),
            members.text_or_none("requestId"),
        )
