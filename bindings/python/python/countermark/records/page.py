"""A page of a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from countermark.records.shape import Members

__all__ = ["Page", "page_of"]

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """A page of a list, newest first."""

    items: tuple[T, ...]
    """What is on it; a page may be short or empty although another follows."""
    next_cursor: str | None = None
    """Where the next page begins; none after the last."""


def page_of(read: Callable[[object, str], T]) -> Callable[[object], Page[T]]:
    """Reads a page of the service's JSON."""

    def read_page(found: object) -> Page[T]:
        members = Members(found)
        return Page(members.items("items", read), members.text_or_none("nextCursor"))

    return read_page
