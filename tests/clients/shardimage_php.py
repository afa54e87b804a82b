"""The official PHP SDK of Shardimage as a process, unmodified, and the tokens that its tests make with it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import REPOSITORY
from shardimage import CLOUD, DENIED, IMAGE_HOST, REFUSED_STATUSES, Installation, Key

# The folder with the SDK's two source trees, `shardimage-php` and `shardimage-php-api`; they are not ours to ship.
VARIABLE = "COUNTERMARK_SHARDIMAGE_SDK"
DRIVER = REPOSITORY / "tests" / "clients" / "shardimage_sdk" / "run_steps.php"
EXPIRY = 4_000_000_000
SECRET = "a secret of the shop"
MASK = "***"


Step = dict[str, Any]


class Sdk:
    """The SDK against one host; each step is a client of its own, as in a script of a user."""

    def __init__(self, folder: Path, host: str, key: Key, use_msgpack: bool) -> None:
        self.folder = folder
        self.settings: dict[str, Any] = {
            "apiHost": host,
            "apiKey": key.key,
            "apiSecret": key.secret,
            "cloudId": CLOUD,
            "imageHost": f"https://{IMAGE_HOST}",
            "useMsgPack": use_msgpack,
        }

    def altered(self, **settings: Any) -> Sdk:
        """The same with other settings of the SDK's client; None removes one."""
        other = object.__new__(Sdk)
        other.folder = self.folder
        other.settings = {name: it for name, it in {**self.settings, **settings}.items() if it is not None}
        return other

    def with_upload_token(self, value: str) -> Sdk:
        """Presents an upload token in place of the API key."""
        return self.altered(apiKey=None, apiSecret=None, apiAccessToken=value)

    def run(self, *steps: Step) -> list[dict[str, Any]]:
        """What became of the steps, in their order: `value`, or `exception` with `code`, `status`, `message`."""
        told = json.dumps([{"client": self.settings, **step} for step in steps])
        command = ["php", str(DRIVER), str(self.folder)]
        done = subprocess.run(command, input=told, capture_output=True, text=True, timeout=120)
        # PHP's warnings are failures: the SDK stumbled over an answer.
        assert (done.returncode, done.stderr) == (0, ""), done.stderr + done.stdout
        return json.loads(done.stdout)

    def one(self, do: str, **members: Any) -> dict[str, Any]:
        """What became of one step."""
        return self.run({"do": do, **members})[0]

    def value(self, do: str, **members: Any) -> Any:
        """What one step gave; anything thrown fails the test."""
        outcome = self.one(do, **members)
        assert "value" in outcome, outcome
        return outcome["value"]

    def refusal(self, do: str, **members: Any) -> tuple[str, int, int]:
        """The class, status and code of what one step threw; success fails the test."""
        return refusal_of(self.one(do, **members))


def refusal_of(outcome: dict[str, Any]) -> tuple[str, int, int]:
    """The class, status and code of a failed step."""
    assert "exception" in outcome, outcome
    return outcome["exception"], outcome["status"], outcome["code"]


@pytest.fixture(scope="session")
def sdk_folder() -> Path:
    """Where the SDK lies; without it, the tests that need it are skipped."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        pytest.skip(f"the Shardimage PHP SDK ({VARIABLE} is not set)")
    for tree in ("shardimage-php", "shardimage-php-api"):
        assert (Path(folder) / tree / "src").is_dir(), f"{VARIABLE} must name the folder that holds {tree}/src"
    return Path(folder).resolve()


@pytest.fixture(params=[False, True], ids=["json", "msgpack"])
def use_msgpack(request: pytest.FixtureRequest) -> bool:
    """Both formats of the SDK's requests."""
    return request.param


Connect = Callable[..., Sdk]


@pytest.fixture
def connect(sdk_folder: Path, use_msgpack: bool) -> Connect:
    """The SDK against an installation with one of its keys."""

    def connected(installation: Installation, key: str = "full") -> Sdk:
        return Sdk(sdk_folder, installation.countermark.url, installation.keys[key], use_msgpack)

    return connected


@pytest.fixture
def sdk(connect: Connect, shardimage: Installation) -> Sdk:
    return connect(shardimage)


def image_token(**members: Any) -> dict[str, Any]:
    return {"expiry": EXPIRY, "limit": 9, "extra": {"cloudId": CLOUD, "secret": SECRET}, **members}


def upload_token(limit: int | None = None, **extra: Any) -> dict[str, Any]:
    return {"expiry": EXPIRY, "limit": limit, "extra": extra}


def create(sdk: Sdk, kind: str, token: dict[str, Any]) -> dict[str, Any]:
    """A new token as the SDK's model shows it."""
    return sdk.value("create", type=kind, token=token)


def assert_denied(outcome: dict[str, Any]) -> None:
    """Refused by the dialect's word for it."""
    _, status, code = refusal_of(outcome)
    assert (status in REFUSED_STATUSES, code) == (True, DENIED), outcome


def legacy_signer(sdk: Sdk, token: dict[str, Any]) -> Callable[..., str]:
    """The SDK as it signs image URLs with a token's id and secret."""
    signing = sdk.altered(apiAccessToken=token["id"], apiAccessTokenSecret=SECRET)
    return lambda public_id="pid", **options: signing.value("sign", image={"publicId": public_id}, options=options)
