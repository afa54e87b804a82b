"""examples/envoy, run by a real Envoy."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import proxy_matrix as matrix
from conftest import REPOSITORY, StartCountermark, free_port, listens, process
from proxy_bench import adapted, recording_origin
from proxy_matrix import Bench

EXAMPLES = REPOSITORY / "examples" / "envoy"
ENVOY = Path(sysconfig.get_path("scripts")) / "envoy"
SECRET = "0123456789abcdef0123456789abcdef"

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
    """Starts Envoy with the shipped configuration between an origin and a gate."""
    with ExitStack() as running:

        def start(*, secret: str = SECRET) -> Bench:
            countermark = start_countermark(throttle__burst="1000000", gate__shared_secret=SECRET)
            origin = running.enter_context(recording_origin())
            port = free_port()
            changes = {
                "port_value: 8080": f"port_value: {countermark.port}",
                "port_value: 9000": f"port_value: {origin.port}",
                "port_value: 8000": f"port_value: {port}",
                "replace this by gate.shared_secret": secret,
            }
            site = adapted(EXAMPLES / "envoy.yaml", tmp_path, changes)
            command = [ENVOY, "-c", site, "--use-dynamic-base-id", "--concurrency", "2", "-l", "warning"]
            running.enter_context(process(command, tmp_path, lambda: listens(port)))
            return Bench(countermark, origin, port, STATUSES, gate_down=403)

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
    matrix.the_gate_tells_strangers_nothing(start_bench(secret="another secret of that length"))
