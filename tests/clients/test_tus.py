"""Resumable uploads to the reference upload server by tuspy, a published tus client."""

from __future__ import annotations

import io
import json
from urllib.parse import unquote

import pytest
import requests
from tusclient import client
from tusclient.exceptions import TusCommunicationError, TusUploadFailed
from tusclient.uploader import Uploader

from upload_server import UploadServer, picture

CHUNK = 64 * 1024
CONTENT = picture(5 * CHUNK + 17)


def uploader(server: UploadServer, token: dict, content: bytes = CONTENT, **options: object) -> Uploader:
    """A client with a file to send; `url` continues an upload."""
    metadata = {"publicId": "tus/cat", "filetype": "image/png", "filename": "cat.png", "tags": "a,b"}
    tus = client.TusClient(f"{server.url}/files", headers={"Authorization": f"Bearer {token['value']}"})
    stream = io.BytesIO(content)
    return tus.uploader(file_stream=stream, chunk_size=CHUNK, metadata=metadata, **options)  # type: ignore[arg-type]


def ask(method: str, url: str | None, token: dict, data: bytes = b"", **headers: str) -> requests.Response:
    """One request of the protocol, by hand."""
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    names = {"tus-resumable": "1.0.0", "authorization": f"Bearer {token['value']}", **names}
    assert url is not None
    return requests.request(method, url, headers=names, data=data, timeout=10)


def test_a_file_arrives_in_chunks_as_one_use(upload_server: UploadServer) -> None:
    token = upload_server.token(limit=1)
    upload = uploader(upload_server, token)
    upload.upload()
    outcome = json.loads(unquote(upload.request.response_headers["upload-result"]))
    assert (outcome["state"], outcome["publicId"], outcome["remaining"]) == ("done", "tus/cat", 0)
    assert upload_server.image("tus/cat").content == CONTENT
    assert upload_server.parts(token) == []
    with pytest.raises(TusCommunicationError) as refused:
        uploader(upload_server, token).upload()
    assert refused.value.status_code == 403
    assert b"This upload link has been used up." in refused.value.response_content


def test_an_interrupted_upload_goes_on_after_a_crash_of_the_server(own_server: UploadServer) -> None:
    token = own_server.token(limit=1)
    upload = uploader(own_server, token)
    upload.upload(stop_at=2 * CHUNK)
    own_server.kill()
    with pytest.raises(TusUploadFailed):
        upload.upload_chunk()
    own_server.restart()
    resumed = uploader(own_server, token, url=upload.url)
    assert resumed.offset == 2 * CHUNK
    resumed.upload()
    assert own_server.image("tus/cat").content == CONTENT
    assert own_server.remaining(token) == 0


def test_a_client_that_missed_the_last_answer_learns_that_all_has_come(own_server: UploadServer) -> None:
    token = own_server.token(limit=1)
    upload = uploader(own_server, token)
    upload.upload()
    assert upload.get_offset() == len(CONTENT)
    own_server.kill()
    own_server.restart()
    assert upload.get_offset() == len(CONTENT)


def test_termination_gives_the_use_back(upload_server: UploadServer) -> None:
    token = upload_server.token(limit=1)
    upload = uploader(upload_server, token)
    upload.upload_chunk()
    assert upload_server.remaining(token) == 0
    assert ask("DELETE", upload.url, token).status_code == 204
    assert upload_server.remaining(token) == 1
    assert upload_server.parts(token) == []
    assert ask("HEAD", upload.url, token).status_code == 404


def test_a_completed_upload_cannot_be_terminated(upload_server: UploadServer) -> None:
    token = upload_server.token(limit=1)
    upload = uploader(upload_server, token)
    upload.upload()
    assert ask("DELETE", upload.url, token).status_code == 409
    assert upload_server.remaining(token) == 0
    assert upload_server.image("tus/cat").ok


def test_a_wrong_offset_is_a_conflict_and_changes_nothing(upload_server: UploadServer) -> None:
    token = upload_server.token(limit=1)
    upload = uploader(upload_server, token)
    upload.upload_chunk()
    kind = "application/offset+octet-stream"
    for offset in ("0", str(CHUNK + 1), "-1", "x"):
        answer = ask("PATCH", upload.url, token, b"wrong", upload_offset=offset, content_type=kind)
        assert answer.status_code == 409, offset
    assert upload.get_offset() == CHUNK


def test_another_token_does_not_reach_an_upload(upload_server: UploadServer) -> None:
    upload = uploader(upload_server, upload_server.token())
    upload.upload_chunk()
    other = upload_server.token()
    kind = "application/offset+octet-stream"
    assert ask("HEAD", upload.url, other).status_code == 404
    assert ask("PATCH", upload.url, other, b"x", upload_offset=str(CHUNK), content_type=kind).status_code == 404
    assert ask("DELETE", upload.url, other).status_code == 404
    assert upload.get_offset() == CHUNK


def test_more_than_was_announced_is_refused_and_not_kept(upload_server: UploadServer) -> None:
    token = upload_server.token(limit=1)
    upload = uploader(upload_server, token)
    upload.upload(stop_at=5 * CHUNK)
    kind = "application/offset+octet-stream"
    answer = ask("PATCH", upload.url, token, bytes(18), upload_offset=str(5 * CHUNK), content_type=kind)
    assert answer.status_code == 413
    assert upload.get_offset() == 5 * CHUNK


def test_a_too_large_file_is_refused_before_a_byte_of_it_is_sent(upload_server: UploadServer) -> None:
    token = upload_server.token(limit=1, maxBytes=len(CONTENT) - 1)
    with pytest.raises(TusCommunicationError) as refused:
        uploader(upload_server, token).upload()
    assert refused.value.status_code == 403
    assert upload_server.remaining(token) == 1


def test_an_empty_file_is_complete_at_its_creation(upload_server: UploadServer) -> None:
    token = upload_server.token(limit=1)
    uploader(upload_server, token, b"").upload()
    assert upload_server.image("tus/cat").content == b""
    assert upload_server.remaining(token) == 0


def test_the_server_says_what_it_speaks(upload_server: UploadServer) -> None:
    tus = client.TusClient(f"{upload_server.url}/files")
    answer = requests.options(tus.url, timeout=10)
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == answer.headers["tus-resumable"] == "1.0.0"
    assert answer.headers["tus-extension"] == "creation,termination"
    assert requests.post(tus.url, headers={"upload-length": "1"}, timeout=10).status_code == 412


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"upload_length": "-1"},
        {"upload_length": "1x"},
        {"upload_defer_length": "1"},
        {"upload_length": "1", "upload_metadata": "publicId %%%"},
    ],
)
def test_a_malformed_creation_is_refused_and_costs_nothing(upload_server: UploadServer, headers: dict) -> None:
    token = upload_server.token(limit=1)
    assert ask("POST", f"{upload_server.url}/files", token, **headers).status_code == 400
    assert upload_server.remaining(token) == 1
