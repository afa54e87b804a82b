"""Notifications as the service shows them."""

from __future__ import annotations

from dataclasses import dataclass, field

from countermark.records.shape import Members

__all__ = [
    "Notification",
    "NotificationAttempt",
    "NotificationDetails",
    "NotificationSecret",
]


@dataclass(frozen=True)
class Notification:
    """One message to one receiver. Instants are Unix seconds."""

    id: str
    """Public handle; the ``webhook-id`` of all its attempts."""
    type: str
    """What it tells, as ``upload.completed``."""
    address: str
    """The receiver; its query is shown to ``tokens:reveal`` only."""
    state: str
    """``pending``, ``delivered``, ``dead`` (no attempt succeeded) or ``disabled`` (none is wanted)."""
    attempts: int
    """Attempts that have ended."""
    created_at: int
    """When it was written."""
    token_id: str | None = None
    """The token that it is about."""
    next_attempt_at: int | None = None
    """When the next attempt is made; none unless it is pending."""
    ended_at: int | None = None
    """When it was delivered or given up."""

    @classmethod
    def from_json(cls, found: object, where: str = "") -> Notification:
        """Reads the service's JSON."""
        members = Members(found, where)
        return cls(
            members.text("id"),
            members.text("type"),
            members.text("address"),
            members.text("state"),
            members.number("attempts"),
            members.number("createdAt"),
            members.text_or_none("tokenId"),
            members.number_or_none("nextAttemptAt"),
            members.number_or_none("endedAt"),
        )


@dataclass(frozen=True)
class NotificationAttempt:
    """One attempt to deliver a notification."""

    number: int
    """From 1."""
    at: int
    """When it began, Unix seconds."""
    duration_millis: int
    """How long it took, in milliseconds."""
    status: int | None = None
    """HTTP status of the answer; none if there was no answer."""
    reason: str | None = None
    """Why there was no answer."""

    @classmethod
    def from_json(cls, found: object, where: str = "") -> NotificationAttempt:
        """Reads the service's JSON."""
        members = Members(found, where)
        return cls(
            members.number("number"),
            members.number("at"),
            members.number("durationMillis"),
            members.number_or_none("status"),
            members.text_or_none("reason"),
        )


@dataclass(frozen=True)
class NotificationDetails:
    """A notification with what is sent and what its attempts came to."""

    notification: Notification
    """The notification."""
    body: str
    """What is sent, JSON."""
    deliveries: tuple[NotificationAttempt, ...]
    """Its attempts, oldest first."""

    @classmethod
    def from_json(cls, found: object, where: str = "") -> NotificationDetails:
        """Reads the service's JSON."""
        members = Members(found, where)
        attempts = members.items("deliveries", NotificationAttempt.from_json)
        return cls(Notification.from_json(found, where), members.text("body"), attempts)


@dataclass(frozen=True)
class NotificationSecret:
    """One version of the secret that signs notifications. ``repr`` does not show it."""

    version: int
    """From 1."""
    signs: bool
    """Whether it signs now."""
    created_at: int
    """When it was made, Unix seconds."""
    valid_until: int | None = None
    """Unix seconds from which on it no longer signs; none for the current one."""
    secret: str | None = field(default=None, repr=False)
    """``whsec_…``; only for keys with ``tokens:reveal``."""

    @classmethod
    def from_json(cls, found: object, where: str = "") -> NotificationSecret:
        """Reads the service's JSON."""
        members = Members(found, where)
        return cls(
            members.number("version"),
            members.flag("signs"),
            members.number("createdAt"),
            members.number_or_none("validUntil"),
            members.text_or_none("secret"),
        )
