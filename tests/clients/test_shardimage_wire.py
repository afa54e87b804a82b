"""What the official PHP SDK sends, shown with canned answers: that these tests drive it as its users do."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from shardimage import CLOUD, IMAGE_HOST, VECTORS, Key, api_signature
from shardimage_php import Sdk, refusal_of
from wire import Message, answer, recorder

KEY = Key("ak_none", "1234567890", "dummySecret")
TOKEN = {"expiry": 1_900_000_000, "limit": 1000, "extra": {"cloudId": CLOUD, "secret": "secretString"}}
STORED = {"id": "tok_abc", "type": "imageUrl", **TOKEN, "createdAt": 1_800_000_000}
VIEWERS = {"viewer1": "plain", "viewer2": {"msha1": "password"}}


def ok(body: object) -> bytes:
    return answer(200, json.dumps(body).encode(), reason="OK")


def told(sdk_folder: Path, use_msgpack: bool, response: bytes, **step: Any) -> tuple[Message, dict[str, Any]]:
    """The one request of a step, and what became of the step."""
    with recorder(lambda _: response) as server:
        outcome = Sdk(sdk_folder, server.url, KEY, use_msgpack).run(step)[0]
        (request,) = server.requests
        return request, outcome


def assert_signed(request: Message, key: Key = KEY) -> None:
    assert request.value("x-shardimage-auth-key") == key.key
    assert request.value("x-shardimage-auth-signature") == api_signature(request.target, key.key, key.secret)


def test_the_signature_here_is_that_of_the_vectors() -> None:
    for vector in VECTORS["api_signature"]:
        assert api_signature(vector["uri"], vector["key"], vector["secret"]) == vector["signature"]
    noted = "s-bff91cefc0a931e02b0916488a334b5363418ed8"
    assert api_signature("/secure/v1/access-token/tok_abc", KEY.key, KEY.secret) == noted


def test_create_sends_json_with_the_members_in_their_order(sdk_folder: Path) -> None:
    request, outcome = told(sdk_folder, False, ok(STORED), do="create", type="imageUrl", token=TOKEN)
    assert request.first == "POST /secure/v1/access-token HTTP/1.1"
    assert request.value("content-type") == "application/json; charset=utf-8"
    assert request.value("accept") is None
    assert (request.value("accept-encoding"), request.value("expect")) == ("gzip", "100-continue")
    assert request.value("x-shardimage-mode") == "sync/parallel"
    assert request.value("content-id") == request.value("referrer")
    assert request.value("x-shardimage-auth-signature") == "s-e392f0b9d3c36ae526b2c2c9e0fd162f22010905"
    assert_signed(request)
    assert request.body == (
        b'{"id":null,"expiry":1900000000,"limit":1000,"extra":{"cloudId":"mycloud","secret":"secretString"},'
        b'"createdAt":null,"type":"imageUrl"}'
    )
    assert outcome["value"] == STORED


def test_create_sends_the_noted_messagepack(sdk_folder: Path) -> None:
    request, _ = told(sdk_folder, True, ok(STORED), do="create", type="imageUrl", token=TOKEN)
    assert request.value("content-type") == "application/msgpack"
    assert request.value("accept") == "application/json,application/msgpack"
    assert request.body.hex() == (
        "86a26964c0a6657870697279ce713fb300a56c696d6974cd03e8a5657874726183c001a7636c6f75644964a76d79636c6f7564"
        "a6736563726574ac736563726574537472696e67a9637265617465644174c0a474797065a8696d61676555726c"
    )


def test_lists_in_messagepack_are_php_references_with_integer_keys(sdk_folder: Path) -> None:
    token = {"extra": {"tags": ["a"], "addTags": ["b", "c"]}}
    stored = {"id": "0123456789012345678901", "type": "upload", **token}
    request, outcome = told(sdk_folder, True, ok(stored), do="create", type="upload", token=token)
    assert b"\xa4tags\x82\xc0\x01\x00\xa1a" in request.body
    assert b"\xa7addTags\x83\xc0\x01\x00\xa1b\x01\xa1c" in request.body
    assert b"\xa6format\xc0" in request.body
    assert outcome["value"]["extra"]["tags"] == ["a"]


def test_empty_lists_and_users_of_digits_look_odd_in_messagepack(sdk_folder: Path) -> None:
    request, _ = told(sdk_folder, True, ok(STORED), do="create", type="imageUrl", token={"extra": {}})
    assert b"\xa5extra\x90" in request.body
    request, _ = told(sdk_folder, True, ok(STORED), do="create", type="upload", token={"extra": {"tags": []}})
    assert b"\xa4tags\x90" in request.body
    token = {"extra": {"secret": "secretString", "authentication": {"1001": "plain"}}}
    request, _ = told(sdk_folder, True, ok(STORED), do="create", type="imageUrl", token=token)
    assert b"\xaeauthentication\x82\xc0\x01\xcd\x03\xe9\xa5plain" in request.body


def test_viewers_are_sent_plain_and_as_msha1(sdk_folder: Path) -> None:
    token = {"extra": {"secret": "secretString", "authentication": VIEWERS}}
    request, _ = told(sdk_folder, False, ok(STORED), do="create", type="imageUrl", token=token)
    hashed = {entry["password"]: entry["hash"] for entry in VECTORS["msha1"]}["password"]
    expected = {"viewer1": "plain", "viewer2": ["msha1", hashed]}
    assert json.loads(request.body)["extra"]["authentication"] == expected


def test_the_bodiless_calls_share_one_signature(sdk_folder: Path, use_msgpack: bool) -> None:
    calls = [
        ("GET", "view", {"type": "imageUrl"}, ok(STORED)),
        ("HEAD", "exists", {}, answer(200, reason="OK")),
        ("DELETE", "revoke", {}, answer(204, kind=None, reason="No Content")),
    ]
    for method, do, members, response in calls:
        request, outcome = told(sdk_folder, use_msgpack, response, do=do, id="tok_abc", **members)
        assert request.first == f"{method} /secure/v1/access-token/tok_abc HTTP/1.1"
        assert (request.value("expect"), request.value("content-length"), request.body) == (None, None, b"")
        assert request.value("x-shardimage-auth-signature") == "s-bff91cefc0a931e02b0916488a334b5363418ed8"
        assert outcome["value"] == (STORED if do == "view" else True)


def test_projections_are_signed(sdk_folder: Path) -> None:
    options = {"projections": ["x", "y"]}
    request, _ = told(sdk_folder, False, ok(STORED), do="view", type="imageUrl", id="tok_abc", options=options)
    assert request.target == "/secure/v1/access-token/tok_abc?projections=x%2Cy"
    assert request.value("x-shardimage-auth-signature") == "s-0bee90103d1879f97ab3399bbde04cdea792d6f3"


def test_update_sends_the_whole_object(sdk_folder: Path) -> None:
    token = {"id": "tok_abc", **TOKEN}
    request, _ = told(sdk_folder, False, ok(STORED), do="update", type="imageUrl", token=token)
    assert request.first == "PUT /secure/v1/access-token/tok_abc HTTP/1.1"
    assert json.loads(request.body) == {"createdAt": None, "type": "imageUrl", **token}
    assert_signed(request)


def test_an_edit_sends_back_what_was_viewed(sdk_folder: Path, use_msgpack: bool) -> None:
    masked = {**STORED, "extra": {"cloudId": CLOUD, "secret": "***", "authentication": {"viewer1": "***"}}}
    with recorder(lambda _: ok(masked)) as server:
        sdk = Sdk(sdk_folder, server.url, KEY, use_msgpack)
        sdk.value("edit", type="imageUrl", id="tok_abc", changes={"limit": 7})
        view, update = server.requests
    assert (view.method, update.method) == ("GET", "PUT")
    if not use_msgpack:
        assert json.loads(update.body) == {**masked, "limit": 7}


def test_a_masked_pair_in_place_of_a_masked_password_breaks_an_edit(sdk_folder: Path) -> None:
    masked = {**STORED, "extra": {"secret": "***", "authentication": {"viewer2": ["msha1", "***"]}}}
    with recorder(lambda _: ok(masked)) as server:
        outcome = Sdk(sdk_folder, server.url, KEY, False).one("edit", type="imageUrl", id="tok_abc", changes={})
    assert outcome["exception"] == "RuntimeException"


@pytest.mark.parametrize(
    ("status", "code", "name"),
    [(400, 1000, "BadRequest"), (404, 1001, "NotFound"), (403, 1002, "Forbidden"), (501, 0, "NotImplemented")],
)
def test_errors_become_exceptions_by_status_with_our_code(sdk_folder: Path, status: int, code: int, name: str) -> None:
    body = {
        "success": False,
        "error": {"type": "validation", "code": code, "message": {"limit": ["must be {x}", {"x": "0"}]}},
    }
    response = answer(status, json.dumps(body).encode())
    _, outcome = told(sdk_folder, False, response, do="create", type="imageUrl", token=TOKEN)
    assert refusal_of(outcome) == (f"{name}HttpException", status, code)
    assert "limit: must be 0" in outcome["message"]


def test_an_absent_token_is_an_exception_of_exists(sdk_folder: Path) -> None:
    _, outcome = told(sdk_folder, False, answer(404, kind=None), do="exists", id="tok_abc")
    assert refusal_of(outcome) == ("NotFoundHttpException", 404, 1003)


def mixed(request: Message) -> bytes:
    """The answer of a batch: its second part is not found, the others are there."""
    boundary = (request.value("content-type") or "").partition("boundary=")[2].encode()
    parts = request.body.split(b"--" + boundary)[1:-1]
    answers = b""
    for index, part in enumerate(parts):
        inner = Message.parse(part.split(b"\r\n\r\n", 1)[1])
        status = b"404 Not Found" if index == 1 else b"200 OK"
        error = {"success": False, "error": {"type": "absent", "code": 1001, "message": "no such token"}}
        body = b"" if inner.method == "HEAD" else json.dumps(error if index == 1 else STORED).encode()
        content_id = (inner.value("content-id") or "").encode()
        answers += (
            b"--b1\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 " + status + b"\r\nContent-Id: " + content_id
        )
        answers += b"\r\nContent-Type: application/json\r\n\r\n" + body + b"\r\n"
    return answer(200, answers + b"--b1--\r\n", "multipart/mixed; boundary=b1", "OK")


def test_deferred_calls_travel_as_one_signed_batch(sdk_folder: Path, use_msgpack: bool) -> None:
    steps = [
        {"do": "view", "type": "imageUrl", "id": "tok_abc"},
        {"do": "view", "type": "imageUrl", "id": "tok_none"},
        {"do": "create", "type": "imageUrl", "token": TOKEN},
        {"do": "exists", "id": "tok_abc"},
    ]
    with recorder(mixed) as server:
        outcomes = Sdk(sdk_folder, server.url, KEY, use_msgpack).value("batch", steps=steps)
        (request,) = server.requests
    assert request.first == "POST /multipart/mixed HTTP/1.1"
    assert_signed(request)
    boundary = (request.value("content-type") or "").partition("boundary=")[2].encode()
    parts = request.body.split(b"--" + boundary)
    assert (parts[0], parts[-1]) == (b"", b"--")
    for part in parts[1:-1]:
        head, _, inner = part.partition(b"\r\n\r\n")
        assert head == b"\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary"
        assert_signed(Message.parse(inner))
        assert b"\r\nContent-ID:" in inner
        assert b"\r\nContent-ID: " not in inner
    assert [outcome.get("value") for outcome in outcomes] == [STORED, None, STORED, True]
    assert refusal_of(outcomes[1]) == ("NotFoundHttpException", 404, 1001)


def test_an_upload_presents_its_token_everywhere_and_signs_nothing(
    sdk_folder: Path, tmp_path: Path, use_msgpack: bool
) -> None:
    content = b"\x89PNG\r\n--\r\n\x00" * 100
    (tmp_path / "cat.png").write_bytes(content)
    image = {"publicId": "pid", "cloudId": CLOUD, "format": "webp", "tags": ["t"]}
    token = "0123456789012345678901"
    with recorder(lambda _: ok(image)) as server:
        sdk = Sdk(sdk_folder, server.url, KEY, use_msgpack).with_upload_token(token)
        picture = {"cloudId": CLOUD, "publicId": "pid", "tags": ["t"], "options": {"format": "webp"}}
        uploaded = sdk.value("upload", path=str(tmp_path / "cat.png"), **picture)
        remote = sdk.value("remote", resource="https://example.com/cat.png", **picture)
        related, other = server.requests
    assert related.first == "POST /multipart/related HTTP/1.1"
    boundary = (related.value("content-type") or "").partition("boundary=")[2].encode()
    _, first, second, _ = related.body.split(b"--" + boundary)
    begin, file = (Message.parse(part.split(b"\r\n\r\n", 1)[1]) for part in (first, second))
    assert begin.first == f"POST /upload/v1/c/{CLOUD} HTTP/1.1"
    assert file.first == "POST /file HTTP/1.1"
    assert file.value("content-type") == "application/octet-stream"
    assert file.value("x-shardimage-ref-id") == begin.value("content-id")
    assert file.value("x-shardimage-ref-attribute") == "file"
    assert file.body.removesuffix(b"\r\n") == content
    assert other.target == f"/upload/v1/c/{CLOUD}/remote"
    if not use_msgpack:
        common = {"cloudId": CLOUD, "tags": ["t"], "format": "webp", "publicId": "pid"}
        assert json.loads(begin.body) == {"file": "", **common}
        assert json.loads(other.body) == {"resource": "https://example.com/cat.png", **common}
    for request in (related, begin, file, other):
        assert request.value("x-shardimage-auth-token") == token
        assert request.value("x-shardimage-auth-signature") is None
    assert (uploaded["publicId"], remote["tags"]) == ("pid", ["t"])


def test_image_urls_are_signed_as_noted(sdk_folder: Path) -> None:
    sdk = Sdk(sdk_folder, "http://127.0.0.1:9", KEY, False).altered(
        apiAccessToken="tok_abc", apiAccessTokenSecret="secretString"
    )
    url = sdk.value("sign", image={"publicId": "pid"})
    assert url == f"https://{IMAGE_HOST}/{CLOUD}/s-token2:tok_abc,6pDiupPDK3F1c4h1_4dxb28E3xjqkOK6/i/pid"


def test_binary_answers_are_understood_too(sdk_folder: Path) -> None:
    packed = base64.b64decode("gqJpZKd0b2tfYWJjpHR5cGWoaW1hZ2VVcmw=")
    response = answer(200, packed, "application/msgpack", "OK")
    _, outcome = told(sdk_folder, True, response, do="view", type="imageUrl", id="tok_abc")
    assert outcome["value"]["id"] == "tok_abc"
