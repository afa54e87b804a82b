"""Uploads through either client, at a real service."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import anyio
import httpx2
import pytest
from anyio.from_thread import BlockingPortal
from both_clients import MakeClient, counted
from countermark import AsyncClient, Client
from countermark.errors import (
    REFUSALS,
    Conflict,
    ConnectionFailed,
    ConstraintFailed,
    Expired,
    InvalidArgument,
    LimitReached,
    NotFound,
    Refused,
    ServiceError,
    Throttled,
    UnknownToken,
    WrongCloud,
)
from countermark.records import Issued
from cutting_proxy import cutting_proxy
from running_service import Service, StartService


@pytest.fixture
def token(client: Client) -> Issued:
    return client.issue("upload", limit=2, extra={"max_bytes": 100, "add_tags": ["inbox"], "cloud_id": "c"})


class Broken(Exception):
    """What goes wrong while something is stored."""


def used(client: Client, token: Issued) -> int:
    return client.view(token.token.id).used


def test_an_upload_reserves_a_use_and_is_completed_after_its_block(client: Client, token: Issued) -> None:
    with client.upload(str(token.value), bytes=5, public_id="cat", tags=["pets"]) as upload:
        assert client.view_upload(upload.id).state == "reserved"
        assert (upload.effective.tags, upload.effective.cloud_id) == (("pets", "inbox"), "c")
        assert (upload.constraints.max_bytes, upload.remaining) == (100, 1)
        assert upload.deadline > upload.upload.began_at
        upload.report(bytes=4, content_type="image/png", existed=False, width=640)
    ended = client.view_upload(upload.id)
    assert ended.state == "completed"
    assert ended.result == {"bytes": 4, "contentType": "image/png", "existed": False, "width": 640}
    assert used(client, token) == 1


def test_an_exception_in_the_block_aborts_the_upload_and_is_raised_again(
    client: Client, token: Issued
) -> None:
    with pytest.raises(Broken), client.upload(str(token.value), bytes=5) as upload:
        raise Broken
    assert client.view_upload(upload.id).state == "aborted"
    assert used(client, token) == 0


def test_a_report_against_the_constraints_aborts_and_raises(client: Client, token: Issued) -> None:
    with pytest.raises(ConstraintFailed) as raised, client.upload(str(token.value), bytes=5) as upload:
        upload.report(bytes=101)
    assert raised.value.problem is not None and raised.value.problem.status == 403
    assert client.view_upload(upload.id).state == "aborted"
    assert used(client, token) == 0


def test_an_upload_ended_by_hand_is_left_alone_at_the_end_of_its_block(client: Client, token: Issued) -> None:
    with client.upload(str(token.value), bytes=5) as upload:
        upload.abort()
    assert client.view_upload(upload.id).state == "aborted"
    with pytest.raises(Broken), client.upload(str(token.value), bytes=5) as upload:
        upload.report(bytes=5)
        assert upload.complete().state == "completed"
        raise Broken
    assert client.view_upload(upload.id).state == "completed"


def test_the_exception_of_the_block_wins_over_that_of_the_abort(client: Client, token: Issued) -> None:
    with pytest.raises(Broken), client.upload(str(token.value), bytes=5) as upload:
        client.complete_upload(upload.id, bytes=5)
        raise Broken
    assert client.view_upload(upload.id).state == "completed"


def test_an_interruption_of_the_program_aborts_the_upload(client: Client, token: Issued) -> None:
    with pytest.raises(SystemExit), client.upload(str(token.value), bytes=5) as upload:
        raise SystemExit
    assert client.view_upload(upload.id).state == "aborted"


def test_a_cancelled_scope_aborts_the_upload(service: Service, portal: BlockingPortal) -> None:
    async def run() -> str:
        async with AsyncClient(service.url, service.key) as client:
            begun = ""
            value = (await client.issue("upload")).value
            with anyio.CancelScope() as scope:
                async with client.upload(str(value)) as upload:
                    begun = upload.id
                    scope.cancel()
                    await anyio.sleep_forever()
            return (await client.view_upload(begun)).state

    assert portal.call(run) == "aborted"


def test_a_cancelled_task_aborts_the_upload(service: Service, portal: BlockingPortal) -> None:
    async def run() -> str:
        async with AsyncClient(service.url, service.key) as client:
            begun: asyncio.Future[str] = asyncio.get_running_loop().create_future()

            async def store() -> None:
                value = (await client.issue("upload")).value
                async with client.upload(str(value)) as upload:
                    begun.set_result(upload.id)
                    await asyncio.Event().wait()

            task = asyncio.create_task(store())
            upload_id = await begun
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return (await client.view_upload(upload_id)).state

    assert portal.call(run) == "aborted"


@pytest.mark.parametrize("more", [{"at": object()}, {"big": "x" * 8192}, {"lone": "\ud800"}])
def test_a_report_that_cannot_be_sent_raises_in_the_block_and_aborts(
    client: Client, token: Issued, more: dict[str, Any]
) -> None:
    is_reported = False
    with pytest.raises(InvalidArgument, match="report"), client.upload(str(token.value), bytes=5) as upload:
        upload.report(bytes=5)
        upload.report(**more)
        is_reported = True
    assert not is_reported and client.view_upload(upload.id).state == "aborted"
    assert used(client, token) == 0


def test_a_report_of_8_kib_is_taken_however_its_letters_are_escaped(client: Client, token: Issued) -> None:
    with client.upload(str(token.value), bytes=5) as upload:
        upload.report(bytes=5, note="ü" * 4000)
    assert client.view_upload(upload.id).state == "completed"


def test_a_completion_that_the_service_does_not_accept_aborts(client: Client, token: Issued) -> None:
    with pytest.raises(ServiceError), client.upload(str(token.value), bytes=5) as upload:
        upload.report(existed=cast(bool, "x"))
    assert client.view_upload(upload.id).state == "aborted"
    assert used(client, token) == 0


def test_a_completion_without_an_answer_leaves_the_upload_as_it_is(
    service: Service, make_client: MakeClient, client: Client, token: Issued
) -> None:
    with cutting_proxy(service.port) as proxy:
        behind = make_client(proxy.url, service.key, retries=0)
        with pytest.raises(ConnectionFailed), behind.upload(str(token.value), bytes=5) as upload:
            upload.report(bytes=5)
            proxy.fates.append("lose request")
    assert client.view_upload(upload.id).state == "reserved"


def test_an_abort_that_cannot_be_asked_for_leaves_the_exception_of_the_block(
    service: Service, make_client: MakeClient, token: Issued
) -> None:
    closed = make_client(service.url, service.key)
    with pytest.raises(Broken), closed.upload(str(token.value), bytes=5):
        closed.close()
        raise Broken


class Interrupted(httpx2.BaseTransport):
    """A way to the service on which the program is interrupted once the first answer is there."""

    def __init__(self) -> None:
        self.way = httpx2.HTTPTransport()
        self.paths: list[str] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.paths.append(request.url.path)
        answer = self.way.handle_request(request)
        if len(self.paths) == 1:
            answer.read()
            raise KeyboardInterrupt
        return answer

    def close(self) -> None:
        self.way.close()


def test_an_interruption_of_the_beginning_gives_the_use_back(service: Service) -> None:
    http = httpx2.Client(transport=Interrupted())
    with Client(service.url, service.key) as watching, http:
        token = watching.issue("upload", limit=1)
        client = Client(service.url, service.key, http=http)
        with pytest.raises(KeyboardInterrupt), client.upload(str(token.value)):
            raise AssertionError("the block does not run")
        assert used(watching, token) == 0


class Held(httpx2.AsyncBaseTransport):
    """A way to the service on which answers to one path wait until they are let go."""

    def __init__(self, suffix: str) -> None:
        self.way = httpx2.AsyncHTTPTransport()
        self.suffix = suffix
        self.is_there = asyncio.Event()
        self.let_go = asyncio.Event()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith(self.suffix):
            is_first = not self.is_there.is_set()
            if self.suffix == "/abort" and is_first:
                self.is_there.set()
                await self.let_go.wait()
            answer = await self.way.handle_async_request(request)
            if self.suffix == "/uploads" and is_first:
                await answer.aread()
                self.is_there.set()
                await self.let_go.wait()
            return answer
        return await self.way.handle_async_request(request)

    async def aclose(self) -> None:
        await self.way.aclose()


def over(held: Held) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=held)


@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("times", [1, 2])
def test_a_task_cancelled_while_it_begins_gives_the_use_back(
    service: Service, portal: BlockingPortal, retries: int, times: int
) -> None:
    async def run() -> int:
        held = Held("/uploads")
        http = over(held)
        async with (
            AsyncClient(service.url, service.key) as watching,
            http,
        ):
            client = AsyncClient(service.url, service.key, http=http, retries=retries)
            token = await watching.issue("upload", limit=1)

            async def store() -> None:
                async with client.upload(str(token.value)):
                    raise AssertionError("the block does not run")

            task = asyncio.create_task(store())
            await held.is_there.wait()
            for _ in range(times):
                task.cancel()
                await asyncio.sleep(0)
            with pytest.raises(asyncio.CancelledError):
                await task
            return (await watching.view(token.token.id)).used

    assert portal.call(run) == 0


def test_a_scope_cancelled_while_it_begins_gives_the_use_back(
    service: Service, portal: BlockingPortal
) -> None:
    async def run() -> int:
        held = Held("/uploads")
        http = over(held)
        async with (
            AsyncClient(service.url, service.key) as watching,
            http,
        ):
            client = AsyncClient(service.url, service.key, http=http)
            token = await watching.issue("upload", limit=1)
            async with anyio.create_task_group() as group:

                async def store() -> None:
                    async with client.upload(str(token.value)):
                        raise AssertionError("the block does not run")

                group.start_soon(store)
                await held.is_there.wait()
                group.cancel_scope.cancel()
            return (await watching.view(token.token.id)).used

    assert portal.call(run) == 0


@pytest.mark.parametrize("own", [None, Broken])
def test_a_task_cancelled_again_while_it_aborts_still_gives_the_use_back(
    service: Service, portal: BlockingPortal, own: type[Exception] | None
) -> None:
    async def run() -> int:
        held = Held("/abort")
        http = over(held)
        async with (
            AsyncClient(service.url, service.key) as watching,
            http,
        ):
            client = AsyncClient(service.url, service.key, http=http)
            token, begun = await watching.issue("upload", limit=1), asyncio.Event()

            async def store() -> None:
                async with client.upload(str(token.value)):
                    begun.set()
                    if own is not None:
                        raise own
                    await asyncio.Event().wait()

            task = asyncio.create_task(store())
            await begun.wait()
            if own is None:
                task.cancel()
            await held.is_there.wait()
            for _ in range(3):
                task.cancel()
                await asyncio.sleep(0)
            held.let_go.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            return (await watching.view(token.token.id)).used

    assert portal.call(run) == 0


def test_an_upload_is_begun_and_ended_in_single_calls(client: Client, token: Issued) -> None:
    first, second = (client.begin_upload(token.value, bytes=5) for _ in range(2))
    assert client.complete_upload(first.id, bytes=5, format="png").result == {"bytes": 5, "format": "png"}
    assert client.abort_upload(second.id).state == client.abort_upload(second.id).state == "aborted"
    with pytest.raises(Conflict) as raised:
        client.complete_upload(second.id, bytes=5)
    assert raised.value.code == "UPLOAD_CLOSED"


def test_the_same_idempotency_key_finds_the_same_upload(client: Client, token: Issued) -> None:
    key = "upload " + token.token.id
    uploads = [client.begin_upload(token.value, bytes=5, idempotency_key=key) for _ in range(2)]
    assert uploads[0].id == uploads[1].id and used(client, token) == 1


def test_a_holder_begins_alone_with_the_upload_token_as_key(
    client: Client, service: Service, token: Issued
) -> None:
    with Client(service.url, token.value) as holder:
        upload = holder.begin_upload(bytes=5)
    assert upload.began_by is None and client.view_upload(upload.id).state == "reserved"


def test_a_refused_beginning_raises_the_reason_and_takes_nothing(client: Client, token: Issued) -> None:
    with pytest.raises(WrongCloud) as raised, client.upload(str(token.value), bytes=5, cloud_id="other"):
        raise AssertionError("the block does not run")
    assert isinstance(raised.value, Refused) and raised.value.code == "WRONG_CLOUD"
    with pytest.raises(ConstraintFailed):
        client.begin_upload(token.value)
    with pytest.raises(UnknownToken):
        client.begin_upload("cmu_yXBHMoc5L40zBANMAAcNPMMcv7FQw4U51gMv1l")
    with pytest.raises(Expired):
        client.begin_upload(client.issue("upload", expiry=1).value)
    with pytest.raises(LimitReached):
        client.begin_upload(client.issue("upload", limit=0).value)
    assert used(client, token) == 0 and set(REFUSALS) >= {"WRONG_CLOUD", "EXPIRED"}


def test_an_upload_that_is_not_there_is_not_found(client: Client) -> None:
    with pytest.raises(NotFound):
        client.view_upload("upl_034YCGMODo7rNXJe1rD0Im")


def test_too_many_open_uploads_are_throttled_and_not_repeated(
    start_service: StartService,
) -> None:
    service, pauses = start_service(uploads__open_per_token="1"), list[float]()
    with Client(service.url, service.key, retries=counted(2, pauses)) as client:
        value = client.issue("upload").value
        client.begin_upload(value)
        with pytest.raises(Throttled) as raised:
            client.begin_upload(value)
    assert raised.value.code == "TOO_MANY_UPLOADS" and not pauses


def test_notifications_and_their_secrets_are_read_and_written(client: Client) -> None:
    sent = client.send_test_notification("https://hooks.example/x")
    assert sent.type == "test.ping"
    assert client.view_notification(sent.id).notification.address == "https://hooks.example/x"
    assert sent.id in [found.id for found in client.notifications(type="test.ping", page_size=1)]
    assert client.replay_notification(sent.id).id == sent.id
    made = client.rotate_notification_secret(overlap=60)
    assert made.secret is not None and made.secret not in repr(made)
    assert client.notification_secrets()[-1].version == made.version
