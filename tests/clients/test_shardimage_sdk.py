"""Access tokens of the Shardimage dialect, managed by its official PHP SDK, unmodified, in both of its formats."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from shardimage import CLOUD, REFUSED_STATUSES, Installation
from shardimage_php import (
    EXPIRY,
    MASK,
    SECRET,
    Connect,
    Sdk,
    assert_denied,
    create,
    image_token,
    refusal_of,
    upload_token,
)


def test_an_image_token_is_created_as_documented(sdk: Sdk, shardimage: Installation) -> None:
    """S2-1, S2-2, S2-3, S2-4, S2-5, S2-6, S2-7, S2-8, S2-9, S2-10, S2-12, S2-25."""
    made = create(sdk, "imageUrl", image_token())
    assert set(made) == {"id", "type", "expiry", "limit", "extra", "createdAt"}
    assert made["id"].startswith("iu_")
    assert (made["type"], made["expiry"], made["limit"]) == ("imageUrl", EXPIRY, 9)
    assert abs(made["createdAt"] - time.time()) < 60
    assert made["extra"] == {"cloudId": CLOUD, "secret": SECRET}
    record = shardimage.countermark.view(made["id"])
    assert (record["type"], record["dialect"], record["limit"]) == ("imageUrl", "shardimage", 9)
    assert record["expiry"] == EXPIRY
    assert SECRET not in str(record)


def test_a_token_as_created_can_be_sent_again(sdk: Sdk) -> None:
    """S2-13, S2-25: the SDK's model cannot send a password that an answer showed as the pair `["msha1", …]`."""
    viewers = {"hashed": {"msha1": "password"}}
    made = create(sdk, "imageUrl", image_token(extra={"cloudId": CLOUD, "secret": SECRET, "authentication": viewers}))
    assert all(isinstance(shown, str) for shown in made["extra"]["authentication"].values())


def test_an_upload_token_is_created_as_documented(sdk: Sdk, shardimage: Installation) -> None:
    """S2-4, S2-9, S2-14, S2-15, S2-16, S2-17, S2-18, S2-19, S2-20, S2-22, S2-23, S2-24, S2-25.

    Every member comes back; the id is the value, not to be guessed.
    """
    extra = {
        "transformation": "w:200",
        "transformationPrefix": "h:1",
        "transformationPostfix": "q:80",
        "format": "webp",
        "cloudId": CLOUD,
        "projection": "private",
        "tags": ["first", "second"],
        "addTags": ["third"],
        "notificationUrls": ["https://example.com/hook"],
        "publicId": "pid",
    }
    made = create(sdk, "upload", upload_token(limit=5, **extra))
    assert made["type"] == "upload"
    assert made["extra"] == extra
    assert len(made["id"]) >= 22
    assert made["id"].isalnum()
    assert made["id"] not in str(shardimage.native(type="upload"))


def test_upload_extras_are_optional_and_an_empty_list_is_one(sdk: Sdk, shardimage: Installation) -> None:
    """S2-14, S2-15, S2-16: nothing is demanded; `tags: []` overwrites with no tags at all."""
    bare = create(sdk, "upload", upload_token())
    assert not any((bare["extra"] or {}).values())
    cleared = create(sdk, "upload", upload_token(tags=[], addTags=["one"]))
    begun = shardimage.begin_upload(cleared["id"], tags=["given"])
    assert begun["effective"]["tags"] == ["one"]


def test_a_view_masks_what_is_secret(sdk: Sdk) -> None:
    """S2-26, S2-12, S2-13."""
    viewers = {"plain": "first password", "hashed": {"msha1": "second password"}}
    made = create(sdk, "imageUrl", image_token(extra={"cloudId": CLOUD, "secret": SECRET, "authentication": viewers}))
    viewed = sdk.value("view", type="imageUrl", id=made["id"])
    assert {name: viewed[name] for name in ("id", "expiry", "limit", "createdAt", "type")} == {
        name: made[name] for name in ("id", "expiry", "limit", "createdAt", "type")
    }
    assert viewed["extra"]["cloudId"] == CLOUD
    assert viewed["extra"]["secret"] == MASK
    assert set(viewed["extra"]["authentication"]) == {"plain", "hashed"}
    assert set(viewed["extra"]["authentication"].values()) == {MASK}


def test_a_view_with_projections_is_answered(sdk: Sdk) -> None:
    """S2-26: what projections there are is not public; the signature covers them."""
    made = create(sdk, "imageUrl", image_token())
    viewed = sdk.value("view", type="imageUrl", id=made["id"], options={"projections": ["id", "extra"]})
    assert viewed["id"] == made["id"]


def test_an_upload_token_is_viewed_changed_and_revoked_by_its_value(sdk: Sdk, shardimage: Installation) -> None:
    """S2-26, S2-27, S2-28, S2-29."""
    id_ = create(sdk, "upload", upload_token(limit=2, tags=["old"]))["id"]
    assert sdk.value("view", type="upload", id=id_)["extra"]["tags"] == ["old"]
    changed = sdk.value("edit", type="upload", id=id_, changes={"limit": 3}, extra={"tags": ["new"]})
    assert (changed["id"], changed["limit"], changed["extra"]["tags"]) == (id_, 3, ["new"])
    assert sdk.value("exists", id=id_) is True
    assert sdk.value("revoke", id=id_) is True
    assert sdk.refusal("exists", id=id_)[1] == 404
    assert shardimage.begin_upload(id_)["status"] in REFUSED_STATUSES


def test_exists_is_true_or_an_exception(sdk: Sdk) -> None:
    """S2-27: a HEAD has no body, so the code is that of HTTP errors."""
    made = create(sdk, "imageUrl", image_token())
    assert sdk.value("exists", id=made["id"]) is True
    assert sdk.refusal("exists", id="iu_0000000000000000000000") == ("NotFoundHttpException", 404, 1003)
    outcome = sdk.altered(softExceptionEnabled=False).one("exists", id="iu_0000000000000000000000")
    assert outcome["returned"] is True


def test_an_absent_token_is_not_found(sdk: Sdk) -> None:
    """S2-26, S2-28, S2-29."""
    absent = "iu_0000000000000000000000"
    assert sdk.refusal("view", type="imageUrl", id=absent) == ("NotFoundHttpException", 404, 1001)
    assert sdk.refusal("revoke", id=absent) == ("NotFoundHttpException", 404, 1001)
    token = image_token(id=absent)
    assert sdk.refusal("update", type="imageUrl", token=token) == ("NotFoundHttpException", 404, 1001)


def test_tokens_of_other_dialects_are_not_there(sdk: Sdk, shardimage: Installation) -> None:
    native = shardimage.countermark.issue(type="imageUrl")["id"]
    assert sdk.refusal("view", type="imageUrl", id=native)[2] == 1001
    assert sdk.refusal("exists", id=native)[1] == 404
    assert sdk.refusal("revoke", id=native)[2] == 1001
    assert shardimage.countermark.view(native)["status"] == "active"


def test_an_update_changes_and_the_mask_keeps_the_secret(sdk: Sdk, shardimage: Installation) -> None:
    """S2-28: what was viewed is sent back with one member changed, as the SDK's users do it."""
    viewers = {"viewer": "password", "hashed": {"msha1": "password"}}
    id_ = create(sdk, "imageUrl", image_token(extra={"cloudId": CLOUD, "secret": SECRET}))["id"]
    link = shardimage.link(id_)
    changed = sdk.value("edit", type="imageUrl", id=id_, changes={"limit": 20, "expiry": EXPIRY + 1})
    assert (changed["limit"], changed["expiry"]) == (20, EXPIRY + 1)
    assert shardimage.code(link) == "ALLOWED"
    token = image_token(id=id_, extra={"cloudId": CLOUD, "authentication": viewers})
    sdk.value("update", type="imageUrl", token=token)
    assert shardimage.code(link) == "AUTHENTICATION_REQUIRED", "an omitted secret is kept, too"
    sdk.value("edit", type="imageUrl", id=id_, changes={"limit": 30})
    for username in viewers:
        assert shardimage.code(link, basic={"username": username, "password": "password"}) == "ALLOWED"


def test_an_update_takes_nulls_as_no_bound(sdk: Sdk) -> None:
    """S2-28, S2-5, S2-6: the whole object is sent again."""
    id_ = create(sdk, "imageUrl", image_token())["id"]
    token = image_token(id=id_, expiry=None, limit=None)
    changed = sdk.value("update", type="imageUrl", token=token)
    assert (changed["expiry"], changed["limit"]) == (None, None)


def test_a_changed_secret_ends_the_links_of_the_old_one(sdk: Sdk, shardimage: Installation) -> None:
    """S2-28, S2-12."""
    id_ = create(sdk, "imageUrl", image_token())["id"]
    old = shardimage.link(id_)
    assert shardimage.code(old) == "ALLOWED"
    token = image_token(id=id_, extra={"cloudId": CLOUD, "secret": "another secret"})
    sdk.value("update", type="imageUrl", token=token)
    assert shardimage.code(old) == "BAD_SIGNATURE"
    assert shardimage.code(shardimage.link(id_)) == "ALLOWED"


def test_a_revoked_token_is_gone_and_its_links_are_refused(sdk: Sdk, shardimage: Installation) -> None:
    """S2-29."""
    id_ = create(sdk, "imageUrl", image_token())["id"]
    link = shardimage.link(id_)
    assert shardimage.code(link) == "ALLOWED"
    assert sdk.value("revoke", id=id_) is True
    assert sdk.refusal("exists", id=id_)[:2] == ("NotFoundHttpException", 404)
    assert sdk.refusal("view", type="imageUrl", id=id_)[1:] == (404, 1001)
    assert sdk.refusal("update", type="imageUrl", token=image_token(id=id_))[1:] == (404, 1001)
    assert shardimage.code(link) == "REVOKED"


def test_limits_and_expiries_of_zero_are_literal_and_null_is_none(sdk: Sdk, shardimage: Installation) -> None:
    """S2-5, S2-6."""
    none = create(sdk, "imageUrl", image_token(limit=0))
    assert none["limit"] == 0
    assert shardimage.code(shardimage.link(none["id"])) == "LIMIT_REACHED"
    past = create(sdk, "imageUrl", image_token(expiry=0))
    assert past["expiry"] == 0
    assert sdk.value("exists", id=past["id"]) is True
    free = create(sdk, "imageUrl", image_token(expiry=None, limit=None))
    assert (free["expiry"], free["limit"]) == (None, None)
    link = shardimage.link(free["id"])
    assert shardimage.code(link) == "ALLOWED"
    sdk.value("edit", type="imageUrl", id=free["id"], changes={"expiry": 0})
    assert shardimage.code(link) == "EXPIRED"


def test_a_limit_counts_exactly(sdk: Sdk, shardimage: Installation) -> None:
    """S2-6."""
    id_ = create(sdk, "imageUrl", image_token(limit=2))["id"]
    codes = [shardimage.code(shardimage.link(id_)) for _ in range(3)]
    assert codes == ["ALLOWED", "ALLOWED", "LIMIT_REACHED"]


def test_a_token_serves_its_cloud_alone_and_any_without_one(sdk: Sdk, shardimage: Installation) -> None:
    """S2-10, S2-11."""
    bound = create(sdk, "imageUrl", image_token())["id"]
    moved = shardimage.link(bound).replace(f"/{CLOUD}/", "/othercloud/", 1)
    assert shardimage.code(moved) in ("BAD_SIGNATURE", "WRONG_CLOUD")
    free = create(sdk, "imageUrl", image_token(extra={"secret": SECRET}))["id"]
    assert shardimage.code(shardimage.link(free, "/othercloud/i/pid")) == "ALLOWED"


def test_a_batch_answers_each_call_by_itself(sdk: Sdk) -> None:
    """S2-25, S2-26, S2-27, S2-28, S2-29, deferred."""
    first, second = (create(sdk, "imageUrl", image_token())["id"] for _ in range(2))
    absent = "iu_0000000000000000000000"
    outcomes = sdk.value(
        "batch",
        steps=[
            {"do": "view", "type": "imageUrl", "id": first},
            {"do": "view", "type": "imageUrl", "id": absent},
            {"do": "create", "type": "upload", "token": upload_token(tags=["batch"])},
            {"do": "exists", "id": first},
            {"do": "exists", "id": absent},
            {"do": "update", "type": "imageUrl", "token": image_token(id=first, limit=77)},
            {"do": "create", "type": "imageUrl", "token": image_token(limit=-1)},
            {"do": "revoke", "id": second},
        ],
    )
    assert outcomes[0]["value"]["id"] == first
    assert refusal_of(outcomes[1]) == ("NotFoundHttpException", 404, 1001)
    assert outcomes[2]["value"]["extra"]["tags"] == ["batch"]
    assert outcomes[3]["value"] is True
    assert refusal_of(outcomes[4])[:2] == ("NotFoundHttpException", 404)
    assert outcomes[5]["value"]["limit"] == 77
    assert refusal_of(outcomes[6])[2] == 1000
    assert outcomes[7]["value"] is True
    assert sdk.value("view", type="imageUrl", id=first)["limit"] == 77
    assert sdk.refusal("exists", id=second)[1] == 404


def test_a_batch_of_the_greatest_size_is_answered(sdk: Sdk) -> None:
    """The SDK allows 100 calls."""
    id_ = create(sdk, "imageUrl", image_token())["id"]
    outcomes = sdk.value("batch", steps=[{"do": "exists", "id": id_}] * 100)
    assert [outcome["value"] for outcome in outcomes] == [True] * 100


@pytest.mark.parametrize(
    ("kind", "token", "named"),
    [
        # S2-12: the secret is not optional.
        ("imageUrl", {"extra": {"cloudId": CLOUD}}, "secret"),
        ("imageUrl", {"extra": {"secret": "short"}}, "secret"),
        ("imageUrl", {"extra": {"secret": SECRET, "cloudId": "no/cloud"}}, "cloudId"),
        ("imageUrl", {"extra": {"secret": SECRET, "authentication": {"a:b": "password"}}}, "authentication"),
        # S2-5, S2-6: unsigned integers.
        ("imageUrl", image_token(limit=-1), "limit"),
        ("imageUrl", image_token(limit="many"), "limit"),
        ("imageUrl", image_token(expiry=1.5), "expiry"),
        # S2-14, S2-15, S2-16: arrays.
        ("upload", upload_token(tags="one"), "tags"),
        ("upload", upload_token(addTags=[1]), "addTags"),
        ("upload", upload_token(notificationUrls=["no url"]), "notificationUrls"),
    ],
)
def test_what_is_not_acceptable_is_a_validation_error(sdk: Sdk, kind: str, token: dict[str, Any], named: str) -> None:
    outcome = sdk.one("create", type=kind, token=token)
    name, _, code = refusal_of(outcome)
    assert (name in ("BadRequestHttpException", "UnprocessableEntityHttpException"), code) == (True, 1000), outcome
    assert named in outcome["message"]
    assert SECRET not in outcome["message"]


def test_an_image_token_without_any_extra_is_a_validation_error(sdk: Sdk) -> None:
    """S2-7, S2-12: an empty extra arrives as an empty list."""
    for extra in (None, {}):
        assert sdk.refusal("create", type="imageUrl", token={"extra": extra})[2] == 1000


def test_a_wrong_secret_or_key_is_denied(sdk: Sdk) -> None:
    id_ = create(sdk, "imageUrl", image_token())["id"]
    for stranger in (sdk.altered(apiSecret="wrong"), sdk.altered(apiKey="9876543210")):
        assert_denied(stranger.one("view", type="imageUrl", id=id_))
        assert_denied(stranger.one("create", type="imageUrl", token=image_token()))
        assert stranger.refusal("exists", id=id_)[1] in REFUSED_STATUSES
        # A refusal of the whole batch must echo its Content-ID: the SDK finds no answer otherwise.
        for outcome in stranger.value("batch", steps=[{"do": "view", "type": "imageUrl", "id": id_}] * 2):
            assert_denied(outcome)


def test_a_read_only_key_views_and_changes_nothing(connect: Connect, sdk: Sdk, shardimage: Installation) -> None:
    id_ = create(sdk, "imageUrl", image_token())["id"]
    reader = connect(shardimage, "read_only")
    assert reader.value("view", type="imageUrl", id=id_)["id"] == id_
    assert reader.value("exists", id=id_) is True
    assert_denied(reader.one("create", type="imageUrl", token=image_token()))
    assert_denied(reader.one("update", type="imageUrl", token=image_token(id=id_)))
    assert_denied(reader.one("revoke", id=id_))
    steps = [{"do": "exists", "id": id_}, {"do": "revoke", "id": id_}]
    there, refused = reader.value("batch", steps=steps)
    assert there["value"] is True
    assert_denied(refused)
    assert sdk.value("exists", id=id_) is True


def test_a_key_of_another_network_is_denied(connect: Connect, shardimage: Installation) -> None:
    elsewhere = connect(shardimage, "elsewhere")
    assert_denied(elsewhere.one("create", type="imageUrl", token=image_token()))


def test_the_key_opens_no_other_dialect(sdk: Sdk, shardimage: Installation) -> None:
    assert sdk.settings["apiKey"] == shardimage.key.key
    for presented in (shardimage.key.key, shardimage.key.secret):
        headers = {"authorization": f"Bearer {presented}"}
        asked = requests.get(f"{shardimage.countermark.url}/v1/access-tokens", headers=headers, timeout=10)
        assert asked.status_code == 401
