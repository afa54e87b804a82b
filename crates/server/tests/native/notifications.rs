//! `/v1/notifications` and `/v1/notification-secrets`.

use std::sync::Arc;

use async_trait::async_trait;
use countermark_core::NotificationId;
use countermark_domain::clock::FixedClock;
use countermark_domain::rng::SeededRng;
use countermark_domain::{Courier, Delivery, Parcel};
use countermark_server::config::Config;
use countermark_server::start::start;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::installation::{Installation, NOW, text};

const PATH: &str = "/v1/notifications";
const SECRETS: &str = "/v1/notification-secrets";
const HOOK: &str = "https://hooks.example/a?key=canary";

/// Always answers this status.
struct Answering(u16);

#[async_trait]
impl Courier for Answering {
    async fn deliver(&self, _parcel: &Parcel) -> Delivery {
        Delivery::Answered { status: self.0, retry_after: None }
    }
}

impl Installation {
    async fn ping(&self) -> Value {
        let answer = self.call(&self.admin, "POST", "/v1/notifications/test", json!({"url": HOOK})).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        answer.body
    }

    async fn deliver(&self, status: u16) {
        self.state.service.deliver_due(&Answering(status), 100).await.unwrap();
    }

    async fn key_with(&self, permissions: &[&str]) -> String {
        self.key(json!({"permissions": permissions})).await.1
    }
}

fn at(notification: &Value) -> String {
    format!("{PATH}/{}", text(&notification["id"]))
}

#[actix_web::test]
async fn a_test_event_is_shown_with_its_attempts_and_can_be_sent_again() {
    let it = Installation::new().await;
    let sent = it.ping().await;
    assert_eq!(
        sent,
        json!({"id": sent["id"], "type": "test.ping", "tokenId": null, "address": HOOK, "state": "pending",
            "createdAt": NOW, "attempts": 0, "nextAttemptAt": NOW, "endedAt": null})
    );
    it.deliver(500).await;
    it.clock.advance(5);
    it.deliver(204).await;
    let shown = it.get(&it.admin, &at(&sent)).await.body;
    assert_eq!((&shown["state"], &shown["endedAt"]), (&json!("delivered"), &json!(NOW + 5)));
    let attempt = |number, at, status| json!({"number": number, "at": at, "status": status, "reason": null, "durationMillis": 0});
    assert_eq!(shown["deliveries"], json!([attempt(1, NOW, 500), attempt(2, NOW + 5, 204)]));
    let body: Value = serde_json::from_str(shown["body"].as_str().unwrap()).unwrap();
    assert_eq!((&body["type"], &body["timestamp"]), (&json!("test.ping"), &json!("2027-01-15T08:00:00Z")));

    let again = it.call(&it.admin, "POST", &format!("{}/replay", at(&sent)), Value::Null).await;
    assert_eq!(
        (again.status, &again.body["state"], &again.body["attempts"]),
        (202, &json!("pending"), &json!(2))
    );
    for path in [PATH.to_owned() + "/ntf_0000000000000000000000", PATH.to_owned() + "/x"] {
        assert_eq!(it.get(&it.admin, &path).await.refusal(), (404, "NOT_FOUND", ""));
        let replay = it.call(&it.admin, "POST", &format!("{path}/replay"), Value::Null).await;
        assert_eq!(replay.refusal(), (404, "NOT_FOUND", ""));
    }
    for (action, count) in [("notification.test", 1), ("notification.replay", 1)] {
        let log = it.get(&it.admin, &format!("/v1/audit?action={action}")).await.body;
        assert_eq!(log["items"].as_array().unwrap().len(), count, "{action}");
        assert!(!log.to_string().contains("canary"));
    }
}

#[actix_web::test]
async fn a_list_is_read_page_by_page_and_filtered() {
    let it = Installation::new().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        it.clock.advance(1);
        ids.push(it.ping().await["id"].clone());
    }
    it.deliver(204).await;
    let token = json!({"type": "upload", "notify": {"urls": [HOOK], "events": ["revoked"]}});
    let token = text(&it.issue(&it.admin, token).await["id"]);
    it.call(&it.admin, "DELETE", &format!("/v1/access-tokens/{token}"), Value::Null).await;
    let shown = async |query: &str| it.get(&it.admin, &format!("{PATH}?{query}")).await.body;
    let first = shown("type=test.ping&limit=2").await;
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    assert_eq!(first["items"][0]["id"], ids[2]);
    let cursor = text(&first["nextCursor"]);
    let second = shown(&format!("type=test.ping&limit=2&cursor={cursor}")).await;
    assert_eq!((&second["items"][0]["id"], &second["nextCursor"]), (&ids[0], &Value::Null));
    for (query, count) in [("", 4), ("state=pending", 1), ("state=delivered", 3), ("type=token.revoked", 1)] {
        assert_eq!(shown(query).await["items"].as_array().unwrap().len(), count, "{query}");
    }
    assert_eq!(shown(&format!("tokenId={token}")).await["items"][0]["type"], "token.revoked");
    for (query, pointer) in
        [("state=gone", "?state"), ("tokenId=x", "?tokenId"), ("cursor=x", "?cursor"), ("event=x", "?event")]
    {
        let refused = it.get(&it.admin, &format!("{PATH}?{query}")).await;
        assert_eq!(refused.refusal(), (400, "INVALID_PARAMETER", pointer));
    }
}

#[actix_web::test]
async fn the_query_of_an_address_is_shown_only_to_those_who_may_see_secrets() {
    let it = Installation::new().await;
    let sent = it.ping().await;
    let reader = it.key_with(&["notifications:read"]).await;
    for path in [PATH.to_owned(), at(&sent)] {
        assert!(it.get(&it.admin, &path).await.body.to_string().contains("canary"), "{path}");
        let shown = it.get(&reader, &path).await.body.to_string();
        assert!(shown.contains("https://hooks.example/a?…") && !shown.contains("canary"), "{shown}");
    }
}

#[actix_web::test]
async fn secrets_are_shown_only_to_those_who_may_see_them_and_that_is_noted() {
    let it = Installation::new().await;
    let reader = it.key_with(&["notifications:*"]).await;
    let shown = it.get(&reader, SECRETS).await;
    let first = json!({"version": 1, "createdAt": NOW, "validUntil": null, "signs": true});
    assert_eq!((shown.status, &shown.body["items"]), (200, &json!([first])));
    let rotated = it.call(&reader, "POST", SECRETS, json!({"overlapSeconds": 10})).await;
    assert_eq!(
        (rotated.status, &rotated.body["version"], &rotated.body["secret"]),
        (201, &json!(2), &Value::Null)
    );
    let audited = async || it.get(&it.admin, "/v1/audit?action=notification.secret.reveal").await.body;
    assert_eq!(audited().await["items"], json!([]));

    it.clock.advance(10);
    let items = it.get(&it.admin, SECRETS).await.body["items"].clone();
    assert_eq!((&items[0]["signs"], &items[0]["validUntil"]), (&json!(false), &json!(NOW + 10)));
    assert!(text(&items[1]["secret"]).starts_with("whsec_") && items[0]["secret"] != items[1]["secret"]);
    assert_eq!(audited().await["items"].as_array().unwrap().len(), 1);
    let third = it.call(&it.admin, "POST", SECRETS, json!({})).await.body;
    let items = it.get(&it.admin, SECRETS).await.body["items"].clone();
    assert_eq!((&items[2]["secret"], &items[1]["validUntil"]), (&third["secret"], &json!(NOW + 10 + 86_400)));
}

#[actix_web::test]
async fn each_route_needs_its_permission_and_an_unbound_key() {
    let it = Installation::new().await;
    let sent = it.ping().await;
    let reads = [("GET", PATH.to_owned()), ("GET", at(&sent)), ("GET", SECRETS.to_owned())];
    let writes = [
        ("POST", format!("{PATH}/test")),
        ("POST", format!("{}/replay", at(&sent))),
        ("POST", SECRETS.to_owned()),
    ];
    let reader = it.key_with(&["notifications:read", "tokens:*"]).await;
    let writer = it.key_with(&["notifications:write", "tokens:*"]).await;
    let (_, bound) = it.key(json!({"permissions": ["*"], "clouds": ["c1"]})).await;
    for (calls, lacking) in [(&reads, &writer), (&writes, &reader)] {
        for (method, path) in calls {
            let body = if path.ends_with("test") { json!({"url": HOOK}) } else { Value::Null };
            let body = if method == &"POST" && path == SECRETS { json!({}) } else { body };
            let refused = it.call(lacking, method, path, body.clone()).await;
            assert_eq!(refused.refusal().1, "PERMISSION_REQUIRED", "{method} {path}");
            let refused = it.call(&bound, method, path, body).await;
            assert_eq!(refused.refusal(), (403, "RIGHTS_EXCEEDED", ""), "{method} {path}");
        }
    }
}

#[actix_web::test]
async fn what_a_token_tells_is_set_patched_member_by_member_and_cleared() {
    let it = Installation::new().await;
    let notify = json!({"urls": ["https://a.example/"], "events": ["revoked", "limitNear"]});
    let token = it.issue(&it.admin, json!({"type": "apiKey", "notify": notify})).await;
    let path = format!("/v1/access-tokens/{}", text(&token["id"]));
    let events = json!(["limitNear", "revoked"]);
    assert_eq!(token["notify"], json!({"urls": ["https://a.example/"], "events": events}));
    let patch = async |notify: Value| it.call(&it.admin, "PATCH", &path, json!({"notify": notify})).await;
    let changed = patch(json!({"urls": ["http://b.example/x?y"]})).await.body;
    assert_eq!(changed["notify"], json!({"urls": ["http://b.example/x?y"], "events": events}));
    for (bad, pointer) in [
        (json!({"urls": []}), "/notify/urls"),
        (json!({"urls": null}), "/notify/urls"),
        (json!({"events": null}), "/notify/events"),
        (json!({"events": ["canary"]}), "/notify/events/0"),
        (json!({"urls": ["https://canary:x@a.example/"]}), "/notify/urls/0"),
        (json!({"urls": ["https://a.example/#canary"]}), "/notify/urls/0"),
        (json!({"urls": ["ftp://canary.example/"]}), "/notify/urls/0"),
        (json!({"urls": [format!("https://a.example/{}", "canary".repeat(400))]}), "/notify/urls/0"),
        (json!({"urls": vec!["https://canary.example/"; 11]}), "/notify/urls"),
        (json!({"canary": 1}), "/notify/canary"),
        (json!("canary"), "/notify"),
    ] {
        let refused = patch(bad.clone()).await;
        assert_eq!((refused.status, refused.refusal().2), (400, pointer), "{bad}");
        assert!(pointer.contains("canary") || !refused.body.to_string().contains("canary"));
    }
    assert_eq!(patch(Value::Null).await.body["notify"], Value::Null);
    let alone = patch(json!({"events": ["revoked"]})).await;
    assert_eq!(alone.refusal().2, "/notify/urls", "where nothing was told before, both are needed");
}

#[actix_web::test]
async fn the_metrics_tell_the_size_and_age_of_the_outbox_and_what_attempts_came_to() {
    let it = Installation::new().await;
    it.ping().await;
    it.deliver(500).await;
    it.ping().await;
    it.clock.advance(7);
    let shown = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let metrics = shown(&it.get(&it.admin, "/metrics").await.bytes);
    for line in [
        "countermark_outbox_notifications 2",
        "countermark_outbox_age_seconds 7",
        "countermark_deliveries_total{outcome=\"failed\"} 1",
        "countermark_deliveries_total{outcome=\"delivered\"} 0",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line} in {metrics}");
    }
    it.deliver(204).await;
    let metrics = shown(&it.get(&it.admin, "/metrics").await.bytes);
    assert!(metrics.contains("countermark_outbox_age_seconds 0\n"));
}

/// Says what it has been given.
struct Telling(mpsc::UnboundedSender<NotificationId>);

#[async_trait]
impl Courier for Telling {
    async fn deliver(&self, parcel: &Parcel) -> Delivery {
        self.0.send(parcel.id).unwrap();
        Delivery::Answered { status: 204, retry_after: None }
    }
}

#[actix_web::test]
async fn a_running_server_delivers_at_once_and_stops_in_good_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.data.directory = folder.path().join("data");
    config.server.listen = "127.0.0.1:0".parse().unwrap();
    config.server.workers = 1;
    let clock = Box::new(FixedClock::at(NOW));
    let running = start(config, clock, Arc::new(SeededRng::new(7))).await.unwrap();
    let admin = running.first_key.as_ref().unwrap().value.expose().to_owned();
    let (service, handle) = (running.service().clone(), running.handle());
    let (given, mut heard) = mpsc::unbounded_channel();
    let run = actix_web::rt::spawn(running.with_courier(Arc::new(Telling(given))).run());
    let caller = service.authenticate(&admin, "notifications:write").await.unwrap();
    for _ in 0..2 {
        let id = service.send_test_notification(&caller, HOOK.to_owned()).await.unwrap().id;
        assert_eq!(heard.recv().await, Some(id));
    }
    handle.stop(true).await;
    run.await.unwrap().unwrap();
}
