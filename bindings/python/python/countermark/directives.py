"""What an upload token makes of an upload: directives set its parameters, constraints bound it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, cast

from countermark import _native
from countermark.errors import ConstraintFailed, InvalidArgument

__all__ = ["UploadDirectives", "UploadParameters"]


@dataclass(frozen=True)
class UploadParameters:
    """The parameters of an upload, as its client asks for them or as it really gets them.

    The empty string counts as absent.

    Raises:
        InvalidArgument: a member is not of its type; names the member.
    """

    cloud_id: str | None = None
    """Target cloud."""
    public_id: str | None = None
    """Name of the image."""
    tags: Sequence[str] = ()
    """Tags in the client's order; kept as a tuple."""
    transformation: str | None = None
    """Transformation to store the image with."""
    format: str | None = None
    """Image format."""
    projection: str | None = None
    """Projection."""

    def __post_init__(self) -> None:
        """Takes any sequence of tags, and nothing of another type."""
        object.__setattr__(self, "tags", as_tuple("tags", self.tags))
        for name in ("cloud_id", "public_id", "transformation", "format", "projection"):
            must_be_text(name, getattr(self, name))
        for index, tag in enumerate(self.tags):
            must_be_text(f"tags[{index}]", tag)


@dataclass(frozen=True)
class UploadDirectives:
    """The ``extra`` of an upload token. What is absent directs nothing and demands nothing.

    Sequences are kept as tuples.

    Raises:
        InvalidArgument: a member is of another type, or a content type is none; names the member.
    """

    tags: Sequence[str] | None = None
    """Replaces the client's tags, also by none; none leaves them."""
    add_tags: Sequence[str] = ()
    """Appended to the tags; each tag then stands there once."""
    transformation: str | None = None
    """Replaces the client's transformation; the empty string replaces it by none."""
    transformation_prefix: str | None = None
    """Stands before the transformation, with a slash between."""
    transformation_postfix: str | None = None
    """Stands after the transformation, with a slash between."""
    cloud_id: str | None = None
    """The only cloud that uploads may go to."""
    format: str | None = None
    """Replaces the client's format."""
    projection: str | None = None
    """Replaces the client's projection."""
    public_id: str | None = None
    """Replaces the client's public id."""
    min_bytes: int | None = None
    """Least size of an upload in bytes."""
    max_bytes: int | None = None
    """Greatest size of an upload in bytes."""
    mime_types: Sequence[str] = ()
    """Content types of which one must match, as ``image/png`` or ``image/*``; empty is any."""
    public_id_prefix: str | None = None
    """What the effective public id must begin with."""
    insert_only: bool = False
    """Whether an upload over an existing image is refused at its completion."""
    notification_urls: Sequence[str] = field(default=(), repr=False)
    """Addresses told when an upload completes."""

    def __post_init__(self) -> None:
        """Takes any sequences, and lets the core read all members once, so that wrong ones are found here."""
        for name in ("add_tags", "mime_types", "notification_urls"):
            object.__setattr__(self, name, as_tuple(name, getattr(self, name)))
        # What is false in another way than by this word would be left out as saying nothing.
        if not isinstance(cast("object", self.insert_only), bool):
            raise InvalidArgument("insert_only: expected True or False")
        if self.tags is not None:
            object.__setattr__(self, "tags", as_tuple("tags", self.tags))
        _native.read_upload_extra(self.to_extra())

    @classmethod
    def from_extra(cls, extra: Mapping[str, object]) -> UploadDirectives:
        """Reads the service's JSON, as ``record["extra"]`` of an upload token has it.

        Raises:
            InvalidArgument: a member is of another type, or unknown and not null: it could be a constraint.
        """
        members: dict[str, Any] = {
            SNAKE_CASE[name]: value
            for name, value in _native.read_upload_extra(extra).items()
            if value is not None
        }
        return cls(**members)

    def to_extra(self) -> dict[str, object]:
        """What says something, as the service's JSON has it: the ``extra`` to issue a token with."""
        extra: dict[str, object] = {}
        for name, camel in CAMEL_CASE.items():
            value: object = getattr(self, name)
            # No tags at all replace the client's; every other empty sequence says nothing.
            if value is None or value is False or (value == () and name != "tags"):
                continue
            extra[camel] = list(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else value
        return extra

    def apply(
        self,
        asked: UploadParameters | None = None,
        *,
        cloud_id: str | None = None,
        public_id: str | None = None,
        tags: Iterable[str] = (),
        transformation: str | None = None,
        format: str | None = None,
        projection: str | None = None,
    ) -> UploadParameters:
        """What an upload really gets of what its client asks for.

        Args:
            asked: the client's parameters; or each of them by its name.
            cloud_id: see :class:`UploadParameters`, as for all others.

        Raises:
            WrongCloud: the client asks for another cloud than the token's.
            InvalidArgument: a parameter is not of its type, or both forms were given.
        """
        given = as_tuple("tags", tags)
        named = UploadParameters(cloud_id, public_id, given, transformation, format, projection)
        if asked is not None and not isinstance(cast("object", asked), UploadParameters):
            raise InvalidArgument("asked: expected UploadParameters")
        if asked is None:
            asked = named
        elif named != UploadParameters():
            raise InvalidArgument("asked: expected the parameters in one object, or each by its name")
        return UploadParameters(**_native.direct_upload(self.to_extra(), asdict(asked)))

    def admits(
        self, *, bytes: int | None = None, content_type: str | None = None, public_id: str | None = None
    ) -> bool:
        """Whether an upload may begin: its size, content type and name are as the token demands.

        A fact that is demanded but not given does not fit. ``insert_only`` is judged at the completion only.

        Args:
            bytes: size of the upload in bytes.
            content_type: its content type; parameters and letter case are ignored.
            public_id: the name that the client gives it; the token's own replaces it.
        """
        return not self._failed(bytes, content_type, public_id, existed=None, completes=False)

    def require(
        self, *, bytes: int | None = None, content_type: str | None = None, public_id: str | None = None
    ) -> None:
        """As :meth:`admits`, for whoever wants to know which constraint is not met.

        Raises:
            ConstraintFailed: names the constraints.
        """
        refuse(self._failed(bytes, content_type, public_id, existed=None, completes=False))

    def require_completion(
        self,
        *,
        bytes: int | None = None,
        content_type: str | None = None,
        public_id: str | None = None,
        existed: bool | None = None,
    ) -> None:
        """Judges what an upload has really become.

        Args:
            bytes: its size.
            content_type: its content type.
            public_id: the name it was stored under: its effective public id.
            existed: whether it has replaced something of that name; ``insert_only`` demands ``False``.

        Raises:
            ConstraintFailed: names the constraints.
        """
        refuse(self._failed(bytes, content_type, public_id, existed=existed, completes=True))

    def _failed(
        self,
        bytes: int | None,
        content_type: str | None,
        public_id: str | None,
        *,
        existed: bool | None,
        completes: bool,
    ) -> list[str]:
        names = _native.failed_constraints(
            self.to_extra(),
            bytes=bytes,
            content_type=content_type,
            public_id=public_id,
            existed=existed,
            completes=completes,
        )
        return [SNAKE_CASE[name] for name in names]


def refuse(constraints: list[str]) -> None:
    """Raises ConstraintFailed if there are any."""
    if constraints:
        names = ", ".join(constraints)
        raise ConstraintFailed(f"the upload is not as its token demands, or does not say what it is: {names}")


def as_tuple(name: str, items: Iterable[str]) -> tuple[str, ...]:
    """The items; a single string is not taken for its characters."""
    if isinstance(items, (str, bytes)) or not isinstance(cast("object", items), Iterable):
        raise InvalidArgument(f"{name}: expected a sequence of strings")
    return tuple(items)


def must_be_text(name: str, found: object) -> None:
    """Refuses what is neither a string nor none."""
    if not (found is None or isinstance(found, str)):
        raise InvalidArgument(f"{name}: expected a string")


def camel_case(name: str) -> str:
    """``min_bytes`` as ``minBytes``."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


CAMEL_CASE = {member.name: camel_case(member.name) for member in fields(UploadDirectives)}
SNAKE_CASE = {camel: snake for snake, camel in CAMEL_CASE.items()}
