"""Notifications end to end: a real receiver, checked by the published library of Standard Webhooks."""

from __future__ import annotations

import time
from datetime import datetime

import pytest
from standardwebhooks import WebhookVerificationError

from conftest import Countermark, StartCountermark
from receiver import Receiver
from upload_server import eventually, notification_secret

# Standard Webhooks asks for the second attempt after 5 seconds.
SECOND_ATTEMPT = 15


@pytest.fixture
def told(start_countermark: StartCountermark) -> Countermark:
    """A service that may tell receivers on this machine."""
    return start_countermark(notifications__allowed_networks="127.0.0.0/8")


def upload(countermark: Countermark, token: dict, **asked: object) -> str:
    """An upload begun and completed as an upload server does it; its id."""
    begun = countermark.call("POST", "/v1/uploads", json={"value": token["value"], "request": asked})
    assert begun.status_code == 201, begun.text
    upload_id = begun.json()["id"]
    assert complete(countermark, upload_id) == 200
    return upload_id


def complete(countermark: Countermark, upload_id: str) -> int:
    result = {"bytes": 7, "contentType": "image/png", "existed": False, "sha256": "abc"}
    return countermark.call("POST", f"/v1/uploads/{upload_id}/complete", json={"result": result}).status_code


def notifications(countermark: Countermark, token: dict) -> list[dict]:
    """What is known of the notifications about a token, newest first."""
    answer = countermark.call("GET", "/v1/notifications", params={"tokenId": token["id"]})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def state(countermark: Countermark, token: dict) -> tuple[str, int]:
    """State and number of attempts of the only notification about a token."""
    (only,) = notifications(countermark, token)
    return only["state"], only["attempts"]


def test_a_completed_upload_is_told_once_signed_and_in_full(told: Countermark, receiver: Receiver) -> None:
    extra = {"notificationUrls": [receiver.url], "publicId": "fixed", "addTags": ["new"], "transformationPrefix": "w:9"}
    token = told.issue(type="upload", limit=2, owner="shop", extra=extra)
    upload_id = upload(told, token, publicId="mine", tags=["old"])
    assert complete(told, upload_id) == 200, "a repetition is no second completion"
    (arrival,) = receiver.wait_for(1)
    event = arrival.event(notification_secret(told))
    assert event["type"] == "upload.completed"
    assert abs(datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00")).timestamp() - time.time()) < 60
    data = event["data"]
    assert (data["uploadId"], data["tokenId"], data["owner"]) == (upload_id, token["id"], "shop")
    effective = data["effective"]
    assert (effective["publicId"], effective["tags"], effective["transformation"]) == ("fixed", ["old", "new"], "w:9")
    assert data["result"] == {"bytes": 7, "contentType": "image/png", "existed": False, "sha256": "abc"}
    assert (arrival.path, arrival.headers["content-type"]) == ("/hook", "application/json")
    assert eventually(lambda: state(told, token) == ("delivered", 1))
    second = upload(told, token)
    arrivals = receiver.wait_for(2)
    assert [it.unverified()["data"]["uploadId"] for it in arrivals] == [upload_id, second]
    assert arrivals[0].id != arrivals[1].id
    assert arrivals[0].id in {it["id"] for it in notifications(told, token)}


def test_a_changed_body_id_or_secret_does_not_verify(told: Countermark, receiver: Receiver) -> None:
    upload(told, told.issue(type="upload", extra={"notificationUrls": [receiver.url]}))
    (arrival,) = receiver.wait_for(1)
    secret = notification_secret(told)
    for changed in (
        arrival.changed(body=arrival.body.replace(b"completed", b"comqleted")),
        arrival.changed(headers={**arrival.headers, "webhook-id": arrival.id[:-1] + "_"}),
        arrival.changed(headers={**arrival.headers, "webhook-timestamp": str(int(time.time()) - 60)}),
    ):
        with pytest.raises(WebhookVerificationError):
            changed.event(secret)
    with pytest.raises(WebhookVerificationError):
        arrival.event("whsec_" + "QUJD" * 8)


def test_an_upload_that_is_aborted_is_not_told(told: Countermark, receiver: Receiver) -> None:
    token = told.issue(type="upload", extra={"notificationUrls": [receiver.url]})
    begun = told.call("POST", "/v1/uploads", json={"value": token["value"], "request": {}}).json()
    assert told.call("POST", f"/v1/uploads/{begun['id']}/abort").status_code == 200
    assert notifications(told, token) == []
    # Whatever was told before this one would have arrived before it.
    upload(told, token)
    (arrival,) = receiver.wait_for(1)
    assert arrival.unverified()["data"]["uploadId"] != begun["id"]


def test_several_receivers_are_told_each(told: Countermark, receiver: Receiver) -> None:
    urls = [receiver.url, f"{receiver.url}/second?key=1"]
    token = told.issue(type="upload", extra={"notificationUrls": urls})
    upload(told, token)
    arrivals = receiver.wait_for(2)
    assert sorted(it.path for it in arrivals) == ["/hook", "/hook/second?key=1"]
    assert arrivals[0].id != arrivals[1].id


def test_a_receiver_that_is_down_is_told_when_it_is_back(told: Countermark, receiver: Receiver) -> None:
    receiver.stop()
    token = told.issue(type="upload", extra={"notificationUrls": [receiver.url]})
    upload_id = upload(told, token)
    assert eventually(lambda: state(told, token) == ("pending", 1))
    receiver.start()
    (arrival,) = receiver.wait_for(1, SECOND_ATTEMPT)
    assert arrival.event(notification_secret(told))["data"]["uploadId"] == upload_id
    assert eventually(lambda: state(told, token) == ("delivered", 2))


def test_an_error_or_a_redirect_is_answered_by_a_second_attempt(told: Countermark, receiver: Receiver) -> None:
    elsewhere = {"location": f"{receiver.url}/elsewhere"}
    receiver.answers = [(500, {}), (302, elsewhere), (307, elsewhere)]
    tokens = [told.issue(type="upload", extra={"notificationUrls": [receiver.url]}) for _ in receiver.answers]
    for token in tokens:
        upload(told, token)
    arrivals = receiver.wait_for(6, SECOND_ATTEMPT)
    assert [it.path for it in arrivals] == ["/hook"] * 6, "no redirect is followed"
    for token in tokens:
        tries = [it for it in arrivals if it.unverified()["data"]["tokenId"] == token["id"]]
        assert len(tries) == 2
        assert len({(it.id, it.body) for it in tries}) == 1
        # Each attempt has a time of its own, and a signature over it.
        assert tries[0].headers["webhook-timestamp"] != tries[1].headers["webhook-timestamp"]
        for it in tries:
            it.event(notification_secret(told))


def test_what_a_killed_service_has_completed_is_told_after_its_restart(told: Countermark, receiver: Receiver) -> None:
    receiver.stop()
    token = told.issue(type="upload", extra={"notificationUrls": [receiver.url]})
    upload_ids = {upload(told, token) for _ in range(5)}
    assert eventually(lambda: all(it["attempts"] == 1 for it in notifications(told, token)))
    told.kill()
    receiver.start()
    told.restart()
    arrivals = receiver.wait_for(5, SECOND_ATTEMPT)
    assert {it.event(notification_secret(told))["data"]["uploadId"] for it in arrivals} == upload_ids


def test_what_was_being_told_when_the_service_was_killed_is_told_again(told: Countermark, receiver: Receiver) -> None:
    receiver.is_silent = True
    token = told.issue(type="upload", extra={"notificationUrls": [receiver.url]})
    upload(told, token)
    (first,) = receiver.wait_for(1)
    told.kill()
    receiver.is_silent = False
    # Nobody knows then what became of the attempt: it is taken up again a minute later.
    told.restart(seconds_later=90)
    again = receiver.wait_for(2)[1]
    assert (again.id, again.body) == (first.id, first.body)
    again.event(notification_secret(told))
    assert eventually(lambda: state(told, token)[0] == "delivered")


def test_during_a_rotation_either_secret_verifies(told: Countermark, receiver: Receiver) -> None:
    old = notification_secret(told)
    rotated = told.call("POST", "/v1/notification-secrets", json={"overlapSeconds": 60})
    assert rotated.status_code == 201, rotated.text
    new = rotated.json()["secret"]
    assert notification_secret(told) == new != old
    token = told.issue(type="upload", extra={"notificationUrls": [receiver.url]})
    upload(told, token)
    (both,) = receiver.wait_for(1)
    assert both.event(old) == both.event(new)
    last = told.call("POST", "/v1/notification-secrets", json={"overlapSeconds": 0}).json()["secret"]
    upload(told, token)
    only = receiver.wait_for(2)[1]
    only.event(last)
    for ended in (old, new):
        with pytest.raises(WebhookVerificationError):
            only.event(ended)


def test_a_receiver_that_is_gone_gets_nothing_more_about_the_token(told: Countermark, receiver: Receiver) -> None:
    receiver.answers = [(410, {})]
    token = told.issue(type="upload", extra={"notificationUrls": [receiver.url]})
    upload(told, token)
    assert eventually(lambda: state(told, token)[0] == "disabled")
    upload(told, token)
    other = told.issue(type="upload", extra={"notificationUrls": [receiver.url]})
    upload(told, other)
    arrivals = receiver.wait_for(2)
    assert [it.unverified()["data"]["tokenId"] for it in arrivals] == [token["id"], other["id"]]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"])
def test_an_address_of_this_machine_is_refused_by_default(
    countermark: Countermark, receiver: Receiver, host: str
) -> None:
    url = receiver.url.replace("127.0.0.1", host)
    answer = countermark.call("POST", "/v1/notifications/test", json={"url": url})
    if answer.status_code == 202:
        address = f"/v1/notifications/{answer.json()['id']}"
        assert eventually(lambda: countermark.call("GET", address).json()["attempts"] == 1)
        (attempt,) = countermark.call("GET", address).json()["deliveries"]
        assert attempt["status"] is None
    else:
        assert answer.status_code == 400, answer.text
    assert receiver.arrivals == []


def test_a_replay_sends_the_same_again(told: Countermark, receiver: Receiver) -> None:
    token = told.issue(type="upload", extra={"notificationUrls": [receiver.url]})
    upload(told, token)
    (first,) = receiver.wait_for(1)
    assert eventually(lambda: state(told, token) == ("delivered", 1))
    assert told.call("POST", f"/v1/notifications/{first.id}/replay").status_code == 202
    again = receiver.wait_for(2)[1]
    assert (again.id, again.body) == (first.id, first.body)
    again.event(notification_secret(told))


def test_a_test_event_arrives_and_its_attempt_is_shown(told: Countermark, receiver: Receiver) -> None:
    sent = told.call("POST", "/v1/notifications/test", json={"url": receiver.url})
    assert sent.status_code == 202, sent.text
    (arrival,) = receiver.wait_for(1)
    assert arrival.event(notification_secret(told))["type"] == "test.ping"
    assert arrival.id == sent.json()["id"]
    address = f"/v1/notifications/{arrival.id}"
    assert eventually(lambda: told.call("GET", address).json()["state"] == "delivered")
    (attempt,) = told.call("GET", address).json()["deliveries"]
    assert (attempt["number"], attempt["status"]) == (1, 204)


def test_the_limit_of_a_token_is_told_on_request(told: Countermark, receiver: Receiver) -> None:
    notify = {"urls": [receiver.url], "events": ["limitNear", "limitReached", "revoked"]}
    token = told.issue(type="upload", limit=5, notify=notify)
    for _ in range(5):
        upload(told, token)
    assert told.call("DELETE", f"/v1/access-tokens/{token['id']}").status_code == 204
    events = [it.event(notification_secret(told)) for it in receiver.wait_for(3)]
    uses = {it["type"]: it["data"]["used"] for it in events}
    assert uses == {"token.limit_near": 4, "token.limit_reached": 5, "token.revoked": 5}
