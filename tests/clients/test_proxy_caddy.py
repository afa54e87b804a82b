"""examples/caddy, run by a real Caddy."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import proxy_matrix as matrix
from conftest import REPOSITORY, StartCountermark, free_port, listens, process
from proxy_bench import RawClient, adapted, recording_origin, request
from proxy_matrix import Bench

EXAMPLES = REPOSITORY / "examples" / "caddy"
CADDY = Path(sysconfig.get_path("scripts")) / "caddy"

STATUSES = {
    "NO_CREDENTIAL": 401,
    "UNKNOWN_TOKEN": 401,
    "BAD_SIGNATURE": 401,
    "AUTHENTICATION_REQUIRED": 401,
    "REVOKED": 403,
    "DISABLED": 403,
    "WRONG_CLOUD": 403,
    "LINK_EXPIRED": 410,
    "LIMIT_REACHED": 429,
}

StartBench = Callable[..., Bench]


@pytest.fixture
def start_bench(tmp_path: Path, start_countermark: StartCountermark) -> Iterator[StartBench]:
    """Starts Caddy with the shipped configuration between an origin and a gate."""
    with ExitStack() as running:

        def start(*, trusted: str = "127.0.0.1") -> Bench:
            countermark = start_countermark(throttle__burst="1000000", gate__trusted_proxies=trusted)
            origin = running.enter_context(recording_origin())
            port = free_port()
            changes = {"127.0.0.1:8080": f"127.0.0.1:{countermark.port}", "127.0.0.1:9000": f"127.0.0.1:{origin.port}"}
            changes["http://img.example.com"] = f"http://img.example.com:{port}"
            site = adapted(EXAMPLES / "Caddyfile", tmp_path, changes)
            main = tmp_path / "main.caddyfile"
            main.write_text(f"{{\n\tadmin off\n\tpersist_config off\n}}\nimport {site}\n")
            command = [CADDY, "run", "--adapter", "caddyfile", "--config", main]
            folders = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
            running.enter_context(process(command, tmp_path, lambda: listens(port), {**os.environ, **folders}))
            return Bench(countermark, origin, port, STATUSES, gate_down=502)

        yield start


@pytest.fixture
def bench(start_bench: StartBench) -> Bench:
    return start_bench()


def test_what_reaches_the_origin_is_what_was_signed(bench: Bench) -> None:
    assert list(matrix.every_target_meets_every_spoof(bench)) == []


def test_a_burst_takes_exactly_the_limit(bench: Bench) -> None:
    matrix.a_burst_takes_exactly_the_limit(bench)


def test_a_head_is_free(bench: Bench) -> None:
    matrix.a_head_is_free(bench)


def test_other_methods_are_refused(bench: Bench) -> None:
    matrix.other_methods_are_refused(bench)


def test_nothing_passes_after_a_revocation(bench: Bench) -> None:
    matrix.nothing_passes_after_a_revocation(bench)


def test_pipelined_requests_are_decided_one_by_one(bench: Bench) -> None:
    matrix.pipelined_requests_are_decided_one_by_one(bench)


def test_without_the_gate_nothing_passes(bench: Bench) -> None:
    matrix.without_the_gate_nothing_passes(bench)


def test_a_gate_that_does_not_trust_the_proxy_refuses(start_bench: StartBench) -> None:
    matrix.the_gate_tells_strangers_nothing(start_bench(trusted="192.0.2.1"))


def test_a_lone_question_mark_is_refused_without_a_use(bench: Bench) -> None:
    signer = matrix.signer_of(bench.countermark, limit=1)
    answer = RawClient(bench.port).send(request(signer.by_query("/a?"), "img.example.com"))
    assert answer.status == 400
    assert bench.origin.take() == []
    assert bench.countermark.view(signer.token)["used"] == 0
