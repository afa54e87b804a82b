//! The life of a token over the native API, against a real database.

use crate::installation::{Installation, NOW, request, text};
use serde_json::{Value, json};

const TOKENS: &str = "/v1/access-tokens";

fn at(record: &Value) -> String {
    format!("{TOKENS}/{}", record["id"].as_str().unwrap())
}

#[actix_web::test]
async fn an_issued_image_url_token_shows_its_secret_once_and_signs_with_it() {
    let it = Installation::new().await;
    let secret = "a secret that is long enough for HMAC";
    let body = json!({"type": "imageUrl", "name": "press", "owner": "shop", "labels": {"a": "b"}, "limit": 2,
        "ttl": 60, "extra": {"cloudId": "mycloud", "hosts": ["IMG.example.com."], "secret": secret,
        "authentication": {"alice": "open sesame", "bob": ["msha1", "3B30EFF44CA0646EB0E58E1DA6E8BD62E12AF7E7"]}}});
    let answer = it.call(&it.admin, "POST", TOKENS, body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let id = text(&answer.body["id"]);
    assert_eq!(answer.header("location"), format!("{TOKENS}/{id}"));
    assert_eq!((answer.header("etag"), answer.header("cache-control")), ("\"1\"", "no-store"));
    assert_eq!((&answer.body["extra"]["secret"], &answer.body["keyVersion"]), (&json!(secret), &json!(1)));

    let view = it.get(&it.admin, &format!("{TOKENS}/{id}")).await;
    assert_eq!((view.status, view.header("etag")), (200, "\"1\""));
    assert_eq!(
        view.body,
        json!({"id": id, "type": "imageUrl", "name": "press", "description": null, "owner": "shop",
            "labels": {"a": "b"}, "enabled": true, "status": "active", "notBefore": null, "expiry": NOW + 60,
            "limit": 2, "used": 0, "remaining": 2, "counting": "get", "countWindow": 0,
            "secretVersions": [{"version": 1, "state": "active", "createdAt": NOW, "verifyUntil": null}],
            "legacySignatures": false, "notify": null, "autoDelete": false, "recoverable": false, "preview": null,
            "extra": {"cloudId": "mycloud", "hosts": ["img.example.com"],
                "authentication": {"alice": {"scheme": "argon2id"}, "bob": {"scheme": "msha1"}}},
            "dialect": "native", "revision": 1, "createdAt": NOW, "updatedAt": NOW, "lastUsedAt": null,
            "revokedAt": null, "createdBy": it.admin_id})
    );
    let order = json!({"tokenId": id, "url": "https://img.example.com/mycloud/cat.jpg"});
    assert_eq!(it.call(&it.admin, "POST", "/v1/signed-urls", order).await.status, 200);
}

#[actix_web::test]
async fn an_issued_value_is_shown_once_and_presents_the_token() {
    let it = Installation::new().await;
    let body = json!({"type": "upload", "limit": 1, "extra": {"maxBytes": 10, "mimeTypes": ["Image/*"], "tags": []}});
    let issued = it.issue(&it.admin, body).await;
    let value = text(&issued["value"]);
    assert_eq!(issued["preview"], value[..15]);
    assert_eq!(issued["extra"]["mimeTypes"], json!(["image/*"]));
    assert_eq!((&issued["extra"]["tags"], &issued["extra"]["format"]), (&json!([]), &Value::Null));
    assert_eq!(it.get(&it.admin, &at(&issued)).await.body.get("value"), None);

    let question = json!({"credential": {"value": value},
        "request": {"method": "POST", "bytes": 10, "contentType": "image/png"}});
    let first = it.call(&it.admin, "POST", "/v1/authorize", question.clone()).await;
    assert_eq!(first.body["code"], "ALLOWED");
    let second = it.call(&it.admin, "POST", "/v1/authorize", question).await;
    assert_eq!(second.body["code"], "LIMIT_REACHED");
    let view = it.get(&it.admin, &at(&issued)).await.body;
    assert_eq!(
        (&view["used"], &view["remaining"], &view["status"]),
        (&json!(1), &json!(0), &json!("exhausted"))
    );
}

#[actix_web::test]
async fn an_api_key_shows_its_scope() {
    let it = Installation::new().await;
    let body = json!({"type": "apiKey", "permissions": ["read", "files:*", "read"], "basePath": "/a/", "clouds": ["c1"]});
    let issued = it.issue(&it.admin, body).await;
    assert_eq!(issued["permissions"], json!(["files:*", "read"]));
    assert_eq!((&issued["basePath"], &issued["clouds"]), (&json!("/a"), &json!(["c1"])));
    assert_eq!((issued.get("storages"), issued.get("extra")), (Some(&Value::Null), None));
}

#[actix_web::test]
async fn a_repeated_issue_answers_the_same_bytes_and_makes_one_token() {
    let it = Installation::new().await;
    let body = json!({"type": "upload", "name": "once"});
    let send = async |body: &Value| {
        let request =
            request(&it.admin, "POST", TOKENS, body.clone()).insert_header(("idempotency-key", "k1"));
        it.send(request).await
    };
    let first = send(&body).await;
    it.clock.advance(10);
    let second = send(&body).await;
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(first.bytes, second.bytes);
    assert_eq!(first.header("location"), second.header("location"));
    assert_eq!(
        it.get(&it.admin, "/v1/access-tokens?name=once").await.body["items"].as_array().unwrap().len(),
        1
    );
    let other = send(&json!({"type": "upload", "name": "twice"})).await;
    assert_eq!(other.refusal().1, "IDEMPOTENCY_MISMATCH");
}

#[actix_web::test]
async fn a_patch_changes_what_it_names_and_bumps_the_revision() {
    let it = Installation::new().await;
    let issued = it
        .issue(
            &it.admin,
            json!({"type": "imageUrl", "name": "n", "labels": {"a": "1", "b": "2"}, "limit": 5,
            "extra": {"cloudId": "c", "authentication": {"alice": "x"}}}),
        )
        .await;
    it.clock.advance(5);
    let patch = json!({"name": null, "labels": {"a": null, "c": "3"}, "enabled": false, "counting": "request",
        "extra": {"hosts": ["h.example"], "authentication": {"bob": "y", "alice": null}}});
    let answer = it.call(&it.admin, "PATCH", &at(&issued), patch).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"2\""), "{}", answer.body);
    let record = answer.body;
    assert_eq!((&record["name"], &record["labels"]), (&Value::Null, &json!({"b": "2", "c": "3"})));
    assert_eq!((&record["status"], &record["limit"]), (&json!("disabled"), &json!(5)));
    assert_eq!(
        record["extra"],
        json!({"cloudId": "c", "hosts": ["h.example"], "authentication": {"bob": {"scheme": "argon2id"}}})
    );
    assert_eq!((&record["counting"], &record["updatedAt"]), (&json!("request"), &json!(NOW + 5)));
    assert_eq!(it.get(&it.admin, &at(&issued)).await.body, record);
}

#[actix_web::test]
async fn if_match_holds_a_patch_to_the_revision_that_was_read() {
    let it = Installation::new().await;
    let issued = it.issue(&it.admin, json!({"type": "upload"})).await;
    let send = async |tag: &str| {
        let request = request(&it.admin, "PATCH", &at(&issued), json!({"name": "x"}));
        it.send(request.insert_header(("if-match", tag))).await.status
    };
    assert_eq!((send("\"1\"").await, send("\"1\"").await, send("*").await), (200, 412, 200));
    assert_eq!((send("\"other\"").await, send("\"03\"").await), (412, 412));
    assert_eq!(send("\"3\"").await, 200, "the newest revision, not the first");
    for bad in ["W/\"3\"", "3", "\"3", "\"3\", \"4\"", ""] {
        assert_eq!(send(bad).await, 400, "{bad}");
    }
}

#[actix_web::test]
async fn revoking_ends_uses_at_once_keeps_the_record_and_can_be_repeated() {
    let it = Installation::new().await;
    let issued = it.issue(&it.admin, json!({"type": "upload"})).await;
    let question = json!({"credential": {"value": issued["value"]}, "request": {"method": "POST"}});
    assert_eq!(it.call(&it.admin, "POST", "/v1/authorize", question.clone()).await.body["code"], "ALLOWED");
    for _ in 0..2 {
        let answer = it.call(&it.admin, "DELETE", &at(&issued), Value::Null).await;
        assert_eq!((answer.status, answer.bytes.len()), (204, 0));
    }
    assert_eq!(it.call(&it.admin, "POST", "/v1/authorize", question).await.body["code"], "REVOKED");
    let view = it.get(&it.admin, &at(&issued)).await.body;
    assert_eq!((&view["status"], &view["revokedAt"]), (&json!("revoked"), &json!(NOW)));
    let patched = it.call(&it.admin, "PATCH", &at(&issued), json!({"name": "x"})).await;
    assert_eq!(patched.refusal().1, "REVOKED_TOKEN");
    let purged = it.call(&it.admin, "DELETE", &format!("{}?purge=true", at(&issued)), Value::Null).await;
    assert_eq!(purged.status, 204);
    assert_eq!(it.get(&it.admin, &at(&issued)).await.status, 404);
}

#[actix_web::test]
async fn a_cascade_ends_what_the_key_has_issued_and_nothing_less_does() {
    let it = Installation::new().await;
    let (parent, value) = it.key(json!({"permissions": ["tokens:write"]})).await;
    let child = it.issue(&value, json!({"type": "upload"})).await;
    let status = async || text(&it.get(&it.admin, &at(&child)).await.body["status"]);
    it.call(&it.admin, "DELETE", &format!("{TOKENS}/{parent}"), Value::Null).await;
    assert_eq!(status().await, "active");
    it.call(&it.admin, "DELETE", &format!("{TOKENS}/{parent}?cascade=true"), Value::Null).await;
    assert_eq!(status().await, "revoked");
}

#[actix_web::test]
async fn regenerating_ends_the_former_value_after_the_overlap() {
    let it = Installation::new().await;
    let issued = it.issue(&it.admin, json!({"type": "upload", "limit": 9})).await;
    let path = format!("{}/regenerate", at(&issued));
    let answer = it.call(&it.admin, "POST", &path, json!({"overlapSeconds": 60})).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"2\""), "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    let code = async |value: &Value| {
        let question = json!({"credential": {"value": value}, "request": {"method": "POST"}});
        text(&it.call(&it.admin, "POST", "/v1/authorize", question).await.body["code"])
    };
    assert_eq!(code(&issued["value"]).await, "ALLOWED");
    it.clock.advance(60);
    assert_ne!(code(&issued["value"]).await, "ALLOWED");
    assert_eq!(code(&answer.body["value"]).await, "ALLOWED");
    assert_eq!(it.get(&it.admin, &at(&issued)).await.body["used"], 2);
}

#[actix_web::test]
async fn a_repeated_regeneration_makes_one_secret_version() {
    let it = Installation::new().await;
    let issued = it.issue(&it.admin, json!({"type": "imageUrl"})).await;
    let path = format!("{}/regenerate", at(&issued));
    let send = async |body| {
        let request = request(&it.admin, "POST", &path, body).insert_header(("idempotency-key", "k"));
        it.send(request).await
    };
    let (first, second) = (send(json!({})).await, send(json!({})).await);
    assert_eq!((first.status, first.bytes), (200, second.bytes));
    assert_eq!((&first.body["keyVersion"], &second.body["keyVersion"]), (&json!(2), &json!(2)));
    assert_eq!(first.body["secretVersions"][0]["state"], "retired");
    assert_eq!(send(json!({"overlapSeconds": 1})).await.status, 422);
}

#[actix_web::test]
async fn only_a_recoverable_value_is_shown_again() {
    let it = Installation::new().await;
    let kept = it.issue(&it.admin, json!({"type": "upload", "recoverable": true})).await;
    let answer = it.get(&it.admin, &format!("{}/value", at(&kept))).await;
    assert_eq!(
        (answer.header("cache-control"), &answer.body),
        ("no-store", &json!({"value": kept["value"]}))
    );
    let image = it.issue(&it.admin, json!({"type": "imageUrl", "recoverable": true})).await;
    let shown = it.get(&it.admin, &format!("{}/value", at(&image))).await.body;
    assert_eq!(shown, json!({"secret": image["extra"]["secret"], "keyVersion": 1}));
    let lost = it.issue(&it.admin, json!({"type": "imageUrl"})).await;
    let refused = it.get(&it.admin, &format!("{}/value", at(&lost))).await;
    assert_eq!(refused.refusal(), (409, "NOT_RECOVERABLE", ""));
    let log = it.get(&it.admin, "/v1/audit?action=token.reveal").await.body;
    assert_eq!(log["items"].as_array().unwrap().len(), 2);
}

#[actix_web::test]
async fn a_list_is_read_page_by_page_and_filtered() {
    let it = Installation::new().await;
    for number in 0..5 {
        it.clock.advance(1);
        let labels = if number % 2 == 0 { json!({"even": "yes"}) } else { json!({}) };
        let owner = format!("owner {number}");
        it.issue(&it.admin, json!({"type": "upload", "owner": owner, "labels": labels})).await;
    }
    let names = |body: &Value| -> Vec<String> {
        body["items"].as_array().unwrap().iter().map(|item| text(&item["owner"])).collect()
    };
    let first = it.get(&it.admin, "/v1/access-tokens?type=upload&limit=3").await.body;
    assert_eq!(names(&first), ["owner 4", "owner 3", "owner 2"]);
    let next = format!("/v1/access-tokens?type=upload&limit=3&cursor={}", text(&first["nextCursor"]));
    let second = it.get(&it.admin, &next).await.body;
    assert_eq!(
        (names(&second), &second["nextCursor"]),
        (vec!["owner 1".into(), "owner 0".into()], &Value::Null)
    );

    for (filter, count) in [
        ("owner=owner+3", 1),
        ("label=even", 3),
        ("label=even=yes", 3),
        ("label=even=no", 0),
        ("q=OWNER", 5),
        ("status=active", 6),
        ("status=revoked", 0),
        ("dialect=imgbed", 0),
        ("type=apiKey", 1),
        ("name=administrator", 1),
    ] {
        let body = it.get(&it.admin, &format!("{TOKENS}?{filter}")).await.body;
        assert_eq!(body["items"].as_array().unwrap().len(), count, "{filter}");
    }
}

#[actix_web::test]
async fn head_tells_whether_there_is_a_token_without_a_body() {
    let it = Installation::new().await;
    let issued = it.issue(&it.admin, json!({"type": "upload"})).await;
    for (path, status) in
        [(at(&issued), 200), (format!("{TOKENS}/up_{}", "0".repeat(22)), 404), (format!("{TOKENS}/x"), 404)]
    {
        let answer = it.call(&it.admin, "HEAD", &path, Value::Null).await;
        assert_eq!((answer.status, answer.bytes.len()), (status, 0), "{path}");
    }
}

#[actix_web::test]
async fn figures_hold_every_bucket_and_the_uses_in_theirs() {
    let it = Installation::new().await;
    let issued = it.issue(&it.admin, json!({"type": "upload", "limit": 1})).await;
    let question = json!({"credential": {"value": issued["value"]}, "request": {"method": "POST"}});
    for _ in 0..3 {
        it.call(&it.admin, "POST", "/v1/authorize", question.clone()).await;
    }
    it.state.service.flush().await.unwrap();
    let usage = it.get(&it.admin, &format!("{}/usage", at(&issued))).await.body;
    let items = usage["items"].as_array().unwrap();
    assert_eq!(items.len(), 24);
    assert_eq!(items[22], json!({"from": NOW - 3600, "uses": 0, "refusals": 0}));
    assert_eq!(items[23], json!({"from": NOW, "uses": 1, "refusals": 2}));
    let stats = it.get(&it.admin, &format!("/v1/stats?from={}&to={}&step=7200", NOW - 1, NOW + 1)).await.body;
    let items = stats["items"].as_array().unwrap();
    let last = items.last().unwrap();
    assert_eq!((&last["uses"], &last["refusals"]), (&json!(1), &json!(2)));
    assert_eq!(last["byCode"], json!({"ALLOWED": 1, "LIMIT_REACHED": 2}));
    let alone = json!({
        "live": 1,
        "lease": null,
        "revocation": {"boundMillis": null, "p50Millis": null, "p99Millis": null, "count": 0}
    });
    assert_eq!(stats["nodes"], alone, "on SQLite nobody waits for anybody");
}

#[actix_web::test]
async fn the_audit_log_tells_who_did_what_newest_first() {
    let it = Installation::new().await;
    let issued = it.issue(&it.admin, json!({"type": "upload"})).await;
    it.call(&it.admin, "PATCH", &at(&issued), json!({"limit": 3, "name": "x"})).await;
    it.call(&it.admin, "DELETE", &at(&issued), Value::Null).await;
    let path = format!("/v1/audit?token={}&limit=2", text(&issued["id"]));
    let first = it.get(&it.admin, &path).await.body;
    let actions = |body: &Value| -> Vec<String> {
        body["items"].as_array().unwrap().iter().map(|item| text(&item["action"])).collect()
    };
    assert_eq!(actions(&first), ["token.revoke", "token.update"]);
    let update = &first["items"][1];
    assert_eq!((&update["actor"], &update["members"]), (&json!(it.admin_id), &json!(["name", "limit"])));
    assert!(!text(&update["requestId"]).is_empty());
    let second = it.get(&it.admin, &format!("{path}&cursor={}", text(&first["nextCursor"]))).await.body;
    assert_eq!((actions(&second), &second["nextCursor"]), (vec!["token.issue".into()], &Value::Null));
    let none = it.get(&it.admin, &format!("/v1/audit?actor={}", text(&issued["id"]))).await.body;
    assert_eq!(none["items"], json!([]));
}
