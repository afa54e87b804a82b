"""Methods about notifications and the secrets that sign them."""

# Generated from async_client/ by bindings/python/generate-client: change it there.

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from countermark.records.notifications import (
    Notification,
    NotificationDetails,
    NotificationSecret,
)
from countermark.service.arguments import Duration
from countermark.service.client.core import Core
from countermark.service.operations import notifications

__all__ = ["NotificationMethods"]


class NotificationMethods(Core):
    """Notifications and their secret. They need `notifications:read` or `:write`."""

    def notifications(
        self,
        *,
        state: Literal["pending", "delivered", "dead", "disabled"] | None = None,
        type: str | None = None,
        token_id: str | None = None,
        page_size: int = 100,
    ) -> Iterator[Notification]:
        """All notifications that fit, newest first, fetched page by page while they are iterated.

        Args:
            state: of this state only.
            type: of this type only, as ``upload.completed``.
            token_id: about this token only.
            page_size: notifications fetched at once, 1 to 200.

        Raises:
            ServiceError: the service could not tell; while iterating.
        """
        filters = {"state": state, "type": type, "tokenId": token_id, "limit": page_size}
        return self._each(notifications.page, filters)

    def view_notification(self, notification_id: str) -> NotificationDetails:
        """A notification with what is sent and what its attempts came to.

        Raises:
            NotFound: there is no such notification.
            ServiceError: any other failure.
        """
        return self._send(notifications.view(notification_id))

    def replay_notification(self, notification_id: str) -> Notification:
        """Delivers a notification again. Not repeated by the client when its answer is lost.

        Raises:
            NotFound: there is no such notification.
            ServiceError: any other failure.
        """
        return self._send(notifications.replay(notification_id))

    def send_test_notification(self, url: str) -> Notification:
        """Sends ``test.ping`` to a receiver. Not repeated by the client when its answer is lost.

        Raises:
            BadRequest: the address is not acceptable.
            ServiceError: any other failure.
        """
        return self._send(notifications.send_test(url))

    def notification_secrets(self) -> tuple[NotificationSecret, ...]:
        """The secrets that sign notifications, oldest first; the text only for keys with ``tokens:reveal``.

        Raises:
            ServiceError: the service could not tell.
        """
        return self._send(notifications.secrets())

    def rotate_notification_secret(self, *, overlap: Duration | None = None) -> NotificationSecret:
        """Makes the next secret. Not repeated by the client when its answer is lost.

        Args:
            overlap: seconds for which the former ones sign as well, so that receivers can change; none is a
                day.

        Raises:
            ServiceError: any failure.
        """
        return self._send(notifications.rotate_secret(overlap))
