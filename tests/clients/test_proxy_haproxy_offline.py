"""examples/haproxy/offline.cfg, run by a real HAProxy: signatures checked without asking anybody."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import REPOSITORY, free_port
from proxy_bench import Origin, RawClient, adapted, recording_origin, request
from proxy_targets import HOST, MALFORMED_BY_PATH, SIGNED_BY_PATH, Signer
from test_proxy_haproxy import EXAMPLES, run_haproxy

VECTORS = REPOSITORY / "tests" / "vectors"
SIGNER = Signer("iu_0000000000000000000042", "a secret for this test alone, 32+")


@dataclass
class Offline:
    """HAProxy with secrets, and the origin behind it."""

    client: RawClient
    origin: Origin

    def status(self, target: str, host: str = HOST, method: str = "GET") -> int:
        """The answer, which is 200 exactly if the origin was reached."""
        answer = self.client.send(request(target, host, method=method))
        assert (answer.status == 200) == bool(self.origin.seen), (target, answer.status)
        return answer.status


def entries(name: str) -> list[dict]:
    return json.loads((VECTORS / name).read_text())


def token_of(target: str) -> str:
    """Token and key version that a target names."""
    segment = target.split("/s-cm1:", 1)[1]
    return segment.split(",", 1)[0]


def secrets() -> dict[str, str]:
    """Secrets by token and key version, of every vector in path placement."""
    known = {f"{SIGNER.token}.1": SIGNER.secret}
    for name in ("signed_urls.json", "malformed_urls.json"):
        known |= {token_of(it["target"]): it["secret"] for it in entries(name) if "/s-cm1:" in it["target"]}
    return known


@pytest.fixture
def offline(tmp_path: Path) -> Iterator[Offline]:
    """Starts HAProxy with the shipped configuration."""
    with ExitStack() as running:
        origin = running.enter_context(recording_origin())
        port = free_port()
        lines = [f"{token} {base64.b64encode(secret.encode()).decode()}\n" for token, secret in secrets().items()]
        (tmp_path / "secrets.map").write_text("".join(lines))
        changes = {
            "bind :8000": f"bind 127.0.0.1:{port}",
            "127.0.0.1:9000": f"127.0.0.1:{origin.port}",
            "/etc/haproxy/countermark-secrets.map": f"{tmp_path}/secrets.map",
        }
        run_haproxy(running, tmp_path, adapted(EXAMPLES / "offline.cfg", tmp_path, changes), port)
        yield Offline(RawClient(port), origin)


def test_signed_urls_of_the_vectors_reach_the_origin(offline: Offline) -> None:
    signed = [it for it in entries("signed_urls.json") if it["placement"] == "path"]
    assert len(signed) >= 18
    for entry in signed:
        is_over = entry["expires"] is not None and entry["expires"] <= time.time()
        assert offline.status(entry["target"], entry["host"]) == (410 if is_over else 200), entry["target"]
        if not is_over:
            assert [head.target for head in offline.origin.take()] == [f"/{entry['cloud']}/{entry['rest']}"]


def test_tampered_urls_of_the_vectors_are_refused(offline: Offline) -> None:
    tampered = [it for it in entries("tampered_urls.json") if it["target"].startswith("/") and "/s-" in it["target"]]
    assert len(tampered) >= 40
    for entry in tampered:
        assert offline.status(entry["target"], entry["host"]) in (400, 401), entry


def test_malformed_urls_of_the_vectors_are_refused_though_their_signature_fits(offline: Offline) -> None:
    for entry in entries("malformed_urls.json"):
        assert offline.status(entry["target"], entry["host"]) == 400, entry["target"]


def test_what_reaches_the_origin_is_what_was_signed(offline: Offline) -> None:
    for rest in SIGNED_BY_PATH.values():
        assert offline.status(SIGNER.by_path(rest)) == 200, rest
        assert [head.target for head in offline.origin.take()] == [f"/shop/{rest}"]


def test_malformed_targets_are_refused(offline: Offline) -> None:
    for name, rest in MALFORMED_BY_PATH.items():
        if name != "token beside a signature":
            assert offline.status(SIGNER.by_path(rest)) == 400, name


def test_the_query_placement_is_not_offered(offline: Offline) -> None:
    assert offline.status(SIGNER.by_query("/images/cat.jpg")) == 400


def test_a_link_is_expired_from_its_second_on(offline: Offline) -> None:
    now = int(time.time())
    expected = {"-": 200, "0": 410, str(now - 3600): 410, str(now): 410, str(now + 3600): 200, "253402300799": 200}
    for expires, status in expected.items():
        assert offline.status(SIGNER.by_path("i", expires=expires)) == status, expires
        offline.origin.take()


def test_another_host_has_another_signature(offline: Offline) -> None:
    target = SIGNER.by_path("i")
    statuses = {host: offline.status(target, host) for host in ("other.example.com", f"{HOST}.evil.example")}
    assert set(statuses.values()) == {401}


@pytest.mark.parametrize("host", [HOST.upper(), f"{HOST}:8443", f"{HOST}."])
def test_case_port_and_final_dot_of_the_host_do_not_count(offline: Offline, host: str) -> None:
    assert offline.status(SIGNER.by_path("i"), host) == 200


def test_an_unknown_token_or_version_is_refused(offline: Offline) -> None:
    unknown = Signer("iu_0000000000000000000043", SIGNER.secret)
    assert offline.status(unknown.by_path("i")) == 401
    assert offline.status(SIGNER.by_path("i", version=2)) == 401


def test_only_looking_is_allowed(offline: Offline) -> None:
    assert offline.status(SIGNER.by_path("i"), method="HEAD") == 200
    offline.origin.take()
    assert offline.status(SIGNER.by_path("i"), method="DELETE") == 405
