"""Calls about tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from countermark.errors import InvalidArgument, NotFound
from countermark.records.page import Page, page_of
from countermark.records.settings import ExtraSettings, NotifySettings
from countermark.records.token import Issued, RevealedValue, TokenRecord
from countermark.service.arguments import (
    UNSET,
    Duration,
    Instant,
    Unset,
    duration,
    given,
    handle,
    idempotency_key,
    instant,
    nested,
    told,
)
from countermark.service.call import GREATEST, Answer, Call, call, nothing, reading

__all__ = ["exists", "issue", "page", "regenerate", "reveal", "revoke", "update", "view"]

TOKENS = "/v1/access-tokens"
EXTRA = frozenset(ExtraSettings.__annotations__)
NOTIFY = frozenset(NotifySettings.__annotations__)


def issue(
    type: str,
    *,
    not_before: Instant | None,
    expiry: Instant | None,
    ttl: Duration | None,
    notify: NotifySettings | None,
    extra: ExtraSettings | None,
    key: str | None,
    **members: object,
) -> Call[Issued]:
    """`POST /v1/access-tokens`."""
    if expiry is not None and ttl is not None:
        raise InvalidArgument("ttl: expected either expiry or ttl")
    body = told(
        type=type,
        not_before=instant("not_before", not_before),
        expiry=instant("expiry", expiry),
        ttl=duration("ttl", ttl),
        notify=nested("notify", cast("Mapping[str, object] | None", notify), NOTIFY),
        extra=nested("extra", cast("Mapping[str, object] | None", extra), EXTRA),
        **members,
    )
    key = idempotency_key(key)
    return call(
        "POST",
        TOKENS,
        reading(Issued.from_json),
        body=body,
        idempotency_key=key,
        is_repeatable=key is not None,
    )


def view(token_id: str) -> Call[TokenRecord]:
    """`GET /v1/access-tokens/{id}`."""
    return call("GET", path(token_id), reading(TokenRecord.from_json))


def exists(token_id: str) -> Call[bool]:
    """`HEAD /v1/access-tokens/{id}`."""
    return call("HEAD", path(token_id), found)


def found(answer: Answer) -> bool:
    """Whether the token is there. Answers to HEAD have no body, so that 404 alone tells."""
    try:
        nothing(answer)
    except NotFound:
        return False
    return True


def update(
    token_id: str,
    *,
    if_match: int | None,
    not_before: Instant | None | Unset,
    expiry: Instant | None | Unset,
    notify: NotifySettings | None | Unset,
    extra: ExtraSettings | Unset,
    **members: object,
) -> Call[TokenRecord]:
    """`PATCH /v1/access-tokens/{id}`. With `if_match`, a repetition would fail on the first attempt."""
    body = given(
        not_before=not_before if not_before is UNSET else instant("not_before", not_before),
        expiry=expiry if expiry is UNSET else instant("expiry", expiry),
        notify=notify
        if notify is UNSET
        else nested("notify", cast("Mapping[str, object] | None", notify), NOTIFY),
        extra=extra if extra is UNSET else nested("extra", cast("Mapping[str, object]", extra), EXTRA),
        **members,
    )
    headers = {} if if_match is None else {"if-match": f'"{revision(if_match)}"'}
    return call(
        "PATCH",
        path(token_id),
        reading(TokenRecord.from_json),
        body=body,
        content_type="application/merge-patch+json",
        headers=headers,
        is_repeatable=if_match is None,
    )


def revision(if_match: int) -> int:
    """A revision that a record can have.

    Raises:
        InvalidArgument: it is not a number from 0 on.
    """
    is_number = isinstance(if_match, int) and not isinstance(if_match, bool)  # pyright: ignore[reportUnnecessaryIsInstance]
    if not is_number or not 0 <= if_match <= GREATEST:
        raise InvalidArgument("if_match: expected the record's revision, a whole number from 0 on")
    return if_match


def revoke(token_id: str, *, cascade: bool, purge: bool) -> Call[None]:
    """`DELETE /v1/access-tokens/{id}`."""
    query = {"cascade": cascade or None, "purge": purge or None}
    return call("DELETE", path(token_id), nothing, query=query, is_done_if_gone=purge)


def page(**filters: str | int | None) -> Call[Page[TokenRecord]]:
    """`GET /v1/access-tokens`."""
    return call("GET", TOKENS, reading(page_of(TokenRecord.from_json)), query=filters)


def regenerate(token_id: str, *, overlap: Duration | None, key: str | None) -> Call[Issued]:
    """`POST /v1/access-tokens/{id}/regenerate`."""
    body: dict[str, Any] = told(overlap_seconds=duration("overlap", overlap))
    key = idempotency_key(key)
    return call(
        "POST",
        path(token_id) + "/regenerate",
        reading(Issued.from_json),
        body=body,
        idempotency_key=key,
        is_repeatable=key is not None,
    )


def reveal(token_id: str) -> Call[RevealedValue]:
    """`GET /v1/access-tokens/{id}/value`."""
    return call("GET", path(token_id) + "/value", reading(RevealedValue.from_json))


def path(token_id: str) -> str:
    """A token's path."""
    return f"{TOKENS}/{handle('token_id', token_id)}"
