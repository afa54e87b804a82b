"""Requests as bytes: a server that records them and answers as told, and a client that sends them as they are."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

LINE = b"\r\n"
END_OF_HEAD = b"\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class Message:
    """A request or an answer; header names as they were sent, in their order."""

    first: str
    fields: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Message:
        """Cuts at the first blank line; `Name:value` and `Name: value` both occur."""
        head, _, body = raw.partition(END_OF_HEAD)
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = [line.partition(":")[::2] for line in lines]
        return cls(first, tuple((name, text.strip()) for name, text in pairs), body)

    def value(self, name: str) -> str | None:
        """The only field of this name; raises on a second one."""
        found = [text for key, text in self.fields if key.lower() == name.lower()]
        assert len(found) <= 1, f"{name} {len(found)} times"
        return found[0] if found else None

    @property
    def method(self) -> str:
        return self.first.split(" ")[0]

    @property
    def target(self) -> str:
        return self.first.split(" ")[1]

    @property
    def status(self) -> int:
        return int(self.first.split(" ")[1])

    @property
    def expects_continue(self) -> bool:
        return (self.value("expect") or "").lower() == "100-continue"


class Stream:
    """Reads messages from a connection."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(TIMEOUT_SECONDS)
        self.connection = connection
        self.waiting = b""

    def upto(self, mark: bytes) -> bytes:
        """What stands before the mark, and the mark; raises EOFError if the peer hangs up before."""
        while mark not in self.waiting:
            self._more()
        text, _, self.waiting = self.waiting.partition(mark)
        return text + mark

    def exactly(self, count: int) -> bytes:
        """The next bytes; raises EOFError if there are fewer."""
        while len(self.waiting) < count:
            self._more()
        text, self.waiting = self.waiting[:count], self.waiting[count:]
        return text

    def body(self, head: Message) -> bytes:
        """The body by its announced length or in chunks; none is announced: none."""
        if (head.value("transfer-encoding") or "").lower() != "chunked":
            return self.exactly(int(head.value("content-length") or 0))
        parts = []
        while size := int(self.upto(LINE).split(b";")[0], 16):
            parts.append(self.exactly(size))
            self.upto(LINE)
        self.upto(LINE)
        return b"".join(parts)

    def _more(self) -> None:
        received = self.connection.recv(65536)
        if not received:
            raise EOFError(f"the peer hung up after {self.waiting[:200]!r}")
        self.waiting += received


# Makes the whole answer of a request, status line and all.
Answerer = Callable[[Message], bytes]


def answer(status: int, body: bytes = b"", kind: str | None = "application/json", reason: str = "Some") -> bytes:
    """An answer as bytes; `kind` None leaves the content type out."""
    typed = f"Content-Type: {kind}\r\n" if kind else ""
    head = f"HTTP/1.1 {status} {reason}\r\n{typed}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


class Recorder:
    """Listens on a loopback port; keeps every request, byte by byte."""

    def __init__(self, answerer: Answerer, port: int) -> None:
        self.answerer = answerer
        self.raw: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def requests(self) -> list[Message]:
        return [Message.parse(raw) for raw in self.raw]

    def take(self) -> list[Message]:
        """What has come since the last time."""
        found = self.requests
        self.raw.clear()
        return found

    def close(self) -> None:
        # Wakes the thread that accepts, which closing alone does not.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(EOFError, OSError):
            stream = Stream(connection)
            head = stream.upto(END_OF_HEAD)
            message = Message.parse(head)
            if message.expects_continue:
                connection.sendall(CONTINUE)
            whole = head + stream.body(message)
            self.raw.append(whole)
            connection.sendall(self.answerer(Message.parse(whole)))


@contextmanager
def recorder(answerer: Answerer, port: int = 0) -> Iterator[Recorder]:
    """Records until the block ends; port 0 is any free one."""
    server = Recorder(answerer, port)
    try:
        yield server
    finally:
        server.close()


@dataclass(frozen=True)
class Exchange:
    """What came back: whether `100 Continue` came before the body was sent, and the answer."""

    was_told_to_continue: bool
    answer: Message


def send(port: int, raw: bytes) -> Exchange:
    """Sends a request as it is; a body that expects `100 Continue` is held back until the server speaks."""
    head, _, body = raw.partition(END_OF_HEAD)
    request = Message.parse(raw)
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as connection:
        stream = Stream(connection)
        connection.sendall(head + END_OF_HEAD)
        early = Message.parse(stream.upto(END_OF_HEAD)) if request.expects_continue else None
        if early is None or early.status == 100:
            connection.sendall(body)
        final = Message.parse(stream.upto(END_OF_HEAD)) if early is None or early.status == 100 else early
        has_body = request.method != "HEAD" and final.status not in (204, 304)
        whole = Message(final.first, final.fields, stream.body(final) if has_body else b"")
        return Exchange(early is not None and early.status == 100, whole)
