"""From the service's error answers (RFC 9457) to this package's exceptions."""

from __future__ import annotations

import json
from collections.abc import Mapping

from countermark.errors import (
    REFUSALS,
    BadRequest,
    Conflict,
    CountermarkError,
    Forbidden,
    IdempotencyMismatch,
    NotFound,
    PreconditionFailed,
    ServiceError,
    Throttled,
    TimedOut,
    Unauthenticated,
    Unavailable,
    UnexpectedAnswer,
)
from countermark.problem import Problem
from countermark.records.shape import Members

__all__ = ["exception_of", "raise_for_problem"]

BY_STATUS: dict[int, type[ServiceError]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    408: TimedOut,
    409: Conflict,
    412: PreconditionFailed,
    422: IdempotencyMismatch,
    429: Throttled,
}


def raise_for_problem(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Returns if the status is one of success.

    Raises:
        CountermarkError: the exception of the problem; `UnexpectedAnswer` if what answered is not
            Countermark.
    """
    if 200 <= status <= 299:
        return
    problem = problem_in(status, headers, body)
    if problem is not None:
        raise exception_of(problem)
    if status >= 500:
        unavailable = Unavailable(f"the service cannot answer now ({status})")
        unavailable.problem = Problem(status, Unavailable.code, "", retry_after=retry_after(headers))
        raise unavailable
    if status in BY_STATUS and not body:
        # Answers to HEAD have no body; their status is all they say.
        raise BY_STATUS[status](problem=Problem(status, BY_STATUS[status].code, ""))
    if 300 <= status <= 399:
        raise UnexpectedAnswer(f"a redirect ({status}) was answered: base_url must name the service itself")
    raise UnexpectedAnswer(f"the answer ({status}) is not one of Countermark's: is this its address?")


def exception_of(problem: Problem) -> CountermarkError:
    """The exception of the code if a use was refused, else of the status. It has the service's code."""
    message = problem.detail or problem.title
    if problem.request_id:
        message += f" (request {problem.request_id})"
    refusal = REFUSALS.get(problem.code)
    if refusal is not None:
        return refusal(message, problem=problem)
    kind = Unavailable if problem.status >= 500 else BY_STATUS.get(problem.status, BadRequest)
    return kind(message, code=problem.code, problem=problem)


def problem_in(status: int, headers: Mapping[str, str], body: bytes) -> Problem | None:
    """The problem that an answer holds; none if it holds none."""
    if not headers.get("content-type", "").startswith("application/problem+json"):
        return None
    try:
        members = Members(json.loads(body))
        return Problem(
            status=status,
            code=members.text("code"),
            title=members.text("title"),
            detail=members.text_or_none("detail"),
            request_id=members.text_or_none("requestId"),
            members=members.items_or_none("errors", at_fault) or (),
            retry_after=retry_after(headers),
        )
    except (ValueError, RecursionError, UnexpectedAnswer):
        return None


def at_fault(found: object, where: str) -> tuple[str, str]:
    """A pointer and what was expected there."""
    members = Members(found, where)
    return members.text("pointer"), members.text("detail")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of `Retry-After`; a date, which the service never sends, is left aside."""
    text = headers.get("retry-after", "").strip()
    return float(text) if text.isascii() and text.isdigit() else None
