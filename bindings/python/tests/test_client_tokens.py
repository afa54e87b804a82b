"""Tokens through either client, at a real service."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx2
import pytest
from countermark import UNSET, Client, Request, Signer, Token
from countermark.errors import (
    BadRequest,
    BadSignature,
    Conflict,
    Forbidden,
    InvalidArgument,
    NotFound,
    PreconditionFailed,
)
from countermark.records import ImageUrlExtra, TokenRecord, UploadExtra
from running_service import Service

NOBODY = "iu_034YCGMODo7rNXJe1rD0Im"
FAR = 4_000_000_000


def test_an_issued_image_token_has_its_secret_beside_the_record_and_makes_a_signer(client: Client) -> None:
    issued = client.issue(
        "imageUrl", name="press", limit=3, extra={"cloud_id": "shop", "hosts": ["a.example"]}
    )
    assert issued.token.extra == ImageUrlExtra("shop", ("a.example",))
    assert (issued.value, issued.key_version) == (None, 1)
    url = issued.signer().sign("https://a.example/shop/i/cat.jpg")
    assert client.authorize(url=url).allowed


def test_an_issued_upload_token_has_its_value_and_directives(client: Client) -> None:
    issued = client.issue("upload", extra={"max_bytes": 9, "mime_types": ["image/*"], "tags": []})
    assert issued.value is not None and issued.value.startswith("cmu_")
    assert issued.token.extra == UploadExtra(max_bytes=9, mime_types=("image/*",), tags=())
    assert issued.secret is None


def test_only_image_tokens_make_a_signer(client: Client) -> None:
    with pytest.raises(InvalidArgument, match="imageUrl"):
        client.issue("upload").signer()


def test_every_member_of_an_issue_reaches_the_service(client: Client) -> None:
    record = client.issue(
        "apiKey",
        name="n",
        description="d",
        owner="o",
        labels={"campaign": "spring"},
        enabled=False,
        not_before=1,
        expiry=FAR,
        limit=7,
        permissions=["files:*"],
        base_path="/upload",
        storages=["s"],
        clouds=("c",),
        notify={"urls": ["https://hooks.example/x"], "events": ["revoked"]},
        auto_delete=True,
        recoverable=True,
    ).token
    assert (record.name, record.description, record.owner) == ("n", "d", "o")
    assert (dict(record.labels), record.enabled, record.status) == ({"campaign": "spring"}, False, "disabled")
    assert (record.not_before, record.expiry, record.limit, record.remaining) == (1, FAR, 7, 7)
    assert (record.permissions, record.base_path) == (("files:*",), "/upload")
    assert (record.storages, record.clouds) == (("s",), ("c",))
    assert record.notify is not None and record.notify.events == ("revoked",)
    assert (record.auto_delete, record.recoverable) == (True, True)


def test_counting_and_its_window_reach_the_service(client: Client) -> None:
    record = client.issue("imageUrl", counting="request", count_window=60).token
    assert (record.counting, record.count_window) == ("request", 60)


@pytest.mark.parametrize("extra", ["imageUrl", "upload", "apiKey"])
def test_a_record_gives_back_the_json_of_the_service(client: Client, service: Service, extra: str) -> None:
    permissions = ["read"] if extra == "apiKey" else None
    token = client.issue(extra, permissions=permissions, labels={"a": "b"}).token  # type: ignore[arg-type]
    headers = {"authorization": f"Bearer {service.key}"}
    wire = httpx2.get(f"{service.url}/v1/access-tokens/{token.id}", headers=headers).json()
    assert client.view(token.id).to_json() == wire
    assert TokenRecord.from_json(wire | {"somethingNew": 1}) == client.view(token.id)


def test_a_record_decides_offline_with_what_was_issued(client: Client) -> None:
    image, upload = client.issue("imageUrl", extra={"hosts": ["a.example"]}), client.issue("upload")
    key = client.issue("apiKey", permissions=["read"])
    token = Token(image.token, secrets={image.key_version or 0: str(image.secret)})
    assert token.decide(url=image.signer().sign("https://a.example/shop/cat.jpg"))
    assert token.decide(url=image.signer().sign("https://b.example/shop/cat.jpg")).code == "WRONG_HOST"
    assert Token(upload.token, value=upload.value).decide(value=upload.value, request=Request(method="POST"))
    assert Token(key.token, value=key.value).decide(value=key.value, request=Request(permission="read"))


def test_instants_and_durations_may_be_of_the_standard_library(client: Client) -> None:
    instant = datetime.fromtimestamp(FAR, timezone(timedelta(hours=5)))
    assert client.issue("upload", expiry=instant).token.expiry == FAR
    token = client.issue("upload", ttl=timedelta(hours=1)).token
    assert token.expiry is not None and token.expiry - token.created_at == 3600


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"expiry": datetime(2030, 1, 1)}, "expiry"),
        ({"not_before": -1}, "not_before"),
        ({"ttl": timedelta(seconds=-1)}, "ttl"),
        ({"expiry": 253_402_300_800}, "expiry"),
        ({"expiry": 1, "ttl": 1}, "ttl"),
        ({"extra": {"cloudId": "x"}}, "extra"),
        ({"notify": {"url": []}}, "notify"),
        ({"idempotency_key": "ü"}, "idempotency_key"),
    ],
)
def test_an_argument_that_cannot_be_meant_is_named(
    client: Client, arguments: dict[str, object], named: str
) -> None:
    with pytest.raises(InvalidArgument, match=named):
        client.issue("upload", **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("instant", ["2030-01-01", 1.5, True])
def test_an_instant_of_another_type_is_a_type_error(client: Client, instant: object) -> None:
    with pytest.raises(TypeError, match="expiry"):
        client.issue("upload", expiry=instant)  # type: ignore[arg-type]


@pytest.mark.parametrize("report", [{"x": float("nan")}, {"x": 10**5000}])
def test_a_report_that_json_cannot_hold_is_refused(client: Client, report: dict[str, float]) -> None:
    with pytest.raises(InvalidArgument):
        client.complete_upload("upl_034YCGMODo7rNXJe1rD0Im", **report)  # type: ignore[arg-type]


def test_lone_surrogates_are_refused_by_the_client_or_the_service(client: Client) -> None:
    with pytest.raises(BadRequest):
        client.authorize(value="\ud800")
    with pytest.raises(InvalidArgument):
        client.introspect("\ud800")
    with pytest.raises(InvalidArgument, match="q"):
        list(client.list(q="\ud800"))


def test_what_the_service_does_not_accept_is_named_by_pointer(client: Client) -> None:
    with pytest.raises(BadRequest) as raised:
        client.issue("upload", name="")
    assert raised.value.code == "INVALID_MEMBER"
    assert raised.value.problem is not None
    assert [pointer for pointer, _ in raised.value.problem.members] == ["/name"]
    assert raised.value.problem.request_id


def test_an_update_leaves_what_is_left_out_and_resets_what_is_none(client: Client) -> None:
    token = client.issue("upload", name="n", limit=3, ttl=60).token
    changed = client.update(token.id, limit=None, name=UNSET)
    assert (changed.name, changed.limit, changed.expiry) == ("n", None, token.expiry)
    assert client.update(token.id, name=None, expiry=None).name is None


def test_an_update_merges_labels_and_extra(client: Client) -> None:
    token = client.issue("upload", labels={"a": "1", "b": "2"}, extra={"max_bytes": 5, "format": "png"}).token
    changed = client.update(token.id, labels={"a": None}, extra={"max_bytes": None, "insert_only": True})
    assert dict(changed.labels) == {"b": "2"}
    assert changed.extra == UploadExtra(format="png", insert_only=True)


def test_an_update_of_another_revision_fails(client: Client) -> None:
    token = client.issue("upload").token
    assert client.update(token.id, if_match=token.revision, name="x").revision == token.revision + 1
    with pytest.raises(PreconditionFailed):
        client.update(token.id, if_match=token.revision, name="y")


def test_a_limit_below_the_uses_is_a_conflict(client: Client) -> None:
    issued = client.issue("apiKey", permissions=["read"], limit=2)
    key = client.issue("upload", limit=2, extra={})
    client.begin_upload(key.value)
    with pytest.raises(Conflict) as raised:
        client.update(key.token.id, limit=0)
    assert raised.value.code == "LIMIT_BELOW_USED"
    assert client.update(issued.token.id, limit=0).limit == 0


def test_exists_tells_of_tokens_that_are_there_or_not(client: Client) -> None:
    assert client.exists(client.issue("upload").token.id) is True
    assert client.exists(NOBODY) is False


@pytest.mark.parametrize("handle", ["", "../stats", "a b", "iu_\ud800", "x" * 200])
def test_an_id_that_is_none_does_not_reach_the_path(client: Client, handle: str) -> None:
    with pytest.raises(InvalidArgument, match="token_id"):
        client.view(handle)


def test_a_token_that_is_not_there_is_not_found(client: Client) -> None:
    for attempt in (client.view, client.revoke, client.regenerate, client.reveal):
        with pytest.raises(NotFound):
            attempt(NOBODY)


def test_a_revoked_token_stays_visible_and_refuses_changes(client: Client) -> None:
    token = client.issue("upload").token
    client.revoke(token.id)
    client.revoke(token.id)
    assert client.view(token.id).status == "revoked"
    with pytest.raises(Conflict) as raised:
        client.update(token.id, name="x")
    assert raised.value.code == "REVOKED_TOKEN"


def test_a_purged_token_is_gone(client: Client) -> None:
    token = client.issue("upload").token
    client.revoke(token.id, purge=True)
    assert not client.exists(token.id)


def test_cascade_revokes_what_a_key_has_issued(client: Client, service: Service) -> None:
    parent = client.issue("apiKey", permissions=["tokens:write", "read"])
    with Client(service.url, parent.value) as issuer:
        child = issuer.issue("apiKey", permissions=["read"]).token
    client.revoke(parent.token.id, cascade=True)
    assert client.view(child.id).status == "revoked"


def test_a_list_goes_over_all_pages_in_order(client: Client) -> None:
    owner = client.issue("upload").token.id
    ids = [client.issue("upload", owner=owner).token.id for _ in range(5)]
    assert [token.id for token in client.list(owner=owner, page_size=2)] == ids[::-1]


def test_a_list_asks_for_a_page_only_when_it_is_needed(client: Client) -> None:
    owner = client.issue("upload").token.id
    ids = [client.issue("upload", owner=owner).token.id for _ in range(3)]
    pages = client.list(owner=owner, page_size=2)
    assert next(pages).id == ids[2]
    client.revoke(ids[0], purge=True)
    assert [token.id for token in pages] == [ids[1]]


def test_every_filter_of_a_list_narrows_it(client: Client) -> None:
    owner = client.issue("upload").token.id
    label = {"owner-label": owner}
    one = client.issue("imageUrl", owner=owner, name=f"name {owner}", labels=label, enabled=False).token
    client.issue("upload", owner=owner)
    for filters in (
        {"type": "imageUrl", "owner": owner},
        {"status": "disabled", "owner": owner},
        {"name": f"name {owner}"},
        {"label": f"owner-label={owner}"},
        {"q": f"name {owner}"},
        {"dialect": "native", "owner": owner, "type": "imageUrl"},
    ):
        assert [token.id for token in client.list(**filters)] == [one.id], filters  # type: ignore[arg-type]
    assert not list(client.list(owner=owner, dialect="imgbed"))


def test_regeneration_keeps_the_id_and_ends_the_old_value(client: Client) -> None:
    issued = client.issue("upload")
    again = client.regenerate(issued.token.id)
    assert again.token.id == issued.token.id and again.value != issued.value
    assert not client.introspect(str(issued.value)) and client.introspect(str(again.value))


def test_a_secret_verifies_on_within_the_overlap_of_its_regeneration(client: Client) -> None:
    issued = client.issue("imageUrl")
    url = issued.signer().sign("https://a.example/shop/i/cat.jpg")
    again = client.regenerate(issued.token.id, overlap=timedelta(hours=1))
    assert again.key_version == 2 and client.authorize(url=url)
    states = [version.state for version in client.view(issued.token.id).secret_versions or ()]
    assert states == ["verifyOnly", "active"]
    with pytest.raises(BadSignature):
        again.signer().verify(url)


def test_a_recoverable_value_or_secret_is_revealed(client: Client) -> None:
    upload = client.issue("upload", recoverable=True)
    image = client.issue("imageUrl", recoverable=True)
    assert client.reveal(upload.token.id).value == upload.value
    revealed = client.reveal(image.token.id)
    assert (revealed.secret, revealed.key_version) == (image.secret, 1)
    with pytest.raises(Conflict) as raised:
        client.reveal(client.issue("upload").token.id)
    assert raised.value.code == "NOT_RECOVERABLE"


def test_a_given_secret_is_the_tokens_own(client: Client) -> None:
    secret = "a secret of forty characters, given by us"
    issued = client.issue("imageUrl", extra={"secret": secret})
    url = Signer(issued.token.id, {1: secret}).sign("https://a.example/shop/i/cat.jpg")
    assert client.authorize(url=url)


def test_a_key_without_the_permission_is_forbidden(client: Client, service: Service) -> None:
    key = client.issue("apiKey", permissions=["tokens:read"])
    with Client(service.url, key.value) as reader, pytest.raises(Forbidden) as raised:
        reader.issue("upload")
    assert raised.value.code == "PERMISSION_REQUIRED"


def test_the_repr_of_nothing_that_is_answered_shows_a_value_or_secret(client: Client) -> None:
    upload = client.issue("upload", recoverable=True)
    image = client.issue("imageUrl", recoverable=True)
    shown = repr([upload, image, client.reveal(upload.token.id), client.reveal(image.token.id), client])
    assert str(upload.value) not in shown and str(image.secret) not in shown


def test_records_pickle_whole(client: Client) -> None:
    issued = client.issue("imageUrl", labels={"a": "b"}, extra={"cloud_id": "shop"})
    copy = pickle.loads(pickle.dumps(issued))
    assert copy == issued and copy.secret == issued.secret


def test_filters_too_long_for_a_url_are_refused(client: Client) -> None:
    with pytest.raises(InvalidArgument, match="too long"):
        list(client.list(q="a" * 70_000))


@pytest.mark.parametrize("page_size", [2**63, -(10**5000), 10**5000], ids=["too large", "too low", "huge"])
def test_a_page_size_that_no_service_counts_to_is_refused(client: Client, page_size: int) -> None:
    for pages in (client.list, client.audit, client.notifications):
        with pytest.raises(InvalidArgument, match="^page_size: "):
            next(iter(pages(page_size=page_size)))


@pytest.mark.parametrize("if_match", ["*", "1", -1, True, 1.0, 2**63])
def test_a_revision_that_no_record_has_is_refused(client: Client, if_match: Any) -> None:
    with pytest.raises(InvalidArgument, match="^if_match: "):
        client.update("iu_034YCGMODo7rNXJe1rD0Im", name="x", if_match=if_match)


@pytest.mark.parametrize("basic", [("a",), ("a", "b", "c"), "ab", ("a", 1), 5])
def test_a_login_that_is_no_pair_is_refused(client: Client, basic: Any) -> None:
    with pytest.raises(InvalidArgument, match="^basic: "):
        client.authorize(basic=basic)
    with pytest.raises(InvalidArgument, match="^basic: "):
        client.authorize(value="x", request=Request(basic=basic))


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_a_set_is_sent_in_one_order_in_every_process(seed: str) -> None:
    code = (
        "from countermark.service.arguments import given\n"
        "from countermark.service.operations import uploads\n"
        "members = set('hgfedcba')\n"
        "print(given(tags=members, clouds=frozenset(members)))\n"
        "print(uploads.begin('x', tags=members, key=None).body)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    letters = list("abcdefgh")
    sent = json.dumps({"value": "x", "request": {"tags": letters}}, separators=(",", ":")).encode()
    members = {"tags": letters, "clouds": letters}
    assert found.stdout == f"{members!r}\n{sent!r}\n", found.stderr
