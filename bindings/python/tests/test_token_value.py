"""Values of Countermark's own form."""

from __future__ import annotations

import pytest
from countermark import TokenValue
from countermark.errors import InvalidArgument

UPLOAD = "cmu_yXBHMoc5L40zBANMAAcNPMMcv7FQw4U51gMv1l"
API_KEY = "cmk_uTRGX1EciFuTjXUPUT7sgVblNpni4P7T0V72OF"


def test_a_repr_shows_the_preview_only() -> None:
    value = TokenValue.parse(API_KEY)
    assert repr(value) == str(value) == f"{value:}" == "<TokenValue cmk_uTRGX1EciFu…>"


def test_values_are_equal_and_hash_alike_if_their_text_is() -> None:
    value = TokenValue.parse(API_KEY)
    assert value == TokenValue.parse(API_KEY) and hash(value) == hash(TokenValue.parse(API_KEY))
    assert value != TokenValue.parse(UPLOAD)
    assert value != API_KEY and value is not None
    assert {value: 1}[TokenValue.parse(API_KEY)] == 1


@pytest.mark.parametrize(
    "text", ["", "canary", API_KEY[:-1], API_KEY + "0", " " + API_KEY, "\ud800", "é" * 42]
)
def test_what_is_no_value_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(InvalidArgument, match="text: ") as raised:
        TokenValue.parse(text)
    assert "canary" not in repr(raised.value) and API_KEY[5:30] not in repr(raised.value)


def test_values_are_read_from_text_only() -> None:
    with pytest.raises(TypeError):
        TokenValue.parse(API_KEY.encode())  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        TokenValue(API_KEY)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        TokenValue.parse(API_KEY).preview = "x"  # type: ignore[misc]
