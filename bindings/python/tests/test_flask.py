"""`countermark.flask`, with a real Flask under werkzeug and gunicorn, against a real service."""

from __future__ import annotations

import threading
import wsgiref.simple_server
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from countermark import Client
from countermark.errors import InvalidArgument
from countermark.flask import Countermark, TokenRefused, require_token
from flask import Flask
from flask_application import SIGNER, application
from issued import foreign_upload, link, used
from running_service import Service, StartService, free_port, fresh_value
from web_servers import (
    PREFLIGHT,
    Server,
    answered_without_the_view,
    bearer,
    process_server,
    werkzeug_server,
)
from werkzeug.middleware.proxy_fix import ProxyFix

TESTS = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[Client]:
    with Client(service.url, service.key) as opened:
        yield opened


@pytest.fixture(scope="module")
def werkzeug(service: Service) -> Iterator[Server]:
    with werkzeug_server(application(service.url, service.key)) as running:
        yield running


@pytest.fixture(scope="module")
def gunicorn(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with gunicorn_server(service, tmp_path_factory.mktemp("gunicorn")) as running:
        yield running


def gunicorn_server(service: Service, folder: Path, **environment: str) -> Any:
    port = free_port()
    command = ["gunicorn", "--bind", f"127.0.0.1:{port}", "--threads", "4", "flask_application:app"]
    service_environment = {"COUNTERMARK_URL": service.url, "COUNTERMARK_KEY": service.key}
    log = folder / "gunicorn.log"
    return process_server(command, port, log, {**service_environment, **environment}, cwd=TESTS)


@pytest.fixture(params=["werkzeug", "gunicorn"])
def server(request: pytest.FixtureRequest) -> Server:
    running = request.getfixturevalue(request.param)
    assert isinstance(running, Server)
    return running


def key(client: Client, permission: str = "photos:read", **terms: Any) -> str:
    value = client.issue("apiKey", permissions=[permission], **terms).value
    assert value is not None
    return value


def test_a_key_with_the_permission_passes_and_the_view_sees_the_decision(
    server: Server, client: Client
) -> None:
    answer = server.call("/photos", headers=bearer(key(client, owner="ann", limit=9)))
    told = {"code": "ALLOWED", "type": "apiKey", "used": 1, "owner": "ann"}
    assert (answer.status, answer.json()) == (200, told)


def test_a_refusal_is_a_problem_with_its_status_and_challenge(server: Server, client: Client) -> None:
    for headers, status, code in [
        ({}, 401, "NO_CREDENTIAL"),
        (bearer(fresh_value("k")), 401, "UNKNOWN_TOKEN"),
        (bearer(fresh_value("u")), 401, "WRONG_TYPE"),
        (bearer(key(client, "other")), 403, "PERMISSION_DENIED"),
        (bearer(key(client, expiry=1)), 410, "EXPIRED"),
        (bearer(key(client, limit=0)), 429, "LIMIT_REACHED"),
        ({**bearer("x"), "X-Custom-Auth-Key": "x"}, 400, "MALFORMED"),
    ]:
        answer = server.call("/photos", headers=headers)
        assert (answer.status, answer.code) == (status, code)
        assert ("www-authenticate" in answer.headers) == (code != "MALFORMED" and status in (401, 403))


def test_two_authorization_headers_are_no_credential(server: Server, client: Client) -> None:
    value = key(client)
    twice = [("Authorization", f"Bearer {value}"), ("Authorization", f"Bearer {value}")]
    assert server.call("/photos", headers=twice).status in (400, 401)


def test_a_limit_of_seven_gives_seven_successes_under_twenty_parallel_requests(
    server: Server, client: Client
) -> None:
    issued = client.issue("apiKey", permissions=["photos:read"], limit=7)
    answers = server.call_at_once(20, "/photos", bearer(issued.value))
    assert sorted(answer.status for answer in answers) == [200] * 7 + [429] * 13
    assert used(client, issued) == 7


def test_an_upload_token_s_constraints_see_the_body_s_size_and_type(server: Server, client: Client) -> None:
    issued = client.issue("upload", extra={"max_bytes": 4, "mime_types": ["image/*"]})
    headers = {**bearer(issued.value), "Content-Type": "image/png"}
    assert server.call("/upload", "POST", headers, b"1234").status == 200
    assert server.call("/upload", "POST", headers, b"12345").code == "CONSTRAINT_FAILED"


@pytest.mark.parametrize(
    "path", ["/a%2Fb.jpg", "/a%20b.jpg", "/%61.jpg", "/a%2eb.jpg", "/%C3%BC.jpg", "/a+b"]
)
def test_the_link_is_verified_byte_for_byte_as_it_was_sent(server: Server, client: Client, path: str) -> None:
    assert server.call(link(client.issue("imageUrl"), f"/links{path}")).status == 200
    local = SIGNER.sign(f"http://127.0.0.1/local{path}", placement="query").removeprefix("http://127.0.0.1")
    assert server.call(local).json()["verified"] == f"/local{path}"


@pytest.mark.parametrize(
    ("signed", "sent"), [("/a%2Fb", "/a/b"), ("/a/b", "/a%2Fb"), ("/a%20b", "/a+b"), ("/a", "/%61")]
)
def test_another_spelling_of_the_path_is_another_link(
    server: Server, client: Client, signed: str, sent: str
) -> None:
    target = link(client.issue("imageUrl"), f"/links{signed}").replace(f"/links{signed}?", f"/links{sent}?")
    assert server.call(target).code == "BAD_SIGNATURE"


@pytest.mark.parametrize("path", ["/%2e%2e/a", "/.%2E/a", "/a%2F..%2Fb", "/a%5C..%5Cb", "/a%00"])
def test_dots_in_any_spelling_are_malformed(server: Server, client: Client, path: str) -> None:
    target = link(client.issue("imageUrl"), "/links/x").replace("/links/x?", f"/links{path}?")
    assert server.call(target).code == "MALFORMED"


def test_another_host_is_another_link(server: Server, client: Client) -> None:
    target = link(client.issue("imageUrl"), "/links/a")
    assert server.call(target, headers={"Host": "other.example"}).code == "BAD_SIGNATURE"
    assert server.call(target, headers={"Host": "127.0.0.1:1"}).status == 200


def test_an_expired_link_is_gone(server: Server, client: Client) -> None:
    assert server.call(link(client.issue("imageUrl"), "/links/a", expires=1)).code == "LINK_EXPIRED"


def test_under_gunicorn_s_script_name_the_public_url_is_verified(
    service: Service, client: Client, tmp_path: Path
) -> None:
    target = link(client.issue("imageUrl"), "/api/links/a%2Fb")
    with gunicorn_server(service, tmp_path, SCRIPT_NAME="/api") as server:
        assert server.call(target).json()["path"] == "a/b"


def test_under_a_prefix_that_a_trusted_proxy_takes_off_the_public_url_is_verified(
    service: Service, client: Client
) -> None:
    target = link(client.issue("imageUrl"), "/api/links/a%20b")
    app = application(service.url, service.key)
    app.wsgi_app = ProxyFix(app.wsgi_app, x_prefix=1, x_host=1)  # type: ignore[method-assign]
    with werkzeug_server(app) as server:
        headers = {"X-Forwarded-Prefix": "/api", "X-Forwarded-Host": "127.0.0.1", "Host": "inside.example"}
        assert server.call(target.removeprefix("/api"), headers=headers).status == 200
        assert server.call(target.removeprefix("/api")).code == "BAD_SIGNATURE"


def test_a_forwarded_host_is_not_trusted_by_itself(werkzeug: Server, client: Client) -> None:
    target = link(client.issue("imageUrl"), "/links/a")
    headers = {"X-Forwarded-Host": "127.0.0.1", "Host": "other.example"}
    assert werkzeug.call(target, headers=headers).code == "BAD_SIGNATURE"


class _Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_where_the_target_is_not_told_links_are_refused_and_values_are_not(
    service: Service, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    app = application(service.url, service.key)
    with wsgiref.simple_server.make_server("127.0.0.1", 0, app, handler_class=_Quiet) as untelling:
        thread = threading.Thread(target=untelling.serve_forever)
        thread.start()
        try:
            server = Server(untelling.server_port)
            assert server.call(link(client.issue("imageUrl"), "/links/a")).code == "TARGET_UNKNOWN"
            assert server.call("/photos", headers=bearer(key(client))).status == 200
            bound = bearer(key(client, base_path="/photos"))
            assert server.call("/photos", headers=bound).code == "PATH_DENIED"
        finally:
            untelling.shutdown()
            thread.join()
    assert "REQUEST_URI" in caplog.text


def test_where_the_path_was_rewritten_nothing_is_allowed(service: Service, client: Client) -> None:
    app = application(service.url, service.key)

    def rewriting(environ: dict[str, Any], start_response: Any) -> Any:
        return app({**environ, "PATH_INFO": "/links/other"}, start_response)

    with werkzeug_server(rewriting) as server:
        assert server.call(link(client.issue("imageUrl"), "/links/a")).code == "MALFORMED"


def test_a_preflight_needs_no_credential_and_never_reaches_the_view(server: Server) -> None:
    assert server.call("/photos", "OPTIONS", PREFLIGHT).body == b""
    answered_without_the_view(server.call("/options", "OPTIONS", PREFLIGHT))
    assert server.call("/options", "OPTIONS").code == "NO_CREDENTIAL"


def test_caches_are_told_whose_an_answer_is(server: Server, client: Client) -> None:
    answer = server.call("/photos", headers=bearer(key(client, limit=9)))
    assert answer.headers["cache-control"] == "private, no-store"
    answer = server.call("/photos", headers=bearer(key(client)))
    assert (answer.headers["cache-control"], answer.headers["vary"]) == (
        "private",
        "Authorization, X-Custom-Auth-Key",
    )
    assert server.call(link(client.issue("imageUrl"), "/links/a")).headers["cache-control"] == "private"


def test_a_view_may_be_a_coroutine_function(client: Client, service: Service) -> None:
    pytest.importorskip("asgiref")
    app = application(service.url, service.key)
    with werkzeug_server(app) as server:
        assert server.call("/coroutine", headers=bearer(key(client))).status == 200


def test_an_application_may_answer_refusals_itself(service: Service) -> None:
    app = application(service.url, service.key)

    @app.errorhandler(TokenRefused)
    def own(refused: TokenRefused) -> tuple[str, int]:
        return refused.refusal.code, 418

    with werkzeug_server(app) as server:
        answer = server.call("/photos")
    assert (answer.status, answer.body) == (418, b"NO_CREDENTIAL")


def test_an_upload_token_of_another_dialect_opens_nothing_else_and_loses_no_use(
    start_service: StartService, tmp_path: Path
) -> None:
    foreign = foreign_upload(start_service, tmp_path, limit=5)
    service = foreign.service
    with (
        werkzeug_server(application(service.url, foreign.key)) as server,
        Client(service.url, foreign.key) as client,
    ):
        assert server.call("/photos", "POST", bearer(foreign.value)).code == "WRONG_TYPE"
        assert [token.used for token in client.list(type="upload")] == [0]
        assert server.call("/upload", "POST", bearer(foreign.value)).json()["used"] == 1


def test_while_the_service_is_down_nothing_is_allowed(start_service: StartService) -> None:
    service = start_service()
    with Client(service.url, service.key) as client:
        value = key(client)
    with werkzeug_server(application(service.url, service.key)) as server:
        assert server.call("/photos", headers=bearer(value)).status == 200
        service.kill()
        answer = server.call("/photos", headers=bearer(value))
    assert (answer.status, answer.code) == (503, "UNAVAILABLE")
    assert int(answer.headers["retry-after"]) >= 1


def test_each_application_asks_with_its_own_configuration(service: Service, client: Client) -> None:
    extension = Countermark()
    right, wrong = Flask("right"), Flask("wrong")
    for app, own_key in ((right, service.key), (wrong, fresh_value("k"))):
        app.config |= {"COUNTERMARK_URL": service.url, "COUNTERMARK_KEY": own_key}
        extension.init_app(app)
        app.add_url_rule("/", "root", require_token("photos:read")(lambda: "in"))
    value = key(client)
    statuses = [app.test_client().get("/", headers=bearer(value)).status_code for app in (right, wrong)]
    assert statuses == [200, 503]
    with right.app_context():
        assert extension.client.list(type="apiKey") is not None


def test_without_the_extension_nothing_is_allowed(client: Client) -> None:
    app = Flask("without")
    app.add_url_rule("/", "root", require_token("photos:read")(lambda: "in"))
    assert app.test_client().get("/", headers=bearer(key(client))).status_code == 500


def test_an_own_client_is_asked_where_one_is_given(service: Service, client: Client) -> None:
    app = Flask("own")
    app.add_url_rule("/a", "a", require_token("photos:read", client=client)(lambda: "in"))
    app.add_url_rule("/b", "b", require_token("photos:read")(lambda: "in"))
    Countermark(app, client=client)
    for path in ("/a", "/b"):
        assert app.test_client().get(path, headers=bearer(key(client))).text == "in"


def test_a_demand_that_cannot_be_meant_fails_when_the_application_is_written() -> None:
    with pytest.raises(InvalidArgument, match="permission"):
        require_token()
