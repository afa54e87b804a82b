"""A receiver of notifications: checks each signature, takes each event once, shows it to who knows its upload."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

LONGEST_BODY = 64 * 1024
KEPT = 1000


class Events:
    """The last events by their `webhook-id`; in memory, for this is an example."""

    def __init__(self, secret: str | None) -> None:
        self._webhook = Webhook(secret) if secret else None
        self._events: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def take(self, body: bytes, headers: dict[str, str]) -> None:
        """Keeps an event that is signed and recent; the same one may come more than once.

        Raises `WebhookVerificationError` for everything else.
        """
        if self._webhook is None:
            raise WebhookVerificationError("no secret is configured")
        event = self._webhook.verify(body, headers)
        self._events.setdefault(headers["webhook-id"], event)
        while len(self._events) > KEPT:
            self._events.popitem(last=False)

    def about(self, upload_id: str) -> list[dict[str, Any]]:
        """What has arrived about an upload."""
        return [it for it in self._events.values() if it.get("data", {}).get("uploadId") == upload_id]


async def receive_notification(request: Request) -> Response:
    """POST /notifications: where Countermark sends events."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_BODY:
            return Response(status_code=413)
    try:
        request.app.state.events.take(body, dict(request.headers))
    except (WebhookVerificationError, ValueError):
        return Response(status_code=400)
    return Response(status_code=204)


async def show_events(request: Request) -> Response:
    """GET /events/{uploadId}: the page asks until its event has arrived."""
    events = request.app.state.events.about(request.path_params["upload_id"])
    return JSONResponse({"events": events}, headers={"cache-control": "no-store"})
