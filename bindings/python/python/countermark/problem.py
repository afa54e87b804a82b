"""What the service says when it refuses."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """An error answer of the service (RFC 9457)."""

    status: int
    """HTTP status."""
    code: str
    """Stable code; its page is ``/docs/errors/{code}`` of the service."""
    title: str
    """One line, the same for every occurrence."""
    detail: str | None = None
    """What is particular to this occurrence."""
    request_id: str | None = None
    """By which the operator finds the request in the log."""
    members: tuple[tuple[str, str], ...] = ()
    """What is wrong with which member: pairs of JSON pointer and explanation."""
    retry_after: float | None = None
    """Seconds after which the service wants to be asked again."""
