"""A real Countermark for the tests: the binary, a free port, a folder and an administrator key of its own."""

from __future__ import annotations

import os
import secrets
import socket
import string
import subprocess
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

REPOSITORY = Path(__file__).resolve().parents[3]
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
START_SECONDS = 30


@dataclass
class Service:
    """A running Countermark."""

    url: str
    """Where it answers, without a slash at the end."""
    key: str = field(repr=False)
    """Its first administrator key."""
    folder: Path
    """Its data, and `countermark.log`."""
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def log(self) -> str:
        """What it has written so far."""
        return (self.folder / "countermark.log").read_text(errors="replace")

    def kill(self) -> None:
        """Ends the process as a crash would."""
        self.process.kill()
        self.process.wait()


class StartService(Protocol):
    """Starts a service. Settings are those of the environment: `server__public_url="…"`."""

    def __call__(self, **settings: str) -> Service: ...


@contextmanager
def services(parent: Path) -> Generator[StartService]:
    """Starts services that end with the block."""
    with ExitStack() as running:

        def start(**settings: str) -> Service:
            return running.enter_context(running_service(parent, settings))

        yield start


@contextmanager
def running_service(parent: Path, settings: dict[str, str]) -> Generator[Service]:
    """One service, which ends with the block."""
    port, key = free_port(), fresh_value("k")
    folder = parent / f"countermark-{port}"
    folder.mkdir()
    environment = {
        "COUNTERMARK__ADMIN_KEY": key,
        "COUNTERMARK__SERVER__LISTEN": f"127.0.0.1:{port}",
        "COUNTERMARK__DATA__DIRECTORY": str(folder / "data"),
        "COUNTERMARK__LOG__FORMAT": "json",
        **{f"COUNTERMARK__{name.upper()}": value for name, value in settings.items()},
    }
    with (folder / "countermark.log").open("ab") as out:
        process = subprocess.Popen(
            [binary(), "serve"], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    service = Service(f"http://127.0.0.1:{port}", key, folder, process)
    try:
        wait_until_ready(service)
        yield service
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            service.kill()


def wait_until_ready(service: Service) -> None:
    """Returns when the service answers that it is ready."""
    deadline = time.monotonic() + START_SECONDS
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while service.process.poll() is None and time.monotonic() < deadline:
        try:
            with opener.open(f"{service.url}/readyz", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    raise RuntimeError(f"the service did not start:\n{service.log()}")


def binary() -> Path:
    """The service as `cargo build` has left it; another target directory is named by CARGO_TARGET_DIR."""
    built = (
        Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")).resolve() / "debug" / "countermark"
    )
    assert built.is_file(), f"{built} is missing: run `cargo build -p countermark-server`"
    return built


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fresh_value(kind: str) -> str:
    """A fresh value of our own form: kind letter, 32 digits, 6 digits of CRC-32 over all before them."""
    text = f"cm{kind}_" + "".join(secrets.choice(BASE62) for _ in range(32))
    rest, digits = zlib.crc32(text.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = BASE62[digit] + digits
    return text + digits
