"""What callers give, turned into what the service reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any, Final
from uuid import uuid4

from countermark.errors import InvalidArgument
from countermark.records.shape import camel_case

__all__ = ["UNSET", "Duration", "Instant", "Unset", "duration", "given", "handle", "instant"]


class Unset(Enum):
    """The type of :data:`UNSET`."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""What is left as it is; None would reset it."""

Instant = int | datetime
"""Unix seconds, or a datetime with a time zone, of which fractions of a second are cut off."""
Duration = int | timedelta
"""Seconds, or a timedelta, of which fractions of a second are cut off."""

LAST_SECOND = 253_402_300_799
"""The last second of the year 9999, the service's bound."""
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
HANDLE = re.compile(r"[A-Za-z0-9_-]{1,128}")
IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")


def instant(name: str, value: Instant | None) -> int | None:
    """Unix seconds; None stays.

    Raises:
        InvalidArgument: before 1970, after 9999, or without a time zone.
        TypeError: neither int nor datetime.
    """
    if value is None:
        return None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidArgument(f"{name}: expected a datetime with a time zone")
        value = (value - EPOCH) // timedelta(seconds=1)
    return whole(name, value, "Unix seconds or a datetime with a time zone")


def duration(name: str, value: Duration | None) -> int | None:
    """Seconds; None stays.

    Raises:
        InvalidArgument: negative, or longer than any instant.
        TypeError: neither int nor timedelta.
    """
    if value is None:
        return None
    seconds = value // timedelta(seconds=1) if isinstance(value, timedelta) else value
    return whole(name, seconds, "seconds or a timedelta")


def whole(name: str, value: int, expected: str) -> int:
    """A number in the range of instants and durations."""
    if not isinstance(value, int) or isinstance(value, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{name}: expected {expected}, not {type(value).__name__}")
    if not 0 <= value <= LAST_SECOND:
        raise InvalidArgument(f"{name}: expected {expected}, from 0 to {LAST_SECOND}")
    return value


def handle(name: str, value: str) -> str:
    """An id that can stand in a path.

    Raises:
        InvalidArgument: it cannot be one.
    """
    if not isinstance(value, str) or HANDLE.fullmatch(value) is None:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgument(f"{name}: expected an id such as iu_…, up_…, ak_… or upl_…")
    return value


def idempotency_key(value: str | None) -> str | None:
    """A key that can stand in a header; None stays.

    Raises:
        InvalidArgument: not 1 to 255 printable ASCII characters.
    """
    if value is not None and IDEMPOTENCY_KEY.fullmatch(value) is None:
        raise InvalidArgument("idempotency_key: expected 1 to 255 printable ASCII characters")
    return value


def fresh_idempotency_key() -> str:
    """A key that no other call has."""
    return str(uuid4())


def given(**members: object) -> dict[str, Any]:
    """The JSON object of the members that are set, under their names in JSON; None stays, as null."""
    return {camel_case(name): plain(value) for name, value in members.items() if value is not UNSET}


def told(**members: object) -> dict[str, Any]:
    """The same of the members that are neither unset nor None."""
    return {name: value for name, value in given(**members).items() if value is not None}


def plain(value: object) -> object:
    """What JSON can hold: any mapping as an object, any other collection as a list.

    Sets are sorted: their own order differs between processes, and a repetition must be the same request.
    """
    if isinstance(value, Mapping):
        return dict(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, tuple):
        return list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return value


def nested(name: str, terms: Mapping[str, object] | None, known: frozenset[str]) -> dict[str, Any] | None:
    """Settings within a setting, by their Python names; None stays.

    Raises:
        InvalidArgument: a name is not known.
    """
    if terms is None:
        return None
    strange = sorted(set(terms) - known)
    if strange:
        raise InvalidArgument(f"{name}: {strange[0]!r} is not known; expected {', '.join(sorted(known))}")
    return given(**terms)
