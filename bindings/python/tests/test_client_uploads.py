"""Uploads through either client, at a real service."""

from __future__ import annotations

import asyncio

import anyio
import pytest
from anyio.from_thread import BlockingPortal
from both_clients import counted
from countermark import AsyncClient, Client
from countermark.errors import (
    REFUSALS,
    Conflict,
    ConstraintFailed,
    Expired,
    LimitReached,
    NotFound,
    Refused,
    Throttled,
    UnknownToken,
    WrongCloud,
)
from countermark.records import Issued
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
