"""The reference upload server: forms by curl and by plain HTTP, and what happens when something is killed."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import requests

from conftest import ADMIN_KEY, free_port, listens, process
from upload_server import EXAMPLE, StartUploadServer, UploadServer, eventually, picture


def test_curl_uploads_a_form(upload_server: UploadServer, tmp_path: Path) -> None:
    token, content = upload_server.token(limit=1), picture(3_000_000)
    (tmp_path / "cat.png").write_bytes(content)
    command = ["curl", "-sS", "-w", "\n%{http_code}", "-H", f"Authorization: Bearer {token['value']}"]
    command += ["-F", "publicId=pets/cat", "-F", "file=@cat.png", f"{upload_server.url}/upload"]
    output = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=30).stdout
    body, status = output.rsplit(b"\n", 1)
    assert status == b"201", output
    outcome = json.loads(body)
    assert outcome["publicId"] == "pets/cat"
    assert outcome["bytes"] == len(content)
    assert outcome["sha256"] == hashlib.sha256(content).hexdigest()
    assert (outcome["existed"], outcome["remaining"], outcome["contentType"]) == (False, 0, "image/png")
    shown = upload_server.image("pets/cat")
    assert (shown.content, shown.headers["content-type"]) == (content, "image/png")
    assert upload_server.parts(token) == []


def test_a_second_upload_with_a_one_use_token_is_refused_in_words(upload_server: UploadServer) -> None:
    token = upload_server.token(limit=1)
    assert upload_server.post(token, picture(), publicId="use/first").status_code == 201
    answer = upload_server.post(token, picture(), publicId="use/second")
    assert (answer.status_code, answer.json()["code"]) == (403, "LIMIT_REACHED")
    assert answer.json()["detail"] == "This upload link has been used up."
    assert not upload_server.has("use/second")


def test_an_unknown_token_is_refused(upload_server: UploadServer) -> None:
    answer = upload_server.post({"value": "cmu_" + "0" * 38}, picture())
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_form_without_a_token_is_refused(upload_server: UploadServer) -> None:
    answer = requests.post(f"{upload_server.url}/upload", files={"file": b"x"}, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (401, "TOKEN_MISSING")


def test_the_size_is_known_exactly_before_the_file_comes(upload_server: UploadServer) -> None:
    content = picture(200_000)
    fits = upload_server.token(limit=1, maxBytes=len(content), minBytes=len(content))
    assert upload_server.post(fits, content, publicId="exact/fits").status_code == 201
    too_small = upload_server.token(limit=1, maxBytes=len(content) - 1)
    answer = upload_server.post(too_small, content, publicId="exact/not")
    assert (answer.status_code, answer.json()["code"]) == (403, "CONSTRAINT_FAILED")
    assert upload_server.remaining(too_small) == 1
    assert not upload_server.has("exact/not")


def test_an_empty_file_is_an_upload_of_no_bytes(upload_server: UploadServer) -> None:
    answer = upload_server.post(upload_server.token(limit=1, maxBytes=0), b"", publicId="empty")
    assert (answer.status_code, answer.json()["bytes"]) == (201, 0)


def test_a_form_of_unknown_length_is_cut_where_it_is_too_large(
    start_upload_server: StartUploadServer, upload_server: UploadServer
) -> None:
    server = start_upload_server(upload_server.countermark, UPLOAD_MAX_BYTES="100000")
    token = server.token(limit=1)
    # A generator has no length: requests sends chunks.
    head = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
    answer = requests.post(
        f"{server.url}/upload",
        data=iter([head, bytes(90_000), bytes(20_000), b"\r\n--x--\r\n"]),
        headers={"authorization": f"Bearer {token['value']}", "content-type": "multipart/form-data; boundary=x"},
        timeout=10,
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "FILE_TOO_LARGE")
    assert server.remaining(token) == 1
    assert server.parts(token) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary at all",
        b'--x\r\ncontent-disposition: form-data; name="publicId"\r\n\r\na\r\n--x--\r\n',
        b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nhalf',
        b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\na\r\n--x\r\n'
        b'content-disposition: form-data; name="publicId"\r\n\r\nlate\r\n--x--\r\n',
    ],
)
def test_a_broken_form_is_refused_and_costs_nothing(upload_server: UploadServer, body: bytes) -> None:
    token = upload_server.token(limit=1)
    headers = {"authorization": f"Bearer {token['value']}", "content-type": "multipart/form-data; boundary=x"}
    answer = requests.post(f"{upload_server.url}/upload", data=body, headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_FORM")
    assert upload_server.remaining(token) == 1
    assert upload_server.parts(token) == []


def test_a_client_that_goes_away_gives_its_use_back(upload_server: UploadServer) -> None:
    token = upload_server.token(limit=1)
    with half_an_upload(upload_server, token):
        assert eventually(lambda: upload_server.remaining(token) == 0)
    assert eventually(lambda: upload_server.remaining(token) == 1)
    assert eventually(lambda: upload_server.parts(token) == [])
    assert not upload_server.has("half")


def test_what_is_no_image_is_refused_under_a_pictures_type(upload_server: UploadServer) -> None:
    token = upload_server.token(limit=1, mimeTypes=["image/*"])
    answer = upload_server.post(token, b"<script>alert(1)</script>", kind="image/png", publicId="trick")
    assert (answer.status_code, answer.json()["code"]) == (403, "CONSTRAINT_FAILED")
    assert upload_server.remaining(token) == 1
    assert upload_server.parts(token) == []
    assert not upload_server.has("trick")


def test_what_is_no_image_is_never_shown_as_a_page(upload_server: UploadServer) -> None:
    answer = upload_server.post(upload_server.token(), b"<script>alert(1)</script>", kind="text/html", publicId="page")
    assert answer.status_code == 201
    shown = upload_server.image("page")
    assert shown.headers["content-type"] == "application/octet-stream"
    assert shown.headers["content-disposition"] == "attachment"
    assert shown.headers["x-content-type-options"] == "nosniff"


def test_no_name_leaves_the_folder_of_images(upload_server: UploadServer) -> None:
    token, names = (
        upload_server.token(),
        ("../../o", "..", ".", "/etc/x", "a//b", "a/b/c", "%2e%2e/x", "ü\\..\\x", ".h"),
    )
    uploads = upload_server.folder / "uploads"
    folders, images = sorted(uploads.iterdir()), set((uploads / "images").iterdir())
    contents = {name: picture() for name in names}
    for name, content in contents.items():
        answer = upload_server.post(token, content, publicId=name)
        assert (answer.status_code, answer.json()["publicId"]) == (201, name)
    new = set((uploads / "images").iterdir()) - images
    assert sorted(it.read_bytes() for it in new) == sorted(contents.values())
    assert sorted(uploads.iterdir()) == folders


def test_a_name_that_no_file_can_have_is_refused_and_costs_nothing(upload_server: UploadServer) -> None:
    token = upload_server.token(limit=1)
    answer = upload_server.post(token, picture(), publicId="n" * 241)
    assert (answer.status_code, answer.json()["code"]) == (400, "NAME_UNUSABLE")
    assert upload_server.remaining(token) == 1


def test_the_tokens_directives_replace_what_the_client_asks(upload_server: UploadServer) -> None:
    token = upload_server.token(publicId="fixed/name")
    answer = upload_server.post(token, picture(), publicId="mine")
    assert answer.json()["publicId"] == "fixed/name"
    assert upload_server.has("fixed/name")
    assert not upload_server.has("mine")


def test_a_replaced_image_is_reported_as_existing(upload_server: UploadServer) -> None:
    token, second = upload_server.token(), picture()
    assert upload_server.post(token, picture(), publicId="same").json()["existed"] is False
    assert upload_server.post(token, second, publicId="same").json()["existed"] is True
    assert upload_server.image("same").content == second


def test_of_many_insert_only_uploads_at_once_one_wins(upload_server: UploadServer) -> None:
    token = upload_server.token(limit=8, insertOnly=True)
    contents = [picture(50_000) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda it: upload_server.post(token, it, publicId="one"), contents))
    statuses = sorted(it.status_code for it in answers)
    assert statuses == [201, *[409] * 7], [it.text for it in answers]
    winner = next(content for content, it in zip(contents, answers, strict=True) if it.status_code == 201)
    assert upload_server.image("one").content == winner
    assert upload_server.remaining(token) == 7


def test_a_free_name_is_never_taken_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Over HTTP the moment between looking and taking is too short to be met: here it is met on purpose.
    monkeypatch.syspath_prepend(EXAMPLE)
    from images import Images

    images, together = Images(tmp_path / "images"), Barrier(4)
    received = [tmp_path / str(number) for number in range(4)]
    for part in received:
        part.write_bytes(picture(100_000))

    def take(part: Path, name: str) -> bool:
        together.wait(10)
        try:
            return not images.place(part, name, insert_only=True)
        except Exception as refused:
            assert str(refused) == "NAME_TAKEN"
            return False

    with ThreadPoolExecutor(4) as pool:
        for round_ in range(50):
            won = list(pool.map(take, received, [f"name-{round_}"] * 4))
            assert won.count(True) == 1


def test_a_file_that_is_refused_at_the_end_leaves_the_old_one(upload_server: UploadServer) -> None:
    old = picture()
    assert upload_server.post(upload_server.token(), old, publicId="same").status_code == 201
    strict = upload_server.token(limit=1, mimeTypes=["image/*"])
    assert upload_server.post(strict, b"not an image", publicId="same").status_code == 403
    assert upload_server.image("same").content == old


def test_a_full_disk_costs_nothing(own_server: UploadServer) -> None:
    token = own_server.token(limit=1)
    own_server.allow_files_of(50_000)
    answer = own_server.post(token, picture(200_000), publicId="full")
    assert (answer.status_code, answer.json()["code"]) == (500, "STORE_FAILED")
    assert own_server.remaining(token) == 1
    assert own_server.parts(token) == []
    # Not even a note can be written now.
    own_server.allow_files_of(0)
    assert own_server.post(token, picture(), publicId="full").status_code == 500
    assert eventually(lambda: own_server.remaining(token) == 1)
    assert not own_server.has("full")


def test_the_demo_makes_a_link_that_works(tmp_path: Path, upload_server: UploadServer) -> None:
    port = free_port()
    environment = {**os.environ, "COUNTERMARK_URL": upload_server.countermark.url, "COUNTERMARK_KEY": ADMIN_KEY}
    command = [sys.executable, str(EXAMPLE / "demo.py")]
    with process(command, tmp_path, lambda: listens(port), {**environment, "PORT": str(port)}):
        log = (tmp_path / f"{Path(sys.executable).name}.log").read_text()
        value = log.split("/#", 1)[1].split()[0]
        demo = UploadServer(upload_server.countermark, tmp_path, port)
        outcome = demo.post({"value": value}, picture(), publicId="demo").json()
        assert (outcome["state"], outcome["remaining"]) == ("done", 2)
        events = f"{demo.url}/events/{outcome['uploadId']}"
        assert eventually(lambda: len(requests.get(events, timeout=5).json()["events"]) == 1)


def test_an_event_with_a_wrong_signature_is_not_shown(upload_server: UploadServer) -> None:
    event = {"type": "upload.completed", "data": {"uploadId": "upl_x"}}
    headers = {"webhook-id": "ntf_x", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,AAAA"}
    answer = requests.post(f"{upload_server.url}/notifications", json=event, headers=headers, timeout=5)
    assert answer.status_code == 400
    assert requests.get(f"{upload_server.url}/events/upl_x", timeout=5).json() == {"events": []}


def test_a_crash_of_the_upload_server_while_it_receives_gives_the_use_back(own_server: UploadServer) -> None:
    token = own_server.token(limit=1)
    with half_an_upload(own_server, token):
        # Once it receives, it knows the upload. Killed before, it leaves the use to the deadline.
        assert eventually(lambda: own_server.remaining(token) == 0 and own_server.parts(token))
        own_server.kill()
    own_server.restart()
    assert eventually(lambda: own_server.remaining(token) == 1)
    assert own_server.parts(token) == []


def test_an_upload_that_is_stored_is_completed_after_both_were_killed(own_server: UploadServer) -> None:
    token, content = own_server.token(limit=1), picture(100_000)
    with half_an_upload(own_server, token, content) as connection:
        assert eventually(lambda: own_server.remaining(token) == 0)
        own_server.countermark.kill()
        connection.sendall(content[len(content) // 2 :] + b"\r\n--x--\r\n")
        assert b" 202 " in connection.recv(4096)
    own_server.kill()
    own_server.countermark.restart()
    own_server.restart()
    assert eventually(lambda: own_server.parts(token) == [])
    assert own_server.image("half").content == content
    assert own_server.countermark.view(token["id"])["used"] == 1
    assert own_server.post(token, picture(), publicId="again").json()["code"] == "LIMIT_REACHED"


def test_a_server_whose_own_key_is_wrong_blames_itself(
    start_upload_server: StartUploadServer, upload_server: UploadServer
) -> None:
    lacking = upload_server.countermark.issue(type="apiKey", permissions=["tokens:read"])["value"]
    server = start_upload_server(upload_server.countermark, COUNTERMARK_KEY=lacking)
    answer = server.post(server.token(limit=1), picture())
    assert (answer.status_code, answer.json()["code"]) == (503, "UNANSWERED")


def half_an_upload(server: UploadServer, token: dict, content: bytes | None = None) -> socket.socket:
    """A connection on which half of a form has been sent."""
    content = picture(100_000) if content is None else content
    head = b'--x\r\ncontent-disposition: form-data; name="publicId"\r\n\r\nhalf\r\n'
    head += b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
    lines = [
        "POST /upload HTTP/1.1",
        "host: upload",
        f"authorization: Bearer {token['value']}",
        "content-type: multipart/form-data; boundary=x",
        f"content-length: {len(head) + len(content) + 9}",
    ]
    port = int(server.url.rsplit(":", 1)[1])
    connection = socket.create_connection(("127.0.0.1", port), 20)
    connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + head + content[: len(content) // 2])
    return connection
