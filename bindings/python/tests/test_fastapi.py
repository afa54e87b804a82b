"""`countermark.fastapi`, with a real FastAPI under a real uvicorn, against a real service."""

from __future__ import annotations

import base64
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest
from countermark import AsyncClient, Client, Decision, Signer, VerifiedUrl
from countermark.errors import InvalidArgument
from countermark.fastapi import (
    TokenRefused,
    lifespan,
    refusal_responses,
    refused,
    require_signed_url,
    require_token,
)
from fastapi import APIRouter, Depends, FastAPI, Response
from fastapi.middleware.cors import CORSMiddleware
from issued import foreign_upload, link, used
from running_service import Service, StartService, fresh_value
from web_servers import PREFLIGHT, Server, answered_without_the_view, bearer, uvicorn_server

READING = require_token("photos:read")
TOKEN = "iu_034YCGMODo7rNXJe1rD0Im"
SIGNER = Signer(TOKEN, "0123456789abcdef0123456789abcdef")


def application(service: Service) -> FastAPI:
    """Every kind of demand once."""
    app = FastAPI(lifespan=lifespan(service.url, service.key))
    app.add_exception_handler(TokenRefused, refused)
    add_routes(app)
    sub = FastAPI()
    sub.add_exception_handler(TokenRefused, refused)
    add_routes(sub)
    app.mount("/sub", sub)
    return app


def add_routes(app: FastAPI) -> None:
    async def tell(decision: Decision) -> dict[str, Any]:
        return {"code": decision.code, "type": decision.type, "used": decision.used, "owner": decision.owner}

    @app.api_route("/photos", methods=["POST", "OPTIONS"], include_in_schema=False)
    @app.get("/photos", responses=refusal_responses)
    async def photos(decision: Annotated[Decision, Depends(READING)]) -> dict[str, Any]:
        return await tell(decision)

    @app.get("/raw", dependencies=[Depends(READING)])
    async def raw() -> Response:
        return Response("x", headers={"Cache-Control": "public, max-age=60"})

    @app.get("/twice", dependencies=[Depends(require_token("photos:read"))])
    async def twice(decision: Annotated[Decision, Depends(require_token("photos:read"))]) -> dict[str, Any]:
        return await tell(decision)

    @app.get("/any")
    async def any_type(
        decision: Annotated[Decision, Depends(require_token("photos:read", types=("apiKey", "upload")))],
    ) -> dict[str, Any]:
        return await tell(decision)

    @app.post("/upload")
    async def upload(
        decision: Annotated[Decision, Depends(require_token(types=("upload",)))],
    ) -> dict[str, Any]:
        return await tell(decision)

    @app.get("/query")
    async def query(
        decision: Annotated[Decision, Depends(require_token("photos:read", reads_query=True))],
    ) -> dict[str, Any]:
        return await tell(decision)

    @app.get("/links/{path:path}")
    async def links(
        path: str, decision: Annotated[Decision, Depends(require_token(types=("imageUrl",)))]
    ) -> dict[str, Any]:
        return {**await tell(decision), "path": path}

    @app.get("/local/{path:path}")
    async def local(
        path: str, verified: Annotated[VerifiedUrl, Depends(require_signed_url(SIGNER))]
    ) -> dict[str, str]:
        return {"path": path, "verified": verified.path}


@pytest.fixture(scope="module")
def server(service: Service) -> Iterator[Server]:
    with uvicorn_server(application(service)) as running:
        yield running


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[Client]:
    with Client(service.url, service.key) as opened:
        yield opened


def key(client: Client, permission: str = "photos:read", **terms: Any) -> str:
    value = client.issue("apiKey", permissions=[permission], **terms).value
    assert value is not None
    return value


def test_a_key_with_the_permission_passes_and_the_route_sees_the_decision(
    server: Server, client: Client
) -> None:
    answer = server.call("/photos", headers=bearer(key(client, owner="ann")))
    assert (answer.status, answer.json()) == (
        200,
        {"code": "ALLOWED", "type": "apiKey", "used": answer.json()["used"], "owner": "ann"},
    )


def test_every_way_of_presenting_a_value_works(server: Server, client: Client) -> None:
    value = key(client)
    pair = base64.b64encode(f"{value}:{value}".encode()).decode()
    for headers in (
        {"Authorization": f"ApiKey {value}"},
        {"Authorization": f"Basic {pair}"},
        {"X-Custom-Auth-Key": value},
    ):
        assert server.call("/photos", headers=headers).status == 200
    assert server.call(f"/query?token={value}").status == 200
    assert server.call(f"/photos?token={value}").code == "NO_CREDENTIAL"


def test_each_refusal_has_its_status_code_and_challenge(server: Server, client: Client) -> None:
    spent, ended = client.issue("apiKey", permissions=["photos:read"], limit=0), key(client, expiry=1)
    for headers, status, code, challenge in [
        ({}, 401, "NO_CREDENTIAL", 'Bearer realm="countermark"'),
        (bearer(fresh_value("k")), 401, "UNKNOWN_TOKEN", 'Bearer realm="countermark", error="invalid_token"'),
        (bearer("nonsense"), 401, "UNKNOWN_TOKEN", 'Bearer realm="countermark", error="invalid_token"'),
        (bearer(fresh_value("u")), 401, "WRONG_TYPE", 'Bearer realm="countermark", error="invalid_token"'),
        (
            bearer(key(client, "photos:write")),
            403,
            "PERMISSION_DENIED",
            'Bearer realm="countermark", error="insufficient_scope"',
        ),
        (bearer(ended), 410, "EXPIRED", None),
        (bearer(spent.value), 429, "LIMIT_REACHED", None),
        ({**bearer("x"), "X-Custom-Auth-Key": "x"}, 400, "MALFORMED", None),
    ]:
        answer = server.call("/photos", headers=headers)
        assert (answer.status, answer.code, answer.headers["www-authenticate"]) == (status, code, challenge)


def test_without_the_handler_the_code_is_in_the_detail(service: Service) -> None:
    app = FastAPI(lifespan=lifespan(service.url, service.key))
    add_routes(app)
    with uvicorn_server(app) as server:
        answer = server.call("/photos")
    assert (answer.status, answer.json()["detail"]["code"]) == (401, "NO_CREDENTIAL")


def test_a_revoked_key_is_refused_at_once(server: Server, client: Client) -> None:
    issued = client.issue("apiKey", permissions=["photos:read"])
    assert server.call("/photos", headers=bearer(issued.value)).status == 200
    client.revoke(issued.token.id)
    assert server.call("/photos", headers=bearer(issued.value)).code == "REVOKED"


def test_a_limit_of_seven_gives_seven_successes_under_twenty_parallel_requests(
    server: Server, client: Client
) -> None:
    issued = client.issue("apiKey", permissions=["photos:read"], limit=7)
    answers = server.call_at_once(20, "/photos", bearer(issued.value))
    assert sorted(answer.status for answer in answers) == [200] * 7 + [429] * 13
    assert used(client, issued) == 7


def test_a_link_with_a_limit_of_seven_is_counted_exactly(server: Server, client: Client) -> None:
    issued = client.issue("imageUrl", limit=7)
    answers = server.call_at_once(20, link(issued, "/links/a.jpg"), {})
    assert sorted(answer.status for answer in answers) == [200] * 7 + [429] * 13


def test_each_request_is_one_use(server: Server, client: Client) -> None:
    issued = client.issue("apiKey", permissions=["photos:read"], limit=100)
    for expected in (1, 2, 3):
        assert server.call("/photos", headers=bearer(issued.value)).json()["used"] == expected


def test_the_same_demand_of_router_and_route_is_one_use(server: Server, client: Client) -> None:
    issued = client.issue("apiKey", permissions=["photos:read"], limit=100)
    assert server.call("/twice", headers=bearer(issued.value)).json()["used"] == 1


def test_what_the_service_cannot_read_is_the_client_s_fault(server: Server, client: Client) -> None:
    value = client.issue("upload").value
    assert server.call("/photos", headers=bearer("x" * 5000)).code == "UNKNOWN_TOKEN"
    odd = {**bearer(value), "Content-Type": "x" * 300}
    assert server.call("/upload", "POST", odd, b"1").code == "MALFORMED"


def test_a_refusal_costs_nothing(server: Server, client: Client) -> None:
    issued = client.issue("apiKey", permissions=["photos:write"], limit=100)
    assert server.call("/photos", headers=bearer(issued.value)).status == 403
    uploading = client.issue("upload", limit=100)
    assert server.call("/photos", method="POST", headers=bearer(uploading.value)).code == "WRONG_TYPE"
    assert (used(client, issued), used(client, uploading)) == (0, 0)


def test_an_upload_token_s_constraints_see_the_body_s_size_and_type(server: Server, client: Client) -> None:
    issued = client.issue("upload", extra={"max_bytes": 4, "mime_types": ["image/*"]})

    def upload(body: bytes, kind: str) -> Any:
        headers = {**bearer(issued.value), "Content-Type": kind}
        return server.call("/upload", "POST", headers, body)

    assert upload(b"1234", "image/png").status == 200
    assert upload(b"12345", "image/png").code == "CONSTRAINT_FAILED"
    assert upload(b"1234", "text/plain").code == "CONSTRAINT_FAILED"
    assert upload(b"1234", "multipart/form-data; boundary=x").code == "CONSTRAINT_FAILED"


@pytest.mark.parametrize(
    "path", ["/a%2Fb.jpg", "/a%20b.jpg", "/%61.jpg", "/a%2eb.jpg", "/%C3%BC.jpg", "//a.jpg", "/a+b"]
)
def test_the_link_is_verified_byte_for_byte_as_it_was_sent(server: Server, client: Client, path: str) -> None:
    issued = client.issue("imageUrl")
    for prefix in ("/links", "/sub/links"):
        assert server.call(link(issued, prefix + path)).status == 200, prefix
    local = SIGNER.sign(f"http://127.0.0.1/local{path}", placement="query").removeprefix("http://127.0.0.1")
    answer = server.call(local)
    assert answer.json()["verified"] == f"/local{path}"


@pytest.mark.parametrize(
    ("signed", "sent"),
    [
        ("/a%2Fb", "/a/b"),
        ("/a/b", "/a%2Fb"),
        ("/a%20b", "/a+b"),
        ("/a", "/%61"),
        ("/%c3%bc", "/%C3%BC"),
        ("/a", "//a"),
    ],
)
def test_another_spelling_of_the_path_is_another_link(
    server: Server, client: Client, signed: str, sent: str
) -> None:
    issued = client.issue("imageUrl")
    target = link(issued, f"/links{signed}").replace(f"/links{signed}?", f"/links{sent}?")
    assert server.call(target).code == "BAD_SIGNATURE"


@pytest.mark.parametrize(
    "path", ["/../a", "/%2e%2e/a", "/.%2E/a", "/a%2F..%2Fb", "/a%5C..%5Cb", "/a%00", "/a%zz"]
)
def test_dots_in_any_spelling_are_malformed(server: Server, client: Client, path: str) -> None:
    issued = client.issue("imageUrl")
    target = link(issued, "/links/x").replace("/links/x?", f"/links{path}?")
    assert server.call(target).code == "MALFORMED"


def test_another_host_is_another_link(server: Server, client: Client) -> None:
    target = link(client.issue("imageUrl"), "/links/a")
    assert server.call(target, headers={"Host": "other.example"}).code == "BAD_SIGNATURE"
    assert server.call(target, headers={"Host": "127.0.0.1:1"}).status == 200
    assert server.call(target, headers={"Host": "127.0.0.1/links"}).code == "MALFORMED"
    doubled = [("Host", "127.0.0.1"), ("Host", "127.0.0.1")]
    assert server.call(target, headers=doubled).status == 400


def test_an_expired_link_is_gone(server: Server, client: Client) -> None:
    answer = server.call(link(client.issue("imageUrl"), "/links/a", expires=1))
    assert (answer.status, answer.code) == (410, "LINK_EXPIRED")
    local = SIGNER.sign("http://127.0.0.1/local/a", placement="query", expires=1)
    assert server.call(local.removeprefix("http://127.0.0.1")).code == "LINK_EXPIRED"


def test_a_viewer_s_login_is_asked_for_and_passed_on(server: Server, client: Client) -> None:
    issued = client.issue("imageUrl", extra={"authentication": {"ann": "pässword"}})
    target = link(issued, "/links/a")
    answer = server.call(target)
    assert (answer.code, answer.headers["www-authenticate"]) == (
        "AUTHENTICATION_REQUIRED",
        'Basic realm="countermark", charset="UTF-8"',
    )
    login = base64.b64encode("ann:pässword".encode()).decode()
    assert server.call(target, headers={"Authorization": f"Basic {login}"}).status == 200


def test_a_key_bound_to_a_path_is_held_to_the_path_as_it_was_sent(server: Server, client: Client) -> None:
    inside, outside = key(client, base_path="/sub/photos"), key(client, base_path="/sub/other")
    assert server.call("/sub/photos", headers=bearer(inside)).status == 200
    assert server.call("/sub/photos", headers=bearer(outside)).code == "PATH_DENIED"
    assert server.call("/photos", headers=bearer(inside)).code == "PATH_DENIED"


def test_under_a_prefix_that_a_proxy_takes_off_the_public_url_is_verified(
    service: Service, client: Client
) -> None:
    issued = client.issue("imageUrl")
    public = link(issued, "/api/links/a%20b")
    app = application(service)
    app.root_path = "/api"
    with uvicorn_server(app) as server:
        assert server.call(public.removeprefix("/api")).status == 200
        assert server.call(link(issued, "/links/a%20b")).code == "BAD_SIGNATURE"
    with uvicorn_server(application(service), root_path="/api") as server:
        assert server.call(public.removeprefix("/api")).status == 200


def test_where_the_target_is_not_told_links_are_refused_and_values_are_not(
    service: Service, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    app = application(service)

    async def untelling(scope: Any, receive: Any, send: Any) -> None:
        scope.pop("raw_path", None)
        await app(scope, receive, send)

    with uvicorn_server(untelling) as server:
        assert server.call(link(client.issue("imageUrl"), "/links/a")).code == "TARGET_UNKNOWN"
        assert server.call("/photos", headers=bearer(key(client))).status == 200
        assert server.call("/photos", headers=bearer(key(client, base_path="/photos"))).code == "PATH_DENIED"
    assert "raw_path" in caplog.text


def test_where_the_path_was_rewritten_nothing_is_allowed(service: Service, client: Client) -> None:
    app = application(service)

    async def rewriting(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope["path"] = "/links/other"
        await app(scope, receive, send)

    with uvicorn_server(rewriting) as server:
        assert server.call(link(client.issue("imageUrl"), "/links/a")).code == "MALFORMED"


def test_caches_are_told_whose_an_answer_is(service: Service, server: Server, client: Client) -> None:
    limited, free = key(client, limit=9), key(client)
    for path in ("/photos", "/sub/photos", "/raw"):
        answer = server.call(path, headers=bearer(limited))
        assert (answer.status, answer.headers["cache-control"]) == (200, "private, no-store"), path
        answer = server.call(path, headers=bearer(free))
        assert (answer.headers["cache-control"], answer.headers["vary"]) == (
            "private" if path != "/raw" else "private, max-age=60",
            "Authorization, X-Custom-Auth-Key",
        )
    assert server.call(link(client.issue("imageUrl"), "/links/a")).headers["cache-control"] == "private"
    local = SIGNER.sign("http://127.0.0.1/local/a", placement="query").removeprefix("http://127.0.0.1")
    assert server.call(local).headers["cache-control"] == "private"
    assert "cache-control" not in server.call("/openapi.json").headers


def test_head_of_a_link_is_free_and_get_is_counted(service: Service, client: Client) -> None:
    app = FastAPI(lifespan=lifespan(service.url, service.key))

    @app.api_route("/a", methods=["GET", "HEAD"])
    async def photo(decision: Annotated[Decision, Depends(require_token(types=("imageUrl",)))]) -> None:
        pass

    issued = client.issue("imageUrl", limit=1)
    target = link(issued, "/a")
    with uvicorn_server(app) as server:
        statuses = [server.call(target, method).status for method in ("HEAD", "GET", "HEAD", "GET")]
    assert statuses == [200, 200, 200, 429]


def test_a_preflight_needs_no_credential_and_never_reaches_the_route(
    service: Service, server: Server
) -> None:
    answered_without_the_view(server.call("/photos", "OPTIONS", PREFLIGHT))
    assert server.call("/photos", "OPTIONS", {"Origin": "https://web.example"}).code == "NO_CREDENTIAL"
    app = application(service)
    app.add_middleware(CORSMiddleware, allow_origins=["https://web.example"])
    with uvicorn_server(app) as with_cors:
        assert with_cors.call("/photos", "OPTIONS", PREFLIGHT).status == 200
        refusal = with_cors.call("/photos", headers={"Origin": "https://web.example"})
    assert (refusal.status, refusal.headers["access-control-allow-origin"]) == (401, "https://web.example")


def test_an_upload_token_of_another_dialect_opens_nothing_else_and_loses_no_use(
    start_service: StartService, tmp_path: Path
) -> None:
    foreign = foreign_upload(start_service, tmp_path, limit=5)
    service = replace(foreign.service, key=foreign.key)
    with uvicorn_server(application(service)) as server, Client(service.url, service.key) as client:
        assert server.call("/photos", "POST", bearer(foreign.value)).code == "WRONG_TYPE"
        assert [token.used for token in client.list(type="upload")] == [0]
        assert server.call("/upload", "POST", bearer(foreign.value)).json()["used"] == 1


def test_while_the_service_is_down_nothing_is_allowed(start_service: StartService) -> None:
    service = start_service()
    with Client(service.url, service.key) as client:
        value = key(client)
    with uvicorn_server(application(service)) as server:
        assert server.call("/photos", headers=bearer(value)).status == 200
        service.kill()
        answer = server.call("/photos", headers=bearer(value))
    assert (answer.status, answer.code) == (503, "UNAVAILABLE")
    assert int(answer.headers["retry-after"]) >= 1


def test_with_a_wrong_key_of_its_own_the_application_allows_nothing(
    service: Service, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    app = application(Service(service.url, fresh_value("k"), service.folder, service.process))
    with uvicorn_server(app) as server:
        answer = server.call("/photos", headers=bearer(key(client)))
    assert (answer.status, answer.code) == (503, "UNAVAILABLE")
    assert "UNAUTHENTICATED" in caplog.text


def test_no_value_reaches_a_log_or_a_body(
    server: Server, client: Client, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    presented = [key(client), fresh_value("k"), key(client, "other")]
    answers = [server.call("/photos", headers=bearer(value)) for value in presented]
    answers.append(
        server.call("/photos", headers={**bearer(presented[0]), "X-Custom-Auth-Key": presented[0]})
    )
    for value in presented:
        assert value not in caplog.text
        assert all(value.encode() not in answer.body for answer in answers)


def test_an_own_client_is_asked_where_one_is_given(service: Service, client: Client) -> None:
    demand = Depends(require_token("photos:read", client=AsyncClient(service.url, service.key)))
    app = FastAPI()

    @app.get("/")
    async def root(decision: Decision = demand) -> bool:
        return decision.allowed

    with uvicorn_server(app) as server:
        assert server.call("/", headers=bearer(key(client))).json() is True


def test_without_a_client_nothing_is_allowed(client: Client) -> None:
    app = FastAPI()
    add_routes(app)
    with uvicorn_server(app) as server:
        assert server.call("/photos", headers=bearer(key(client))).status == 500


def test_a_lifespan_of_one_s_own_can_hold_the_client(service: Service, client: Client) -> None:
    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncGenerator[dict[str, Any], None]:
        async with lifespan(service.url, service.key)(app) as state:
            yield {**state, "more": 1}

    app = FastAPI(lifespan=own)
    app.include_router(APIRouter())
    add_routes(app)
    with uvicorn_server(app) as server:
        assert server.call("/photos", headers=bearer(key(client))).status == 200


def test_a_demand_that_cannot_be_meant_fails_when_the_application_is_written() -> None:
    with pytest.raises(InvalidArgument, match="permission"):
        require_token()


@pytest.mark.parametrize("forgotten", [require_token, require_signed_url])
def test_a_forgotten_call_fails_when_the_application_is_written(forgotten: Any) -> None:
    app = FastAPI()
    with pytest.raises(Exception, match="expected a call|Invalid args"):
        app.get("/", dependencies=[Depends(forgotten)])(lambda: None)


def test_the_application_s_openapi_shows_how_to_come_in_and_what_is_refused(server: Server) -> None:
    document = server.call("/openapi.json").json()
    schemes = document["components"]["securitySchemes"]
    assert schemes["countermarkBearer"]["scheme"] == "bearer"
    assert schemes["countermarkBasic"]["scheme"] == "basic"
    assert (schemes["countermarkHeader"]["in"], schemes["countermarkHeader"]["name"]) == (
        "header",
        "X-Custom-Auth-Key",
    )
    photos = document["paths"]["/photos"]["get"]
    values: list[dict[str, list[str]]] = [
        {"countermarkBearer": []},
        {"countermarkBasic": []},
        {"countermarkHeader": []},
    ]
    assert photos["security"] == values
    assert {"400", "401", "403", "410", "429", "503"} <= set(photos["responses"])
    refusal = photos["responses"]["401"]["content"]["application/problem+json"]["schema"]
    assert "code" in refusal["required"]
    assert document["paths"]["/links/{path}"]["get"]["security"] == [*values, {"countermarkSignedUrl": []}]
    assert document["paths"]["/local/{path}"]["get"]["security"] == [{"countermarkSignedUrl": []}]
    assert [one["name"] for one in photos.get("parameters", [])] == []
