"""What the clients do when answers are lost, at a real service behind a proxy that loses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from both_clients import MakeClient, counted
from countermark import Client, Question
from countermark.errors import ConnectionFailed, CountermarkError, NotFound, TimedOut, Unavailable
from cutting_proxy import CuttingProxy, Fate, cutting_proxy
from running_service import Service, free_port

CAT = "https://img.example/shop/i/cat.jpg"
LOST: list[Fate] = ["lose answer", "lose request", "reset"]


@pytest.fixture
def proxy(service: Service) -> Iterator[CuttingProxy]:
    with cutting_proxy(service.port) as proxy:
        yield proxy


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def behind(proxy: CuttingProxy, service: Service, make_client: MakeClient, pauses: list[float]) -> Client:
    """A client of the service behind the proxy."""
    return make_client(proxy.url, service.key, retries=counted(2, pauses))


@pytest.fixture
def straight(service: Service) -> Iterator[Client]:
    """A client that loses nothing."""
    with Client(service.url, service.key) as client:
        yield client


@pytest.mark.parametrize("fate", LOST)
def test_a_use_whose_answer_is_lost_is_taken_once(
    behind: Client, straight: Client, proxy: CuttingProxy, pauses: list[float], fate: Fate
) -> None:
    image = straight.issue("imageUrl", limit=5)
    proxy.fates = [fate, fate]
    decision = behind.authorize(url=image.signer().sign(CAT))
    assert decision.used == 1 and straight.view(image.token.id).used == 1
    assert len(proxy.requests) == 3 and len(pauses) == 2
    assert len({body(request) for request in proxy.requests}) == 1


@pytest.mark.parametrize("fate", LOST)
def test_uses_of_a_batch_whose_answer_is_lost_are_taken_once(
    behind: Client, straight: Client, proxy: CuttingProxy, fate: Fate
) -> None:
    image = straight.issue("imageUrl", limit=500)
    url = image.signer().sign(CAT)
    proxy.fates = [fate, "pass", fate]
    decisions = behind.authorize_many([Question(url=url)] * 150)
    assert all(decisions) and straight.view(image.token.id).used == 150
    assert len(proxy.requests) == 4


@pytest.mark.parametrize("fate", LOST)
def test_one_token_is_issued_when_the_answer_is_lost(
    behind: Client, straight: Client, proxy: CuttingProxy, fate: Fate
) -> None:
    owner = straight.issue("upload").token.id
    proxy.fates = [fate, fate]
    issued = behind.issue("upload", owner=owner)
    assert [token.id for token in straight.list(owner=owner)] == [issued.token.id]
    assert straight.introspect(str(issued.value)).token_id == issued.token.id


@pytest.mark.parametrize("fate", LOST)
def test_one_secret_version_is_made_when_the_answer_is_lost(
    behind: Client, straight: Client, proxy: CuttingProxy, fate: Fate
) -> None:
    image = straight.issue("imageUrl")
    proxy.fates = [fate]
    again = behind.regenerate(image.token.id)
    assert again.key_version == 2
    assert straight.authorize(url=again.signer().sign(CAT))


@pytest.mark.parametrize("fate", LOST)
def test_one_use_is_reserved_when_the_answer_is_lost(
    behind: Client, straight: Client, proxy: CuttingProxy, fate: Fate
) -> None:
    token = straight.issue("upload", limit=5)
    proxy.fates = [fate, "pass", fate]
    with behind.upload(str(token.value)) as upload:
        upload.report(bytes=3)
    assert straight.view_upload(upload.id).state == "completed"
    assert straight.view(token.token.id).used == 1


@pytest.mark.parametrize("fate", LOST)
def test_a_purge_whose_answer_is_lost_succeeds(
    behind: Client, straight: Client, proxy: CuttingProxy, fate: Fate
) -> None:
    token = straight.issue("upload").token
    proxy.fates = [fate]
    behind.revoke(token.id, purge=True)
    assert not straight.exists(token.id)
    with pytest.raises(NotFound):
        behind.revoke(token.id, purge=True)


def test_every_call_has_an_idempotency_key_of_its_own(
    behind: Client, straight: Client, proxy: CuttingProxy
) -> None:
    url = straight.issue("imageUrl", limit=5).signer().sign(CAT)
    assert [behind.authorize(url=url).used for _ in range(2)] == [1, 2]
    assert len({idempotency_key(request) for request in proxy.requests} - {None}) == 2


def test_without_repetitions_no_idempotency_keys_are_made(
    proxy: CuttingProxy, service: Service, straight: Client, make_client: MakeClient
) -> None:
    url = straight.issue("imageUrl", limit=5).signer().sign(CAT)
    client = make_client(proxy.url, service.key, retries=0)
    client.authorize(url=url)
    client.authorize_many([Question(url=url)])
    assert not [request for request in proxy.requests if b"dempotency" in request]
    proxy.fates = ["lose answer"]
    with pytest.raises(ConnectionFailed):
        client.authorize(url=url)
    assert len(proxy.requests) == 3


def test_questions_may_go_without_keys_and_are_then_not_repeated(
    proxy: CuttingProxy, service: Service, straight: Client, make_client: MakeClient, pauses: list[float]
) -> None:
    url = straight.issue("imageUrl", limit=5).signer().sign(CAT)
    client = make_client(proxy.url, service.key, retries=counted(2, pauses, question_keys=False))
    for attempt in (lambda: client.authorize(url=url), lambda: client.authorize_many([Question(url=url)])):
        proxy.fates = ["lose answer"]
        with pytest.raises(ConnectionFailed):
            attempt()
    assert not [request for request in proxy.requests if b"dempotency" in request] and not pauses
    proxy.fates = ["lose answer"] * 2
    assert client.authorize(url=url, dry_run=True).used == 2
    client.issue("upload")
    assert idempotency_key(proxy.requests[-1]) is not None


Attempt = Callable[[Client, str], object]
ONCE_ONLY: dict[str, Attempt] = {
    "update with if_match": lambda client, token: client.update(token, name="x", if_match=1),
    "test notification": lambda client, _token: client.send_test_notification("https://hooks.example/x"),
    "new notification secret": lambda client, _token: client.rotate_notification_secret(),
}


@pytest.mark.parametrize("attempt", ONCE_ONLY.values(), ids=ONCE_ONLY)
def test_what_a_repetition_would_do_twice_is_not_repeated(
    behind: Client, straight: Client, proxy: CuttingProxy, pauses: list[float], attempt: Attempt
) -> None:
    token = straight.issue("upload").token
    proxy.fates = ["lose answer"]
    with pytest.raises(ConnectionFailed) as raised:
        attempt(behind, token.id)
    assert raised.value.may_have_arrived and len(proxy.requests) == 1 and not pauses


def test_what_is_idempotent_by_nature_is_repeated(
    behind: Client, straight: Client, proxy: CuttingProxy
) -> None:
    token = straight.issue("upload", recoverable=True).token
    attempts: list[Callable[[], object]] = [
        lambda: behind.view(token.id),
        lambda: behind.exists(token.id),
        lambda: behind.update(token.id, name="x"),
        lambda: list(behind.list(name="x")),
        lambda: behind.reveal(token.id),
        lambda: behind.usage(token.id),
        lambda: behind.explain(value="x"),
        lambda: behind.introspect("x"),
        lambda: behind.revoke(token.id),
    ]
    for attempt in attempts:
        proxy.fates = ["lose answer"]
        attempt()
        assert not proxy.fates
    assert straight.view(token.id).status == "revoked"


def test_after_its_repetitions_a_call_fails_with_the_cause_and_without_the_key(
    behind: Client, proxy: CuttingProxy, service: Service, pauses: list[float]
) -> None:
    proxy.fates = ["reset"] * 3
    with pytest.raises(ConnectionFailed) as raised:
        behind.view("iu_034YCGMODo7rNXJe1rD0Im")
    assert raised.value.code == "CONNECTION_FAILED" and raised.value.__cause__ is not None
    assert service.key not in f"{raised.value!r} {raised.value.__cause__!r}"
    assert pauses == [0.1, 0.2]


def test_where_nobody_listens_the_request_has_not_arrived_and_is_always_repeated(
    make_client: MakeClient, pauses: list[float], service: Service
) -> None:
    client = make_client(f"http://127.0.0.1:{free_port()}", service.key, retries=counted(2, pauses))
    with pytest.raises(ConnectionFailed) as raised:
        client.send_test_notification("https://hooks.example/x")
    assert not raised.value.may_have_arrived and len(pauses) == 2


def test_a_service_that_never_answers_is_given_up_after_the_timeout(
    proxy: CuttingProxy, service: Service, make_client: MakeClient, pauses: list[float]
) -> None:
    client = make_client(proxy.url, service.key, timeout=0.1, retries=counted(1, pauses))
    proxy.fates = ["stall", "stall"]
    with pytest.raises(TimedOut) as raised:
        client.view("iu_034YCGMODo7rNXJe1rD0Im")
    assert isinstance(raised.value, Unavailable) and raised.value.may_have_arrived
    assert len(proxy.requests) == 2 and len(pauses) == 1


def test_a_use_whose_answer_comes_too_late_is_taken_once(
    proxy: CuttingProxy, service: Service, straight: Client, make_client: MakeClient, pauses: list[float]
) -> None:
    image = straight.issue("imageUrl", limit=5)
    client = make_client(proxy.url, service.key, timeout=0.5, retries=counted(1, pauses))
    proxy.fates = ["stall"]
    assert client.authorize(url=image.signer().sign(CAT)).used == 1


def test_a_completion_without_an_answer_leaves_the_upload_to_be_completed(
    behind: Client, straight: Client, proxy: CuttingProxy
) -> None:
    token = straight.issue("upload", limit=5)
    with pytest.raises(CountermarkError), behind.upload(str(token.value)) as upload:  # noqa: PT012
        proxy.fates = ["lose request"] * 3
    assert straight.view_upload(upload.id).state == "reserved"
    assert straight.complete_upload(upload.id).state == "completed"


def test_an_abort_without_an_answer_lets_the_blocks_exception_through(
    behind: Client, straight: Client, proxy: CuttingProxy, caplog: pytest.LogCaptureFixture
) -> None:
    token = straight.issue("upload", limit=5)
    with pytest.raises(ZeroDivisionError), behind.upload(str(token.value)) as upload:
        proxy.fates = ["lose request"] * 3
        raise ZeroDivisionError
    assert straight.view_upload(upload.id).state == "reserved"
    assert upload.id in caplog.text and "CONNECTION_FAILED" in caplog.text


def body(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


def idempotency_key(request: bytes) -> bytes | None:
    for line in request.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"idempotency-key":
            return value
    return None
