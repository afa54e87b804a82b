"""Methods about notifications and the secrets that sign them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

from countermark.records.notifications import (
    Notification,
    NotificationDetails,
    NotificationSecret,
)
from countermark.service.arguments import Duration
from countermark.service.async_client.core import AsyncCore
from countermark.service.operations import notifications

__all__ = ["AsyncNotificationMethods"]


class AsyncNotificationMethods(AsyncCore):
    """Notifications and their secret. They need `notifications:read` or `:write`."""

    def notifications(
        self,
        *,
        state: Literal["pending", "delivered", "dead", "disabled"] | None = None,
        type: str | None = None,
        token_id: str | None = None,
        page_size: int = 100,
    ) -> AsyncIterator[Notification]:
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

    async def view_notification(self, notification_id: str) -> NotificationDetails:
        """A notification with what is sent and what its attempts came to.

        Raises:
            NotFound: there is no such notification.
            ServiceError: any other failure.
        """
        return await self._send(notifications.view(notification_id))

    async def replay_notification(self, notification_id: str) -> Notification:
        """Delivers a notification again. Not repeated by the client when its answer is lost.

        Raises:
            NotFound: there is no such notification.
            ServiceError: any other failure.
        """
        return await self._send(notifications.replay(notification_id))

    async def send_test_notification(self, url: str) -> Notification:
        """Sends ``test.ping`` to a receiver. Not repeated by the client when its answer is lost.

        Raises:
            BadRequest: the address is not acceptable.
            ServiceError: any other failure.
        """
        return await self._send(notifications.send_test(url))

    async def notification_secrets(self) -> tuple[NotificationSecret, ...]:
        """The secrets that sign notifications, oldest first; the text only for keys with ``tokens:reveal``.

        Raises:
            ServiceError: the service could not tell.
        """
        return await self._send(notifications.secrets())

    async def rotate_notification_secret(self, *, overlap: Duration | None = None) -> NotificationSecret:
        """Makes the next secret. Not repeated by the client when its answer is lost.

        Args:
            overlap: seconds for which the former ones sign as well, so that receivers can change; none is a
                day.

        Raises:
            ServiceError: any failure.
        """
        return await self._send(notifications.rotate_secret(overlap))
