"""Uploads as the service shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countermark.records.shape import Members

__all__ = ["EffectiveParameters", "Upload", "UploadConstraints"]


@dataclass(frozen=True)
class EffectiveParameters:
    """What an upload really gets: what its client asks for, as the token directs it. Store by these."""

    cloud_id: str | None = None
    """Target cloud."""
    public_id: str | None = None
    """Name of the image."""
    tags: tuple[str, ...] = ()
    """Tags, each once."""
    transformation: str | None = None
    """Transformation to store the image with."""
    format: str | None = None
    """Image format."""
    projection: str | None = None
    """Projection."""

    @classmethod
    def from_json(cls, found: object, where: str = "") -> EffectiveParameters:
        """Reads the service's JSON."""
        members = Members(found, where)
        return cls(
            members.text_or_none("cloudId"),
            members.text_or_none("publicId"),
            members.texts("tags"),
            members.text_or_none("transformation"),
            members.text_or_none("format"),
            members.text_or_none("projection"),
        )


@dataclass(frozen=True)
class UploadConstraints:
    """What an upload must be, judged again when it completes; none and empty demand nothing."""

    min_bytes: int | None = None
    """Least size in bytes."""
    max_bytes: int | None = None
    """Greatest size in bytes."""
    mime_types: tuple[str, ...] = ()
    """Content types of which one must match, as ``image/*``."""
    public_id_prefix: str | None = None
    """What the effective public id must begin with."""
    insert_only: bool = False
    """Whether it must not replace an existing image; then the report must say ``existed=False``."""

    @classmethod
    def from_json(cls, found: object, where: str = "") -> UploadConstraints:
        """Reads the service's JSON."""
        members = Members(found, where)
        return cls(
            members.number_or_none("minBytes"),
            members.number_or_none("maxBytes"),
            members.texts("mimeTypes"),
            members.text_or_none("publicIdPrefix"),
            members.flag("insertOnly"),
        )


@dataclass(frozen=True)
class Upload:
    """One beginning under an upload token, with the use that it holds. Instants are Unix seconds."""

    id: str
    """Public handle ``upl_…``; whoever knows it can name the upload, not act on it."""
    token_id: str
    """The upload token whose use it holds."""
    state: str
    """``reserved``, then for ever ``completed`` (its use is spent) or ``aborted`` (its use has gone back)."""
    effective: EffectiveParameters
    """The parameters that the upload really gets."""
    constraints: UploadConstraints
    """What it must be."""
    began_at: int
    """When it began."""
    deadline: int
    """When a reservation ends by itself: aborted if an API key began it, completed if the holder did."""
    owner: str | None = None
    """On whose behalf the token acted when the upload began."""
    began_by: str | None = None
    """The API key that began it; none if the token's holder did so alone."""
    ended_at: int | None = None
    """When it ended; none while it is reserved."""
    result: Mapping[str, Any] | None = None
    """What it has become, as it was reported; none also where the deadline completed it."""
    remaining: int | None = None
    """Uses that its token has left; none is unlimited, and where an upload is only viewed."""

    @classmethod
    def from_json(cls, found: object, where: str = "") -> Upload:
        """Reads the service's JSON."""
        members = Members(found, where)
        result = members.read_or_none("result", Members)
        return cls(
            id=members.text("id"),
            token_id=members.text("tokenId"),
            state=members.text("state"),
            effective=members.read("effective", EffectiveParameters.from_json),
            constraints=members.read("constraints", UploadConstraints.from_json),
            began_at=members.number("beganAt"),
            deadline=members.number("deadline"),
            owner=members.text_or_none("owner"),
            began_by=members.text_or_none("beganBy"),
            ended_at=members.number_or_none("endedAt"),
            result=result.found if result else None,
            remaining=members.number_or_none("remaining"),
        )
