"""Calls about notifications and the secrets that sign them."""

from __future__ import annotations

from countermark.records.notifications import (
    Notification,
    NotificationDetails,
    NotificationSecret,
)
from countermark.records.page import Page, page_of
from countermark.records.shape import Members
from countermark.service.arguments import Duration, duration, handle, told
from countermark.service.call import Call, call, reading

__all__ = ["page", "replay", "rotate_secret", "secrets", "send_test", "view"]

NOTIFICATIONS = "/v1/notifications"
SECRETS = "/v1/notification-secrets"


def page(**filters: str | int | None) -> Call[Page[Notification]]:
    """`GET /v1/notifications`."""
    return call("GET", NOTIFICATIONS, reading(page_of(Notification.from_json)), query=filters)


def view(notification_id: str) -> Call[NotificationDetails]:
    """`GET /v1/notifications/{id}`."""
    return call("GET", path(notification_id), reading(NotificationDetails.from_json))


def replay(notification_id: str) -> Call[Notification]:
    """`POST /v1/notifications/{id}/replay`."""
    return call(
        "POST", path(notification_id) + "/replay", reading(Notification.from_json), is_repeatable=False
    )


def send_test(url: str) -> Call[Notification]:
    """`POST /v1/notifications/test`."""
    shape = reading(Notification.from_json)
    return call("POST", NOTIFICATIONS + "/test", shape, body=told(url=url), is_repeatable=False)


def secrets() -> Call[tuple[NotificationSecret, ...]]:
    """`GET /v1/notification-secrets`."""
    return call(
        "GET", SECRETS, reading(lambda found: Members(found).items("items", NotificationSecret.from_json))
    )


def rotate_secret(overlap: Duration | None) -> Call[NotificationSecret]:
    """`POST /v1/notification-secrets`."""
    body = told(overlap_seconds=duration("overlap", overlap))
    return call("POST", SECRETS, reading(NotificationSecret.from_json), body=body, is_repeatable=False)


def path(notification_id: str) -> str:
    """A notification's path."""
    return f"{NOTIFICATIONS}/{handle('notification_id', notification_id)}"
