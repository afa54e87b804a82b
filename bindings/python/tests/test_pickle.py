"""What is sent to other processes arrives whole."""

from __future__ import annotations

import copy
import pickle

import pytest
from countermark import Signer, TokenValue
from countermark.errors import LinkExpired, Malformed

PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)
TOKEN_ID = "iu_034YCGMODo7rNXJe1rD0Im"
SECRETS = {3: "a" * 32, 7: "b" * 32}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("host", [None, "img.example.com"])
def test_a_signer_keeps_its_secrets_host_and_placement(protocol: int, host: str | None) -> None:
    signer = Signer(TOKEN_ID, SECRETS, host=host, placement="query")
    again = pickle.loads(pickle.dumps(signer, protocol))
    assert repr(again) == repr(signer) == repr(copy.deepcopy(signer))
    url = "https://img.example.com/c/i"
    assert again.sign(url) == signer.sign(url)
    assert again.verify(Signer(TOKEN_ID, {3: "a" * 32}).sign(url)).key_version == 3


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_verified_url_keeps_its_facts_without_any_secret(protocol: int) -> None:
    signer = Signer(TOKEN_ID, SECRETS, host="img.example.com")
    verified = signer.verify(signer.sign("/c/i", expires=1_900_000_000), now=0)
    pickled = pickle.dumps(verified, protocol)
    again = pickle.loads(pickled)
    assert again == verified and hash(again) == hash(verified) and repr(again) == repr(verified)
    assert (again.host, again.expires, again.path) == ("img.example.com", 1_900_000_000, "/c/i")
    assert SECRETS[7].encode() not in pickled


def test_a_pickle_cannot_make_a_verified_url_of_what_is_no_signed_url() -> None:
    signer = Signer(TOKEN_ID, SECRETS)
    pickled = pickle.dumps(signer.verify(signer.sign("https://a/c/i")), 2)
    with pytest.raises(Malformed):
        pickle.loads(pickled.replace(b"s-cm1:", b"s-cm2:"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_value_arrives_whole(protocol: int) -> None:
    value = TokenValue.parse("cmk_uTRGX1EciFuTjXUPUT7sgVblNpni4P7T0V72OF")
    assert pickle.loads(pickle.dumps(value, protocol)) == value == copy.copy(value)


def test_a_refusal_keeps_what_it_knows() -> None:
    signer = Signer(TOKEN_ID, SECRETS)
    with pytest.raises(LinkExpired) as refusal:
        signer.verify(signer.sign("https://a/c/i", expires=7))
    again = pickle.loads(pickle.dumps(refusal.value))
    assert (type(again), again.args, again.expires) == (LinkExpired, refusal.value.args, 7)


def test_verdicts_are_sent_as_a_list() -> None:
    signer = Signer(TOKEN_ID, SECRETS)
    verdicts = signer.verify_many([signer.sign("https://a/c/i"), "x"])
    with pytest.raises(TypeError):
        pickle.dumps(verdicts)
    allowed, refused = pickle.loads(pickle.dumps(list(verdicts)))
    assert allowed == verdicts[0] and isinstance(refused, Malformed)
