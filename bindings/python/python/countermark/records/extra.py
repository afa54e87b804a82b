"""Parts of a token's record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from countermark.records.shape import Members, others

__all__ = ["ImageUrlExtra", "Notify", "SecretVersion", "UploadExtra"]


@dataclass(frozen=True)
class SecretVersion:
    """One version of an imageUrl token's signing secret, without the secret."""

    version: int
    """The number that URLs carry, from 1."""
    state: str
    """``active`` (signs and verifies), ``verifyOnly`` or ``retired``."""
    created_at: int
    """When it was made, Unix seconds."""
    verify_until: int | None = None
    """Unix seconds from which on it no longer verifies; none for the version that signs."""
    _others: Mapping[str, object] = others()

    @classmethod
    def from_json(cls, found: object, where: str = "") -> SecretVersion:
        """Reads the service's JSON."""
        members = Members(found, where)
        return cls(
            members.number("version"),
            members.text("state"),
            members.number("createdAt"),
            members.number_or_none("verifyUntil"),
            _others=members.others(),
        )


@dataclass(frozen=True)
class ImageUrlExtra:
    """Further settings of an imageUrl token."""

    cloud_id: str | None = None
    """The only cloud; none is any."""
    hosts: tuple[str, ...] = ()
    """The only hosts; empty is any."""
    authentication: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    """Users of whom the viewer must be one, each with the ``scheme`` in which its password is kept."""
    _others: Mapping[str, object] = others()

    @classmethod
    def from_json(cls, found: object, where: str = "") -> ImageUrlExtra:
        """Reads the service's JSON; a secret in it is left aside."""
        members = Members(found, where)
        users = members.map("authentication", lambda user, at: {"scheme": Members(user, at).text("scheme")})
        cloud_id, hosts = members.text_or_none("cloudId"), members.texts("hosts")
        return cls(cloud_id, hosts, users, _others=members.others("secret"))


@dataclass(frozen=True)
class UploadExtra:
    """Further settings of an upload token: its directives and constraints."""

    notification_urls: tuple[str, ...] = ()
    """Addresses told when an upload completes."""
    tags: tuple[str, ...] | None = None
    """Replaces the client's tags; none leaves them."""
    add_tags: tuple[str, ...] = ()
    """Appended to the tags."""
    transformation: str | None = None
    """Replaces the client's transformation; the empty string replaces it by none."""
    transformation_prefix: str | None = None
    """Stands before the transformation."""
    transformation_postfix: str | None = None
    """Stands after the transformation."""
    cloud_id: str | None = None
    """The only cloud; none is any."""
    format: str | None = None
    """Replaces the client's format."""
    projection: str | None = None
    """Replaces the client's projection."""
    public_id: str | None = None
    """Replaces the client's public id."""
    min_bytes: int | None = None
    """Least size in bytes."""
    max_bytes: int | None = None
    """Greatest size in bytes."""
    mime_types: tuple[str, ...] = ()
    """Content types of which one must match, as ``image/*``; empty is any."""
    public_id_prefix: str | None = None
    """What the public id must begin with."""
    insert_only: bool = False
    """Whether an upload over an existing image is refused."""
    _others: Mapping[str, object] = others()

    @classmethod
    def from_json(cls, found: object, where: str = "") -> UploadExtra:
        """Reads the service's JSON."""
        members = Members(found, where)
        return cls(
            notification_urls=members.texts("notificationUrls"),
            tags=members.texts_or_none("tags"),
            add_tags=members.texts("addTags"),
            transformation=members.text_or_none("transformation"),
            transformation_prefix=members.text_or_none("transformationPrefix"),
            transformation_postfix=members.text_or_none("transformationPostfix"),
            cloud_id=members.text_or_none("cloudId"),
            format=members.text_or_none("format"),
            projection=members.text_or_none("projection"),
            public_id=members.text_or_none("publicId"),
            min_bytes=members.number_or_none("minBytes"),
            max_bytes=members.number_or_none("maxBytes"),
            mime_types=members.texts("mimeTypes"),
            public_id_prefix=members.text_or_none("publicIdPrefix"),
            insert_only=members.flag("insertOnly"),
            _others=members.others(),
        )


@dataclass(frozen=True)
class Notify:
    """Which events of a token are told, and to whom."""

    urls: tuple[str, ...]
    """Addresses of the receivers."""
    events: tuple[str, ...]
    """``limitNear``, ``limitReached``, ``expiring``, ``revoked``."""

    @classmethod
    def from_json(cls, found: object, where: str = "") -> Notify:
        """Reads the service's JSON."""
        members = Members(found, where)
        return cls(members.texts("urls"), members.texts("events"))
