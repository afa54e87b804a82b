"""Between the service's JSON (camelCase) and frozen dataclasses (snake_case); shapes are checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, fields, is_dataclass
from typing import Any, TypeVar, cast

from countermark.errors import UnexpectedAnswer

__all__ = ["Members", "camel_case", "others", "to_json"]

T = TypeVar("T")
OTHERS = "_others"


def others() -> Any:
    """A field for the members that only a newer service knows.

    They could be restrictions, so that whoever decides by a record must see them. They could be anything
    else as well, so that `repr` does not show them.
    """
    return field(default_factory=dict[str, object], repr=False, compare=False, kw_only=True)


class Members:
    """A JSON object as it is read member by member. What is not asked for is left aside.

    Each method raises `UnexpectedAnswer` where the member is missing or of another type; the message names
    the member, not its content. Those that end in `_or_none` take null and absence alike.
    """

    def __init__(self, found: object, where: str = "") -> None:
        if not isinstance(found, Mapping):
            raise unexpected(where, "an object")
        self.found = cast("Mapping[str, object]", found)
        self.where = where
        self.asked: set[str] = set()

    def text(self, name: str) -> str:
        """A string."""
        return self.read(name, as_text)

    def text_or_none(self, name: str) -> str | None:
        """A string or None."""
        return self.read_or_none(name, as_text)

    def number(self, name: str) -> int:
        """A whole number."""
        return self.read(name, as_number)

    def number_or_none(self, name: str) -> int | None:
        """A whole number or None."""
        return self.read_or_none(name, as_number)

    def flag(self, name: str) -> bool:
        """True or false."""
        return self.read(name, as_flag)

    def flag_or_none(self, name: str) -> bool | None:
        """True, false or None."""
        return self.read_or_none(name, as_flag)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        return self.items(name, as_text)

    def texts_or_none(self, name: str) -> tuple[str, ...] | None:
        """A list of strings, or None."""
        return self.items_or_none(name, as_text)

    def items(self, name: str, read: Callable[[object, str], T]) -> tuple[T, ...]:
        """A list, each item read by `read`."""
        return self.read(name, lambda found, where: as_items(found, where, read))

    def items_or_none(self, name: str, read: Callable[[object, str], T]) -> tuple[T, ...] | None:
        """A list or None, each item read by `read`."""
        return self.read_or_none(name, lambda found, where: as_items(found, where, read))

    def map(self, name: str, read: Callable[[object, str], T]) -> dict[str, T]:
        """An object, each member read by `read`."""
        return self.read(name, lambda found, where: as_map(found, where, read))

    def others(self, *left_aside: str) -> dict[str, object]:
        """What was not asked for up to now: members that only a newer service knows."""
        known = self.asked.union(left_aside)
        return {name: member for name, member in self.found.items() if name not in known}

    def read(self, name: str, read: Callable[[object, str], T]) -> T:
        """A member, read by `read`, which is told where it is."""
        self.asked.add(name)
        if name not in self.found:
            raise unexpected(f"{self.where}/{name}", "it to be there")
        return read(self.found[name], f"{self.where}/{name}")

    def read_or_none(self, name: str, read: Callable[[object, str], T]) -> T | None:
        """The same, or None."""
        self.asked.add(name)
        found = self.found.get(name)
        return None if found is None else read(found, f"{self.where}/{name}")


def as_text(found: object, where: str) -> str:
    if isinstance(found, str):
        return found
    raise unexpected(where, "a string")


def as_number(found: object, where: str) -> int:
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    raise unexpected(where, "a whole number")


def as_flag(found: object, where: str) -> bool:
    if isinstance(found, bool):
        return found
    raise unexpected(where, "true or false")


def as_items(found: object, where: str, read: Callable[[object, str], T]) -> tuple[T, ...]:
    if not isinstance(found, (list, tuple)):
        raise unexpected(where, "a list")
    items = cast("list[object]", found)
    return tuple(read(item, f"{where}/{place}") for place, item in enumerate(items))


def as_map(found: object, where: str, read: Callable[[object, str], T]) -> dict[str, T]:
    members = Members(found, where)
    return {name: members.read(name, read) for name in members.found}


def unexpected(where: str, expected: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(f"the answer is not as expected at {where or '/'}: expected {expected}")


def to_json(record: object) -> Any:
    """The JSON of a record, null for None. Members that only tokens of another type have are left out.

    A field's metadata may say `only`: the type of the tokens that have it, or None for a member left out when
    it is None. Members of the field `_others` are those of the object itself.
    """
    if is_dataclass(record) and not isinstance(record, type):
        kind = getattr(record, "type", None)
        values = ((member, getattr(record, member.name)) for member in fields(record))
        members = {
            camel_case(member.name): to_json(value)
            for member, value in values
            if member.name != OTHERS and (value is not None or member.metadata.get("only", kind) == kind)
        }
        return members | to_json(getattr(record, OTHERS, {}))
    if isinstance(record, Mapping):
        return {key: to_json(value) for key, value in cast("Mapping[str, object]", record).items()}
    if isinstance(record, (tuple, list)):
        return [to_json(item) for item in cast("tuple[object, ...]", record)]
    return record


def camel_case(name: str) -> str:
    """`snake_case` as `camelCase`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
