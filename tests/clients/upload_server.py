"""The reference upload server as a real process, with the tokens that its tests need."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import resource
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

from conftest import REPOSITORY, Countermark, countermarks, free_port, listens, process

EXAMPLE = REPOSITORY / "examples" / "upload-server"
# The smallest whole PNG: one transparent pixel.
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


def picture(size: int = 0) -> bytes:
    """A PNG, no two alike, of at least `size` bytes: what follows the image's end is ignored by viewers."""
    noise = secrets.token_bytes(16)
    return PIXEL + noise + bytes(max(0, size - len(PIXEL) - len(noise)))


class UploadServer:
    """The example as it runs, under a Countermark."""

    def __init__(self, countermark: Countermark, folder: Path, port: int) -> None:
        self.countermark = countermark
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self.run: Callable[[], subprocess.Popen[bytes]]
        self.child: subprocess.Popen[bytes]

    def kill(self) -> None:
        """Ends the process as a crash would: SIGKILL."""
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def restart(self) -> None:
        """Starts it again on the same files and port."""
        self.child = self.run()

    def allow_files_of(self, most: int) -> None:
        """From now on the process cannot write larger files, as if the disk were full."""
        resource.prlimit(self.child.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def token(self, limit: int | None = None, **extra: object) -> dict:
        """A new upload token as Countermark answers it."""
        return self.countermark.issue(type="upload", limit=limit, extra=extra)

    def post(self, token: dict, content: bytes, kind: str = "image/png", **fields: object) -> requests.Response:
        """A form, sent by another client than the page."""
        headers = {"authorization": f"Bearer {token['value']}"}
        files = {"file": ("picture.png", content, kind)}
        return requests.post(f"{self.url}/upload", headers=headers, data=fields, files=files, timeout=30)

    def image(self, public_id: str) -> requests.Response:
        """What a viewer gets."""
        return requests.get(f"{self.url}/images/{requests.utils.quote(public_id, safe='')}", timeout=10)

    def has(self, public_id: str) -> bool:
        """Whether there is an image of this name."""
        return self.image(public_id).status_code == 200

    def parts(self, token: dict) -> list[str]:
        """The files with bytes of uploads under way: those of a token, and those that belong to no upload."""
        journal = self.folder / "uploads" / "journal"
        digest = hashlib.sha256(token["value"].encode()).hexdigest()
        found = []
        for part in sorted(journal.glob("*.part")):
            entry = part.with_suffix(".json")
            if not entry.exists() or json.loads(entry.read_text())["token_digest"] == digest:
                found.append(part.name)
        return found

    def remaining(self, token: dict) -> int:
        """Uses that a token has left by Countermark's word."""
        return self.countermark.view(token["id"])["remaining"]


StartUploadServer = Callable[..., UploadServer]


def eventually(is_so: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether something becomes true while processes that cannot be told to hurry do their work."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_so():
            return True
        time.sleep(0.05)
    return is_so()


@contextmanager
def upload_servers(parent: Path) -> Iterator[StartUploadServer]:
    """Starts upload servers that end with the block; each has a folder of its own."""
    with ExitStack() as running:

        def start(countermark: Countermark, port: int | None = None, **settings: str) -> UploadServer:
            port = port or free_port()
            folder = parent / f"uploads-{port}"
            folder.mkdir()
            key = countermark.issue(type="apiKey", permissions=["authorize"])["value"]
            environment = {
                **os.environ,
                "COUNTERMARK_URL": countermark.url,
                "COUNTERMARK_KEY": key,
                "PORT": str(port),
                **settings,
            }
            server = UploadServer(countermark, folder, port)
            command = [sys.executable, str(EXAMPLE / "server.py")]
            server.run = lambda: running.enter_context(process(command, folder, lambda: listens(port), environment))
            server.restart()
            return server

        yield start


@pytest.fixture
def start_upload_server(tmp_path: Path) -> Iterator[StartUploadServer]:
    """Starts upload servers under a Countermark; they end with the test."""
    with upload_servers(tmp_path) as start:
        yield start


@pytest.fixture
def own_server(start_upload_server: StartUploadServer, countermark: Countermark) -> UploadServer:
    """An upload server and a Countermark for this test alone, which it may kill."""
    return start_upload_server(countermark)


@pytest.fixture(scope="session")
def upload_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UploadServer]:
    """An upload server for all tests that leave it as it is; it is told of its uploads."""
    folder = tmp_path_factory.mktemp("shared")
    with countermarks(folder) as start_countermark, upload_servers(folder) as start:
        countermark = start_countermark(notifications__allowed_networks="127.0.0.0/8")
        yield start(countermark, NOTIFICATION_SECRET=notification_secret(countermark))


def notification_secret(countermark: Countermark) -> str:
    """The newest secret that notifications are signed with."""
    answer = countermark.call("GET", "/v1/notification-secrets")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"][-1]["secret"]
