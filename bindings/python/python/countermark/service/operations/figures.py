"""Calls for figures and the audit log."""

from __future__ import annotations

from countermark.records.figures import AuditEntry, Nodes, StatsBucket, UsageBucket
from countermark.records.page import Page, page_of
from countermark.records.shape import Members
from countermark.service.arguments import Duration, Instant, duration, handle, instant
from countermark.service.call import Call, call, reading

__all__ = ["audit_page", "nodes", "stats", "usage"]


def usage(
    token_id: str, *, start: Instant | None, end: Instant | None, step: Duration | None
) -> Call[tuple[UsageBucket, ...]]:
    """`GET /v1/access-tokens/{id}/usage`."""
    path = f"/v1/access-tokens/{handle('token_id', token_id)}/usage"
    shape = reading(lambda found: Members(found).items("items", UsageBucket.from_json))
    return call("GET", path, shape, query=span(start, end, step))


def stats(
    *, start: Instant | None, end: Instant | None, step: Duration | None
) -> Call[tuple[StatsBucket, ...]]:
    """`GET /v1/stats`."""
    shape = reading(lambda found: Members(found).items("items", StatsBucket.from_json))
    return call("GET", "/v1/stats", shape, query=span(start, end, step))


def nodes() -> Call[Nodes]:
    """`GET /v1/stats`, for what it says of nodes."""
    return call("GET", "/v1/stats", reading(lambda found: Members(found).read("nodes", Nodes.from_json)))


def audit_page(**filters: str | int | None) -> Call[Page[AuditEntry]]:
    """`GET /v1/audit`."""
    return call("GET", "/v1/audit", reading(page_of(AuditEntry.from_json)), query=filters)


def span(start: Instant | None, end: Instant | None, step: Duration | None) -> dict[str, int | None]:
    """The parameters that say which buckets."""
    return {"from": instant("start", start), "to": instant("end", end), "step": duration("step", step)}
