"""Calls that decide about uses, sign, or tell what would be decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from typing import Any
from urllib.parse import urlencode

from countermark.decision import Decision, Request
from countermark.errors import InvalidArgument, UnexpectedAnswer
from countermark.records.decisions import Explanation, Introspection, Question, decision_from_json
from countermark.records.shape import Members, camel_case
from countermark.service.arguments import Duration, Instant, duration, idempotency_key, instant, told
from countermark.service.call import Call, call, json_bytes, reading

__all__ = ["authorize", "authorize_batch", "batches", "explain", "introspect", "sign"]

MOST_QUESTIONS = 100
"""Questions of a batch that the service takes."""
MOST_BYTES = 1024 * 1024
"""Bytes of a batch that the service takes."""
FRAME = len(b'{"items":[]}')


def authorize(question: Question) -> Call[Decision]:
    """`POST /v1/authorize`. A question without an idempotency key is not repeated if it could take a use."""
    body = asked(question)
    key = body.pop("idempotencyKey", None)
    is_repeatable = key is not None or question.dry_run or question.cost == 0
    shape = reading(decision_from_json)
    return call("POST", "/v1/authorize", shape, body=body, idempotency_key=key, is_repeatable=is_repeatable)


def batches(
    questions: Iterable[Question], fresh_key: Callable[[], str | None]
) -> Iterator[Call[tuple[Decision, ...]]]:
    """`POST /v1/authorize/batch`, as often as it takes: as many questions in each as the service allows."""
    items: list[bytes] = []
    size, is_repeatable = FRAME, True
    for question in questions:
        item = asked(question, fresh_key)
        data = json_bytes(item)
        if items and (len(items) == MOST_QUESTIONS or size + len(data) + 1 > MOST_BYTES):
            yield authorize_batch(items, is_repeatable)
            items, size, is_repeatable = [], FRAME, True
        items.append(data)
        size += len(data) + 1
        is_repeatable &= "idempotencyKey" in item or question.dry_run or question.cost == 0
    if items:
        yield authorize_batch(items, is_repeatable)


def authorize_batch(items: list[bytes], is_repeatable: bool) -> Call[tuple[Decision, ...]]:
    """One batch of questions that are JSON already."""

    def decisions(found: object) -> tuple[Decision, ...]:
        results = Members(found).items("results", decision_from_json)
        if len(results) != len(items):
            raise UnexpectedAnswer("the answer has not one result for each question")
        return results

    body = b'{"items":[' + b",".join(items) + b"]}"
    headers = {"content-type": "application/json"}
    return Call(
        "POST",
        "/v1/authorize/batch",
        reading(decisions),
        headers=headers,
        body=body,
        is_repeatable=is_repeatable,
    )


def explain(question: Question) -> Call[Explanation]:
    """`POST /v1/explain`."""
    return call("POST", "/v1/explain", reading(Explanation.from_json), body=asked(question))


def introspect(value: str) -> Call[Introspection]:
    """`POST /oauth2/introspect`, a form."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    try:
        body = urlencode({"token": value}).encode()
    except UnicodeEncodeError:
        raise InvalidArgument("value: expected text without lone surrogates") from None
    return Call("POST", "/oauth2/introspect", reading(Introspection.from_json), headers=headers, body=body)


def sign(
    token_id: str,
    url: str,
    *,
    expires: Instant | None,
    expires_in: Duration | None,
    bucket: Duration | None,
    placement: str | None,
) -> Call[str]:
    """`POST /v1/signed-urls`."""
    if expires is not None and expires_in is not None:
        raise InvalidArgument("expires_in: expected either expires or expires_in")
    body = told(
        token_id=token_id,
        url=url,
        expires=instant("expires", expires),
        ttl=duration("expires_in", expires_in),
        bucket=duration("bucket", bucket),
        placement=placement,
    )
    return call("POST", "/v1/signed-urls", reading(lambda found: Members(found).text("url")), body=body)


def asked(question: Question, fresh_key: Callable[[], str | None] = lambda: None) -> dict[str, Any]:
    """A question in JSON.

    Raises:
        InvalidArgument: not exactly one of url, value and basic; or an idempotency key that is none.
    """
    presented = told(url=question.url, value=question.value, basic=login(question.basic))
    if len(presented) != 1:
        raise InvalidArgument("expected exactly one of url, value and basic")
    return told(
        credential=presented,
        request=facts(question.request),
        cost=None if question.cost == 1 else question.cost,
        dry_run=question.dry_run or None,
        idempotency_key=idempotency_key(question.idempotency_key or fresh_key()),
    )


def facts(request: Request | None) -> dict[str, Any] | None:
    """A request's facts in JSON."""
    if request is None:
        return None
    named = ((camel_case(fact.name), getattr(request, fact.name)) for fact in fields(request))
    return {name: login(fact) if name == "basic" else fact for name, fact in named if fact is not None}


def login(basic: tuple[str, str] | None) -> dict[str, str] | None:
    """User name and password in JSON.

    Raises:
        InvalidArgument: they are not two strings.
    """
    if basic is None:
        return None
    is_pair = isinstance(basic, (tuple, list)) and len(basic) == 2  # pyright: ignore[reportUnnecessaryIsInstance, reportUnnecessaryComparison]
    if not is_pair or not all(isinstance(part, str) for part in basic):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgument("basic: expected a pair of user name and password")
    return {"username": basic[0], "password": basic[1]}
