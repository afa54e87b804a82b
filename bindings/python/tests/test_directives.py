"""Upload directives: the published vectors, and what constraints demand."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from countermark import UploadDirectives, UploadParameters
from countermark.errors import ConstraintFailed, InvalidArgument, WrongCloud
from vectors import read_vectors

DIRECTIVES = read_vectors("upload_directives", 26)
SNAKE: dict[str, str] = {"cloudId": "cloud_id", "publicId": "public_id"}


def named(members: dict[str, Any]) -> dict[str, Any]:
    return {SNAKE.get(name, name): value for name, value in members.items()}


def parameters(members: dict[str, Any]) -> UploadParameters:
    return UploadParameters(**named(members))


@pytest.mark.parametrize("vector", DIRECTIVES)
def test_directives_have_their_published_effect(vector: dict[str, Any]) -> None:
    directives = UploadDirectives.from_extra(vector["extra"])
    effective = parameters(vector["effective"])
    asked = parameters(vector["request"])
    assert directives.apply(asked) == effective
    assert directives.apply(**named(vector["request"])) == effective


@pytest.mark.parametrize("vector", DIRECTIVES)
def test_directives_are_read_back_as_they_were_written(vector: dict[str, Any]) -> None:
    directives = UploadDirectives.from_extra(vector["extra"])
    assert UploadDirectives.from_extra(directives.to_extra()) == directives
    assert pickle.loads(pickle.dumps(directives)) == directives


def test_another_cloud_than_the_tokens_is_refused() -> None:
    with pytest.raises(WrongCloud):
        UploadDirectives(cloud_id="shop").apply(cloud_id="other")


def test_no_tags_at_all_replace_the_clients_while_none_leaves_them() -> None:
    assert UploadDirectives(tags=()).apply(tags=["a"]).tags == ()
    assert UploadDirectives(tags=None).apply(tags=["a"]).tags == ("a",)
    assert UploadDirectives(tags=()).to_extra() == {"tags": []}


@pytest.mark.parametrize(
    ("demand", "fits", "fails"),
    [
        ({"min_bytes": 2}, {"bytes": 2}, [{"bytes": 1}, {}]),
        ({"max_bytes": 2}, {"bytes": 2}, [{"bytes": 3}, {}]),
        ({"min_bytes": 2**64 - 1}, {"bytes": 2**64 - 1}, [{"bytes": 2**64 - 2}]),
        (
            {"mime_types": ["image/*"]},
            {"content_type": "IMAGE/png; q=1"},
            [{"content_type": "text/html"}, {}],
        ),
        (
            {"public_id_prefix": "in/"},
            {"public_id": "in/a"},
            [{"public_id": "in/../a"}, {"public_id": "a"}, {}],
        ),
    ],
)
def test_a_constraint_admits_what_fits_and_names_itself_else(
    demand: dict[str, Any], fits: dict[str, Any], fails: list[dict[str, Any]]
) -> None:
    directives = UploadDirectives(**demand)
    assert directives.admits(**fits)
    directives.require(**fits)
    directives.require_completion(**fits)
    for facts in fails:
        assert not directives.admits(**facts)
        with pytest.raises(ConstraintFailed, match=next(iter(demand))):
            directives.require(**facts)
        with pytest.raises(ConstraintFailed, match=next(iter(demand))):
            directives.require_completion(**facts)


def test_only_the_completion_knows_whether_something_was_replaced() -> None:
    directives = UploadDirectives(insert_only=True)
    assert directives.admits()
    directives.require_completion(existed=False)
    for existed in (True, None):
        with pytest.raises(ConstraintFailed, match="insert_only"):
            directives.require_completion(existed=existed)


def test_the_name_prefix_is_judged_by_the_name_that_the_token_gives() -> None:
    directives = UploadDirectives(public_id="in/fixed", public_id_prefix="in/")
    assert directives.admits(public_id="out/a")


def test_every_constraint_that_is_not_met_is_named_and_nothing_of_the_upload_is() -> None:
    directives = UploadDirectives(max_bytes=1, mime_types=["image/png"])
    with pytest.raises(ConstraintFailed) as refusal:
        directives.require(bytes=4711, content_type="text/x-canary")
    assert "max_bytes, mime_types" in str(refusal.value)
    assert "4711" not in str(refusal.value)
    assert "canary" not in str(refusal.value)


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"min_bytes": -1}, "minBytes"),
        ({"max_bytes": 2**64}, "maxBytes"),
        ({"max_bytes": True}, "maxBytes"),
        ({"max_bytes": 1.5}, "maxBytes"),
        ({"mime_types": ["image"]}, "mimeTypes"),
        ({"mime_types": "image/png"}, "mime_types"),
        ({"tags": "ab"}, "tags"),
        ({"tags": [1]}, "tags"),
        ({"cloud_id": 7}, "cloudId"),
        ({"format": "\ud800"}, "format"),
        ({"insert_only": 1}, "insert_only"),
    ],
)
def test_a_member_of_another_type_is_named(members: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidArgument, match=named):
        UploadDirectives(**members)


def test_an_unknown_member_may_be_a_constraint_and_is_refused_unless_it_is_null() -> None:
    with pytest.raises(InvalidArgument, match="extra.maxPixels"):
        UploadDirectives.from_extra({"maxPixels": 10})
    assert UploadDirectives.from_extra({"maxPixels": None, "format": None}) == UploadDirectives()


def test_parameters_come_in_one_object_or_by_their_names() -> None:
    with pytest.raises(InvalidArgument, match="asked"):
        UploadDirectives().apply(UploadParameters(format="png"), format="png")
    with pytest.raises(InvalidArgument, match="tags"):
        UploadParameters(tags="ab")


def test_addresses_of_notifications_are_not_shown() -> None:
    directives = UploadDirectives(notification_urls=["https://user:canary@example.com"])
    assert "canary" not in repr(directives)
