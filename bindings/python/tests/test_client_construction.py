"""Making clients, and what importing costs."""

from __future__ import annotations

import inspect
import json
import pickle
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx2
import pytest
from both_clients import MakeClient
from countermark import UNSET, AsyncClient, Client, RetryPolicy
from countermark.errors import ConnectionFailed, CountermarkError, InvalidArgument
from countermark.service.async_client import AsyncLiveUpload
from countermark.service.client import LiveUpload
from running_service import REPOSITORY, Service, free_port, fresh_value

KEY = fresh_value("k")
GENERATOR = Path(__file__).parents[1] / "generate-client"


def test_url_and_key_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, service: Service, make_client: MakeClient
) -> None:
    monkeypatch.setenv("COUNTERMARK_URL", service.url)
    monkeypatch.setenv("COUNTERMARK_KEY", service.key)
    assert make_client().exists("iu_034YCGMODo7rNXJe1rD0Im") is False
    assert repr(make_client("http://a.example")) == f"{make_client.kind}('http://a.example')"


@pytest.mark.parametrize(
    ("base_url", "key", "named"),
    [
        (None, KEY, "base_url"),
        ("", KEY, "base_url"),
        ("tokens.example", KEY, "base_url"),
        ("ftp://tokens.example", KEY, "base_url"),
        ("http://", KEY, "base_url"),
        ("http://a.example:port", KEY, "base_url"),
        ("http://user:password@a.example", KEY, "base_url"),
        ("http://a.example?x=1", KEY, "base_url"),
        ("http://a.example#x", KEY, "base_url"),
        ("http://a.example/\r\n", KEY, "base_url"),
        ("http://[::1", KEY, "base_url"),
        ("http://a.example", None, "key"),
        ("http://a.example", KEY + "\n", "key"),
        ("http://a.example", KEY + "ü", "key"),
    ],
)
def test_a_url_or_key_that_cannot_be_meant_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch,
    make_client: MakeClient,
    base_url: str | None,
    key: str | None,
    named: str,
) -> None:
    monkeypatch.delenv("COUNTERMARK_URL", raising=False)
    monkeypatch.delenv("COUNTERMARK_KEY", raising=False)
    with pytest.raises(InvalidArgument, match=f"^{named}: ") as raised:
        make_client(base_url, key)
    assert KEY not in str(raised.value) and "password" not in str(raised.value)


def test_a_negative_number_of_retries_is_refused(make_client: MakeClient) -> None:
    with pytest.raises(InvalidArgument, match="retries"):
        make_client("http://a.example", KEY, retries=-1)
    with pytest.raises(InvalidArgument, match="retries"):
        make_client("http://a.example", KEY, retries=RetryPolicy(-1))


def test_a_client_is_not_pickled_since_it_holds_the_key(make_client: MakeClient) -> None:
    client = make_client("http://a.example", KEY)
    inner: object = getattr(client, "inner", client)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(inner)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 1e300, 86_401])
def test_a_timeout_of_no_time_or_of_no_end_is_refused(make_client: MakeClient, timeout: float) -> None:
    with pytest.raises(InvalidArgument, match="timeout"):
        make_client("http://a.example", KEY, timeout=timeout)


def test_one_client_serves_many_threads(service: Service) -> None:
    answers: list[int | None] = []
    with Client(service.url, service.key) as client:
        image = client.issue("imageUrl", limit=80)
        url = image.signer().sign("https://img.example/shop/i/cat.jpg")

        def ask() -> None:
            answers.extend(client.authorize(url=url).used for _ in range(10))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(used or 0 for used in answers) == list(range(1, 81))


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_importing_the_package_brings_no_http_library_along() -> None:
    code = "import countermark, sys; print({'httpx2', 'anyio', 'ssl', 'asyncio'} & set(sys.modules))"
    assert python(code).stdout == "set()\n"


@pytest.mark.parametrize("missing", ["httpx2", "anyio"])
@pytest.mark.parametrize("name", ["Client", "AsyncClient"])
def test_without_the_http_library_a_client_says_what_to_install(name: str, missing: str) -> None:
    found = python(f"import sys; sys.modules[{missing!r}] = None; from countermark import {name}")
    if (name, missing) == ("Client", "anyio"):
        assert found.returncode == 0, found.stderr
    else:
        assert "ImportError" in found.stderr and "pip install 'countermark[http]'" in found.stderr


def test_what_the_package_does_not_have_is_an_attribute_error() -> None:
    import countermark

    with pytest.raises(AttributeError, match="Cleint"):
        _ = getattr(countermark, "Cleint")  # noqa: B009
    assert set(countermark.__all__) <= set(dir(countermark))
    assert all(getattr(countermark, name) is not None for name in countermark.__all__)
    assert repr(UNSET) == "UNSET"


def signatures(shape: type) -> dict[str, tuple[object, str | None]]:
    """Public methods with their parameters and documentation."""
    members = inspect.getmembers(shape, callable)
    return {
        "close" if name == "aclose" else name: (
            list(inspect.signature(member).parameters.values()),
            member.__doc__,
        )
        for name, member in members
        if not name.startswith("_")
    }


@pytest.mark.parametrize(("blocking", "awaited"), [(Client, AsyncClient), (LiveUpload, AsyncLiveUpload)])
def test_both_clients_have_the_same_methods(blocking: type, awaited: type) -> None:
    assert signatures(blocking) == signatures(awaited)
    assert all(documentation for _, documentation in signatures(blocking).values())


def test_the_blocking_client_is_generated_from_the_awaited_one() -> None:
    found = subprocess.run([sys.executable, GENERATOR, "--check"], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


METHODS = {
    "list_access_tokens": "list",
    "issue_access_token": "issue",
    "view_access_token": "view",
    "access_token_exists": "exists",
    "update_access_token": "update",
    "revoke_access_token": "revoke",
    "regenerate_access_token": "regenerate",
    "reveal_access_token": "reveal",
    "view_access_token_usage": "usage",
    "view_stats": "stats",
    "view_audit_log": "audit",
    "authorize_batch": "authorize_many",
    "create_signed_url": "sign",
    "list_notifications": "notifications",
    "view_notification_secrets": "notification_secrets",
}
NO_METHOD = {
    "forward_auth_envoy": "for proxies",
    "forward_auth_forwarded": "for proxies",
    "forward_auth_nginx": "for proxies",
    "receive_tusd_hook": "for tusd",
}


def operations() -> set[str]:
    paths = json.loads((REPOSITORY / "openapi" / "openapi.json").read_text())["paths"]
    own = [methods for path, methods in paths.items() if path.startswith(("/v1/", "/oauth2/"))]
    return {str(operation["operationId"]) for methods in own for operation in methods.values()}


def test_every_operation_of_the_native_api_is_a_method_or_has_a_reason() -> None:
    found = operations()
    assert set(METHODS) | set(NO_METHOD) <= found
    for operation in found - set(NO_METHOD):
        assert callable(getattr(Client, METHODS.get(operation, operation))), operation


def test_every_parameter_of_issue_and_update_is_a_member_of_the_api() -> None:
    schemas = json.loads((REPOSITORY / "openapi" / "openapi.json").read_text())["components"]["schemas"]
    ours = {"token_id", "self", "idempotency_key", "if_match"}
    for name, schema in (("issue", "IssueAccessTokenRequest"), ("update", "UpdateAccessTokenRequest")):
        parameters = set(inspect.signature(getattr(Client, name)).parameters) - ours
        assert {camel(parameter) for parameter in parameters} == set(schemas[schema]["properties"])


def test_every_setting_of_extra_is_a_member_of_the_api() -> None:
    from countermark.records import ExtraSettings

    schemas = json.loads((REPOSITORY / "openapi" / "openapi.json").read_text())["components"]["schemas"]
    assert {camel(name) for name in ExtraSettings.__annotations__} == set(
        schemas["AccessTokenExtraRequest"]["properties"]
    )


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def test_whatever_the_client_raises_is_of_one_tree(make_client: MakeClient) -> None:
    for provoke in (lambda: make_client("x", KEY), lambda: make_client("http://a.example", KEY).view("/")):
        with pytest.raises(CountermarkError):
            provoke()


@pytest.mark.parametrize("host", ["a..b", ".a", "a" * 64 + ".example", "a" * 300])
def test_a_host_that_no_resolver_takes_is_refused(make_client: MakeClient, host: str) -> None:
    with pytest.raises(InvalidArgument, match="^base_url: "):
        make_client(f"http://{host}", KEY)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "[::1]:8080", "a.example.", "xn--bcher-kva.de"])
def test_a_host_that_can_be_meant_is_taken(make_client: MakeClient, host: str) -> None:
    assert f"http://{host}" in repr(make_client(f"http://{host}", KEY))


def test_an_http_client_of_the_other_kind_is_refused(make_client: MakeClient) -> None:
    other = httpx2.AsyncClient if make_client.kind == "Client" else httpx2.Client
    with pytest.raises(InvalidArgument, match=rf"^http: expected a httpx2\.{make_client.kind}, "):
        make_client("http://a.example", KEY, http=other())


PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "tokens.invalid"])
def test_a_proxy_that_the_environment_names_is_sent_nothing(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        for name in PROXIES:
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        client = make_client(f"http://{host}:{free_port()}", KEY, retries=0, timeout=5)
        with pytest.raises(ConnectionFailed):
            client.stats()
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "nonsense://x"])
def test_a_proxy_that_cannot_be_used_does_not_hinder_a_client(
    service: Service, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    for name in PROXIES:
        monkeypatch.setenv(name, proxy)
    assert make_client(service.url, service.key).exists("iu_034YCGMODo7rNXJe1rD0Im") is False


def test_certificates_that_the_environment_names_still_count(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(FileNotFoundError):
        make_client("https://a.example", KEY)


def test_a_closed_client_says_so(make_client: MakeClient) -> None:
    client = make_client("http://a.example", KEY)
    client.close()
    with pytest.raises(InvalidArgument, match="closed"):
        client.stats()
