"""The published vectors of signed URLs, ids and values, through the wheel."""

from __future__ import annotations

from typing import Any

import pytest
from countermark import Signer, TokenValue, unverified_token_id
from countermark.errors import InvalidArgument, Malformed, Refused
from vectors import read_vectors

NOW = 0
"""The vectors are about signatures: at this instant none of their links has expired."""


def make_signer(vector: dict[str, Any], token_id: str) -> Signer:
    return Signer(token_id, {vector.get("key_version", 1): vector["secret"]}, host=vector["host"])


def claimed_token_id(vector: dict[str, Any]) -> str:
    """The id that a tampered vector claims, or any if its grammar hides it."""
    try:
        return unverified_token_id(vector["target"], host=vector["host"])
    except Malformed:
        return "iu_034YCGMODo7rNXJe1rD0Im"


def unsigned(vector: dict[str, Any]) -> str:
    if vector["placement"] == "path":
        return f"/{vector['cloud']}/{vector['rest']}"
    return str(vector["path_and_query"])


@pytest.mark.parametrize("vector", read_vectors("signed_urls", 36))
def test_signing_makes_every_signed_vector_again(vector: dict[str, Any]) -> None:
    signer = make_signer(vector, vector["token_id"])
    options = {"placement": vector["placement"], "expires": vector["expires"]}
    assert signer.sign(unsigned(vector), **options) == vector["target"]
    origin = f"https://{vector['host']}"
    assert signer.sign(origin + unsigned(vector), **options) == origin + vector["target"]


@pytest.mark.parametrize("vector", read_vectors("signed_urls", 36))
def test_every_signed_vector_says_what_it_was_made_of(vector: dict[str, Any]) -> None:
    full = f"https://{vector['host'].upper()}:8443{vector['target']}"
    for url in (vector["target"], full):
        verified = make_signer(vector, vector["token_id"]).verify(url, now=NOW)
        assert verified.url == url
        assert verified.token_id == vector["token_id"]
        assert verified.key_version == vector["key_version"]
        assert verified.placement == vector["placement"]
        assert verified.host == vector["host"]
        assert verified.expires == vector["expires"]
        assert verified.path == unsigned(vector).partition("?")[0]
        if "cloud" in vector:
            assert verified.cloud_id == vector["cloud"]


@pytest.mark.parametrize("vector", read_vectors("tampered_urls", 98))
def test_every_tampered_vector_is_refused_with_its_code(vector: dict[str, Any]) -> None:
    signer = make_signer(vector, claimed_token_id(vector))
    with pytest.raises(Refused) as refusal:
        signer.verify(vector["target"], now=NOW)
    assert refusal.value.code == vector["code"], vector["why"]
    assert not signer.validate(vector["target"], now=NOW)
    [(index, refused)] = signer.verify_many([vector["target"]], now=NOW).refusals
    assert (index, type(refused)) == (0, refusal.type)


@pytest.mark.parametrize("vector", read_vectors("malformed_urls", 24))
def test_every_malformed_vector_is_refused_by_verifiers_and_signers(vector: dict[str, Any]) -> None:
    signer = make_signer(vector, vector["token_id"])
    with pytest.raises(Malformed):
        signer.verify(vector["target"], now=NOW)
    with pytest.raises(Malformed):
        unverified_token_id(vector["target"], host=vector["host"])
    placement, target = without_first_signature(vector["target"])
    with pytest.raises(InvalidArgument):
        signer.sign(target, placement=placement)


@pytest.mark.parametrize("vector", read_vectors("ids", 6))
def test_signers_take_exactly_the_ids_of_image_url_tokens(vector: dict[str, Any]) -> None:
    if vector["id"].startswith("iu_"):
        signer = Signer(vector["id"], "s" * 32)
        assert signer.token_id == vector["id"]
        assert unverified_token_id(signer.sign("https://a/c/i")) == vector["id"]
    else:
        with pytest.raises(InvalidArgument):
            Signer(vector["id"], "s" * 32)


@pytest.mark.parametrize("vector", read_vectors("values", 17))
def test_values_are_read_only_whole_and_show_their_preview(vector: dict[str, Any]) -> None:
    if vector["valid"]:
        value = TokenValue.parse(vector["value"])
        assert value.reveal() == vector["value"]
        assert value.preview == vector["preview"]
        assert value.type == {"cmu_": "upload", "cmk_": "apiKey", "cms_": "secret"}[vector["value"][:4]]
    else:
        with pytest.raises(InvalidArgument):
            TokenValue.parse(vector["value"])


def without_first_signature(target: str) -> tuple[Any, str]:
    """The placement, and what a signer was given to arrive at ``target``."""
    if "/s-cm1:" in target:
        cloud, _, segment = target.partition("/s-cm1:")
        return "path", f"{cloud}/{segment.partition('/')[2]}"
    return "query", target[: target.rindex("cm-token=") - 1]
