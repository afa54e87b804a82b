"""Settings within settings that issue and update take: left out is left as it is, None resets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

__all__ = ["Event", "ExtraSettings", "NotifySettings"]

Event = Literal["limitNear", "limitReached", "expiring", "revoked"]
"""Four fifths of the limit are used, all of it is, the expiry is near, the token was revoked."""


class NotifySettings(TypedDict, total=False):
    """Which events of a token are told, and to whom. At the issue, both are needed."""

    urls: Sequence[str] | None
    """Addresses of the receivers."""
    events: Sequence[Event] | None
    """What they are told of."""


class ExtraSettings(TypedDict, total=False):
    """Further settings of imageUrl and upload tokens."""

    cloud_id: str | None
    """imageUrl, upload: the only cloud; None is any."""
    hosts: Sequence[str] | None
    """imageUrl: the only hosts; none is any."""
    secret: str | None
    """imageUrl, only at the issue: the signing secret, 32 to 256 bytes; generated if absent."""
    authentication: Mapping[str, object] | None
    """imageUrl: viewers' passwords by user name; in an update, None removes a user."""
    notification_urls: Sequence[str] | None
    """upload: addresses told when an upload completes."""
    tags: Sequence[str] | None
    """upload: replaces the client's tags; empty replaces them by none."""
    add_tags: Sequence[str] | None
    """upload: appended to the tags."""
    transformation: str | None
    """upload: replaces the client's transformation; the empty string replaces it by none."""
    transformation_prefix: str | None
    """upload: stands before the transformation."""
    transformation_postfix: str | None
    """upload: stands after the transformation."""
    format: str | None
    """upload: replaces the client's format."""
    projection: str | None
    """upload: replaces the client's projection."""
    public_id: str | None
    """upload: replaces the client's public id."""
    min_bytes: int | None
    """upload: least size in bytes."""
    max_bytes: int | None
    """upload: greatest size in bytes."""
    mime_types: Sequence[str] | None
    """upload: content types of which one must match, as ``image/*``; none is any."""
    public_id_prefix: str | None
    """upload: what the public id must begin with."""
    insert_only: bool | None
    """upload: whether an upload over an existing image is refused."""
