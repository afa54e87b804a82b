"""Real web servers for applications under test, and a client that sends targets byte for byte."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
import werkzeug.serving
from running_service import free_port

START_SECONDS = 30
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


PREFLIGHT = {"Origin": "https://web.example", "Access-Control-Request-Method": "GET"}


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem; the body has to be one."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem = self.json()
        assert problem["status"] == self.status
        assert self.headers["cache-control"] == "no-store"
        return str(problem["code"])


def answered_without_the_view(answer: Answer) -> None:
    """As a preflight has to be: views answer with a body here."""
    assert (answer.status, answer.body, answer.headers["cache-control"]) == (204, b"", "no-store")


@dataclass(frozen=True)
class Server:
    """A running web server on 127.0.0.1."""

    port: int

    def call(
        self,
        target: str,
        method: str = "GET",
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        body: bytes | None = None,
    ) -> Answer:
        """Sends the target as it is; nothing is encoded, decoded or followed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        names = {name.lower() for name, _ in pairs}
        try:
            connection.putrequest(method, target, skip_host="host" in names, skip_accept_encoding=True)
            if body is not None and "content-length" not in names:
                connection.putheader("Content-Length", str(len(body)))
            for name, text in pairs:
                connection.putheader(name, text)
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def call_at_once(self, times: int, target: str, headers: Mapping[str, str]) -> list[Answer]:
        """So many calls from as many threads."""
        with ThreadPoolExecutor(times) as pool:
            calls = [pool.submit(self.call, target, headers=headers) for _ in range(times)]
            return [call.result() for call in calls]


def bearer(value: str | None) -> dict[str, str]:
    assert value is not None
    return {"Authorization": f"Bearer {value}"}


@contextmanager
def uvicorn_server(app: Any, **options: Any) -> Generator[Server, None, None]:
    """An ASGI application in a thread."""
    running = _Uvicorn(uvicorn.Config(app, port=free_port(), log_config=None, **options))
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        assert running.is_up.wait(START_SECONDS), "the application did not start"
        yield Server(running.config.port)
    finally:
        running.should_exit = True
        thread.join()


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


@contextmanager
def werkzeug_server(app: Any) -> Generator[Server, None, None]:
    """A WSGI application in a thread, under the server of `flask run`."""
    running = werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    try:
        yield Server(running.server_port)
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


@contextmanager
def process_server(
    command: Sequence[str], port: int, log: Path, environment: Mapping[str, str], *, cwd: Path | None = None
) -> Generator[Server, None, None]:
    """A server as a process of this Python, which writes to `log`; `command` is a module or a file with
    arguments."""
    started = [sys.executable, *(command if command[0].endswith(".py") else ["-m", *command])]
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    with log.open("ab") as out:
        process = subprocess.Popen(
            started,
            cwd=cwd,
            env={**inherited, "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        _wait_until_listening(process, port, log)
        yield Server(port)
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')}")
