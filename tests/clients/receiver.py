"""A real receiver of notifications: an HTTP server in a thread that can be told what to answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook

from conftest import free_port

WAIT_SECONDS = 20


@dataclass(frozen=True)
class Arrival:
    """One request as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def event(self, secret: str) -> dict[str, Any]:
        """The event, checked by the published library; raises if the signature does not fit."""
        return Webhook(secret).verify(self.body, dict(self.headers))

    def changed(self, **members: Any) -> Arrival:
        """The same with other members, as a forger would have it."""
        return replace(self, **members)

    def unverified(self) -> dict[str, Any]:
        """The event as it is."""
        return json.loads(self.body)


class Receiver:
    """Listens, records, answers 204 or what it is told to."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self.arrivals: list[Arrival] = []
        # The answers to the next requests: status and headers; afterwards 204.
        self.answers: list[tuple[int, dict[str, str]]] = []
        # Set while no request is to be answered at all.
        self.is_silent = False
        self._changed = threading.Condition()
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listens from now on, on the same port each time."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): text for name, text in self.headers.items()}
                status, more = receiver._record(Arrival(self.path, headers, body))
                if receiver.is_silent:
                    # Waits for the client to hang up.
                    self.rfile.read(1)
                    return
                self.send_response(status)
                for name, text in {**more, "content-length": "0"}.items():
                    self.send_header(name, text)
                self.end_headers()

            # What a redirect would turn a POST into.
            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Refuses connections from now on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def wait_for(self, count: int, seconds: float = WAIT_SECONDS) -> list[Arrival]:
        """All arrivals as soon as there are so many, or when the time is up."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.arrivals) >= count, seconds)
            return list(self.arrivals)

    def _record(self, arrival: Arrival) -> tuple[int, dict[str, str]]:
        with self._changed:
            self.arrivals.append(arrival)
            self._changed.notify_all()
            return self.answers.pop(0) if self.answers else (204, {})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that listens until the test ends."""
    it = Receiver()
    it.start()
    yield it
    it.stop()
