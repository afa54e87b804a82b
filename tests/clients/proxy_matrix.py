"""The promises that hold behind every proxy, each asked of whichever proxy is given."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from conftest import Countermark
from proxy_bench import Answer, Head, Origin, RawClient, request
from proxy_targets import (
    ALLOWED,
    HOST,
    REFUSED,
    Signer,
    Spoof,
    Target,
    Tokens,
    raw_headers,
    spoofs,
    targets,
)

# Origins that read these take another target or method than the one that was signed.
MISLEADING = {"x-original-url", "x-rewrite-url", "x-http-method-override", "x-forwarded-prefix"}
CREDENTIALS = {"authorization", "x-custom-auth-key", "x-countermark-gate-secret"}
OUR_HEADERS_AT_THE_ORIGIN = {"x-countermark-token-id", "x-countermark-owner", "x-countermark-remaining"}
BURST = 100
# What the gate lets viewers keep: nothing, or at most the default of gate.max_age_seconds.
KEPT = re.compile(r"private, no-store|max-age=(3600|[1-9][0-9]{0,2}|[12][0-9]{3}|3[0-5][0-9]{2})")


@dataclass
class Bench:
    """A proxy between a recording origin and a gate."""

    countermark: Countermark
    origin: Origin
    port: int
    # Status by code of refusal.
    statuses: Mapping[str, int]
    # Targets that this proxy cannot pass on as they are, and so must refuse.
    inexact: frozenset[str] = frozenset()
    # The status when the gate does not answer.
    gate_down: int = 500


def every_target_meets_every_spoof(bench: Bench) -> Iterator[str]:
    """Sends the whole matrix and tells of each breach in words."""
    tokens = Tokens.issue(bench.countermark)
    everything = targets(tokens)
    kinds = spoofs(tokens)
    assert len(everything) >= 40
    assert len(kinds) >= 20
    client = RawClient(bench.port)
    bench.origin.take()
    for target in everything:
        for spoof in kinds:
            answer = client.send(request(target.target, HOST, headers=raw_headers(target, spoof)))
            for breach in breaches(bench, target, spoof, answer, bench.origin.take()):
                yield f"{target.name} / {spoof.name}: {breach}"


def breaches(bench: Bench, target: Target, spoof: Spoof, answer: Answer, reached: list[Head]) -> Iterator[str]:
    """What is wrong with one exchange."""
    is_inexact = target.name in bench.inexact
    if reached:
        if target.code not in (ALLOWED, "UNUSUAL") or is_inexact:
            yield f"reached the origin as {reached[0].line!r}"
        elif answer.status != 200:
            yield f"reached the origin, and the client got {answer.status}"
        else:
            yield from wrong_at_origin(target, reached)
            yield from wrong_at_client(answer)
        return
    if any(name.lower().startswith(("x-countermark", "x-accel")) for name, _ in answer.headers):
        yield "the client got headers that are not for it"
    if answer.status < 400:
        yield f"answered {answer.status} without the origin"
    if target.code == ALLOWED and not is_inexact and not spoof.may_refuse:
        yield f"refused with {answer.status}"
    if not spoof.may_refuse and target.code in bench.statuses and answer.status != bench.statuses[target.code]:
        yield f"answered {answer.status} and not {bench.statuses[target.code]}"
    if target.code in bench.statuses and answer.status in (401, 403, 410, 429):
        kept = answer.values("cache-control")
        if not any("no-store" in value for value in kept):
            yield f"the refusal {answer.status} may be kept: {kept}"
    if target.code == REFUSED and answer.status >= 500:
        yield f"answered {answer.status}"


def wrong_at_origin(target: Target, reached: list[Head]) -> Iterator[str]:
    """What the origin should not have seen, or not so."""
    if len(reached) != 1:
        yield f"{len(reached)} requests reached the origin"
    seen = reached[0]
    if seen.line != f"GET {target.reaches} HTTP/1.1":
        yield f"the origin was asked {seen.line!r} and not for {target.reaches!r}"
    if seen.values("x-countermark-token-id") != [target.token]:
        yield f"the origin was told the token {seen.values('x-countermark-token-id')}"
    if seen.values("x-countermark-owner") not in (["a shop"], ["a%20shop"]):
        yield f"the origin was told the owner {seen.values('x-countermark-owner')}"
    for name, value in seen.headers:
        name = name.lower()
        plain = name.replace("_", "-").replace(".", "-")
        if plain.startswith("x-countermark") and (name not in OUR_HEADERS_AT_THE_ORIGIN or "forged" in value):
            yield f"{name}: {value} reached the origin"
        if plain in CREDENTIALS | MISLEADING:
            yield f"{name} reached the origin"


def wrong_at_client(answer: Answer) -> Iterator[str]:
    """What the client should not have got."""
    cache_control = answer.values("cache-control")
    if len(cache_control) != 1 or not KEPT.fullmatch(cache_control[0]):
        yield f"the client was told to keep the answer by {cache_control}"
    for name, _ in answer.headers:
        if name.lower() in ("expires", "cdn-cache-control") or name.lower().startswith(("x-countermark", "x-accel")):
            yield f"{name} of the origin reached the client"


def signer_of(countermark: Countermark, **members: object) -> Signer:
    """A fresh token that signs."""
    token = countermark.issue(type="imageUrl", **members)
    return Signer(token["id"], token["extra"]["secret"])


def a_burst_takes_exactly_the_limit(bench: Bench) -> None:
    """The last byte of a hundred requests goes out at once; seven are allowed and seven are counted."""
    limit = 7
    signer = signer_of(bench.countermark, limit=limit)
    raw = request(signer.by_path("i/cat.jpg"), HOST)
    bench.origin.take()
    clients = [RawClient(bench.port) for _ in range(BURST)]
    for client in clients:
        client.connect().connection.sendall(raw[:-1])
    for client in clients:
        client.connect().connection.sendall(raw[-1:])
    answers = [client.answer().status for client in clients]
    for client in clients:
        client.close()
    assert answers.count(200) == limit, answers
    assert set(answers) == {200, bench.statuses["LIMIT_REACHED"]}
    assert len(bench.origin.take()) == limit
    assert bench.countermark.view(signer.token)["used"] == limit


def a_head_is_free(bench: Bench) -> None:
    """HEAD takes nothing, however often and whatever it claims to be; a GET that claims to be one is a use."""
    signer = signer_of(bench.countermark, limit=1)
    client, target = RawClient(bench.port), signer.by_path("i/cat.jpg")
    for _ in range(5):
        assert client.send(request(target, HOST, method="HEAD")).status == 200
    assert bench.countermark.view(signer.token)["used"] == 0
    claims = [("X-Original-Method", "HEAD"), ("X-Forwarded-Method", "HEAD"), ("X-HTTP-Method-Override", "HEAD")]
    assert client.send(request(target, HOST, headers=claims)).status == 200
    assert bench.countermark.view(signer.token)["used"] == 1
    assert client.send(request(target, HOST, headers=claims)).status == bench.statuses["LIMIT_REACHED"]


def other_methods_are_refused(bench: Bench) -> None:
    """A link is for looking, not for changing."""
    signer = signer_of(bench.countermark)
    bench.origin.take()
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PURGE"):
        raw = request(signer.by_path("i"), HOST, method=method, headers=[("Content-Length", "0")])
        assert 400 <= RawClient(bench.port).send(raw).status < 500, method
    assert bench.origin.take() == []


def nothing_passes_after_a_revocation(bench: Bench) -> None:
    """Requests that begin after the revocation was answered are refused, on kept connections too."""
    signer = signer_of(bench.countermark)
    raw = request(signer.by_path("i/cat.jpg"), HOST)
    outcomes: list[tuple[float, int]] = []
    is_over = threading.Event()

    def ask() -> None:
        client = RawClient(bench.port)
        while not is_over.is_set():
            started = time.monotonic()
            outcomes.append((started, client.send(raw).status))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(outcomes) > 40)
    assert bench.countermark.call("DELETE", f"/v1/access-tokens/{signer.token}").status_code == 204
    revoked_at, already = time.monotonic(), len(outcomes)
    wait_until(lambda: len(outcomes) > already + 40)
    is_over.set()
    for thread in threads:
        thread.join()
    assert {status for started, status in outcomes if started > revoked_at} == {403}
    assert [status for _, status in outcomes].count(200) > 20


def without_the_gate_nothing_passes(bench: Bench) -> None:
    """The gate has gone; the proxy does not open."""
    signer = signer_of(bench.countermark)
    raw = request(signer.by_path("i/cat.jpg"), HOST)
    client = RawClient(bench.port)
    assert client.send(raw).status == 200
    bench.origin.take()
    bench.countermark.kill()
    assert [client.send(raw).status for _ in range(3)] == [bench.gate_down] * 3
    assert bench.origin.take() == []


def the_gate_tells_strangers_nothing(bench: Bench) -> None:
    """The service behind `bench` does not trust the proxy: all is refused, and nothing reaches the origin."""
    signer = signer_of(bench.countermark)
    bench.origin.take()
    answer = RawClient(bench.port).send(request(signer.by_path("i/cat.jpg"), HOST))
    assert answer.status == 403
    assert bench.origin.take() == []


def pipelined_requests_are_decided_one_by_one(bench: Bench) -> None:
    """A refused request between two allowed ones on one connection, all sent at once."""
    signer = signer_of(bench.countermark)
    good, bad = signer.by_path("i/cat.jpg"), signer.by_path("i/cat.jpg").replace("cat", "dog")
    bench.origin.take()
    client = RawClient(bench.port)
    client.connect().connection.sendall(b"".join(request(target, HOST) for target in (good, bad, good)))
    assert [client.answer().status for _ in range(3)] == [200, 401, 200]
    assert [head.target for head in bench.origin.take()] == ["/shop/i/cat.jpg"] * 2


def wait_until(is_so: Callable[[], bool]) -> None:
    """Looks again until it is so."""
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.002)
