"""One URL at a time: what signers sign, what they accept, and what they say about it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import time_machine
from countermark import Signer, unverified_token_id
from countermark.errors import (
    BadSignature,
    CountermarkError,
    InvalidArgument,
    LinkExpired,
    Malformed,
    MethodDenied,
    Refused,
    UnknownToken,
    WrongHost,
)

TOKEN_ID = "iu_034YCGMODo7rNXJe1rD0Im"
OTHER_TOKEN_ID = "iu_034W4nbfYTnHVDcZKyYqLK"
OLD_SECRET, SECRET = "canary-old-" + "o" * 32, "canary-new-" + "n" * 32
URL = "https://img.example.com/shop/w:200/cat.jpg?v=1"
NOW = 1_900_000_000


@pytest.fixture
def signer() -> Signer:
    return Signer(TOKEN_ID, {1: OLD_SECRET, 2: SECRET})


@pytest.fixture
def local() -> Signer:
    """A signer of bare targets."""
    return Signer(TOKEN_ID, SECRET, host="img.example.com")


def test_what_was_signed_is_verified_with_its_facts(signer: Signer) -> None:
    verified = signer.verify(signer.sign(URL, expires=NOW + 60), now=NOW)
    assert (verified.token_id, verified.key_version, verified.placement) == (TOKEN_ID, 2, "path")
    assert (verified.host, verified.cloud_id) == ("img.example.com", "shop")
    assert (verified.path, verified.expires) == ("/shop/w:200/cat.jpg", NOW + 60)


def test_in_query_placement_the_path_may_name_no_cloud(signer: Signer) -> None:
    verified = signer.verify(signer.sign("https://a/x.y", placement="query"))
    assert (verified.placement, verified.cloud_id, verified.expires) == ("query", None, None)


def test_one_secret_is_version_1() -> None:
    signer = Signer(TOKEN_ID, SECRET)
    assert (signer.key_version, signer.key_versions) == (1, (1,))
    assert signer.verify(signer.sign(URL)).key_version == 1


def test_the_highest_version_signs_and_all_verify(signer: Signer) -> None:
    assert (signer.key_version, signer.key_versions) == (2, (1, 2))
    old = Signer(TOKEN_ID, {1: OLD_SECRET})
    assert signer.verify(old.sign(URL)).key_version == 1
    with pytest.raises(BadSignature):
        old.verify(signer.sign(URL))


def test_a_version_is_no_licence_for_another_secret(signer: Signer) -> None:
    with pytest.raises(BadSignature):
        signer.verify(Signer(TOKEN_ID, {1: SECRET}).sign(URL))


def test_a_link_of_another_token_is_unknown_even_with_the_same_secret(signer: Signer) -> None:
    with pytest.raises(UnknownToken):
        signer.verify(Signer(OTHER_TOKEN_ID, {2: SECRET}).sign(URL))


def test_a_link_is_expired_from_its_expiry_on(signer: Signer) -> None:
    url = signer.sign(URL, expires_in=60, now=NOW)
    assert signer.verify(url, now=NOW + 59).expires == NOW + 60
    with pytest.raises(LinkExpired) as refusal:
        signer.verify(url, now=NOW + 60)
    assert refusal.value.expires == NOW + 60


def test_an_expired_link_with_a_bad_signature_tells_no_expiry(signer: Signer) -> None:
    url = signer.sign(URL, expires=NOW).replace(str(NOW), str(NOW - 1))
    with pytest.raises(BadSignature):
        signer.verify(url, now=NOW)


def test_links_are_for_get_and_head(signer: Signer) -> None:
    url = signer.sign(URL)
    assert signer.verify(url, method="HEAD") == signer.verify(url)
    for method in ("POST", "DELETE", "get", ""):
        with pytest.raises(MethodDenied):
            signer.verify(url, method=method)
        assert not signer.validate(url, method=method)


@pytest.mark.parametrize(
    "expires_in", [3600, timedelta(hours=1), timedelta(seconds=3600, milliseconds=999)], ids=repr
)
def test_spans_are_seconds_or_timedeltas(signer: Signer, expires_in: int | timedelta) -> None:
    assert signer.verify(signer.sign(URL, expires_in=expires_in, now=NOW), now=NOW).expires == NOW + 3600


@pytest.mark.parametrize(
    "instant",
    [
        NOW,
        datetime.fromtimestamp(NOW, timezone.utc),
        datetime.fromtimestamp(NOW, timezone(timedelta(hours=-9, minutes=-30))),
        datetime.fromtimestamp(NOW, timezone.utc) + timedelta(microseconds=999_999),
    ],
    ids=repr,
)
def test_instants_are_seconds_or_aware_datetimes(signer: Signer, instant: int | datetime) -> None:
    assert signer.verify(signer.sign(URL, expires=instant), now=NOW - 1).expires == NOW
    assert signer.sign(URL, expires_in=5, now=instant) == signer.sign(URL, expires=NOW + 5)
    with pytest.raises(LinkExpired):
        signer.verify(signer.sign(URL, expires=NOW), now=instant)


def test_the_last_instant_is_exact(signer: Signer) -> None:
    last = datetime(9999, 12, 31, 23, 59, 59, 999_999, timezone.utc)
    assert signer.verify(signer.sign(URL, expires=last)).expires == 253_402_300_799


def test_a_bucket_rounds_the_expiry_up(signer: Signer) -> None:
    for bucket in (600, timedelta(minutes=10)):
        links = {signer.sign(URL, expires_in=60, bucket=bucket, now=now) for now in range(1201, 1201 + 540)}
        assert [signer.verify(link, now=0).expires for link in links] == [1800]


def test_the_clock_is_pythons_own_and_asked_at_each_call(signer: Signer) -> None:
    with time_machine.travel(NOW, tick=False) as traveller:
        url = signer.sign(URL, expires_in=60)
        assert signer.verify(url).expires == NOW + 60
        traveller.shift(60)
        assert not signer.validate(url)


def test_a_replaced_function_is_asked_like_the_clock(signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    url = signer.sign(URL, expires=NOW)
    for instant, valid in ((NOW - 0.001, True), (NOW, False), (NOW + 1e9, False)):
        monkeypatch.setattr("time.time", lambda instant=instant: instant)
        assert signer.validate(url) is valid
    for instant in (-1.0, float("nan"), float("inf"), 1e300):
        monkeypatch.setattr("time.time", lambda instant=instant: instant)
        with pytest.raises(InvalidArgument, match="time.time"):
            signer.validate(url)


def test_the_clock_is_not_asked_where_nothing_depends_on_it(
    signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("time.time")
    assert signer.validate(signer.sign(URL, expires_in=60, now=NOW), now=NOW)
    signer.sign(URL)


def test_with_a_host_bare_targets_are_requests_to_it(local: Signer, signer: Signer) -> None:
    target = local.sign("/shop/cat.jpg?w=1")
    assert target.startswith("/shop/s-cm1:")
    verified = local.verify(target)
    assert (verified.url, verified.host, verified.path) == (target, "img.example.com", "/shop/cat.jpg")
    assert local.sign("https://img.example.com/shop/cat.jpg?w=1") == "https://img.example.com" + target
    assert local.verify("http://IMG.example.com.:8080" + target).path == "/shop/cat.jpg"


def test_the_host_is_read_as_a_host_header_is() -> None:
    assert Signer(TOKEN_ID, SECRET, host="IMG.Example.com.:8080").host == "img.example.com"
    local = Signer(TOKEN_ID, SECRET, host="[::1]:80")
    assert local.verify(local.sign("/c/i")).host == "[::1]"


def test_links_to_other_hosts_are_refused_where_the_host_is_known(local: Signer) -> None:
    anywhere = Signer(TOKEN_ID, SECRET)
    with pytest.raises(WrongHost):
        local.verify(anywhere.sign("https://evil.example/shop/cat.jpg"))
    with pytest.raises(InvalidArgument, match="another host"):
        local.sign("https://evil.example/shop/cat.jpg")


def test_a_target_signed_for_one_host_is_worth_nothing_at_another(local: Signer) -> None:
    with pytest.raises(BadSignature):
        Signer(TOKEN_ID, SECRET, host="other.example").verify(local.sign("/shop/cat.jpg"))


def test_without_a_host_bare_targets_are_refused_with_the_cure(signer: Signer, local: Signer) -> None:
    with pytest.raises(InvalidArgument, match="host="):
        signer.sign("/shop/cat.jpg")
    with pytest.raises(Malformed, match="host="):
        signer.verify(local.sign("/shop/cat.jpg"))
    with pytest.raises(Malformed, match="host="):
        unverified_token_id(local.sign("/shop/cat.jpg"))


def test_a_token_id_can_be_found_without_proof(signer: Signer, local: Signer) -> None:
    assert unverified_token_id(signer.sign(URL)[:-1] + "2") == TOKEN_ID
    assert unverified_token_id(local.sign("/shop/cat.jpg"), host="anything.example") == TOKEN_ID
    with pytest.raises(Malformed):
        unverified_token_id(URL)
    with pytest.raises(InvalidArgument, match="host"):
        unverified_token_id(URL, host="a/b")


def test_every_changed_character_is_refused(signer: Signer) -> None:
    for placement in ("path", "query"):
        url = signer.sign(URL, expires=NOW, placement=placement)
        for index in range(len("https://"), len(url)):
            for replacement in ("A", "/", "?"):
                changed = url[:index] + replacement + url[index + 1 :]
                if changed.lower() == url.lower() and index < url.index("/shop"):
                    continue
                assert changed == url or not signer.validate(changed, now=0), index


untyped: Any = Signer
"""For what type checkers would not let pass."""

AMISS: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda _: Signer("iu_x", SECRET), InvalidArgument, "token_id"),
    (lambda _: Signer("ak_034UXVxixT6GLHO2styIVD", SECRET), InvalidArgument, "imageUrl"),
    (lambda _: Signer("\ud800", SECRET), InvalidArgument, "token_id"),
    (lambda _: Signer(TOKEN_ID, "canary"), InvalidArgument, "secrets: .*32 to 256"),
    (lambda _: Signer(TOKEN_ID, {}), InvalidArgument, "secrets: .*at least one"),
    (lambda _: Signer(TOKEN_ID, {1: SECRET, 7: "canary"}), InvalidArgument, r"secrets\[7\]"),
    (lambda _: Signer(TOKEN_ID, {1: SECRET + "\ud800"}), InvalidArgument, r"secrets\[1\]"),
    (lambda _: Signer(TOKEN_ID, {0: SECRET}), InvalidArgument, "1 to 65535"),
    (lambda _: Signer(TOKEN_ID, {65536: SECRET}), InvalidArgument, "1 to 65535"),
    (lambda _: Signer(TOKEN_ID, {10**40: SECRET}), InvalidArgument, "1 to 65535"),
    (lambda _: Signer(TOKEN_ID, {True: SECRET}), TypeError, "got bool"),
    (lambda _: untyped(TOKEN_ID, {"1": SECRET}), TypeError, "got str"),
    (lambda _: untyped(TOKEN_ID, {1: SECRET.encode()}), TypeError, r"secrets\[1\].*got bytes"),
    (lambda _: untyped(TOKEN_ID, SECRET.encode()), TypeError, "got bytes"),
    (lambda _: untyped(TOKEN_ID, [SECRET]), TypeError, "got list"),
    (lambda _: Signer(TOKEN_ID, SECRET, host="a/b"), InvalidArgument, "host"),
    (
        lambda _: untyped(TOKEN_ID, SECRET, placement="header"),
        InvalidArgument,
        "placement: .*'path' or 'query'",
    ),
    (lambda s: s.sign(URL, placement="PATH"), InvalidArgument, "placement"),
    (lambda s: s.sign(s.sign(URL)), InvalidArgument, "url: .*second signature"),
    (lambda s: s.sign("https://a/c"), InvalidArgument, "url: .*cloudId"),
    (lambda s: s.sign("https://a/c/\ud800"), InvalidArgument, "url: .*surrogate"),
    (lambda s: s.sign("https://a/c/é"), InvalidArgument, "url: .*ASCII"),
    (lambda s: s.sign(URL.encode()), TypeError, "bytes"),
    (lambda s: s.sign(URL, expires_in=-1), InvalidArgument, "expires_in"),
    (lambda s: s.sign(URL, expires_in=timedelta(microseconds=-1)), InvalidArgument, "expires_in"),
    (lambda s: s.sign(URL, expires_in=timedelta.max), InvalidArgument, "expires_in"),
    (lambda s: s.sign(URL, expires_in=253_402_300_799, now=1), InvalidArgument, "expires_in: .*year 10000"),
    (lambda s: s.sign(URL, expires_in=2**64), InvalidArgument, "expires_in"),
    (lambda s: s.sign(URL, expires_in=10**400), InvalidArgument, "expires_in"),
    (lambda s: s.sign(URL, expires_in=True), TypeError, "expires_in: .*got bool"),
    (lambda s: s.sign(URL, expires_in=1.5), TypeError, "expires_in: .*got float"),
    (lambda s: s.sign(URL, expires_in=1, expires=1), InvalidArgument, "got both"),
    (lambda s: s.sign(URL, expires=NOW * 1000), InvalidArgument, "expires: .*253402300799"),
    (lambda s: s.sign(URL, expires=-1), InvalidArgument, "expires"),
    (lambda s: s.sign(URL, expires=float("nan")), TypeError, "expires: .*got float"),
    (lambda s: s.sign(URL, expires="2030-01-01"), TypeError, "expires: .*got str"),
    (lambda s: s.sign(URL, expires=datetime(2030, 1, 1)), InvalidArgument, "expires: .*time zone"),
    (lambda s: s.sign(URL, expires=datetime(1969, 1, 1, tzinfo=timezone.utc)), InvalidArgument, "expires"),
    (lambda s: s.sign(URL, bucket=60), InvalidArgument, "bucket: .*expires_in or expires"),
    (lambda s: s.sign(URL, expires=NOW, bucket=-60), InvalidArgument, "bucket"),
    (lambda s: s.sign(URL, expires=NOW, bucket=False), TypeError, "bucket: .*got bool"),
    (lambda s: s.verify(URL, now=datetime(2030, 1, 1)), InvalidArgument, "now: .*time zone"),
    (lambda s: s.verify(URL, now=True), TypeError, "now: .*got bool"),
    (lambda s: s.verify(URL, now=-(10**30)), InvalidArgument, "now"),
    (lambda s: s.verify(None), TypeError, "None"),
    (lambda s: s.verify("\udcff"), Malformed, "surrogate"),
    (lambda s: s.verify("https://a/c/\udcff"), Malformed, "surrogate"),
    (lambda s: s.verify(URL), Malformed, "not signed"),
    (lambda s: s.verify(""), Malformed, "http"),
    (lambda _: unverified_token_id("\udcff"), Malformed, "surrogate"),
]


@pytest.mark.parametrize(("call", "exception", "words"), AMISS)
def test_what_cannot_be_meant_is_refused_in_words(
    signer: Signer, call: Callable[[Signer], Any], exception: type[Exception], words: str
) -> None:
    with pytest.raises(exception, match=words) as raised:
        call(signer)
    assert isinstance(raised.value, (TypeError, CountermarkError))
    assert raised.value.__cause__ is None and raised.value.__context__ is None
    assert "canary" not in repr(raised.value) and "cat.jpg" not in repr(raised.value)


def test_refusals_never_show_the_url(signer: Signer) -> None:
    url = signer.sign(URL, expires=NOW)
    for presented, method, now in (
        (url, "GET", NOW),
        (url, "PUT", 0),
        (url + "x", "GET", 0),
        (url + "#", "GET", 0),
    ):
        with pytest.raises(Refused) as refusal:
            signer.verify(presented, method=method, now=now)
        said = repr(refusal.value) + str(vars(refusal.value))
        assert "cat.jpg" not in said and "img.example.com" not in said


def test_reprs_show_no_secret_and_no_signature(signer: Signer, local: Signer) -> None:
    assert repr(signer) == f"<Signer {TOKEN_ID}, key_versions=(1, 2), placement='path'>"
    assert repr(local) == f"<Signer {TOKEN_ID}, key_versions=(1,), host='img.example.com', placement='path'>"
    url = signer.sign(URL, expires=NOW)
    assert repr(signer.verify(url, now=0)) == (
        f"<VerifiedUrl /shop/w:200/cat.jpg of {TOKEN_ID}, host='img.example.com', expires={NOW}>"
    )


def test_verified_urls_are_equal_if_url_and_host_are(signer: Signer, local: Signer) -> None:
    url = signer.sign(URL)
    first, second = signer.verify(url), signer.verify("".join(list(url)))
    assert first == second and hash(first) == hash(second)
    assert first != signer.verify(signer.sign(URL, expires=NOW), now=0) and first != url
    elsewhere = Signer(TOKEN_ID, SECRET, host="other.example")
    assert elsewhere.verify(elsewhere.sign("/c/i")) != local.verify(local.sign("/c/i"))


def test_nothing_of_a_signer_or_verified_url_can_be_changed(signer: Signer) -> None:
    for thing, name in ((signer, "host"), (signer.verify(signer.sign(URL)), "path")):
        with pytest.raises(AttributeError):
            setattr(thing, name, "x")
    with pytest.raises(TypeError):
        type(signer.verify(signer.sign(URL)))()


def test_urls_may_be_of_a_subclass_of_str(signer: Signer) -> None:
    class Marked(str):
        __slots__ = ()

    assert signer.verify(Marked(signer.sign(Marked(URL)))).path == "/shop/w:200/cat.jpg"


def test_a_verified_url_keeps_no_more_than_the_string_alive(signer: Signer) -> None:
    url = signer.sign(URL)
    before = sys.getrefcount(url)
    verified = signer.verify(url)
    assert sys.getrefcount(url) == before + 1
    del verified
    assert sys.getrefcount(url) == before
