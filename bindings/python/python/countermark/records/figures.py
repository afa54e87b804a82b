"""Figures and the audit log as the service shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from countermark.records.shape import Members, as_number

__all__ = ["AuditEntry", "StatsBucket", "UsageBucket"]


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
