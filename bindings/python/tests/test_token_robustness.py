"""Whatever is given for a record or a question: an answer or an ordinary exception, never a panic."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import pytest
from countermark import Decision, Request, Signer, Token, UploadDirectives
from countermark.errors import CountermarkError
from hypothesis import given
from hypothesis import strategies as st
from token_records import (
    IMAGE_ID,
    NOW,
    SECRET,
    UPLOAD_VALUE,
    VALUE,
    image_record,
    key_record,
    upload_record,
)

TEXTS = st.text(st.characters(exclude_categories=()), max_size=20)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats()
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS | st.integers(), inner, max_size=3),
    max_leaves=8,
)
RECORDS = {
    "imageUrl": (image_record(), {"secrets": SECRET}),
    "upload": (upload_record(), {"value": UPLOAD_VALUE}),
    "apiKey": (key_record(), {"value": VALUE}),
}


def places(record: dict[str, Any]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [(name,) for name in record]
    extra: dict[str, Any] = record.get("extra", {})
    return found + [("extra", name) for name in extra]


@given(st.sampled_from(sorted(RECORDS)), st.data(), ANYTHING)
def test_a_record_with_anything_in_it_is_read_or_refused(
    kind: str, data: st.DataObject, anything: Any
) -> None:
    record, known = RECORDS[kind]
    *outer, name = data.draw(st.sampled_from(places(record)))
    if outer:
        changed = {**record, outer[0]: {**record[outer[0]], name: anything}}
    else:
        changed = {**record, name: anything}
    try:
        token = Token(changed, **known)
    except (CountermarkError, TypeError):
        return
    assert isinstance(token.decide(value="guess", now=NOW), Decision)


@given(ANYTHING, ANYTHING, ANYTHING)
def test_anything_in_place_of_arguments_is_a_python_exception(record: Any, secrets: Any, value: Any) -> None:
    for one in (record, image_record(), key_record()):
        for known in ({"secrets": secrets}, {"value": value}):
            with suppress(CountermarkError, TypeError):
                Token(one, **known)
        with suppress(CountermarkError, TypeError):
            UploadDirectives.from_extra(one)


FACTS = st.fixed_dictionaries({}, optional={name: ANYTHING for name in Request.__dataclass_fields__})


@given(FACTS, TEXTS, TEXTS, ANYTHING)
def test_any_question_is_answered_or_a_python_exception(
    facts: dict[str, Any], url: str, value: str, anything: Any
) -> None:
    for token in (Token(image_record(), secrets=SECRET), Token(key_record(), value=VALUE)):
        credentials: list[dict[str, Any]] = [
            {"url": url},
            {"value": value},
            {"url": anything},
            {"value": anything},
        ]
        for credential in credentials:
            try:
                decision = token.decide(**credential, request=Request(**facts), cost=1, now=NOW)
            except (CountermarkError, TypeError):
                continue
            assert not decision.allowed


@given(TEXTS, TEXTS)
def test_no_text_presents_a_token_but_its_own_value(front: str, back: str) -> None:
    token = Token(key_record(permissions=["*"]), value=VALUE)
    presented = front + VALUE + back
    allowed = token.decide(value=presented, request=Request(permission="read")).allowed
    assert allowed == (presented == VALUE)


def test_many_threads_may_ask_one_token() -> None:
    token = Token(image_record(), secrets=SECRET)
    signer = Signer(IMAGE_ID, SECRET)
    wrong: list[str] = []

    def ask(thread: int) -> None:
        for number in range(500):
            link = signer.sign(f"https://img.example.com/shop/{thread}/{number}")
            if not token.decide(url=link) or token.decide(url=link + "x"):
                wrong.append(link)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("levels", [4, 9, 10_000])
def test_nested_records_do_not_exhaust_the_stack(levels: int) -> None:
    nested: Any = []
    for _ in range(levels):
        nested = [nested]
    with pytest.raises(CountermarkError, match="record.clouds"):
        Token(key_record(clouds=nested), value=VALUE)
