"""An origin that records what reaches it, and a client that sends exactly the bytes it is given."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

Headers = list[tuple[str, str]]

# What an origin must not be able to say through the proxy: who the viewer is, how long he may keep the answer, and what
# nginx is to do next.
ORIGIN_CLAIMS = (
    b"Cache-Control: public, max-age=31536000\r\n"
    b"CDN-Cache-Control: public, max-age=31536000\r\n"
    b"Expires: Fri, 31 Dec 2100 23:59:59 GMT\r\n"
    b"X-Countermark-Token-Id: iu_of_the_origin\r\n"
    b"X-Countermark-Remaining: 999\r\n"
    b"X-Accel-Redirect: /of-the-origin\r\n"
    b"X-Accel-Expires: 31536000\r\n"
)


@dataclass
class Head:
    """The head of a message: its first line and its headers as they were written."""

    line: str
    headers: Headers
    body: bytes = b""

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    def values(self, name: str) -> list[str]:
        """All values of the header."""
        return [value for known, value in self.headers if known.lower() == name.lower()]

    def value(self, name: str) -> str:
        """The only value of the header, or nothing."""
        values = self.values(name)
        assert len(values) <= 1, f"{name} stands {len(values)} times"
        return values[0] if values else ""


@dataclass
class Answer(Head):
    """What the client gets."""

    @property
    def status(self) -> int:
        return int(self.line.split(" ")[1])


class Closed(Exception):
    """The other side has closed the connection before a whole message came."""


@dataclass
class Messages:
    """Cuts a stream of bytes into messages."""

    connection: socket.socket
    buffer: bytes = b""

    def fill(self) -> None:
        """Waits for more bytes."""
        more = self.connection.recv(65536)
        if not more:
            raise Closed
        self.buffer += more

    def until(self, end: bytes) -> bytes:
        """Takes the bytes up to `end`, which is dropped."""
        while end not in self.buffer:
            self.fill()
        taken, self.buffer = self.buffer.split(end, 1)
        return taken

    def exactly(self, size: int) -> bytes:
        """Takes so many bytes."""
        while len(self.buffer) < size:
            self.fill()
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def head(self) -> Head:
        """Takes a head."""
        first, *rest = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        pairs = [line.partition(":") for line in rest]
        return Head(first, [(name, value.strip()) for name, _, value in pairs])

    def body(self, head: Head) -> bytes:
        """Takes the body that the head announces."""
        if head.values("transfer-encoding"):
            parts = []
            while size := int(self.until(b"\r\n"), 16):
                parts.append(self.exactly(size))
                self.until(b"\r\n")
            self.until(b"\r\n")
            return b"".join(parts)
        return self.exactly(int(head.value("content-length") or 0))


class Origin:
    """Answers 200 to everything and remembers it."""

    def __init__(self) -> None:
        self.seen: list[Head] = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        messages = Messages(connection)
        with connection, contextlib.suppress(Closed, OSError):
            while True:
                head = messages.head()
                head.body = messages.body(head)
                # Before the answer: whoever has the answer finds the request here.
                self.seen.append(head)
                body = b"" if head.line.startswith("HEAD ") else b"image"
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + ORIGIN_CLAIMS + b"\r\n" + body)

    def take(self) -> list[Head]:
        """What has come since the last call."""
        taken, self.seen = self.seen, []
        return taken


@contextmanager
def recording_origin() -> Iterator[Origin]:
    """An origin on a free port."""
    origin = Origin()
    try:
        yield origin
    finally:
        origin.listener.close()


@dataclass
class RawClient:
    """Sends bytes over one kept connection, and opens another when that one has been closed."""

    port: int
    messages: Messages | None = field(default=None)

    def connect(self) -> Messages:
        if self.messages is None:
            connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.messages = Messages(connection)
        return self.messages

    def close(self) -> None:
        if self.messages is not None:
            self.messages.connection.close()
            self.messages = None

    def send(self, raw: bytes) -> Answer:
        """One request and its answer; a connection that was closed meanwhile is opened again, once."""
        was_kept = self.messages is not None
        try:
            return self.exchange(raw)
        except (Closed, ConnectionError):
            self.close()
            if not was_kept:
                raise
            return self.exchange(raw)

    def exchange(self, raw: bytes) -> Answer:
        messages = self.connect()
        messages.connection.sendall(raw)
        return self.answer(is_head=raw.startswith(b"HEAD "))

    def answer(self, *, is_head: bool = False) -> Answer:
        """The next final answer on the connection."""
        messages = self.connect()
        head = messages.head()
        while head.line.split(" ")[1].startswith("1"):
            head = messages.head()
        answer = Answer(head.line, head.headers)
        has_length = bool(answer.values("content-length") or answer.values("transfer-encoding"))
        if not is_head and answer.status not in (204, 304):
            answer.body = messages.body(answer) if has_length else rest(messages)
        if answer.value("connection").lower() == "close" or not (has_length or is_head or answer.status in (204, 304)):
            self.close()
        return answer


def rest(messages: Messages) -> bytes:
    """Everything until the other side closes."""
    with contextlib.suppress(Closed, ConnectionError):
        while True:
            messages.fill()
    return messages.buffer


def request(target: str, host: str, *, method: str = "GET", headers: Headers | None = None) -> bytes:
    """A request as bytes; `target` goes out as it is."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers or [])]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def adapted(example: Path, folder: Path, changes: dict[str, str]) -> Path:
    """A copy of a shipped configuration with other addresses; each of them must stand in it."""
    text = example.read_text()
    for shipped, ours in changes.items():
        assert shipped in text, f"{example} has no {shipped}"
        text = text.replace(shipped, ours)
    copy = folder / example.name
    copy.write_text(text)
    return copy
