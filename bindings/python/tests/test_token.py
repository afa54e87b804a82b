"""Decisions without network: what a record allows and refuses, what cannot be read, what is never shown."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any

import pytest
from countermark import Decision, ExplainedStep, Request, Signer, Token
from countermark.errors import CountingRequired, InvalidArgument
from countermark.records import TokenRecord
from legacy_signer import legacy_link, legacy_signature
from token_records import (
    IMAGE_ID,
    KEY_ID,
    NOW,
    SECRET,
    UPLOAD_VALUE,
    VALUE,
    image_record,
    key_record,
    upload_record,
)
from vectors import VECTORS

URL = "https://img.example.com/shop/i/cat.jpg"
LINK = Signer(IMAGE_ID, SECRET).sign(URL, expires=NOW + 10)
OTHER_SECRET = "another signing secret, long enough too"
UPLOAD_OF_SOMEBODY = "upl_034YCGMODo7rNXJe1rD0Im"


def image(*, secrets: str | Mapping[int, str] = SECRET, **changes: Any) -> Token:
    return Token(image_record(**changes), secrets=secrets)


def upload(**changes: Any) -> Token:
    return Token(upload_record(**changes), value=UPLOAD_VALUE)


def key(**changes: Any) -> Token:
    return Token(key_record(**changes), value=VALUE)


def code_of_link(token: Token, url: str = LINK, now: int = NOW, **facts: Any) -> str:
    return token.decide(url=url, request=Request(**facts), now=now).code


def code_of_value(token: Token, value: str = VALUE, now: int = NOW, **facts: Any) -> str:
    return token.decide(value=value, request=Request(**facts), now=now).code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "ALLOWED"),
        ({"revokedAt": NOW - 1}, "REVOKED"),
        ({"enabled": False}, "DISABLED"),
        ({"notBefore": NOW + 1}, "NOT_YET_VALID"),
        ({"notBefore": NOW}, "ALLOWED"),
        ({"expiry": NOW}, "EXPIRED"),
        ({"expiry": NOW + 1}, "ALLOWED"),
        ({"limit": 0}, "LIMIT_REACHED"),
        ({"limit": 3, "used": 3}, "LIMIT_REACHED"),
        ({"extra": {"cloudId": "shop"}}, "ALLOWED"),
        ({"extra": {"cloudId": "other"}}, "WRONG_CLOUD"),
        ({"extra": {"hosts": ["a.example", "IMG.example.com"]}}, "ALLOWED"),
        ({"extra": {"hosts": ["a.example"]}}, "WRONG_HOST"),
        ({"extra": {"authentication": {"alice": {"scheme": "argon2id"}}}}, "AUTHENTICATION_REQUIRED"),
        ({"legacySignatures": True, "extra": {"cloudId": "shop"}}, "BAD_SIGNATURE"),
        ({"revokedAt": 1, "enabled": False, "expiry": 1}, "REVOKED"),
    ],
)
def test_the_record_of_an_image_url_token_decides(changes: dict[str, Any], code: str) -> None:
    assert code_of_link(image(**changes)) == code


def test_a_link_is_decided_by_itself_too() -> None:
    token = image()
    assert code_of_link(token, now=NOW + 10) == "LINK_EXPIRED"
    assert code_of_link(token, method="POST") == "METHOD_DENIED"
    assert code_of_link(token, url=LINK + "?w=1") == "BAD_SIGNATURE"
    assert code_of_link(token, url="https://img.example.com/shop/i/cat.jpg") == "MALFORMED"
    assert code_of_link(token, url="https://img.example.com/\udcff") == "MALFORMED"
    strangers = Signer("iu_034YCGMODo7rNXJe1rD0In", SECRET).sign(URL)
    assert code_of_link(token, url=strangers) == "UNKNOWN_TOKEN", "even where the secret is the same"
    assert code_of_value(token) == "UNKNOWN_TOKEN"


@pytest.mark.parametrize(
    ("changes", "facts", "code"),
    [
        ({}, {"permission": "read"}, "ALLOWED"),
        ({}, {}, "PERMISSION_DENIED"),
        ({}, {"permission": "write"}, "PERMISSION_DENIED"),
        ({"permissions": ["*"]}, {"permission": "files:write"}, "ALLOWED"),
        ({"permissions": ["files:*"]}, {"permission": "files:write"}, "ALLOWED"),
        ({"permissions": []}, {"permission": "read"}, "PERMISSION_DENIED"),
        ({"permissions": None}, {"permission": "read"}, "PERMISSION_DENIED"),
        ({"basePath": "/in"}, {"permission": "read", "path": "/in/a"}, "ALLOWED"),
        ({"basePath": "/in"}, {"permission": "read", "path": "/in/../a"}, "PATH_DENIED"),
        ({"basePath": "/in"}, {"permission": "read"}, "PATH_DENIED"),
        (
            {"basePath": "/in"},
            {"permission": "read", "method": "MOVE", "path": "/in/a", "destination": "/out"},
            "PATH_DENIED",
        ),
        ({"storages": ["s1"]}, {"permission": "read", "storage": "s1"}, "ALLOWED"),
        ({"storages": ["s1"]}, {"permission": "read", "storage": "s2"}, "STORAGE_DENIED"),
        ({"storages": []}, {"permission": "read", "storage": "s1"}, "STORAGE_DENIED"),
        ({"clouds": ["c1", "c2"]}, {"permission": "read", "cloud_id": "c2"}, "ALLOWED"),
        ({"clouds": ["c1", "c2"]}, {"permission": "read"}, "WRONG_CLOUD"),
        ({"dialect": "cloudpaste", "storages": ["s1"]}, {"permission": "text:read"}, "PERMISSION_DENIED"),
        ({"dialect": "shardimage", "sourceNetworks": ["10.0.0.0/8"]}, {"permission": "read"}, "ALLOWED"),
    ],
)
def test_the_record_of_an_api_key_decides(changes: dict[str, Any], facts: dict[str, Any], code: str) -> None:
    assert code_of_value(key(**changes), **facts) == code


@pytest.mark.parametrize(
    ("extra", "facts", "code"),
    [
        ({}, {"method": "POST"}, "ALLOWED"),
        ({}, {"method": "PUT"}, "ALLOWED"),
        ({}, {}, "METHOD_DENIED"),
        ({"cloudId": "shop"}, {"method": "POST", "cloud_id": "shop"}, "ALLOWED"),
        ({"cloudId": "shop"}, {"method": "POST"}, "WRONG_CLOUD"),
        ({"maxBytes": 10}, {"method": "POST", "bytes": 10}, "ALLOWED"),
        ({"maxBytes": 10}, {"method": "POST", "bytes": 11}, "CONSTRAINT_FAILED"),
        ({"maxBytes": 10}, {"method": "POST"}, "CONSTRAINT_FAILED"),
        ({"mimeTypes": ["image/*"]}, {"method": "POST", "content_type": "image/png"}, "ALLOWED"),
        ({"publicIdPrefix": "in/"}, {"method": "POST", "public_id": "out/a"}, "CONSTRAINT_FAILED"),
    ],
)
def test_the_record_of_an_upload_token_decides(
    extra: dict[str, Any], facts: dict[str, Any], code: str
) -> None:
    assert code_of_value(upload(extra=extra), UPLOAD_VALUE, **facts) == code


@pytest.mark.parametrize("value", ["", "guess", VALUE[:-1] + "G", VALUE + "x", "a b", "\udcff", "x" * 5000])
def test_another_value_is_unknown(value: str) -> None:
    assert code_of_value(key(), value=value, permission="read") == "UNKNOWN_TOKEN"


def test_values_of_foreign_forms_present_their_tokens() -> None:
    token = Token(key_record(), value="guest-4711")
    assert code_of_value(token, value="guest-4711", permission="read") == "ALLOWED"
    assert code_of_value(token, value="guest-4712", permission="read") == "UNKNOWN_TOKEN"


def test_a_value_is_no_link_and_the_other_way_round() -> None:
    link = Signer(IMAGE_ID, SECRET).sign(URL).replace(IMAGE_ID, KEY_ID)
    assert code_of_link(key(), url=link) == "WRONG_TYPE"


def test_only_the_service_counts_what_a_limited_token_would_take() -> None:
    with pytest.raises(CountingRequired) as counting:
        image(limit=5).decide(url=LINK, now=NOW)
    assert counting.value.code == "COUNTING_REQUIRED"
    with pytest.raises(CountingRequired):
        key(limit=5).decide(value=VALUE, request=Request(permission="read"))
    with pytest.raises(CountingRequired):
        upload(limit=5).decide(value=UPLOAD_VALUE, request=Request(method="POST"))
    with pytest.raises(CountingRequired):
        image(limit=5, counting="request").decide(url=LINK, request=Request(method="HEAD"), now=NOW)


def test_what_takes_nothing_needs_no_counting() -> None:
    assert code_of_link(image(limit=5), method="HEAD") == "ALLOWED"
    assert code_of_link(image(limit=0), method="HEAD") == "ALLOWED"
    assert image(limit=5).decide(url=LINK, cost=0, now=NOW)
    assert code_of_link(image(limit=5, revokedAt=1)) == "REVOKED"
    assert code_of_link(image(limit=5), now=NOW + 10) == "LINK_EXPIRED"
    assert image(limit=5).decide(url=LINK, cost=6, now=NOW).code == "LIMIT_REACHED"


def test_uses_that_may_come_back_or_be_free_are_left_to_the_service() -> None:
    with pytest.raises(CountingRequired):
        upload(limit=5, used=5).decide(value=UPLOAD_VALUE, request=Request(method="POST"))
    with pytest.raises(CountingRequired):
        image(limit=5, used=5, countWindow=60).decide(url=LINK, now=NOW)


def test_only_the_service_knows_whether_an_upload_is_under_way() -> None:
    going_on = Request(method="PATCH", upload_id=UPLOAD_OF_SOMEBODY)
    with pytest.raises(CountingRequired, match="uploads"):
        upload().decide(value=UPLOAD_VALUE, request=going_on)
    with pytest.raises(CountingRequired, match="uploads"):
        upload().explain(value=UPLOAD_VALUE, request=going_on)
    assert upload(revokedAt=1).decide(value=UPLOAD_VALUE, request=going_on).code == "REVOKED"
    asked = Request(permission="read", upload_id=UPLOAD_OF_SOMEBODY)
    assert key().decide(value=VALUE, request=asked).code == "ALLOWED", "no upload token, no upload"


def test_the_viewer_is_proven_by_the_caller() -> None:
    token = image(extra={"authentication": {"alice": {"scheme": "argon2id"}}})
    asked = Request(basic=("alice", "right or wrong"))
    assert token.decide(url=LINK, request=asked, now=NOW).code == "AUTHENTICATION_REQUIRED"
    assert token.decide(url=LINK, request=asked, viewer_proven=True, now=NOW).code == "ALLOWED"


def test_secret_versions_verify_until_their_end() -> None:
    versions = [
        {"version": 1, "state": "verifyOnly", "createdAt": 1, "verifyUntil": NOW + 5},
        {"version": 2, "state": "active", "createdAt": 2, "verifyUntil": None},
    ]
    old, new = (Signer(IMAGE_ID, {version: secret}) for version, secret in ((1, SECRET), (2, OTHER_SECRET)))
    token = image(secretVersions=versions, secrets={1: SECRET, 2: OTHER_SECRET})
    assert code_of_link(token, old.sign(URL), now=NOW + 4) == "ALLOWED"
    assert code_of_link(token, old.sign(URL), now=NOW + 5) == "BAD_SIGNATURE"
    assert code_of_link(token, new.sign(URL), now=NOW + 5) == "ALLOWED"
    only_active = image(secretVersions=versions, secrets=OTHER_SECRET)
    assert code_of_link(only_active, new.sign(URL)) == "ALLOWED"
    assert code_of_link(only_active, old.sign(URL)) == "BAD_SIGNATURE", "its secret was not given"


def legacy_image(token_id: str, secret: str) -> Token:
    record = image_record(id=token_id, dialect="shardimage", legacySignatures=True, extra={"cloudId": "shop"})
    return Token(record, secrets=secret)


def test_the_vectors_of_the_legacy_form_are_decided() -> None:
    """Most are of ids that are none of ours: the signer that makes all four signs for one that is."""
    vectors: list[dict[str, str]] = json.loads((VECTORS / "shardimage.json").read_text())["s_token2"]
    assert len(vectors) == 4, "no vector got lost"
    decided = 0
    for vector in vectors:
        token_id, secret, path, host = (vector[name] for name in ("token", "secret", "path", "host"))
        assert legacy_signature(token_id, secret, path, host) == vector["signature"]
        own = legacy_link(host, "shop", path, token_id=IMAGE_ID, secret=secret)
        assert code_of_link(legacy_image(IMAGE_ID, secret), own) == "ALLOWED"
        # 128 bits end within the ids that begin with 7.
        if token_id[3] < "7":
            decided += 1
            link = f"https://{host}/shop/s-token2:{token_id},{vector['signature']}/{path}"
            assert code_of_link(legacy_image(token_id, secret), link) == "ALLOWED"
    assert decided == 1


def test_a_token_verifies_one_form_of_links_only() -> None:
    link = legacy_link("img.example.com", "shop", "i/cat.jpg", token_id=IMAGE_ID, secret=SECRET)
    token = legacy_image(IMAGE_ID, SECRET)
    assert code_of_link(token, link) == "ALLOWED"
    assert code_of_link(token, link + "x") == "BAD_SIGNATURE"
    assert code_of_link(token, link.replace("/shop/", "/other/")) == "WRONG_CLOUD"
    assert code_of_link(token, LINK) == "BAD_SIGNATURE"
    assert code_of_link(image(), link) == "BAD_SIGNATURE"
    explanation = token.explain(url=link)
    assert (explanation.form, explanation.canonical_string) == ("s-token2", None)


def test_secrets_of_the_foreign_dialect_may_be_short_and_others_not() -> None:
    short = "8 bytes!"
    Token(image_record(dialect="shardimage"), secrets=short)
    with pytest.raises(InvalidArgument, match="32 to 256 bytes"):
        Token(image_record(), secrets=short)


def test_a_decision_tells_of_the_token_only_who_has_proven_to_hold_it() -> None:
    token = image(owner="shop", limit=9, expiry=NOW + 99, revokedAt=1)
    decision = token.decide(url=LINK, now=NOW)
    told = (decision.token_id, decision.type, decision.owner, decision.limit, decision.expiry)
    assert told == (IMAGE_ID, "imageUrl", "shop", 9, NOW + 99)
    assert (decision.used, decision.remaining) == (None, None)
    unproven = token.decide(url=LINK + "x", now=NOW)
    assert (unproven.code, unproven.token_id, unproven.owner) == ("BAD_SIGNATURE", None, None)


def test_a_request_that_contradicts_the_link_is_no_question() -> None:
    for request in (Request(cloud_id="other"), Request(path="/shop/i/dog.jpg")):
        with pytest.raises(InvalidArgument, match="request.(cloud_id|path)"):
            image().decide(url=LINK, request=request)
    assert code_of_link(image(), cloud_id="shop", path="/shop/i/cat.jpg") == "ALLOWED"


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        ({"method": "get"}, "request.method"),
        ({"method": ""}, "request.method"),
        ({"permission": "Not One"}, "request.permission"),
        ({"bytes": -1}, "request.bytes"),
        ({"bytes": 2**64}, "request.bytes"),
        ({"upload_id": "upl_x"}, "request.upload_id"),
        ({"path": "\ud800"}, "request.path"),
    ],
)
def test_facts_that_the_service_would_not_accept_are_named(facts: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidArgument, match=named):
        code_of_value(key(), **facts)


@pytest.mark.parametrize(
    "arguments",
    [{}, {"url": LINK, "value": VALUE}, {"value": VALUE, "cost": -1}, {"value": VALUE, "now": -1}],
)
def test_a_question_needs_one_credential_and_possible_numbers(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        key().decide(**arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"url": 7},
        {"value": VALUE, "request": {"method": "GET"}},
        {"value": VALUE, "cost": 1.5},
        {"url": b"x"},
    ],
)
def test_wrong_types_are_type_errors(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        key().decide(**arguments)
    with pytest.raises(TypeError):
        Token(7, value=VALUE)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


WRONG_IMAGES: list[tuple[dict[str, Any], str]] = [
    ({"id": "iu_short"}, "record.id"),
    ({"id": None}, "record.id"),
    ({"type": "upload"}, "record.type"),
    ({"type": "other"}, "record.type"),
    ({"enabled": None}, "record.enabled"),
    ({"enabled": 1}, "record.enabled"),
    ({"expiry": "tomorrow"}, "record.expiry"),
    ({"expiry": True}, "record.expiry"),
    ({"expiry": 1.5}, "record.expiry"),
    ({"expiry": NOW * 1000}, "record.expiry"),
    ({"limit": -1}, "record.limit"),
    ({"limit": 2**64}, "record.limit"),
    ({"counting": "none"}, "record.counting"),
    ({"dialect": "latin"}, "record.dialect"),
    ({"secretVersions": None}, "record.secretVersions"),
    ({"secretVersions": [7]}, "record.secretVersions"),
    ({"secretVersions": [{"version": 0, "state": "active"}]}, r"record.secretVersions\[0\].version"),
    ({"secretVersions": [{"version": 1, "state": "retired"}]}, r"record.secretVersions\[0\].verifyUntil"),
    ({"secretVersions": [{"version": 1, "state": "active", "verifyUntil": 1}]}, "verifyUntil"),
    ({"secretVersions": [{"version": 1, "state": "new"}]}, r"record.secretVersions\[0\].state"),
    ({"secretVersions": [{"version": 1, "state": "active", "use": "x"}]}, r"record.secretVersions\[0\].use"),
    ({"secretVersions": []}, "record.secretVersions"),
    ({"extra": {"hosts": None}}, "record.extra.hosts"),
    ({"extra": {"hosts": "img.example.com"}}, "record.extra.hosts"),
    ({"extra": {"hosts": ["a b"]}}, "record.extra.hosts"),
    ({"extra": {"authentication": None}}, "record.extra.authentication"),
    ({"extra": {"authentication": ["alice"]}}, "record.extra.authentication"),
    ({"extra": {"countries": ["hu"]}}, "record.extra.countries"),
    ({"countries": ["hu"]}, "record.countries"),
    ({"countries": []}, "record.countries"),
    ({"permissions": ["read"]}, "record.permissions"),
    ({"owner": "\ud800"}, "record.owner"),
    ({"owner": object()}, "record.owner"),
]


@pytest.mark.parametrize(("changes", "named"), WRONG_IMAGES)
def test_a_record_that_cannot_be_read_is_refused_by_its_member(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidArgument, match=named + ": expected"):
        image(**changes)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"permissions": "read"}, "record.permissions"),
        ({"permissions": ["Not One"]}, "record.permissions"),
        ({"basePath": "in"}, "record.basePath"),
        ({"clouds": "c1"}, "record.clouds"),
        ({"storages": [1]}, "record.storages"),
        ({"sourceNetworks": 7}, "record.sourceNetworks"),
        ({"extra": {}}, "record.extra"),
    ],
)
def test_so_is_one_of_an_api_key(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidArgument, match=named):
        key(**changes)


def test_so_is_one_of_an_upload_token() -> None:
    with pytest.raises(InvalidArgument, match=r"record.extra.maxPixels"):
        upload(extra={"maxPixels": 1})
    record = upload_record()
    del record["extra"]
    with pytest.raises(InvalidArgument, match=r"record.extra"):
        Token(record, value=UPLOAD_VALUE)


def test_what_is_unknown_and_null_restricts_nothing() -> None:
    assert code_of_link(image(countries=None)) == "ALLOWED"


def test_a_record_that_contains_itself_is_refused() -> None:
    record = key_record()
    record["clouds"] = [record]
    with pytest.raises(InvalidArgument, match="levels"):
        Token(record, value=VALUE)


def test_secrets_and_values_are_demanded_where_they_belong() -> None:
    wrong: list[Callable[[], Token]] = [
        lambda: Token(image_record()),
        lambda: Token(image_record(), value=VALUE),
        lambda: Token(image_record(), secrets={}),
        lambda: Token(image_record(), secrets={2: SECRET}),
        lambda: Token(image_record(), secrets={0: SECRET}),
        lambda: Token(image_record(), secrets={1: "short"}),
        lambda: Token(key_record()),
        lambda: Token(key_record(), secrets=SECRET),
        lambda: Token(key_record(), value="cmk_with-a-typing-error"),
        lambda: Token(upload_record(), value=""),
    ]
    for make in wrong:
        with pytest.raises(InvalidArgument, match="secrets|value"):
            make()


def test_the_answers_of_issue_bring_their_secret_or_value_along() -> None:
    issued = image_record(keyVersion=1, extra={"secret": SECRET})
    assert code_of_link(Token(issued)) == "ALLOWED"
    assert code_of_value(Token(key_record(value=VALUE)), permission="read") == "ALLOWED"


def test_the_record_may_be_any_mapping_or_say_its_json_itself() -> None:
    class Record:
        def to_json(self) -> Mapping[str, Any]:
            return key_record()

    for record in (Record(), MappingProxyType(key_record(permissions=("read",)))):
        assert code_of_value(Token(record, value=VALUE), permission="read") == "ALLOWED"


def test_a_token_does_not_change_with_its_record() -> None:
    record = image_record(extra={"hosts": ["a.example"]})
    token = Token(record, secrets=SECRET)
    record["extra"]["hosts"].clear()
    assert code_of_link(token) == "WRONG_HOST"
    assert code_of_link(pickle.loads(pickle.dumps(token))) == "WRONG_HOST"


@pytest.mark.parametrize(
    "token", [image(limit=5), upload(), key(), Token(key_record(value=VALUE))], ids=lambda token: token.type
)
def test_tokens_survive_pickling_and_copying(token: Token) -> None:
    def decide(token: Token) -> Decision:
        if token.type == "imageUrl":
            return token.decide(url=LINK, request=Request(method="HEAD"), now=NOW)
        value = UPLOAD_VALUE if token.type == "upload" else VALUE
        return token.decide(value=value, request=Request(method="POST", permission="read"), now=NOW)

    before = decide(token)
    assert before
    for twin in (pickle.loads(pickle.dumps(token)), copy.deepcopy(token)):
        assert decide(twin) == before


def test_nothing_secret_is_shown() -> None:
    for token in (image(), key(), Token(image_record(keyVersion=1, extra={"secret": SECRET}))):
        assert SECRET not in repr(token)
        assert VALUE not in repr(token)
        assert token.id in repr(token)
    wrong: list[Callable[[], Token]] = [
        lambda: Token(image_record(), secrets="canary"),
        lambda: Token(key_record(), value="canary\n"),
        lambda: Token(key_record(value=["canary"])),
        lambda: Token(image_record(keyVersion="canary", extra={"secret": SECRET})),
    ]
    for make in wrong:
        with pytest.raises((InvalidArgument, TypeError)) as error:
            make()
        assert "canary" not in str(error.value)


def test_the_members_of_a_token_are_told() -> None:
    token = key(limit=7, expiry=NOW)
    assert (token.id, token.type, token.owner) == (KEY_ID, "apiKey", "shop")
    assert (token.limit, token.expiry) == (7, NOW)


def test_the_clock_is_asked_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    token = image(expiry=NOW + 1)
    instants = [NOW + 0.9, NOW + 1.0]

    def clock() -> float:
        return instants.pop(0)

    monkeypatch.setattr("time.time", clock)
    assert token.decide(url=LINK)
    assert token.decide(url=LINK).code == "EXPIRED"
    assert token.decide(url=LINK, now=datetime.fromtimestamp(NOW, timezone.utc))


def test_an_explanation_goes_through_all_rules() -> None:
    explanation = image(expiry=NOW).explain(url=LINK, now=NOW)
    assert explanation.decision.code == "EXPIRED"
    assert explanation.decision.token_id == IMAGE_ID
    assert len(explanation.steps) == 17
    outcomes = {step.code: step.outcome for step in explanation.steps}
    assert (outcomes["BAD_SIGNATURE"], outcomes["EXPIRED"]) == ("passed", "refused")
    assert explanation.steps[-1] == ExplainedStep("LIMIT_REACHED", "notReached")
    assert explanation.form == "cm1"


def test_an_explanation_shows_what_was_signed_but_no_signature() -> None:
    explanation = image(secrets=OTHER_SECRET).explain(url=LINK, now=NOW)
    assert explanation.decision.code == "BAD_SIGNATURE"
    signature = LINK.split(",")[2].split("/")[0]
    assert explanation.canonical_string == "countermark-url-v1\npath\nimg.example.com\n" + LINK.removeprefix(
        "https://img.example.com"
    ).replace(signature, "")
    assert signature not in repr(explanation)
    assert SECRET not in repr(explanation)


def test_an_explanation_takes_nothing_and_judges_the_limit_by_the_record() -> None:
    assert image(limit=5, used=4).explain(url=LINK, now=NOW).decision.code == "ALLOWED"
    assert upload(limit=5, used=5).explain(
        value=UPLOAD_VALUE, request=Request(method="POST")
    ).decision.code == ("LIMIT_REACHED")


def test_an_explanation_says_what_a_signature_would_fit() -> None:
    differs = image().explain(url=LINK + "?w=1", now=NOW).differs
    assert differs == ("the query was added after signing",)
    hosts = {"hosts": ["cdn.example.com", "img.example.com"]}
    moved = LINK.replace("img.", "cdn.")
    assert image(extra=hosts).explain(url=moved, now=NOW).differs == (
        "the signature was made for the host img.example.com",
    )
    assert image().explain(url=LINK, now=NOW).differs == ()


def test_what_is_malformed_is_explained_in_words() -> None:
    explanation = image().explain(url=URL, now=NOW)
    assert (explanation.decision.code, explanation.steps) == ("MALFORMED", ())
    assert explanation.differs == ("the URL is not signed",)
    assert key().explain(value="guess").decision.code == "UNKNOWN_TOKEN"


STRANGE = {"onlyOnMondays": True}
SHOWN = {"imageUrl": {"secrets": SECRET}, "upload": {"value": UPLOAD_VALUE}, "apiKey": {"value": VALUE}}
STRANGE_RECORDS: dict[str, dict[str, Any]] = {
    "of an image": image_record(**STRANGE),
    "in the extra of an image": image_record(extra=STRANGE),
    "in a version": image_record(
        secretVersions=[{"version": 1, "state": "active", "createdAt": NOW, "verifyUntil": None, **STRANGE}]
    ),
    "of an upload": upload_record(**STRANGE),
    "in the extra of an upload": upload_record(extra=STRANGE),
    "of a key": key_record(**STRANGE),
    "in a new extra of a key": key_record(extra=STRANGE),
}


@pytest.mark.parametrize("record", STRANGE_RECORDS.values(), ids=STRANGE_RECORDS)
def test_a_record_of_a_newer_service_is_refused_also_by_way_of_the_dataclass(record: dict[str, Any]) -> None:
    read = TokenRecord.from_json(record)
    for found in (record, read, pickle.loads(pickle.dumps(read)), replace(read, owner="other")):
        with pytest.raises(InvalidArgument, match="onlyOnMondays|extra"):
            Token(found, **SHOWN[record["type"]])
    assert "onlyOnMondays" not in repr(read)


def test_a_dataclass_keeps_no_secret_that_an_answer_shows_once() -> None:
    answer = image_record(extra={"secret": SECRET}) | {"keyVersion": 1, "value": VALUE}
    read = TokenRecord.from_json(answer)
    assert SECRET not in repr(vars(read)) + repr(vars(read.extra)) and VALUE not in repr(vars(read))
    assert read.to_json() == image_record()
