"""The reference upload server as the target of the Shardimage dialect: by curl, and killed at bad moments."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from conftest import Countermark, StartCountermark, free_port
from shardimage import CLOUD, Installation, api_signature, started
from upload_server import StartUploadServer, UploadServer, eventually, picture

BOUNDARY = "24685.1795326443.099.1946746571"
# What the SDK calls every file.
OTHER = "application/octet-stream"


@dataclass
class Chain:
    """An installation whose uploads go to the example, and the example."""

    installation: Installation
    server: UploadServer

    @property
    def countermark(self) -> Countermark:
        return self.installation.countermark

    def token(self, limit: int | None = None, **extra: object) -> dict[str, Any]:
        """An upload token of the dialect: its value as `value`, its native id as `id`."""
        members = {"type": "upload", "limit": limit, "extra": extra}
        made = self.manage("POST", "/secure/v1/access-token", json=members)
        before = {record["id"] for record in self.known}
        self.known = self.installation.native(type="upload")
        (record,) = [record for record in self.known if record["id"] not in before]
        return {"id": record["id"], "value": made["id"]}

    def __post_init__(self) -> None:
        self.known: list[dict[str, Any]] = []

    def manage(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """A call of the dialect's management, signed."""
        key = self.installation.key
        headers = {
            "X-Shardimage-Auth-Key": key.key,
            "X-Shardimage-Auth-Signature": api_signature(path, key.key, key.secret),
        }
        answer = requests.request(method, self.countermark.url + path, headers=headers, timeout=30, **options)
        assert answer.ok, answer.text
        return answer.json()

    def upload(self, token: dict[str, Any], content: bytes, kind: str = OTHER, **members: object) -> requests.Response:
        """What the SDK would send."""
        headers = {"X-Shardimage-Auth-token": token["value"], "Content-Type": f"multipart/related; boundary={BOUNDARY}"}
        url = f"{self.countermark.url}/multipart/related"
        return requests.post(url, data=related(content, kind, **members), headers=headers, timeout=90)

    def admitted(self, token: dict[str, Any], **members: object) -> int:
        """The status of an upload that comes again while all of the token's seats are taken."""
        deadline = time.monotonic() + 60
        while (status := self.upload(token, picture(), **members).status_code) == 503 and time.monotonic() < deadline:
            pass
        return status

    def used(self, token: dict[str, Any]) -> int:
        return int(self.countermark.view(token["id"])["used"])


def related(content: bytes, kind: str = OTHER, **members: object) -> bytes:
    """The body of an upload with its file."""
    asked = json.dumps({"file": "", **members}).encode()
    part = f"--{BOUNDARY}\r\nContent-Type: application/http\r\n\r\n".encode()
    first = f"POST /upload/v1/c/{CLOUD} HTTP/1.1\r\nContent-ID:1\r\nContent-Type:application/json\r\n\r\n".encode()
    second = (
        f"POST /file HTTP/1.1\r\nContent-Length:{len(content)}\r\nContent-Type:{kind}\r\n"
        "X-Shardimage-Ref-Id:1\r\nX-Shardimage-Ref-Attribute:file\r\n\r\n"
    ).encode()
    return b"".join([part, first, asked, b"\r\n", part, second, content, f"\r\n--{BOUNDARY}--\r\n".encode()])


@pytest.fixture
def chain(start_countermark: StartCountermark, start_upload_server: StartUploadServer) -> Iterator[Chain]:
    """Both as processes of this test alone; reservations are short."""
    port = free_port()
    target = f"http://127.0.0.1:{port}/shardimage"
    settings = {"facades__shardimage_upload_target": target, "uploads__deadline_seconds": "5"}
    installation = started(start_countermark, **settings)
    yield Chain(installation, start_upload_server(installation.countermark, port))


def test_curl_uploads_through_countermark_into_the_upload_server(chain: Chain, tmp_path: Path) -> None:
    """S2-16, S2-24."""
    token, content = chain.token(limit=1, publicId="fixed/cat", addTags=["new"]), picture(1_000_000)
    (tmp_path / "body").write_bytes(related(content, publicId="mine", tags=["given"]))
    command = ["curl", "-sS", "-w", "\n%{http_code}", "--data-binary", "@body"]
    command += ["-H", f"Content-Type: multipart/related; boundary={BOUNDARY}"]
    command += ["-H", f"X-Shardimage-Auth-token: {token['value']}", f"{chain.countermark.url}/multipart/related"]
    output = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=30).stdout
    body, status = output.rsplit(b"\n", 1)
    assert status == b"200", output
    image = json.loads(body)
    assert (image["publicId"], image["cloudId"], image["tags"]) == ("fixed/cat", CLOUD, ["given", "new"])
    assert (image["object"]["size"], image["mimeType"]) == (len(content), "image/png")
    shown = chain.server.image(f"{CLOUD}/fixed/cat")
    assert (shown.content, shown.headers["content-type"]) == (content, "image/png")
    assert chain.used(token) == 1
    refused = chain.upload(token, picture(), publicId="mine")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, 1002)


def test_an_image_is_replaced_when_its_upload_is_complete_and_never_where_that_is_forbidden(chain: Chain) -> None:
    token, first, second = chain.token(), picture(), picture()
    assert chain.upload(token, first, publicId="a").status_code == 200
    refused = chain.upload(token, second, publicId="a", allowOverride=False)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, 1003)
    assert chain.used(token) == 1
    assert chain.upload(token, second, publicId="a").status_code == 200
    assert eventually(lambda: chain.server.image(f"{CLOUD}/a").content == second)
    assert eventually(lambda: chain.server.parts({"value": ""}) == [])


def test_names_lead_out_of_no_folder(chain: Chain) -> None:
    token = chain.token()
    before = sorted(chain.server.folder.rglob("*"))
    for name in ("../../x", "..", "/etc/passwd", ".hidden", "a\x00b", "a/../../b"):
        assert chain.upload(token, picture(), publicId=name).status_code in (200, 400, 422), name
    new = [path for path in sorted(chain.server.folder.rglob("*")) if path not in before and path.suffix != ".json"]
    assert {path.parent.name for path in new} <= {"images", "journal"}
    assert chain.upload(token, picture(), publicId="x" * 300).status_code == 422


def test_parallel_uploads_are_exactly_as_many_as_the_limit(chain: Chain) -> None:
    """S2-6. More than two at once by one token are told to come again, which takes nothing."""
    token = chain.token(limit=3)

    with ThreadPoolExecutor(8) as pool:
        names = [f"p{number}" for number in range(8)]
        answers = list(pool.map(lambda name: chain.admitted(token, publicId=name), names))
    assert sorted(answers) == [200] * 3 + [403] * 5
    assert sum(chain.server.has(f"{CLOUD}/{name}") for name in names) == 3


def test_an_upload_server_that_is_away_costs_nothing(chain: Chain) -> None:
    token = chain.token(limit=1)
    chain.server.kill()
    answer = chain.upload(token, picture(), publicId="a")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, 1003)
    assert chain.used(token) == 0
    chain.server.restart()
    assert chain.upload(token, picture(), publicId="a").status_code == 200


def test_strangers_put_nothing_into_the_upload_server_and_take_nothing_out(chain: Chain) -> None:
    token = chain.token()
    native = chain.countermark.issue(type="upload", extra={})
    begun = chain.countermark.call("POST", "/v1/uploads", json={"value": native["value"]}).json()
    for upload_id in (begun["id"], "upl_0000000000000000000000", "../x", ""):
        described = {"upload": (None, json.dumps({"uploadId": upload_id}), "application/json")}
        answer = requests.post(f"{chain.server.url}/shardimage", files={**described, "file": picture()}, timeout=10)
        assert answer.status_code in (400, 403, 404), upload_id
    answer = requests.post(f"{chain.server.url}/shardimage", files={"file": picture()}, timeout=10)
    assert answer.status_code == 400
    assert chain.upload(token, picture(), publicId="a").status_code == 200
    (entry,) = [it for it in (chain.server.folder / "uploads" / "journal").glob("*.json")]
    answer = requests.delete(f"{chain.server.url}/shardimage/{entry.stem}", timeout=10)
    assert (answer.status_code, chain.server.has(f"{CLOUD}/a")) == (409, True)
    assert requests.delete(f"{chain.server.url}/shardimage/upl_0", timeout=10).status_code == 404


def test_what_countermark_refuses_in_the_end_is_removed(chain: Chain) -> None:
    token = chain.token(limit=1)
    extra = {"mimeTypes": ["image/*"]}
    patched = chain.countermark.call("PATCH", f"/v1/access-tokens/{token['id']}", json={"extra": extra})
    assert patched.status_code == 200, patched.text
    # The client claims what the upload server does not find in the file.
    refused = chain.upload(token, b"<html>", kind="image/png", publicId="page")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, 1002)
    assert (chain.used(token), chain.server.has(f"{CLOUD}/page")) == (0, False)
    assert chain.server.parts({"value": ""}) == []
    assert chain.upload(token, picture(), publicId="page").status_code == 200


def _stopped(chain: Chain, which: Callable[[], None], token: dict[str, Any]) -> None:
    """An upload whose target stands still when `which` happens."""
    chain.server.child.send_signal(signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_quietly, chain, token)
        assert eventually(lambda: chain.used(token) == 1)
        which()
    chain.server.child.send_signal(signal.SIGCONT)


def _quietly(chain: Chain, token: dict[str, Any]) -> None:
    with suppress(requests.ConnectionError):
        chain.upload(token, picture(), publicId="a")


def test_a_countermark_that_is_killed_between_gives_the_use_back_and_the_image_goes(chain: Chain) -> None:
    token = chain.token(limit=1)
    _stopped(chain, chain.countermark.kill, token)
    chain.countermark.restart()
    assert eventually(lambda: chain.used(token) == 0, 30)
    assert eventually(lambda: not chain.server.has(f"{CLOUD}/a"), 30)
    assert eventually(lambda: chain.server.parts({"value": ""}) == [], 30)
    assert chain.upload(token, picture(), publicId="a").status_code == 200


def test_an_upload_server_that_is_killed_between_gives_the_use_back(chain: Chain) -> None:
    token = chain.token(limit=1)
    chain.server.child.send_signal(signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(chain.upload, token, picture(), publicId="a")
        assert eventually(lambda: chain.used(token) == 1)
        chain.server.kill()
        assert (answer.result().status_code, answer.result().json()["error"]["code"]) == (502, 1003)
    assert chain.used(token) == 0
    chain.server.restart()
    assert chain.upload(token, picture(), publicId="a").status_code == 200


def test_a_client_that_hangs_up_before_its_last_byte_has_begun_nothing(chain: Chain) -> None:
    token, body = chain.token(limit=1), related(picture(1_000_000), publicId="a")
    head = (
        f"POST /multipart/related HTTP/1.1\r\nHost: x\r\nX-Shardimage-Auth-token: {token['value']}\r\n"
        f"Content-Type: multipart/related; boundary={BOUNDARY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    for sent in (0, 100, len(body) // 2, len(body) - 1):
        with socket.create_connection(("127.0.0.1", chain.countermark.port)) as connection:
            connection.sendall(head.encode() + body[:sent])
    # Whatever was begun would stand before this one; the seats of those who left may take a moment to be free.
    assert chain.admitted(token, publicId="a") == 200
    assert chain.used(token) == 1


def test_a_stranger_with_a_large_file_can_read_why_it_is_refused(chain: Chain) -> None:
    for _ in range(3):
        answer = chain.upload({"value": "2" * 22}, picture(20_000_000), publicId="a")
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, 1002)
