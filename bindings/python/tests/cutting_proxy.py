"""A TCP proxy that loses answers on demand, as networks do."""

from __future__ import annotations

import socket
import struct
from collections.abc import Generator
from contextlib import contextmanager
from threading import Thread
from typing import Literal

Fate = Literal["pass", "lose answer", "lose request", "reset", "stall"]


class CuttingProxy:
    """Passes requests on, one after the other; each has its fate, and those without one are passed."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.fates: list[Fate] = []
        self.requests: list[bytes] = []
        """Each request as it came, whatever its fate."""
        self.held: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client: socket.socket) -> None:
        while request := message(client):
            self.requests.append(request)
            fate = self.fates.pop(0) if self.fates else "pass"
            if fate == "stall":
                self.held.append(client)
                return
            if fate == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            answer = b"" if fate in ("lose request", "reset") else self.answer(request)
            if fate != "pass":
                break
            client.sendall(answer)
        client.close()

    def answer(self, request: bytes) -> bytes:
        """The service's whole answer: whatever the request does has been done."""
        with socket.create_connection(("127.0.0.1", self.upstream), 10) as service:
            service.sendall(request)
            return message(service)


def message(connection: socket.socket) -> bytes:
    """One HTTP message with its body; empty at the end of the connection."""
    found = b""
    try:
        while b"\r\n\r\n" not in found:
            more = connection.recv(65536)
            if not more:
                return b""
            found += more
        head, _, body = found.partition(b"\r\n\r\n")
        while len(body) < content_length(head):
            body += connection.recv(65536)
    except OSError:
        return b""
    return head + b"\r\n\r\n" + body


def content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


@contextmanager
def cutting_proxy(upstream: int) -> Generator[CuttingProxy]:
    """A proxy before a port, until the block ends."""
    proxy = CuttingProxy(upstream)
    thread = Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.listener.shutdown(socket.SHUT_RDWR)
        proxy.listener.close()
        for connection in proxy.held:
            connection.close()
        thread.join()
