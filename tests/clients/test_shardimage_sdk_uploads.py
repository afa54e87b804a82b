"""Uploads of the Shardimage dialect by its official PHP SDK, and the directives of its tokens."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote_to_bytes

from receiver import Receiver
from shardimage import CLOUD, Installation
from shardimage_php import SECRET, Connect, Sdk, assert_denied, create, image_token, refusal_of, upload_token
from wire import Recorder


def test_directives_apply_to_native_uploads(sdk: Sdk, shardimage: Installation) -> None:
    """S2-15, S2-16, S2-17, S2-18, S2-19, S2-20, S2-22, S2-23, S2-24."""
    asked = {"tags": ["given"], "transformation": "w:1", "format": "png", "projection": "p", "publicId": "mine"}
    added = upload_token(addTags=["new"], transformationPrefix="before", transformationPostfix="after")
    begun = shardimage.begin_upload(create(sdk, "upload", added)["id"], **asked)
    assert begun["effective"]["tags"] == ["given", "new"]
    assert begun["effective"]["transformation"] == "before/w:1/after"
    overwritten = {"tags": ["t"], "transformation": "w:2", "format": "webp", "projection": "q", "publicId": "fixed"}
    id_ = create(sdk, "upload", upload_token(limit=1, cloudId=CLOUD, **overwritten))["id"]
    other = shardimage.begin_upload(id_, cloudId="othercloud", **asked)
    assert (other["status"], other["code"]) == (403, "WRONG_CLOUD")
    begun = shardimage.begin_upload(id_, **asked)
    assert {name: begun["effective"][name] for name in overwritten} == overwritten
    assert begun["effective"]["cloudId"] == CLOUD
    assert shardimage.begin_upload(id_, **asked)["code"] == "LIMIT_REACHED"


def everything(target: Recorder) -> bytes:
    """All of the only request that reached the upload target, as it is and with percent-escapes undone."""
    (raw,) = target.raw
    return raw + unquote_to_bytes(raw)


def test_an_upload_spends_a_use_and_its_bytes_reach_the_target(
    connect: Connect, serving_shardimage: Installation, upload_target: Recorder, receiver: Receiver, tmp_path: Path
) -> None:
    """S2-6, S2-14, S2-15, S2-16, S2-20, S2-22, S2-24: the directives win over what the client asks."""
    content = b"\x89PNG\r\n--\r\n\r\n\x00\xff" * 5000
    (tmp_path / "cat.png").write_bytes(content)
    sdk = connect(serving_shardimage)
    extra = {"cloudId": CLOUD, "addTags": ["new"], "format": "webp", "notificationUrls": [receiver.url]}
    id_ = create(sdk, "upload", upload_token(limit=1, publicId="fixed", **extra))["id"]
    picture = {"path": str(tmp_path / "cat.png"), "cloudId": CLOUD, "publicId": "mine", "tags": ["given"]}
    client = sdk.with_upload_token(id_)
    image = client.value("upload", **picture)
    assert (image["publicId"], image["cloudId"], image["tags"]) == ("fixed", CLOUD, ["given", "new"])
    assert image["format"] == "webp"
    stored = everything(upload_target)
    assert content in stored
    assert all(word in stored for word in (b"fixed", b"given", b"new", b"webp"))
    assert id_.encode() not in stored
    (told,) = receiver.wait_for(1)
    assert (told.unverified()["type"], told.unverified()["data"]["effective"]["publicId"]) == (
        "upload.completed",
        "fixed",
    )
    upload_target.take()
    assert_denied(client.one("upload", **picture))
    assert upload_target.take() == []


def test_a_remote_upload_hands_its_address_to_the_target(
    connect: Connect, serving_shardimage: Installation, upload_target: Recorder
) -> None:
    """S2-6, S2-16."""
    sdk = connect(serving_shardimage)
    id_ = create(sdk, "upload", upload_token(limit=1, cloudId=CLOUD, addTags=["new"]))["id"]
    picture = {"resource": "https://example.com/cat.png", "cloudId": CLOUD, "publicId": "pid", "tags": ["given"]}
    client = sdk.with_upload_token(id_)
    image = client.value("remote", **picture)
    assert (image["publicId"], image["cloudId"], image["tags"]) == ("pid", CLOUD, ["given", "new"])
    assert b"https://example.com/cat.png" in everything(upload_target)
    upload_target.take()
    assert_denied(client.one("remote", **picture))
    assert upload_target.take() == []


def test_uploads_to_another_cloud_or_without_a_token_are_denied_and_cost_nothing(
    connect: Connect, serving_shardimage: Installation, upload_target: Recorder, tmp_path: Path
) -> None:
    """S2-20, S2-21: without a restriction, any cloud."""
    (tmp_path / "cat.png").write_bytes(b"cat")
    sdk = connect(serving_shardimage)
    bound, free = (create(sdk, "upload", upload_token(limit=1, **extra))["id"] for extra in ({"cloudId": CLOUD}, {}))
    other = {"path": str(tmp_path / "cat.png"), "cloudId": "othercloud", "publicId": "pid"}
    assert_denied(sdk.with_upload_token(bound).one("upload", **other))
    assert_denied(sdk.with_upload_token("0" * 22).one("upload", **other))
    assert upload_target.take() == []
    assert sdk.with_upload_token(free).value("upload", **other)["cloudId"] == "othercloud"
    assert sdk.with_upload_token(bound).value("upload", **{**other, "cloudId": CLOUD})["cloudId"] == CLOUD


def test_an_image_token_uploads_nothing(connect: Connect, serving_shardimage: Installation, tmp_path: Path) -> None:
    """S2-4, S2-9."""
    (tmp_path / "cat.png").write_bytes(b"cat")
    sdk = connect(serving_shardimage)
    id_ = create(sdk, "imageUrl", image_token())["id"]
    picture = {"path": str(tmp_path / "cat.png"), "cloudId": CLOUD, "publicId": "pid"}
    assert_denied(sdk.with_upload_token(id_).one("upload", **picture))


def test_without_a_target_uploads_are_not_implemented_and_cost_nothing(
    sdk: Sdk, shardimage: Installation, tmp_path: Path
) -> None:
    (tmp_path / "cat.png").write_bytes(b"cat")
    id_ = create(sdk, "upload", upload_token(limit=1))["id"]
    client = sdk.with_upload_token(id_)
    picture = {"cloudId": CLOUD, "publicId": "pid"}
    for outcome in (
        client.one("upload", path=str(tmp_path / "cat.png"), **picture),
        client.one("remote", resource="https://example.com/cat.png", **picture),
    ):
        assert refusal_of(outcome)[:2] == ("NotImplementedHttpException", 501)
    assert shardimage.begin_upload(id_)["status"] == 201


def test_uploads_cannot_be_deferred_and_cost_nothing(
    connect: Connect, serving_shardimage: Installation, upload_target: Recorder, tmp_path: Path
) -> None:
    (tmp_path / "cat.png").write_bytes(b"cat")
    sdk = connect(serving_shardimage)
    id_ = create(sdk, "upload", upload_token(limit=2))["id"]
    step = {"do": "upload", "path": str(tmp_path / "cat.png"), "cloudId": CLOUD, "publicId": "pid"}
    outcomes = sdk.with_upload_token(id_).value("batch", steps=[step, step])
    assert [refusal_of(outcome)[:2] for outcome in outcomes] == [("NotImplementedHttpException", 501)] * 2
    assert upload_target.take() == []
    assert serving_shardimage.begin_upload(id_)["status"] == 201


def test_no_value_or_secret_reaches_the_log(
    connect: Connect, serving_shardimage: Installation, upload_target: Recorder, tmp_path: Path
) -> None:
    """The paths of this dialect bear values of upload tokens."""
    (tmp_path / "cat.png").write_bytes(b"cat")
    sdk = connect(serving_shardimage)
    id_ = create(sdk, "upload", upload_token())["id"]
    create(sdk, "imageUrl", image_token())
    sdk.value("view", type="upload", id=id_)
    sdk.value("batch", steps=[{"do": "exists", "id": id_}] * 2)
    picture = {"path": str(tmp_path / "cat.png"), "cloudId": CLOUD, "publicId": "pid"}
    sdk.with_upload_token(id_).value("upload", **picture)
    sdk.value("revoke", id=id_)
    assert_denied(sdk.with_upload_token(id_).one("upload", **picture))
    log = (serving_shardimage.countermark.folder / "countermark.log").read_text()
    assert log
    assert not [secret for secret in (id_, SECRET, serving_shardimage.key.secret) if secret in log]
