"""examples/traefik and examples/apisix, which cannot be run here: what these servers document to send is replayed at
the gate, and their expressions are applied to signed targets."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import yaml

from conftest import REPOSITORY, Countermark, StartCountermark
from proxy_bench import Answer, Headers, RawClient, request
from proxy_matrix import signer_of
from proxy_targets import HOST, MALFORMED_BY_PATH, SIGNED_BY_PATH, SIGNED_BY_QUERY, Signer

TRAEFIK = yaml.safe_load((REPOSITORY / "examples/traefik/dynamic.yml").read_text())["http"]
APISIX = yaml.safe_load((REPOSITORY / "examples/apisix/apisix.yaml").read_text())
ROUTE = "/v1/forward-auth/forwarded"
OURS = {"X-Countermark-Token-Id", "X-Countermark-Owner", "X-Countermark-Remaining"}
SIGNER = Signer("iu_0000000000000000000042", "a secret for this test alone, 32+")

HeadersOf = Callable[[str, Headers], Headers]


def traefik(target: str, client: Headers) -> Headers:
    """What forwardAuth sends with `trustForwardHeader: false`: the listed headers, and its own X-Forwarded-…."""
    listed = set(TRAEFIK["middlewares"]["ask-countermark"]["forwardAuth"]["authRequestHeaders"])
    return [
        *((name, value) for name, value in client if name in listed),
        ("User-Agent", ""),
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Host", HOST),
        ("X-Forwarded-Uri", target),
    ]


def apisix(target: str, client: Headers) -> Headers:
    """What forward-auth sends: its own X-Forwarded-… and the listed headers."""
    listed = set(plugins()["forward-auth"]["request_headers"])
    return [
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Host", HOST),
        ("X-Forwarded-Uri", target),
        ("X-Forwarded-For", "203.0.113.7"),
        *((name, value) for name, value in client if name in listed),
        ("User-Agent", "lua-resty-http/0.17.2 (Lua) ngx_lua/10026"),
    ]


def plugins() -> dict:
    return APISIX["routes"][0]["plugins"]


@pytest.fixture
def trusting(start_countermark: StartCountermark) -> Countermark:
    return start_countermark(gate__trusted_proxies="127.0.0.1")


def ask(countermark: Countermark, headers: Headers) -> Answer:
    return RawClient(countermark.port).send(request(ROUTE, "127.0.0.1:8080", headers=headers))


@pytest.mark.parametrize("headers_of", [traefik, apisix])
def test_the_documented_headers_are_understood(trusting: Countermark, headers_of: HeadersOf) -> None:
    signer = signer_of(trusting, owner="a shop")
    for rest in SIGNED_BY_PATH.values():
        answer = ask(trusting, headers_of(signer.by_path(rest), []))
        assert (answer.status, answer.value("x-countermark-token-id")) == (204, signer.token), rest
    for rest in MALFORMED_BY_PATH.values():
        assert ask(trusting, headers_of(signer.by_path(rest), [])).status == 400, rest


@pytest.mark.parametrize("headers_of", [traefik, apisix])
def test_credentials_reach_the_gate_and_claims_do_not(trusting: Countermark, headers_of: HeadersOf) -> None:
    key = trusting.issue(type="apiKey", permissions=["read"])
    client = [("Authorization", f"Bearer {key['value']}"), ("X-Countermark-Token-Id", "forged"), ("X-Real-IP", "::1")]
    answer = ask(trusting, headers_of("/a", client))
    assert (answer.status, answer.value("x-countermark-token-id")) == (204, key["id"])
    assert "X-Countermark-Token-Id" not in dict(headers_of("/a", client))


@pytest.mark.parametrize("rest", SIGNED_BY_PATH.values())
def test_the_expressions_take_the_segment_out_and_nothing_else(rest: str) -> None:
    target = SIGNER.by_path(rest)
    path, mark, query = target.partition("?")
    strip = TRAEFIK["middlewares"]["strip-signature"]["replacePathRegex"]
    assert strip["replacement"] == "${1}${2}"
    assert re.sub(strip["regex"], r"\1\2", path) + mark + query == f"/shop/{rest}"
    assert rewritten_by_apisix(target) == f"/shop/{rest}"


@pytest.mark.parametrize("path", SIGNED_BY_QUERY.values())
def test_the_expressions_take_the_parameters_out_and_nothing_else(path: str) -> None:
    assert rewritten_by_apisix(SIGNER.by_query(path)) == path


def test_the_expressions_take_the_token_out() -> None:
    assert rewritten_by_apisix("/a?b=1&%74oken=x&c=2") == "/a?b=1&c=2"
    assert rewritten_by_apisix("/a?tokens=x") == "/a?tokens=x"


def rewritten_by_apisix(target: str) -> str:
    """The first expression that matches is applied, as proxy-rewrite does it."""
    pairs = plugins()["proxy-rewrite"]["regex_uri"]
    for expression, template in zip(pairs[::2], pairs[1::2], strict=True):
        if re.search(expression, target):
            return re.sub(expression, re.sub(r"\$(\d)", r"\\\1", template), target)
    return target


def test_traefik_clears_before_it_asks_and_drops_credentials_after() -> None:
    router, middlewares = TRAEFIK["routers"]["images"], TRAEFIK["middlewares"]
    assert router["middlewares"] == ["clear-claims", "ask-countermark", "strip-signature", "to-the-origin"]
    cleared = middlewares["clear-claims"]["headers"]["customRequestHeaders"]
    assert set(cleared) >= OURS
    assert set(cleared.values()) == {""}
    assert middlewares["ask-countermark"]["forwardAuth"]["trustForwardHeader"] is False
    dropped = middlewares["to-the-origin"]["headers"]["customRequestHeaders"]
    assert dropped == {"Authorization": "", "X-Custom-Auth-Key": "", "X-Replaced-Path": ""}
    assert middlewares["ask-countermark"]["forwardAuth"]["address"].endswith(f":8080{ROUTE}")


def test_apisix_overwrites_claims_and_drops_credentials() -> None:
    forward_auth = plugins()["forward-auth"]
    assert OURS | {"Authorization", "X-Custom-Auth-Key"} <= set(forward_auth["upstream_headers"])
    assert forward_auth["allow_degradation"] is False
    assert forward_auth["uri"].endswith(f":8080{ROUTE}")
    # Its own X-Forwarded-Uri is normalized, while the origin is asked for the raw target.
    assert forward_auth["extra_headers"] == {"X-Forwarded-Uri": "$real_request_uri"}
    assert plugins()["proxy-rewrite"]["use_real_request_uri_unsafe"] is True
    assert plugins()["response-rewrite"]["headers"]["set"]["Cache-Control"] == "private, no-store"
