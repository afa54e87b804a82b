"""A call to the service and its answer, before and after all I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from countermark.errors import InvalidArgument, UnexpectedAnswer
from countermark.service.problems import raise_for_problem

__all__ = ["Answer", "Call", "call", "json_bytes", "nothing", "reading"]

T = TypeVar("T")
GREATEST = 2**63 - 1
"""The service's numbers have 64 bits."""
ARGUMENTS = {"limit": "page_size"}
"""Parameters of a query whose argument has another name."""
Query = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """What came back, whatever the status."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Call(Generic[T]):
    """All that is sent, but the key, and how the answer is read."""

    method: str
    path: str
    read: Callable[[Answer], T]
    """The result, or an exception of :mod:`countermark.errors`."""
    query: Query = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = field(default=None, repr=False)
    is_repeatable: bool = True
    """Whether it may be made again when its answer was lost: the second time, it does nothing more."""
    is_done_if_gone: bool = False
    """Whether a repetition that finds nothing (404) means that the first attempt has done its work."""


def call(
    method: str,
    path: str,
    read: Callable[[Answer], T],
    *,
    query: Mapping[str, str | int | bool | None] | None = None,
    body: Any = None,
    content_type: str = "application/json",
    idempotency_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    is_repeatable: bool = True,
    is_done_if_gone: bool = False,
) -> Call[T]:
    """A call with a JSON body. Parameters of the query that are None are left out."""
    sent = dict(headers or {})
    if idempotency_key is not None:
        sent["idempotency-key"] = idempotency_key
    if body is not None:
        sent["content-type"] = content_type
    pairs = tuple(
        (name, as_parameter(name, value)) for name, value in (query or {}).items() if value is not None
    )
    data = None if body is None else json_bytes(body)
    return Call(method, path, read, pairs, sent, data, is_repeatable, is_done_if_gone)


def as_parameter(name: str, value: str | int | bool) -> str:
    """A value in a query.

    Raises:
        InvalidArgument: it has a lone surrogate, which no URL can hold, or more than 64 bits.
    """
    if isinstance(value, int) and not -GREATEST <= value <= GREATEST:
        raise InvalidArgument(f"{ARGUMENTS.get(name, name)}: expected a number of at most 64 bits")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidArgument(f"{name}: expected text without lone surrogates")
    return text


def json_bytes(body: object) -> bytes:
    """Compact JSON in ASCII: lone surrogates, too, reach the service, which refuses them.

    Raises:
        InvalidArgument: it holds itself, too many levels, a number that JSON has not, or one of thousands of
            digits.
        TypeError: it holds an object that JSON has not.
    """
    try:
        return json.dumps(body, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (ValueError, RecursionError):
        raise InvalidArgument("expected nothing but what JSON can hold") from None


def reading(shape: Callable[[object], T]) -> Callable[[Answer], T]:
    """Reads a JSON answer into a shape, or raises for a problem."""

    def read(answer: Answer) -> T:
        raise_for_problem(answer.status, answer.headers, answer.body)
        try:
            found: object = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise UnexpectedAnswer(
                f"the answer ({answer.status}) is no JSON: is this Countermark's address?"
            ) from None
        return shape(found)

    return read


def nothing(answer: Answer) -> None:
    """Reads an answer without a body."""
    raise_for_problem(answer.status, answer.headers, answer.body)
