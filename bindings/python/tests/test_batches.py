"""Many URLs at once: the same outcomes as one by one, without the interpreter."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from itertools import count

import pytest
from countermark import Signer, Verdicts, VerifiedUrl
from countermark.errors import BadSignature, InvalidArgument, LinkExpired, Malformed, Refused

SECRET = "s" * 32
NOW = 1_900_000_000


@pytest.fixture
def signer() -> Signer:
    return Signer("iu_034YCGMODo7rNXJe1rD0Im", SECRET)


@pytest.fixture
def urls() -> list[str]:
    """More than one thread's piece."""
    return [f"https://img.example.com/shop/{number}.jpg" for number in range(1000)]


@pytest.fixture
def mixed(signer: Signer, urls: list[str]) -> list[str]:
    """Signed URLs, of which every seventh has another fault."""
    signed = signer.sign_many(urls, expires=NOW + 1)
    signed[0::35] = signer.sign_many(urls[0::35], expires=NOW)
    signed[7::35] = [url + "x" for url in signed[7::35]]
    signed[14::35] = urls[14::35]
    signed[21::35] = ["\ud800"] * len(signed[21::35])
    signed[28::35] = [url.replace("034YCG", "034YCH") for url in signed[28::35]]
    return signed


@pytest.mark.parametrize("threads", [0, 1, 2, 256])
def test_a_batch_signs_as_one_by_one(signer: Signer, urls: list[str], threads: int) -> None:
    one_by_one = [signer.sign(url, expires=NOW, bucket=7, placement="query") for url in urls]
    assert signer.sign_many(urls, expires=NOW, bucket=7, placement="query", threads=threads) == one_by_one


@pytest.mark.parametrize("threads", [0, 1, 2, 256])
def test_a_batch_decides_as_one_by_one(signer: Signer, mixed: list[str], threads: int) -> None:
    verdicts = signer.verify_many(mixed, now=NOW, threads=threads)
    assert len(verdicts) == len(mixed)
    codes = set[str]()
    for url, verdict in zip(mixed, verdicts, strict=True):
        try:
            assert verdict == signer.verify(url, now=NOW)
        except Refused as refusal:
            codes.add(refusal.code)
            assert isinstance(verdict, type(refusal))
            assert (verdict.args, vars(verdict)) == (refusal.args, vars(refusal))
    assert codes == {"LINK_EXPIRED", "BAD_SIGNATURE", "MALFORMED", "UNKNOWN_TOKEN"}


def test_refusals_are_told_with_their_index(signer: Signer, mixed: list[str]) -> None:
    verdicts = signer.verify_many(mixed, now=NOW)
    assert not verdicts.all_allowed
    assert [index for index, _ in verdicts.refusals] == list(range(0, 1000, 7))
    (first, expired), (second, forged), *_ = verdicts.refusals
    assert isinstance(expired, LinkExpired) and expired.expires == NOW and first == 0
    assert isinstance(forged, BadSignature) and second == 7
    assert repr(verdicts) == "<Verdicts: 857 allowed, 143 refused>"


def test_a_batch_without_refusal_is_allowed_as_a_whole(signer: Signer, urls: list[str]) -> None:
    verdicts = signer.verify_many(signer.sign_many(urls))
    assert verdicts.all_allowed and verdicts.refusals == []


def test_an_empty_batch_refuses_nothing(signer: Signer) -> None:
    assert signer.sign_many([]) == []
    verdicts = signer.verify_many(iter(()))
    assert len(verdicts) == 0 and verdicts.all_allowed and list(verdicts) == [] and not verdicts


def test_verdicts_are_a_sequence_like_a_list(signer: Signer, mixed: list[str]) -> None:
    verdicts = signer.verify_many(mixed, now=NOW)
    assert isinstance(verdicts, Sequence)
    allowed = verdicts[1]
    assert isinstance(allowed, VerifiedUrl) and allowed.path == "/shop/1.jpg"
    assert verdicts[-1] == verdicts[999] == list(verdicts)[999] == next(reversed(verdicts))
    assert [type(it) for it in verdicts[5:9]] == [VerifiedUrl, VerifiedUrl, BadSignature, VerifiedUrl]
    assert verdicts[1:7][::-1] == verdicts[6:0:-1]
    assert verdicts[2000:] == [] and len(verdicts[:]) == 1000
    assert allowed in verdicts and verdicts.index(allowed) == 1 and verdicts.count(allowed) == 1
    assert verdicts.index(allowed, -999, 2) == 1
    for outside in (1000, -1001, 10**30, -(10**30)):
        with pytest.raises(IndexError):
            verdicts[outside]
    for start, stop in ((2, None), (0, 1)):
        with pytest.raises(ValueError, match="no such outcome"):
            verdicts.index(allowed, start, stop)
    with pytest.raises(TypeError):
        verdicts["1"]  # type: ignore[call-overload]


def test_urls_may_come_from_any_iterable(signer: Signer, urls: list[str]) -> None:
    expected = signer.sign_many(urls)
    assert signer.sign_many(url for url in urls) == expected
    assert signer.sign_many(tuple(urls)) == expected
    assert signer.sign_many(dict.fromkeys(urls)) == expected


def test_an_exception_of_the_iterable_comes_through(signer: Signer) -> None:
    with pytest.raises(ZeroDivisionError):
        signer.verify_many(str(1 // (3 - number)) for number in range(9))


def test_the_first_url_that_cannot_be_signed_is_named(signer: Signer, urls: list[str]) -> None:
    urls[400], urls[500] = "canary", "\ud800"
    with pytest.raises(InvalidArgument, match=r"urls\[400\]: .*http") as raised:
        signer.sign_many(urls, threads=2)
    assert "canary" not in repr(raised.value)
    with pytest.raises(InvalidArgument, match=r"urls\[0\]: .*surrogate"):
        signer.sign_many(["\ud800"])


def test_what_is_no_batch_of_text_is_a_type_error(signer: Signer) -> None:
    for call in (signer.sign_many, signer.verify_many):
        with pytest.raises(TypeError, match="a single str"):
            call("https://a/b/c")
        with pytest.raises(TypeError, match=r"urls\[1\]: expected str, got bytes"):
            call(["https://a/b/c", b"https://a/b/c"])  # type: ignore[list-item]
        with pytest.raises(TypeError, match="iterable"):
            call(7)  # type: ignore[arg-type]


def test_threads_are_counted_from_0_to_256(signer: Signer) -> None:
    for threads in (-1, 257, 10**30):
        with pytest.raises(InvalidArgument, match="threads"):
            signer.sign_many([], threads=threads)
        with pytest.raises(InvalidArgument, match="threads"):
            signer.verify_many([], threads=threads)
    with pytest.raises(TypeError):
        signer.verify_many([], threads=1.0)  # type: ignore[arg-type]


def test_a_batch_asks_the_clock_once(
    signer: Signer, urls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = count(NOW)
    monkeypatch.setattr("time.time", lambda: float(next(clock)))
    signed = signer.sign_many(urls, expires_in=10)
    assert signer.verify_many(signed).all_allowed
    assert next(clock) == NOW + 2


def test_the_other_arguments_of_a_batch_are_those_of_one_url(signer: Signer, urls: list[str]) -> None:
    signed = signer.sign_many(urls, expires_in=60, now=NOW)
    assert signer.verify_many(signed, method="HEAD", now=NOW + 59).all_allowed
    assert len(signer.verify_many(signed, method="PUT", now=NOW).refusals) == 1000
    assert len(signer.verify_many(signed, now=NOW + 60).refusals) == 1000


@pytest.mark.parametrize("batch", ["sign_many", "verify_many"])
def test_other_threads_run_while_a_batch_is_worked_on(signer: Signer, batch: str) -> None:
    """The interpreter never takes turns by itself here: another thread can run only if the batch lets it."""
    gate, ran = threading.Lock(), list[bool]()
    gate.acquire()

    def wait_and_run() -> None:
        gate.acquire()
        ran.append(True)

    urls = ["https://img.example.com/shop/" + "x" * 4000] * 100
    other = threading.Thread(target=wait_and_run)
    other.start()
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        gate.release()
        for _ in range(10_000):
            getattr(signer, batch)(urls)
            if ran:
                break
        else:
            pytest.fail("no other thread ever ran")
    finally:
        sys.setswitchinterval(usual)
        other.join()


def test_many_threads_may_share_one_signer(signer: Signer, mixed: list[str]) -> None:
    expected = repr(signer.verify_many(mixed, now=NOW))
    said = list[str]()

    def verify() -> None:
        for _ in range(5):
            verdicts: Verdicts = signer.verify_many(mixed, now=NOW, threads=2)
            said.append(repr(verdicts))

    threads = [threading.Thread(target=verify) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [expected] * 40


def test_a_malformed_url_says_why_in_a_batch_too(signer: Signer) -> None:
    [verdict] = signer.verify_many(["ftp://a/b"])
    assert isinstance(verdict, Malformed) and "http" in str(verdict)
