"""What the tests with real servers and clients share: a running Countermark, processes that end with the test."""

from __future__ import annotations

import os
import secrets
import socket
import string
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

REPOSITORY = Path(__file__).resolve().parents[2]
pytest_plugins = ["upload_server", "browser", "receiver", "shardimage", "shardimage_php"]
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
START_SECONDS = 20


def value(kind: str) -> str:
    """A fresh value of our own form: kind letter, 32 digits, 6 digits of CRC-32 over all before them."""
    text = f"cm{kind}_" + "".join(secrets.choice(BASE62) for _ in range(32))
    rest, digits = zlib.crc32(text.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        digits = BASE62[digit] + digits
    return text + digits


ADMIN_KEY = value("k")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(
    command: Sequence[str | Path],
    folder: Path,
    is_up: Callable[[], bool],
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a server until the block ends; its output goes to a file, shown if it does not start."""
    log = folder / (Path(command[0]).name + ".log")
    with log.open("ab") as out:
        child = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_up():
            if child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.02)
        yield child
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def listens(port: int) -> bool:
    """Whether something accepts connections on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Countermark:
    """A running service with its administrator key."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.session = requests.Session()
        self.session.headers["authorization"] = f"Bearer {ADMIN_KEY}"
        self.run: Callable[[Mapping[str, str]], subprocess.Popen[bytes]]
        self.child: subprocess.Popen[bytes]

    def kill(self) -> None:
        """Ends the process as a crash would: SIGKILL."""
        self.child.kill()
        self.child.wait()

    def restart(self, seconds_later: int = 0) -> None:
        """Starts it again with the same settings, data and port, by a clock that is ahead; returns when it is ready."""
        ahead = {"FAKETIME": f"+{seconds_later}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        self.child = self.run({**ahead, "LD_PRELOAD": faketime()} if seconds_later else {})

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def call(self, method: str, path: str, **options: object) -> requests.Response:
        """One request with the administrator key."""
        return self.session.request(method, self.url + path, timeout=30, **options)  # type: ignore[arg-type]

    def issue(self, **members: object) -> dict:
        """A new token as the service answers it."""
        answer = self.call("POST", "/v1/access-tokens", json=members)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def view(self, token: str) -> dict:
        """A token's record."""
        answer = self.call("GET", f"/v1/access-tokens/{token}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def sign(self, token: str, url: str, **members: object) -> str:
        """A signed URL."""
        answer = self.call("POST", "/v1/signed-urls", json={"tokenId": token, "url": url, **members})
        assert answer.status_code in (200, 201), answer.text
        return answer.json()["url"]


def faketime() -> str:
    """The library that sets the clock of a process, from Debian's package faketime."""
    return str(next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")))


StartCountermark = Callable[..., Countermark]


def binary() -> Path:
    """The service as `cargo build` has left it; another target directory is named by CARGO_TARGET_DIR."""
    built = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "debug" / "countermark"
    assert built.is_file(), f"{built} is missing: run `cargo build -p countermark-server`"
    return built


@contextmanager
def countermarks(parent: Path) -> Iterator[StartCountermark]:
    """Starts services that end with the block; each has a folder of its own. Flags are those of `countermark serve`."""
    with ExitStack() as running:

        def start(*flags: str | Path, **settings: str) -> Countermark:
            port = free_port()
            folder = parent / f"countermark-{port}"
            folder.mkdir()
            environment = {
                "COUNTERMARK__ADMIN_KEY": ADMIN_KEY,
                "COUNTERMARK__SERVER__LISTEN": f"127.0.0.1:{port}",
                "COUNTERMARK__DATA__DIRECTORY": str(folder / "data"),
                "COUNTERMARK__LOG__FORMAT": "json",
                **{f"COUNTERMARK__{name.upper()}": value for name, value in settings.items()},
            }

            def is_ready() -> bool:
                try:
                    return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).ok
                except requests.RequestException:
                    return False

            service = Countermark(f"http://127.0.0.1:{port}", folder)

            def run(more: Mapping[str, str]) -> subprocess.Popen[bytes]:
                return running.enter_context(
                    process([binary(), "serve", *flags], folder, is_ready, {**environment, **more})
                )

            service.run = run
            service.restart()
            return service

        yield start


@pytest.fixture
def start_countermark(tmp_path: Path) -> Iterator[StartCountermark]:
    """Starts services that end with the test; settings are given as `gate__trusted_proxies="127.0.0.1"`."""
    with countermarks(tmp_path) as start:
        yield start


@pytest.fixture
def countermark(start_countermark: StartCountermark) -> Countermark:
    """A service with nothing configured but where it listens."""
    return start_countermark()
