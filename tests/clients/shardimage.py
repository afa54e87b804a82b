"""The Shardimage dialect from outside: its API signature, and installations of Countermark with its keys."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from conftest import REPOSITORY, Countermark, StartCountermark, binary, countermarks
from wire import Recorder, answer, recorder

VECTORS = json.loads((REPOSITORY / "tests" / "vectors" / "shardimage.json").read_text())
TABLE = [base64.b64decode(entry) for entry in VECTORS["tables"]["api"]]
CLOUD = "mycloud"
IMAGE_HOST = "img.example.com"
# The error code of whatever is refused for its credential or its limit, and the statuses that may bear it.
DENIED = 1002
REFUSED_STATUSES = (401, 403)


def api_signature(target: str, key: str, secret: str) -> str:
    """What `X-Shardimage-Auth-Signature` bears for a path with its query; the key has four characters or more."""
    first, second, third, fourth = (TABLE[byte % len(TABLE)] for byte in key.encode()[:-5:-1])
    text = first + key.encode() + second + target.encode() + third + secret.encode() + fourth
    return "s-" + hashlib.sha1(text).hexdigest()


@dataclass(frozen=True)
class Key:
    """A Shardimage API key as the operator gets it."""

    id: str
    key: str
    secret: str = field(repr=False)


def make_key(data: Path, *options: str) -> Key:
    """A Shardimage API key, made on the data directory while no service holds it."""
    command = [str(binary()), "shardimage-key", "create", "--data", str(data), *options, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    return Key(made["id"], made["key"], made["secret"])


class Installation:
    """A running Countermark that knows Shardimage API keys."""

    def __init__(self, countermark: Countermark, keys: dict[str, Key]) -> None:
        self.countermark = countermark
        self.keys = keys
        self.key = keys["full"]
        self.target: Recorder | None = None

    def authorize(self, **members: Any) -> dict[str, Any]:
        """The native decision on a credential and a request; takes a use."""
        found = self.countermark.call("POST", "/v1/authorize", json=members)
        assert found.status_code == 200, found.text
        return found.json()

    def code(self, url: str, **request: Any) -> str:
        """The native decision's code on an image URL."""
        return self.authorize(credential={"url": url}, request={"method": "GET", **request})["code"]

    def begin_upload(self, value: str, **request: Any) -> dict[str, Any]:
        """An upload begun natively by the token's holder: the status and the answer."""
        found = self.countermark.call("POST", "/v1/uploads", json={"value": value, "request": request})
        return {"status": found.status_code, **found.json()}

    def link(self, token: str, path: str = f"/{CLOUD}/i/pid") -> str:
        """A URL that is signed here, natively."""
        return self.countermark.sign(token, f"https://{IMAGE_HOST}{path}")

    def native(self, **filters: str) -> list[dict[str, Any]]:
        """The tokens of this dialect by the native list."""
        found = self.countermark.call("GET", "/v1/access-tokens", params={"dialect": "shardimage", **filters})
        assert found.status_code == 200, found.text
        return found.json()["items"]


# The keys of every installation, by name: what `shardimage-key create` is told besides.
KEYS = {"full": [], "read_only": ["--read-only"], "elsewhere": ["--network", "192.0.2.0/24"]}


def started(start_countermark: StartCountermark, **settings: str) -> Installation:
    """An installation with keys; settings as for `start_countermark`."""
    # One installation serves many tests, of which many fail to authenticate.
    countermark = start_countermark(throttle__burst="1000000", **settings)
    # Keys are made on the database, which the first start has made.
    countermark.child.terminate()
    countermark.child.wait(20)
    keys = {name: make_key(countermark.folder / "data", *options) for name, options in KEYS.items()}
    countermark.restart()
    return Installation(countermark, keys)


@pytest.fixture(scope="session")
def shardimage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation as it comes: no upload target, no `s-token2`. The tests share it and add their own tokens."""
    with countermarks(tmp_path_factory.mktemp("shardimage")) as start:
        yield started(start)


@pytest.fixture(scope="session")
def serving_shardimage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One that verifies `s-token2`, sends the bytes of uploads to `target` and may tell receivers on this machine."""
    folder = tmp_path_factory.mktemp("serving-shardimage")
    with recorder(lambda _: answer(200, b"{}", reason="OK")) as target, countermarks(folder) as start:
        installation = started(
            start,
            facades__shardimage_legacy_signatures="true",
            facades__shardimage_upload_target=f"{target.url}/store",
            notifications__allowed_networks="127.0.0.0/8",
        )
        installation.target = target
        yield installation


@pytest.fixture
def upload_target(serving_shardimage: Installation) -> Recorder:
    """Where the bytes of uploads go, with nothing in it yet: keeps whatever comes and is content with it."""
    assert serving_shardimage.target is not None
    serving_shardimage.target.take()
    return serving_shardimage.target
