"""tusd as docs/guide/src/tusd.md sets it up: its command line, nginx before it, a real tus client.

No package registry has tusd, so `tests/run` cannot install it and leaves these tests out. With a tusd on the PATH:
`tests/clients/run with_tusd.py`.
"""

from __future__ import annotations

import base64
import io
import json
import os
import shlex
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError

from conftest import REPOSITORY, Countermark, StartCountermark, free_port, listens, process
from test_tusd import HOST, nginx

GUIDE = REPOSITORY / "docs" / "guide" / "src" / "tusd.md"
SECRET = "0123456789abcdef0123456789abcdef"
TUS = {"Tus-Resumable": "1.0.0"}


def command_line(port: int, countermark: int, folder: Path) -> list[str]:
    """The guide's command with our ports and folders."""
    _, marked = GUIDE.read_text().split("<!-- tusd:begin -->")
    block = marked.split("<!-- tusd:end -->")[0].strip().removeprefix("```sh").removesuffix("```")
    changes = {
        "1080": str(port),
        "127.0.0.1:8080": f"127.0.0.1:{countermark}",
        "/var/lib/tusd": str(folder),
        "$(cat /etc/countermark/tusd-secret)": SECRET,
    }
    for shown, ours in changes.items():
        assert block.count(shown) == 1, shown
        block = block.replace(shown, ours)
    return shlex.split(block.replace("\\\n", " "))


@dataclass
class Site:
    """Everything that runs."""

    countermark: Countermark
    store: Path
    files: str
    direct: str

    def issue(self, limit: int, **extra: object) -> dict:
        return self.countermark.issue(type="upload", limit=limit, extra=extra)

    def used(self, token: dict) -> int:
        return self.countermark.view(token["id"])["used"]

    def client(self, token: dict) -> TusClient:
        return TusClient(self.files, headers={"Authorization": f"Bearer {token['value']}", "Host": HOST})

    def upload(self, token: dict, content: bytes, **metadata: str) -> str:
        """Uploads in chunks of 64 KiB; the upload's id. Its URL names our host, which no name server knows."""
        uploader = self.client(token).uploader(file_stream=io.BytesIO(content), chunk_size=65536, metadata=metadata)
        uploader.set_url(self.here(uploader.create_url()))
        uploader.upload()
        return str(uploader.url).rsplit("/", 1)[1]

    def here(self, location: str) -> str:
        return self.files + location.rsplit("/", 1)[1]

    def refusal(self, token: dict, content: bytes, **metadata: str) -> tuple[int, dict]:
        with pytest.raises(TusCommunicationError) as refused:
            self.upload(token, content, **metadata)
        return refused.value.status_code, json.loads(refused.value.response_content)

    def state(self, upload: str) -> dict:
        return self.countermark.call("GET", f"/v1/uploads/{upload}").json()

    def eventually_used(self, token: dict, expected: int) -> None:
        """post-terminate is sent beside the answer to the client."""
        deadline = time.monotonic() + 10
        while self.used(token) != expected:
            assert time.monotonic() < deadline, f"used {self.used(token)}, not {expected}"
            time.sleep(0.02)


@pytest.fixture
def site(tmp_path: Path, start_countermark: StartCountermark) -> Iterator[Site]:
    countermark = start_countermark(
        hooks__tusd_secret=SECRET, hooks__tusd_request_id_header="X-Request-Id", gate__trusted_proxies="127.0.0.1"
    )
    store, port = tmp_path / "store", free_port()
    store.mkdir()
    with ExitStack() as running:
        command = command_line(port, countermark.port, store)
        running.enter_context(process(command, tmp_path, lambda: listens(port)))
        front = running.enter_context(nginx(tmp_path, port, countermark.port))
        yield Site(countermark, store, f"http://127.0.0.1:{front}/files/", f"http://127.0.0.1:{port}/files/")


def test_an_upload_arrives_whole_under_its_id_with_the_parameters_of_its_token(site: Site) -> None:
    token = site.issue(1, addTags=["inbox"], publicId="in/cat", mimeTypes=["image/*"], maxBytes=300_000)
    content = os.urandom(300_000)
    upload = site.upload(token, content, filename="cat.png", filetype="image/png", tags="a,b", publicId="mine")
    assert (site.store / upload).read_bytes() == content
    metadata = json.loads((site.store / f"{upload}.info").read_text())["MetaData"]
    assert metadata == {"filename": "cat.png", "filetype": "image/png", "tags": "a,b,inbox", "publicId": "in/cat"}
    assert site.used(token) == 1
    state = site.state(upload)
    assert state["state"] == "completed"
    assert state["result"] == {"bytes": 300_000, "contentType": "image/png", "existed": False}


def test_a_second_upload_of_a_one_use_token_is_refused_in_words(site: Site) -> None:
    token = site.issue(1)
    site.upload(token, b"one")
    status, problem = site.refusal(token, b"two")
    assert (status, problem["code"]) == (403, "LIMIT_REACHED")
    assert problem["detail"] == "all uploads that were permitted have been made: ask for a new permission"


def test_what_the_token_does_not_admit_is_refused_before_a_byte_is_sent(site: Site) -> None:
    token = site.issue(1, mimeTypes=["image/*"], maxBytes=10)
    assert site.refusal(token, b"x" * 11, filetype="image/png")[1]["code"] == "CONSTRAINT_FAILED"
    assert site.refusal(token, b"x", filetype="text/html")[1]["code"] == "CONSTRAINT_FAILED"
    kind = base64.b64encode(b"image/png").decode()
    headers = {**TUS, "Host": HOST, "Authorization": f"Bearer {token['value']}", "Upload-Metadata": f"filetype {kind}"}
    deferred = requests.post(site.files, headers={**headers, "Upload-Defer-Length": "1"}, timeout=10)
    assert (deferred.status_code, deferred.json()["code"]) == (403, "CONSTRAINT_FAILED")
    # nginx gives nothing to tusd that could be joined; without nginx the hook sees it.
    part = {**headers, "Upload-Length": "1", "Upload-Concat": "partial"}
    assert requests.post(site.direct, headers=part, timeout=10).status_code in (400, 403)
    assert site.used(token) == 0
    assert list(site.store.iterdir()) == []


def test_a_deleted_upload_gives_its_use_back_and_only_its_token_may_delete_it(site: Site) -> None:
    token, other = site.issue(1), site.issue(1)
    headers = {**TUS, "Host": HOST, "Authorization": f"Bearer {token['value']}", "Upload-Length": "3"}
    created = requests.post(site.files, headers=headers, timeout=10)
    assert created.status_code == 201, created.text
    assert site.used(token) == 1
    url = site.here(created.headers["location"])
    foreign = {**TUS, "Host": HOST, "Authorization": f"Bearer {other['value']}"}
    assert requests.delete(url, headers=foreign, timeout=10).status_code == 403
    assert requests.delete(url, headers={**TUS, "Host": HOST}, timeout=10).status_code == 401
    assert requests.delete(url, headers=headers, timeout=10).status_code == 204
    site.eventually_used(token, 0)
    site.upload(token, b"another")
    assert site.used(token) == 1


def test_thirty_creations_at_once_take_exactly_the_limit(site: Site) -> None:
    token = site.issue(5)
    headers = {**TUS, "Host": HOST, "Authorization": f"Bearer {token['value']}", "Upload-Length": "3"}
    statuses: list[int] = []

    def create() -> None:
        statuses.append(requests.post(site.files, headers=headers, timeout=30).status_code)

    threads = [threading.Thread(target=create) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] * 5 + [403] * 25
    assert site.used(token) == 5
