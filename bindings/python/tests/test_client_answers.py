"""What the clients make of answers that are no success, and of servers that are no Countermark."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable

import httpx2
import pytest
from both_clients import MakeClient, counted
from countermark import Client
from countermark.errors import (
    REFUSALS,
    BadRequest,
    Conflict,
    ConnectionFailed,
    CountermarkError,
    Forbidden,
    IdempotencyMismatch,
    NotFound,
    PreconditionFailed,
    Throttled,
    TimedOut,
    Unauthenticated,
    Unavailable,
    UnexpectedAnswer,
)
from countermark.problem import Problem
from countermark.records import NodeLease, Nodes, RevocationWaits
from countermark.service.problems import exception_of
from running_service import REPOSITORY, Service, fresh_value

TOKEN = "iu_034YCGMODo7rNXJe1rD0Im"
KEY = fresh_value("k")
ERRORS = REPOSITORY / "docs" / "errors"
PAGES = sorted(ERRORS.glob("*.md"))
BY_STATUS = {
    400: BadRequest,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    405: BadRequest,
    408: TimedOut,
    409: Conflict,
    412: PreconditionFailed,
    413: BadRequest,
    415: BadRequest,
    422: IdempotencyMismatch,
    429: Throttled,
    500: Unavailable,
    503: Unavailable,
}

Handler = Callable[[httpx2.Request], httpx2.Response]


class Injected:
    """A client of the kind under test over a transport of the test's own."""

    def __init__(self, make_client: MakeClient) -> None:
        self.make_client = make_client
        self.pauses: list[float] = []
        self.requests: list[httpx2.Request] = []

    def __call__(
        self, handler: Handler, base_url: str = "http://tokens.example", random: float = 0.0
    ) -> Client:
        def handle(request: httpx2.Request) -> httpx2.Response:
            self.requests.append(request)
            return handler(request)

        library = httpx2.Client if self.make_client.kind == "Client" else httpx2.AsyncClient
        http = library(transport=httpx2.MockTransport(handle), follow_redirects=True)
        return self.make_client(base_url, KEY, http=http, retries=counted(2, self.pauses, random))


@pytest.fixture
def injected(make_client: MakeClient) -> Injected:
    return Injected(make_client)


def answers(*responses: tuple[int, dict[str, str], str]) -> Handler:
    """A handler that answers one after the other, the last for ever."""
    left = list(responses)

    def handle(_request: httpx2.Request) -> httpx2.Response:
        status, headers, text = left.pop(0) if len(left) > 1 else left[0]
        return httpx2.Response(status, headers=headers, text=text)

    return handle


def problem(status: int, code: str, **headers: str) -> tuple[int, dict[str, str], str]:
    members: dict[str, object] = {
        "status": status,
        "code": code,
        "title": "t",
        "detail": "d",
        "requestId": "r",
        "errors": [],
    }
    return status, {"content-type": "application/problem+json", **headers}, json.dumps(members)


@pytest.mark.parametrize("code", [page.stem for page in PAGES])
def test_every_code_of_the_service_has_its_exception(code: str) -> None:
    found = re.search(r"HTTP status (\d{3})", (ERRORS / f"{code}.md").read_text())
    assert found is not None
    status = int(found.group(1))
    raised = exception_of(
        Problem(status, code, "title", "detail", "1f", (("/name", "expected a text"),), 3.0)
    )
    assert type(raised) is REFUSALS.get(code, BY_STATUS[status])
    assert raised.code == code and str(raised) == "detail (request 1f)"
    copy = pickle.loads(pickle.dumps(raised))
    assert (type(copy), copy.code, copy.problem, str(copy)) == (
        type(raised),
        code,
        raised.problem,
        str(raised),
    )


def test_a_wrong_key_is_unauthenticated_and_shown_nowhere(service: Service, make_client: MakeClient) -> None:
    client = make_client(service.url, KEY)
    with pytest.raises(Unauthenticated) as raised:
        client.view(TOKEN)
    assert raised.value.code == "UNAUTHENTICATED"
    assert KEY not in f"{raised.value!r} {raised.value.problem!r} {client!r}"
    with pytest.raises(Unauthenticated):
        client.exists(TOKEN)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_service_that_is_away_is_asked_again(injected: Injected, status: int) -> None:
    client = injected(answers((status, {}, "<html>away</html>"), problem(404, "NOT_FOUND")))
    with pytest.raises(NotFound):
        client.view(TOKEN)
    assert injected.pauses == [0.1]


@pytest.mark.parametrize(
    ("status", "code", "raised"),
    [
        (500, "INTERNAL", Unavailable),
        (429, "THROTTLED", Throttled),
        (409, "VALUE_TAKEN", Conflict),
        (403, "EXPIRED", CountermarkError),
    ],
)
def test_what_will_not_pass_by_itself_is_not_asked_again(
    injected: Injected, status: int, code: str, raised: type[CountermarkError]
) -> None:
    client = injected(answers(problem(status, code)))
    with pytest.raises(raised):
        client.view(TOKEN)
    assert len(injected.requests) == 1


def test_pauses_grow_and_are_shortened_at_random(injected: Injected) -> None:
    client = injected(answers(problem(503, "UNAVAILABLE")), random=1.0)
    with pytest.raises(Unavailable):
        client.view(TOKEN)
    assert injected.pauses == [0.05, 0.1]


def test_the_pause_that_the_service_wants_is_kept(injected: Injected) -> None:
    client = injected(answers(problem(503, "UNAVAILABLE", **{"retry-after": "3"})))
    with pytest.raises(Unavailable) as raised:
        client.view(TOKEN)
    assert injected.pauses == [3.0, 3.0]
    assert raised.value.problem is not None and raised.value.problem.retry_after == 3.0


def test_a_pause_too_long_is_left_to_the_caller(injected: Injected) -> None:
    client = injected(answers(problem(503, "UNAVAILABLE", **{"retry-after": "6"})))
    with pytest.raises(Unavailable):
        client.view(TOKEN)
    assert not injected.pauses and len(injected.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"content-type": "text/html"}, "<html>welcome</html>"),
        (200, {}, "[]"),
        (200, {}, "{}"),
        (200, {}, ""),
        (200, {}, "[" * 200_000),
        (401, {"content-type": "text/html"}, "<html>log in</html>"),
        (404, {"content-type": "application/problem+json"}, "no JSON"),
        (404, {"content-type": "application/problem+json"}, "[" * 200_000),
        (418, {}, ""),
    ],
)
def test_what_is_no_countermark_is_recognised(
    injected: Injected, answer: tuple[int, dict[str, str], str]
) -> None:
    with pytest.raises(UnexpectedAnswer) as raised:
        injected(answers(answer)).view(TOKEN)
    assert raised.value.code == "UNEXPECTED_ANSWER" and len(injected.requests) == 1


def test_an_answer_of_the_wrong_shape_is_named_by_its_member_alone(injected: Injected) -> None:
    text = json.dumps({"url": ["https://secret.example"]})
    with pytest.raises(UnexpectedAnswer, match="/url") as raised:
        injected(answers((200, {}, text))).sign(TOKEN, "https://a.example/shop/x")
    assert "secret" not in str(raised.value)


def test_the_key_follows_no_redirect(injected: Injected) -> None:
    client = injected(answers((307, {"location": "http://elsewhere.example/v1/stats"}, "")))
    with pytest.raises(UnexpectedAnswer, match="redirect"):
        client.stats()
    assert [request.url.host for request in injected.requests] == ["tokens.example"]


def test_the_base_url_may_have_a_path(injected: Injected) -> None:
    client = injected(answers((200, {}, '{"items": []}')), base_url="https://a.example/tokens/")
    assert client.stats() == ()
    request = injected.requests[0]
    assert str(request.url) == "https://a.example/tokens/v1/stats"
    assert request.headers["authorization"] == f"Bearer {KEY}"


def test_nodes_are_read_beside_others_and_alone(injected: Injected) -> None:
    lease = '{"lengthMillis": 1000, "ageMillis": 212, "held": true}'
    waits = '{"boundMillis": 1000, "p50Millis": 3, "p99Millis": 12, "count": 25}'
    none = '{"boundMillis": null, "p50Millis": null, "p99Millis": null, "count": 0}'
    found = [
        injected(answers((200, {}, f'{{"items": [], "nodes": {nodes}}}'))).nodes()
        for nodes in (
            f'{{"live": 3, "lease": {lease}, "revocation": {waits}}}',
            f'{{"live": 1, "lease": null, "revocation": {none}}}',
        )
    ]
    assert found == [
        Nodes(3, RevocationWaits(25, 1000, 3, 12), NodeLease(1000, 212, held=True)),
        Nodes(1, RevocationWaits(0)),
    ]


def test_the_timeout_holds_for_each_step_also_over_an_injected_http_client(make_client: MakeClient) -> None:
    seen: list[object] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.extensions["timeout"])
        return httpx2.Response(200, text='{"items": []}')

    library = httpx2.Client if make_client.kind == "Client" else httpx2.AsyncClient
    http = library(transport=httpx2.MockTransport(handle), timeout=99)
    make_client("http://a.example", KEY, timeout=2.5, http=http).stats()
    assert seen == [{"connect": 2.5, "read": 2.5, "write": 2.5, "pool": 2.5}]


def test_an_injected_http_client_stays_open(make_client: MakeClient) -> None:
    library = httpx2.Client if make_client.kind == "Client" else httpx2.AsyncClient
    http = library()
    make_client("http://a.example", KEY, http=http).close()
    assert not http.is_closed


def test_errors_of_the_http_library_are_the_cause(injected: Injected) -> None:
    def broken(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadError("broken", request=request)

    with pytest.raises(ConnectionFailed) as raised:
        injected(broken).view(TOKEN)
    assert isinstance(raised.value.__cause__, httpx2.ReadError)
    assert pickle.loads(pickle.dumps(raised.value)).code == "CONNECTION_FAILED"
