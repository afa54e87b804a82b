"""What holds for every URL, not only for those that someone thought of."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import Literal

import pytest
from countermark import Signer
from countermark.errors import InvalidArgument, Refused, WrongHost
from hypothesis import assume, given, settings
from hypothesis import strategies as st

TOKEN = "iu_034YCGMODo7rNXJe1rD0Im"
SECRETS = {version: f"a secret of at least 32 bytes: {version:05}" for version in (1, 2, 65_535)}
LAST_SECOND = 253_402_300_799
# No deadline: how long an example takes is the machine's affair.
settings.register_profile("countermark", deadline=None, max_examples=300)
settings.load_profile("countermark")
PRINTABLE = [chr(byte) for byte in range(0x21, 0x7F)]


@dataclass(frozen=True)
class Link:
    """A URL without signature, and how it is to be signed."""

    host: str
    target: str
    placement: Literal["path", "query"]
    expires: int | None

    @property
    def url(self) -> str:
        return f"https://{self.host}{self.target}"

    def signed(self) -> str:
        """The URL with its signature; unusual targets that may not be signed are given up."""
        signer = Signer(TOKEN, SECRETS)
        try:
            return signer.sign(self.url, expires=self.expires, placement=self.placement)
        except InvalidArgument:
            assume(False)
            raise


def text(alphabet: str, least: int, most: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=least, max_size=most)


HOSTS = st.one_of(
    st.lists(text(string.ascii_lowercase + string.digits + "_-", 1, 8), min_size=1, max_size=4).map(".".join),
    st.just("[2001:db8::1]"),
)
SEGMENTS = st.one_of(
    text(string.ascii_letters + string.digits + "._~!$'()*+,;=:@-", 1, 10),
    st.sampled_from(["%2F", "%E2%82%AC", "a%20b", ""]),
)


def target_of(cloud: str, segments: list[str], query: str) -> str:
    return f"/{cloud}/{'/'.join(segments)}{query}"


TARGETS = st.builds(
    target_of,
    text(string.ascii_letters + string.digits + "_-", 1, 10),
    st.lists(SEGMENTS, min_size=1, max_size=5),
    st.one_of(st.just(""), text(string.ascii_letters + "0123456789._~/?:=&,-", 0, 20).map("?{}".format)),
)
LINKS = st.builds(
    Link,
    host=HOSTS,
    target=TARGETS,
    placement=st.sampled_from(["path", "query"]),
    expires=st.one_of(st.none(), st.integers(1, LAST_SECOND)),
)


def passes(host: str, target: str) -> bool:
    """Whether the signer's own verification lets the URL through just before every expiry."""
    return Signer(TOKEN, SECRETS).validate(f"https://{host}{target}", now=0)


@given(LINKS)
def test_what_is_signed_verifies_and_tells_what_was_signed(link: Link) -> None:
    verified = Signer(TOKEN, SECRETS).verify(link.signed(), now=0)
    assert (verified.token_id, verified.key_version) == (TOKEN, max(SECRETS))
    assert (verified.host, verified.placement, verified.expires) == (link.host, link.placement, link.expires)
    assert verified.path == link.target.partition("?")[0]


@given(LINKS, st.data())
def test_another_character_anywhere_in_the_target_is_refused(link: Link, data: st.DataObject) -> None:
    target = link.signed().removeprefix(f"https://{link.host}")
    at = data.draw(st.integers(0, len(target) - 1))
    other = data.draw(st.one_of(st.sampled_from(PRINTABLE), st.characters()))
    assume(other != target[at])
    assert not passes(link.host, target[:at] + other + target[at + 1 :])


@given(LINKS, st.data())
def test_a_character_more_or_less_anywhere_in_the_target_is_refused(link: Link, data: st.DataObject) -> None:
    target = link.signed().removeprefix(f"https://{link.host}")
    at = data.draw(st.integers(0, len(target) - 1))
    assert not passes(link.host, target[:at] + target[at + 1 :])
    more, extra = data.draw(st.integers(0, len(target))), data.draw(st.sampled_from(PRINTABLE))
    assert not passes(link.host, target[:more] + extra + target[more:])
    assert not passes(link.host, target + extra)


@given(LINKS, HOSTS)
def test_another_host_is_refused(link: Link, host: str) -> None:
    assume(host != link.host)
    target = link.signed().removeprefix(f"https://{link.host}")
    assert not passes(host, target)


@given(LINKS)
def test_another_secret_is_refused(link: Link) -> None:
    others = {version: secret[::-1] for version, secret in SECRETS.items()}
    assert not Signer(TOKEN, others).validate(link.signed(), now=0)


@given(LINKS, st.integers(0, LAST_SECOND))
def test_a_link_works_until_the_second_of_its_expiry(link: Link, now: int) -> None:
    works = Signer(TOKEN, SECRETS).validate(link.signed(), now=now)
    assert works == (link.expires is None or now < link.expires)


@given(LINKS, st.integers(2, 10_000), st.integers(0, 2_000_000_000), st.integers(0, 10_000))
def test_links_made_within_a_bucket_are_the_same_and_never_shorter_than_asked(
    link: Link, bucket: int, now: int, expires_in: int
) -> None:
    signer = Signer(TOKEN, SECRETS)
    assume(_can_be_signed(signer, link))
    first = signer.sign(link.url, expires_in=expires_in, bucket=bucket, now=now)
    expires = signer.verify(first, now=0).expires if now + expires_in else 0
    assert expires is not None
    assert expires % bucket == 0 and now + expires_in <= expires < now + expires_in + bucket
    last = expires - expires_in
    assert signer.sign(link.url, expires_in=expires_in, bucket=bucket, now=last) == first


def _can_be_signed(signer: Signer, link: Link) -> bool:
    try:
        signer.sign(link.url)
    except InvalidArgument:
        return False
    return True


@given(
    st.lists(st.one_of(LINKS.map(lambda link: link.url), st.text(max_size=40)), max_size=8), st.integers(0, 3)
)
def test_a_batch_says_what_each_would_be_told_alone(urls: list[str], threads: int) -> None:
    signer = Signer(TOKEN, SECRETS)
    mixed = [signer.sign(url) if url.startswith("https") and _signs(signer, url) else url for url in urls]
    verdicts = signer.verify_many(mixed, now=0, threads=threads)
    alone = [_outcome(signer, url) for url in mixed]
    assert [verdict.code if isinstance(verdict, Refused) else verdict.path for verdict in verdicts] == alone


def _signs(signer: Signer, url: str) -> bool:
    try:
        signer.sign(url)
    except InvalidArgument:
        return False
    return True


def _outcome(signer: Signer, url: str) -> str:
    try:
        return signer.verify(url, now=0).path
    except Refused as refused:
        return refused.code


@given(LINKS)
def test_a_signer_for_one_host_takes_targets_and_refuses_other_hosts(link: Link) -> None:
    of_host = Signer(TOKEN, SECRETS, host=link.host)
    signed = link.signed()
    bare = signed.removeprefix(f"https://{link.host}")
    assert of_host.verify(bare, now=0).host == link.host
    assert of_host.sign(link.target, expires=link.expires, placement=link.placement) == bare
    elsewhere = Signer(TOKEN, SECRETS, host="elsewhere.example")
    with pytest.raises(WrongHost):
        elsewhere.verify(signed, now=0)
