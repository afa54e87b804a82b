"""Decisions, introspection, signing and figures through either client, at a real service."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest
from countermark import Client, Question, Request
from countermark.errors import (
    BadRequest,
    Conflict,
    IdempotencyMismatch,
    InvalidArgument,
    LimitReached,
    Malformed,
)
from countermark.records import Issued, Nodes, RevocationWaits

CAT = "https://img.example/shop/i/cat.jpg"


@pytest.fixture
def image(client: Client) -> Issued:
    return client.issue("imageUrl", limit=3)


def test_a_use_is_taken_and_answered(client: Client, image: Issued) -> None:
    url = image.signer().sign(CAT)
    decision = client.authorize(url=url)
    assert (decision.allowed, decision.code, decision.token_id) == (True, "ALLOWED", image.token.id)
    assert (decision.limit, decision.used, decision.remaining) == (3, 1, 2)
    assert pickle.loads(pickle.dumps(decision)) == decision


def test_a_refusal_is_an_answer_and_raises_on_demand(client: Client) -> None:
    url = client.issue("imageUrl", limit=0).signer().sign(CAT)
    decision = client.authorize(url=url)
    assert not decision and decision.code == "LIMIT_REACHED"
    with pytest.raises(LimitReached):
        decision.raise_for_refusal()


def test_a_dry_run_and_a_cost_of_nothing_take_no_use(client: Client, image: Issued) -> None:
    url = image.signer().sign(CAT)
    assert client.authorize(url=url, dry_run=True) and client.authorize(url=url, cost=0)
    assert client.view(image.token.id).used == 0
    assert client.authorize(url=url, cost=3).remaining == 0


def test_every_fact_of_a_request_reaches_the_service(client: Client) -> None:
    key = client.issue("apiKey", permissions=["files:write"], base_path="/a", storages=["s"], clouds=["c"])
    request = Request(
        method="MOVE", cloud_id="c", path="/a/x", destination="/a/y", permission="files:write", storage="s"
    )
    assert client.authorize(value=key.value, request=request)
    upload = client.issue(
        "upload", extra={"max_bytes": 5, "mime_types": ["image/*"], "public_id_prefix": "p"}
    )
    request = Request(
        method="POST", bytes=5, content_type="image/png", public_id="p1", client_ip="203.0.113.7"
    )
    assert client.authorize(value=upload.value, request=request)
    begun = client.begin_upload(upload.value, bytes=5, content_type="image/png", public_id="p1")
    assert client.authorize(value=upload.value, request=Request(method="PATCH", upload_id=begun.id))


def test_a_key_may_be_presented_as_http_basic(client: Client) -> None:
    value = client.issue("apiKey", permissions=["read"]).value
    assert value is not None
    assert client.authorize(basic=(value, value), request=Request(permission="read"))


def test_the_viewer_may_log_in(client: Client) -> None:
    image = client.issue("imageUrl", extra={"authentication": {"alice": "open sesame"}})
    url = image.signer().sign(CAT)
    assert client.authorize(url=url).code == "AUTHENTICATION_REQUIRED"
    assert client.authorize(url=url, request=Request(basic=("alice", "open sesame")))


@pytest.mark.parametrize("presented", [{}, {"url": CAT, "value": "x"}, {"value": "x", "basic": ("a", "b")}])
def test_exactly_one_credential_is_presented(client: Client, presented: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument, match="exactly one"):
        client.authorize(**presented)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="exactly one"):
        client.explain(**presented)  # type: ignore[arg-type]


def test_a_question_with_an_idempotency_key_takes_one_use(client: Client, image: Issued) -> None:
    url = image.signer().sign(CAT)
    for _ in range(2):
        assert client.authorize(url=url, idempotency_key="once " + image.token.id).used == 1
    with pytest.raises(IdempotencyMismatch):
        client.authorize(url=url, cost=2, idempotency_key="once " + image.token.id)


def test_two_calls_without_a_key_take_two_uses(client: Client, image: Issued) -> None:
    url = image.signer().sign(CAT)
    assert [client.authorize(url=url).used for _ in range(2)] == [1, 2]


def test_many_questions_are_answered_in_their_order(client: Client) -> None:
    image = client.issue("imageUrl", limit=120)
    signer = image.signer()

    def questions() -> Iterator[Question]:
        for number in range(250):
            yield Question(url=signer.sign(CAT) if number % 2 else CAT)

    decisions = client.authorize_many(questions())
    allowed = [number for number, decision in enumerate(decisions) if decision]
    assert len(decisions) == 250
    assert allowed == [number for number in range(250) if number % 2][:120]
    assert client.view(image.token.id).used == 120
    assert client.authorize_many([]) == []


def test_many_long_questions_stay_within_the_services_body(client: Client) -> None:
    # 100 questions of 24,000 characters are more than the MiB of a batch.
    request = Request(path="/" + "p" * 8000, destination="/" + "d" * 8000, permission="read")
    value = "x" * 4000
    decisions = client.authorize_many([Question(value=value, request=request)] * 100)
    assert [decision.code for decision in decisions] == ["UNKNOWN_TOKEN"] * 100


def test_a_question_too_long_for_any_batch_is_the_services_to_refuse(client: Client) -> None:
    with pytest.raises(BadRequest):
        client.authorize_many([Question(value="x" * 2_000_000)])


def test_an_explanation_takes_nothing_and_says_what_differs(client: Client, image: Issued) -> None:
    url = image.signer().sign(CAT)
    explanation = client.explain(url=url.replace("cat", "dog"))
    assert explanation.decision.code == "BAD_SIGNATURE"
    assert [step.code for step in explanation.steps if step.outcome == "refused"] == ["BAD_SIGNATURE"]
    assert explanation.canonical_string is not None and explanation.form == "cm1"
    assert client.explain(url=url).decision and client.view(image.token.id).used == 0


def test_introspection_tells_what_a_value_is_worth(client: Client) -> None:
    key = client.issue(
        "apiKey", permissions=["read", "write"], owner="shop", expiry=4_000_000_000, not_before=5
    )
    found = client.introspect(str(key.value))
    assert found and found.token_id == key.token.id
    assert (found.scope, found.type, found.owner) == ("read write", "apiKey", "shop")
    assert (found.expiry, found.not_before) == (4_000_000_000, 5)
    assert not client.introspect("&=ü nonsense")


def test_the_service_signs_as_a_signer_does(client: Client, image: Issued) -> None:
    url = client.sign(image.token.id, CAT, expires=4_000_000_000, placement="query")
    assert url == image.signer().sign(CAT, expires=4_000_000_000, placement="query")
    verified = image.signer().verify(client.sign(image.token.id, CAT, expires_in=60, bucket=60))
    assert verified.expires is not None and verified.expires % 60 == 0


def test_a_link_has_one_expiry(client: Client, image: Issued) -> None:
    with pytest.raises(InvalidArgument, match="expires_in"):
        client.sign(image.token.id, CAT, expires=4_000_000_000, expires_in=60)


def test_a_link_that_its_token_would_refuse_is_a_conflict(client: Client) -> None:
    token = client.issue("imageUrl", enabled=False).token
    with pytest.raises(Conflict) as raised:
        client.sign(token.id, CAT)
    assert raised.value.code == "LINK_REFUSED"


def test_a_url_against_the_grammar_is_malformed(client: Client, image: Issued) -> None:
    with pytest.raises((Malformed, BadRequest)) as raised:
        client.sign(image.token.id, "https://img.example/shop/../cat.jpg")
    assert "cat.jpg" not in str(raised.value)


def test_uses_over_time_are_told(client: Client, image: Issued) -> None:
    client.authorize(url=image.signer().sign(CAT))
    created = image.token.created_at
    buckets = client.usage(image.token.id, start=created - 7200, end=created + 3600, step=3600)
    assert sum(bucket.uses for bucket in buckets) in (0, 1)  # At most 5 seconds late.
    assert all(
        later.from_ - earlier.from_ == 3600 for earlier, later in zip(buckets, buckets[1:], strict=False)
    )
    assert sum(bucket.uses for bucket in client.stats()) >= 0


def test_a_service_on_sqlite_is_alone(client: Client) -> None:
    assert client.nodes() == Nodes(live=1, revocation=RevocationWaits(count=0))


def test_the_audit_log_goes_over_all_pages(client: Client) -> None:
    token = client.issue("upload").token
    for name in "abc":
        client.update(token.id, name=name)
    actions = [entry.action for entry in client.audit(token=token.id, page_size=2)]
    assert actions == ["token.update"] * 3 + ["token.issue"]
    assert next(client.audit(token=token.id, action="token.update")).members == ("name",)
