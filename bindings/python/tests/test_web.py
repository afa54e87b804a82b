"""What the integrations share: targets, credentials, questions, answers."""

from __future__ import annotations

import base64
import subprocess
import sys
from typing import Any

import pytest
from countermark import Decision, Request, Signer
from countermark.errors import (
    REFUSALS,
    BadRequest,
    CountermarkError,
    Forbidden,
    InvalidArgument,
    Malformed,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
    UnknownToken,
    WrongType,
)
from countermark.problem import Problem
from countermark.web import (
    Demand,
    Keeping,
    NoCredential,
    Original,
    Presented,
    Refusal,
    TargetUnknown,
    host_in_header,
    raw_target,
    verify_link,
)
from countermark.web.target import without_signature
from running_service import fresh_value

TOKEN = "iu_034YCGMODo7rNXJe1rD0Im"
SIGNER = Signer(TOKEN, "s" * 16 + "ecret-of-32-bytes-or-more")
LINK = SIGNER.sign("https://app.example/shop/a%2Fb%20c.jpg?w=1", placement="query")
TARGET = LINK.removeprefix("https://app.example")


def scope(
    path: str, raw_path: bytes | None, query: bytes = b"", root: str = "", **more: Any
) -> dict[str, Any]:
    """An ASGI scope as servers make it."""
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": raw_path,
        "query_string": query,
        "root_path": root,
        "headers": [(b"host", b"app.example")],
        **more,
    }


def environ(path: str, raw: str | None, script: str = "", **more: Any) -> dict[str, Any]:
    """A WSGI environment as servers make it."""
    told = {} if raw is None else {"REQUEST_URI": raw}
    query = (raw or "").partition("?")[2]
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": script,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "HTTP_HOST": "app.example",
        **told,
        **more,
    }


def request(target: str | None = "/a", **more: Any) -> Original:
    query = (target or "").partition("?")[2]
    return Original("GET", host="app.example", target=target, query=query, **more)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


# Targets


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/a%2Fb", "/a/b"),
        (b"/a%20b", "/a b"),
        (b"/%61", "/a"),
        (b"/a%2e%2E", "/a.."),
        (b"//a", "//a"),
        ("/ü".encode("ascii", "xmlcharrefreplace"), "/&#252;"),
        (b"/%C3%BC", "/ü"),
        (b"/a+b;c=,@:!$'()*", "/a+b;c=,@:!$'()*"),
    ],
)
def test_the_target_is_the_one_that_was_sent_byte_for_byte(raw: bytes, path: str) -> None:
    text = raw.decode()
    assert Original.of_scope(scope(path, raw, b"q=%2F&")).target == f"{text}?q=%2F&"
    latin = path.encode().decode("latin-1")
    assert Original.of_environ(environ(latin, f"{text}?q=%2F&")).target == f"{text}?q=%2F&"


def test_a_server_that_does_not_tell_the_target_has_none() -> None:
    for original in (Original.of_scope(scope("/a", None)), Original.of_environ(environ("/a", None))):
        assert original.target is None
        with pytest.raises(TargetUnknown, match="raw_path.*REQUEST_URI"):
            _ = original.url


def test_gunicorn_s_name_for_the_target_is_known_too() -> None:
    assert Original.of_environ({**environ("/a b", None), "RAW_URI": "/a%20b"}).target == "/a%20b"


@pytest.mark.parametrize(
    ("raw", "path"),
    [("/b", "/a"), ("/a%2Fb", "/a%2Fb"), ("/a/../b", "/b"), ("/A", "/a"), ("//a", "/a"), ("/a#b", "/a")],
)
def test_a_target_other_than_what_is_served_is_refused(raw: str, path: str) -> None:
    with pytest.raises(Malformed):
        Original.of_scope(scope(path, raw.encode()))
    with pytest.raises(Malformed):
        Original.of_environ(environ(path, raw))


def test_a_query_other_than_what_is_served_is_refused() -> None:
    with pytest.raises(Malformed, match="query"):
        Original.of_environ({**environ("/a", "/a?x=1"), "QUERY_STRING": "x=2"})


@pytest.mark.parametrize("raw", ["http://other.example/a", "*", "", "a"])
def test_a_target_that_is_no_path_is_refused(raw: str) -> None:
    with pytest.raises(Malformed, match="slash"):
        raw_target(raw, "", root="", path=raw)


def test_a_target_beyond_ascii_is_refused() -> None:
    with pytest.raises(Malformed, match="ASCII"):
        raw_target("/ü", "", root="", path="/ü")
    with pytest.raises(Malformed, match="ASCII"):
        raw_target("/a", "ü", root="", path="/a")


def test_a_mounted_application_sees_the_whole_target() -> None:
    mounted = scope("/api/sub/x", b"/api/sub/x", root="/api/sub", app_root_path="/api")
    assert Original.of_scope(mounted).target == "/api/sub/x"
    assert Original.of_environ(environ("/x", "/api/sub/x", "/api/sub")).target == "/api/sub/x"


def test_a_prefix_that_a_proxy_took_off_is_part_of_the_target() -> None:
    # FastAPI(root_path="/api") behind a proxy that cuts, and werkzeug's ProxyFix with X-Forwarded-Prefix.
    assert Original.of_scope(scope("/x y", b"/x%20y", root="/api")).target == "/api/x%20y"
    assert Original.of_environ(environ("/x y", "/x%20y", "/api")).target == "/api/x%20y"
    mounted = scope("/sub/x", b"/sub/x", root="/api/sub", app_root_path="/api")
    assert Original.of_scope(mounted).target == "/api/sub/x"


def test_a_prefix_with_several_spellings_is_not_guessed() -> None:
    with pytest.raises(Malformed, match="prefix"):
        raw_target("/x", "", root="/a b", path="/x")


@pytest.mark.parametrize(
    "host", [None, "", "a/b", "a?b", "a@b", "a b", "a:b", "a,b", "[::1", "a#", "a:123456", "a\n"]
)
def test_a_host_header_that_would_move_the_border_of_the_target_is_refused(host: str | None) -> None:
    with pytest.raises(Malformed, match="Host"):
        host_in_header(host)


@pytest.mark.parametrize("host", ["a.example", "A_b-c.example.:80", "[::1]:8000", "127.0.0.1"])
def test_a_host_may_have_a_port(host: str) -> None:
    assert host_in_header(host) == host


@pytest.mark.parametrize("name", ["host", "authorization", "x-custom-auth-key", "content-length"])
def test_a_header_that_decides_must_not_stand_twice(name: str) -> None:
    headers = [(name.encode(), b"1"), (name.title().encode(), b"1")]
    with pytest.raises(Malformed, match=f"{name} stands twice"):
        Original.of_scope({**scope("/a", b"/a"), "headers": headers})


def test_a_signature_in_the_path_can_be_taken_out() -> None:
    signed = SIGNER.sign("https://app.example/shop/a/b.jpg", placement="path").removeprefix(
        "https://app.example"
    )
    assert without_signature(signed) == "/shop/a/b.jpg"
    for other in ("/shop/a.jpg", "/shop/a/s-cm1:x/b", "/s-cm1:x/a", "/shop/s-cm1:x"):
        assert without_signature(other) == other


# Credentials


def read(original: Original, *, reads_query: bool = False) -> Presented:
    return Presented.read(original, reads_query=reads_query)


@pytest.mark.parametrize("scheme", ["Bearer", "bEARER", "ApiKey", "apikey"])
def test_a_value_comes_by_bearer_or_apikey(scheme: str) -> None:
    assert read(request(authorization=f"{scheme} x")).value == "x"


def test_a_value_comes_by_the_custom_header() -> None:
    assert read(request(custom_key="x")).value == "x"


@pytest.mark.parametrize(("user", "password"), [("x", "x"), ("u", "p:w"), ("ü", "")])
def test_a_value_comes_as_user_and_password(user: str, password: str) -> None:
    assert read(request(authorization=basic(user, password))).basic == (user, password)
    assert read(request(authorization=basic(user, password).rstrip("="))).basic == (user, password)


def test_a_parameter_named_token_is_the_application_s_own_unless_it_says_otherwise() -> None:
    with pytest.raises(NoCredential):
        read(request("/a?token=x"))
    assert read(request("/a?b&token=x%2By+"), reads_query=True).value == "x+y+"
    assert read(request("/a?%74oken=x"), reads_query=True).value == "x"
    with pytest.raises(Malformed, match="twice"):
        read(request("/a?token=x&token=x"), reads_query=True)


def test_nothing_presented_is_said_so() -> None:
    for original in (request(), request(authorization="Digest x"), request(authorization="Negotiate")):
        with pytest.raises(NoCredential):
            read(original)


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer ",
        "Bearer  x",
        "Bearer x y",
        "Bearer \x7f",
        "Bearer ü",
        "Basic",
        "Basic !",
        "Basic eA==",
        "Basic YTpiCg==",
        "Bearer " + "x" * 4097,
        "Basic " + base64.b64encode(b"x" * 4097 + b":x").decode(),
        "Basic " + base64.b64encode(b"x:" + b"x" * 4097).decode(),
    ],
)
def test_what_nobody_could_have_issued_does_not_fall_through(authorization: str) -> None:
    with pytest.raises(UnknownToken):
        read(request(authorization=authorization))


@pytest.mark.parametrize(
    "more",
    [
        {"authorization": "Bearer x", "custom_key": "x"},
        {"authorization": "Digest x", "custom_key": "x"},
        {"authorization": "Bearer x", "target": "/a?token=x"},
        {"custom_key": "x", "target": "/a?token=x"},
        {"authorization": "Bearer x", "target": TARGET},
        {"custom_key": "x", "target": TARGET},
        {"target": TARGET + "&token=x"},
    ],
)
def test_two_credentials_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(Malformed, match="more than one"):
        read(request(**more), reads_query=True)


def test_a_signed_url_decides_and_takes_the_viewer_s_login_along() -> None:
    assert read(request(TARGET)).url == LINK
    presented = read(request(TARGET, authorization=basic("u", "p")))
    assert (presented.url, presented.viewer, presented.basic) == (LINK, ("u", "p"), None)


def test_nothing_presented_stands_in_a_repr() -> None:
    value = fresh_value("k")
    for original in (
        request(f"/a?token={value}", authorization=f"Bearer {value}", custom_key=value),
        request(TARGET, authorization=basic(value, value)),
    ):
        assert value not in repr(original)
        assert "cm-signature" not in repr(original)
    everything = Presented(url=LINK, value=value, basic=(value, value), viewer=(value, value))
    assert repr(everything) == "Presented()"
    ask = Demand("x").ask(request(custom_key=value))
    assert value not in repr(ask)


# Questions


def test_a_value_is_asked_about_with_the_facts_of_the_request() -> None:
    value = fresh_value("k")
    original = request("/a%2Fb?c", custom_key=value, client_ip="192.0.2.1")
    ask = Demand("files:read", "s", "c", cost=2, reads_client_ip=True).ask(original)
    facts = Request(
        method="GET", cloud_id="c", path="/a%2Fb", permission="files:read", storage="s", client_ip="192.0.2.1"
    )
    assert ask.arguments == {"value": value, "request": facts, "cost": 2}
    assert ask.is_type_known


def test_a_signed_url_is_asked_about_without_facts_that_it_tells_itself() -> None:
    ask = Demand(cloud_id="c", types=("imageUrl",)).ask(request(TARGET, authorization=basic("u", "p")))
    assert ask.arguments == {"url": LINK, "request": Request(method="GET", basic=("u", "p")), "cost": 1}


def test_size_and_type_of_a_body_are_told_but_not_those_of_a_form() -> None:
    def facts(method: str, content_type: str) -> tuple[int | None, str | None]:
        original = Original(method, custom_key="x", content_length="7", content_type=content_type)
        asked = Demand(types=("upload",)).ask(original).arguments["request"]
        return asked.bytes, asked.content_type

    assert facts("POST", "image/png") == (7, "image/png")
    assert facts("POST", "Multipart/form-data; boundary=x") == (None, None)
    assert facts("GET", "image/png") == (None, None)


@pytest.mark.parametrize("length", ["", "-1", "1_0", "٣", "1.0", "9" * 20])
def test_a_length_that_is_none_is_not_told(length: str) -> None:
    original = Original("POST", custom_key="x", content_length=length)
    assert Demand(types=("upload",)).ask(original).arguments["request"].bytes is None


def test_an_upload_token_opens_nothing_that_demands_a_permission() -> None:
    for more in ({"custom_key": fresh_value("u")}, {"authorization": basic(fresh_value("u"), "")}):
        with pytest.raises(WrongType):
            Demand("admin").ask(request(**more))


def test_a_signed_url_opens_nothing_that_does_not_name_it() -> None:
    with pytest.raises(WrongType):
        Demand("photos:read").ask(request(TARGET))


def test_the_type_of_a_foreign_value_is_found_out_before_it_costs_a_use() -> None:
    ask = Demand("x").ask(request(custom_key="imgbed_whatever"))
    assert not ask.is_type_known
    with pytest.raises(WrongType):
        ask.judge(Decision(allowed=True, code="ALLOWED", type="upload"))
    assert ask.judge(Decision(allowed=True, code="ALLOWED", type="apiKey")).allowed


def test_a_refusal_is_raised_with_its_code() -> None:
    ask = Demand("x").ask(request(custom_key="y"))
    with pytest.raises(PermissionDenied):
        ask.judge(Decision(allowed=False, code="PERMISSION_DENIED", type="apiKey"))
    with pytest.raises(CountermarkError) as raised:
        ask.judge(Decision(allowed=False, code="SOMETHING_NEW", type="apiKey"))
    assert Refusal.of(raised.value).status == 403


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"permission": ""},
        {"permission": "x", "types": ()},
        {"permission": "x", "types": ("key",)},
        {"permission": "x", "cost": -1},
        {"permission": "x", "cost": 1.5},
        {"permission": "x", "cost": "1"},
        {"permission": "x", "cost": True},
        {"permission": "x", "cost": 2**63},
        {"permission": "x", "types": "apiKey"},
        {"permission": "x", "types": ["apiKey", ["upload"]]},
        {"permission": ["x"]},
        {"permission": "photos read"},
        {"permission": "x" * 129},
        {"permission": "x", "storage": 1},
        {"permission": "x", "reads_query": "no"},
    ],
)
def test_a_demand_that_cannot_be_meant_fails_when_the_application_starts(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match=next(reversed(options), "permission")):
        Demand(**options)


def test_types_may_be_listed_and_equal_demands_are_one() -> None:
    listed: Any = ["apiKey", "upload"]
    assert len({Demand("x", types=listed), Demand("x", types=("apiKey", "upload"))}) == 1


@pytest.mark.parametrize("permission", ["*", "read", "tokens:write", "files:*", "a.B-c_1:x.y"])
def test_every_permission_of_the_service_can_be_demanded(permission: str) -> None:
    assert Demand(permission).permission == permission


def test_the_client_s_address_is_told_only_where_it_was_asked_for() -> None:
    original = request(TARGET, client_ip="192.0.2.1")

    def told(**options: Any) -> str | None:
        address: str | None = (
            Demand(types=("imageUrl",), **options).ask(original).arguments["request"].client_ip
        )
        return address

    assert (told(), told(reads_client_ip=True)) == (None, "192.0.2.1")


def test_a_preflight_is_one_only_without_a_credential() -> None:
    preflight: dict[str, Any] = {"method": "OPTIONS", "has_preflight_headers": True}
    assert Original(**preflight).is_preflight
    assert not Original(**preflight, authorization="Bearer x").is_preflight
    assert not Original(**preflight, custom_key="x").is_preflight
    assert not Original("GET", has_preflight_headers=True).is_preflight
    assert not Original("OPTIONS").is_preflight


# Links verified without network


def test_a_link_is_verified_by_the_signer_of_its_token() -> None:
    verified = verify_link({TOKEN: SIGNER}, request(TARGET))
    assert (verified.token_id, verified.path) == (TOKEN, "/shop/a%2Fb%20c.jpg")
    with pytest.raises(UnknownToken):
        verify_link({}, request(TARGET))
    with pytest.raises(NoCredential):
        verify_link(SIGNER, request("/shop/a%2Fb%20c.jpg?w=1"))


@pytest.mark.parametrize(
    "other", ["/shop/a/b%20c.jpg", "/shop/a%2fb%20c.jpg", "/shop/a%2Fb+c.jpg", "/shop/%61%2Fb%20c.jpg"]
)
def test_another_spelling_of_the_same_path_is_another_link(other: str) -> None:
    assert Refusal.of(_failure(TARGET.replace("/shop/a%2Fb%20c.jpg", other))).code == "BAD_SIGNATURE"


def _failure(target: str) -> CountermarkError:
    with pytest.raises(CountermarkError) as raised:
        verify_link(SIGNER, request(target))
    return raised.value


# Caches

VARY = "Authorization, X-Custom-Auth-Key"


@pytest.mark.parametrize(
    ("own", "kept"),
    [
        ([], "private"),
        (["max-age=60"], "private, max-age=60"),
        (["public, max-age=60", "S-MaxAge=9"], "private, max-age=60"),
        (['private="X-Name"'], "private"),
        (["private, max-age=1"], None),
        (["No-Store"], None),
    ],
)
def test_an_answer_to_a_value_is_for_its_sender_alone(own: list[str], kept: str | None) -> None:
    keeping = Keeping.of(Decision(allowed=True, code="ALLOWED", type="apiKey"), request(custom_key="x"))
    assert keeping.headers(own, []).get("Cache-Control") == kept
    assert keeping.headers(own, ["Origin"])["Vary"] == f"Origin, {VARY}"
    assert "Vary" not in keeping.headers(own, [VARY.lower()]) and "Vary" not in keeping.headers(own, ["*"])


def test_an_answer_that_is_counted_or_behind_a_login_is_not_kept() -> None:
    counted = Decision(allowed=True, code="ALLOWED", type="imageUrl", limit=9)
    free = Decision(allowed=True, code="ALLOWED", type="imageUrl")
    for keeping in (
        Keeping.of(counted, request(TARGET)),
        Keeping.of(free, request(TARGET, authorization=basic("u", "p"))),
        Keeping.of(free, request(authorization=basic("u", "p"))),
    ):
        for own in ([], ["max-age=60"], ["no-store"]):
            assert keeping.headers(own, [])["Cache-Control"] == "private, no-store"
        assert "Cache-Control" not in keeping.headers(["private, no-store, max-age=0"], [])


def test_an_answer_to_a_link_without_limit_is_kept_as_the_view_says() -> None:
    free = Decision(allowed=True, code="ALLOWED", type="imageUrl")
    for proven in (free, verify_link(SIGNER, request(TARGET))):
        keeping = Keeping.of(proven, request(TARGET))
        assert keeping.headers([], []) == {"Cache-Control": "private"}
        assert keeping.headers(["public, max-age=60"], []) == {}


# Answers


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_has_the_status_and_challenge_of_the_gate(code: str) -> None:
    refusal = Refusal.of(REFUSALS[code]())
    invalid = 'Bearer realm="countermark", error="invalid_token"'
    expected = {
        "MALFORMED": (400, None),
        "UNKNOWN_TOKEN": (401, invalid),
        "WRONG_TYPE": (401, invalid),
        "BAD_SIGNATURE": (401, invalid),
        "AUTHENTICATION_REQUIRED": (401, 'Basic realm="countermark", charset="UTF-8"'),
        "EXPIRED": (410, None),
        "LINK_EXPIRED": (410, None),
        "PERMISSION_DENIED": (403, 'Bearer realm="countermark", error="insufficient_scope"'),
        "LIMIT_REACHED": (429, None),
    }
    assert (refusal.status, refusal.challenge) == expected.get(code, (403, None))
    assert refusal.problem["code"] == code
    assert refusal.headers["Cache-Control"] == "no-store"


def test_who_presents_nothing_is_asked_for_a_token() -> None:
    refusal = Refusal.of(NoCredential())
    assert (refusal.status, refusal.headers["WWW-Authenticate"]) == (401, 'Bearer realm="countermark"')


@pytest.mark.parametrize("error", [Unavailable, Unauthenticated, Forbidden, BadRequest])
def test_what_did_not_decide_does_not_allow(
    error: type[CountermarkError], caplog: pytest.LogCaptureFixture
) -> None:
    refusal = Refusal.of(error(problem=Problem(503, "X", "x", request_id="r1", retry_after=2.5)))
    assert (refusal.status, refusal.code, refusal.headers["Retry-After"]) == (503, "UNAVAILABLE", "3")
    assert "r1" in caplog.text


def test_facts_that_the_service_cannot_read_are_the_client_s_fault_and_demands_are_not() -> None:
    def status(pointer: str) -> int:
        return Refusal.of(
            BadRequest(problem=Problem(400, "INVALID_MEMBER", "x", members=((pointer, "y"),)))
        ).status

    assert status("/request/contentType") == 400
    assert status("/credential/value") == 400
    for pointer in ("/request/permission", "/request/storage", "/request/cloudId", "/cost"):
        assert status(pointer) == 503


def test_what_is_too_large_for_the_service_is_the_client_s_fault(caplog: pytest.LogCaptureFixture) -> None:
    refusal = Refusal.of(BadRequest(problem=Problem(413, "BODY_TOO_LARGE", "x")))
    assert (refusal.status, refusal.code, caplog.text) == (400, "MALFORMED", "")


def test_a_server_that_tells_no_target_is_said_loudly(caplog: pytest.LogCaptureFixture) -> None:
    assert Refusal.of(TargetUnknown()).status == 500
    assert "REQUEST_URI" in caplog.text


def test_importing_countermark_imports_no_framework() -> None:
    program = (
        "import sys, countermark, countermark.web\n"
        "print({'fastapi', 'starlette', 'django', 'flask', 'werkzeug', 'httpx2'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
