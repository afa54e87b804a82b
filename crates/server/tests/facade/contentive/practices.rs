//! The best practices of Contentive's document, by what this service offers for each.

use serde_json::{Value, json};

use super::{USERS, active, create, decide, native_path, path, put, regenerate};
use crate::installation::{Installation, text};

async fn audit(it: &Installation) -> Vec<Value> {
    let log = it.get(&it.admin, "/v1/audit?limit=100").await.body;
    log["items"].as_array().unwrap().clone()
}

async fn actions(it: &Installation) -> Vec<String> {
    audit(it).await.iter().map(|entry| text(&entry["action"])).collect()
}

#[actix_web::test]
async fn s4_22_tokens_are_rotated_by_one_call_that_is_audited() {
    let it = Installation::new().await;
    let user = active(&it, "rotated", "a").await;
    assert_eq!(regenerate(&it, &user).await.status, 200);
    assert_eq!(actions(&it).await[0], "token.regenerate");
}

#[actix_web::test]
async fn s4_23_a_leaked_token_is_ended_at_once_and_no_answer_may_be_stored_on_the_way() {
    let it = Installation::new().await;
    let user = active(&it, "leaked", "a").await;
    for path in [USERS.to_owned(), path(&user)] {
        assert_eq!(it.get(&it.admin, &path).await.header("cache-control"), "no-store");
    }
    let native = it.get(&it.admin, &native_path(&it, &user).await).await.body;
    let preview = text(&native["preview"]);
    assert!(preview.len() <= 6, "what the native API shows of it says nothing: {preview}");
    put(&it, &user, json!({"status": "inactive"})).await;
    assert_eq!(decide(&it, &user["token"], "a").await, "DISABLED");
}

#[actix_web::test]
async fn s4_24_s4_26_no_scope_means_no_access_and_patterns_are_not_taken() {
    let it = Installation::new().await;
    let user = create(&it, json!({"name": "least", "status": "active"})).await;
    assert_eq!(decide(&it, &user["token"], "blog:read").await, "PERMISSION_DENIED");
    let broad = it.call(&it.admin, "PUT", &path(&user), json!({"scopes": ["blog:*"]})).await;
    assert_eq!(broad.status, 400);
}

#[actix_web::test]
async fn s4_25_who_holds_which_scopes_is_listed_and_their_changes_are_audited() {
    let it = Installation::new().await;
    let user = active(&it, "reviewed", "blog:read").await;
    assert_eq!(it.get(&it.admin, USERS).await.body[0]["scopes"], json!(["blog:read"]));
    put(&it, &user, json!({"scopes": ["blog:create"]})).await;
    let entries = audit(&it).await;
    let change = entries.iter().find(|entry| entry["action"] == "token.update").unwrap();
    assert_eq!((&change["members"], &change["actor"]), (&json!(["permissions"]), &json!(it.admin_id)));
}

#[actix_web::test]
async fn s4_27_the_uses_of_every_api_user_are_counted_by_the_hour() {
    let it = Installation::new().await;
    let user = active(&it, "counted", "a").await;
    for _ in 0..3 {
        decide(&it, &user["token"], "a").await;
    }
    it.state.service.flush().await.unwrap();
    let native = native_path(&it, &user).await;
    assert_eq!(it.get(&it.admin, &native).await.body["used"], 3);
    let usage = it.get(&it.admin, &format!("{native}/usage")).await;
    assert_eq!(usage.status, 200, "{}", usage.body);
    assert!(usage.body.to_string().contains(":3"), "{}", usage.body);
}

#[actix_web::test]
async fn s4_28_refusals_are_counted_by_reason_and_the_end_of_a_token_is_told() {
    let it = Installation::new().await;
    let user = active(&it, "watched", "a").await;
    for _ in 0..4 {
        decide(&it, &user["token"], "never:granted").await;
    }
    it.state.service.flush().await.unwrap();
    let stats = it.get(&it.admin, "/v1/stats").await.body.to_string();
    assert!(stats.contains("PERMISSION_DENIED"), "{stats}");
    let native = native_path(&it, &user).await;
    let notify = json!({"notify": {"urls": ["https://hooks.example/"], "events": ["revoked"]}});
    assert_eq!(it.call(&it.admin, "PATCH", &native, notify).await.status, 200);
    it.call(&it.admin, "DELETE", &path(&user), Value::Null).await;
    let told = it.get(&it.admin, "/v1/notifications").await.body;
    assert_eq!(told["items"][0]["type"], "token.revoked", "{told}");
}

#[actix_web::test]
async fn s4_29_who_has_seen_or_changed_which_token_stands_in_the_audit_log() {
    let it = Installation::new().await;
    let user = active(&it, "logged", "a").await;
    it.get(&it.admin, &path(&user)).await;
    it.get(&it.admin, USERS).await;
    put(&it, &user, json!({"description": "d"})).await;
    regenerate(&it, &user).await;
    it.call(&it.admin, "DELETE", &path(&user), Value::Null).await;
    let mut done = actions(&it).await;
    done.reverse();
    let expected = [
        "token.issue",
        "token.reveal",
        "token.reveal_all",
        "token.update",
        "token.reveal",
        "token.regenerate",
        "token.purge",
    ];
    assert_eq!(done[done.len() - expected.len()..], expected, "{done:?}");
    let entries = audit(&it).await;
    assert!(!json!(entries).to_string().contains(user["token"].as_str().unwrap()));
    for entry in entries.iter().take(expected.len()) {
        assert_eq!(entry["actor"], it.admin_id.as_str());
        assert!(entry["requestId"].is_string(), "{entry}");
    }
}

#[actix_web::test]
async fn s4_30_an_administrator_whose_key_ends_gives_nothing_that_lasts_longer() {
    let it = Installation::new().await;
    let expiry = crate::installation::NOW + 3600;
    let (_, key) = it.key(json!({"permissions": ["*"], "expiry": expiry})).await;
    let bounded = it.call(&key, "POST", USERS, json!({"name": "bounded", "status": "active"})).await;
    assert_eq!(bounded.body["expire_at"], "2027-01-15T09:00:00Z");
    let body = json!({"name": "longer", "status": "active", "expire_at": "2028-01-01T00:00:00Z"});
    let longer = it.call(&key, "POST", USERS, body).await;
    assert_eq!(super::error(&longer), (403, "Access denied: expire_at exceeds the rights of the caller"));
}

#[actix_web::test]
async fn s4_31_a_token_about_to_expire_is_told_a_day_before_and_can_be_renewed() {
    let it = Installation::new().await;
    let body =
        json!({"name": "near", "status": "active", "scopes": ["a"], "expire_at": "2027-01-17T08:00:00Z"});
    let user = create(&it, body).await;
    let native = native_path(&it, &user).await;
    let notify = json!({"notify": {"urls": ["https://hooks.example/"], "events": ["expiring"]}});
    assert_eq!(it.call(&it.admin, "PATCH", &native, notify).await.status, 200);
    assert_eq!(it.state.service.tell_expiring().await.unwrap(), 0);
    it.clock.advance(86_400);
    assert_eq!(it.state.service.tell_expiring().await.unwrap(), 1);
    let told = it.get(&it.admin, "/v1/notifications").await.body;
    assert_eq!(told["items"][0]["type"], "token.expiring");
    put(&it, &user, json!({"expire_at": "2028-01-17T08:00:00Z"})).await;
    it.clock.advance(86_400);
    assert_eq!(decide(&it, &user["token"], "a").await, "ALLOWED");
}

#[actix_web::test]
async fn s4_32_expired_api_users_are_found_by_their_status_and_deleted_by_hand_or_swept() {
    let it = Installation::new().await;
    let mut users = Vec::new();
    for name in ["by hand", "by itself", "kept"] {
        let body = json!({"name": name, "status": "active", "expire_at": "2027-01-15T08:00:10Z"});
        users.push(create(&it, body).await);
    }
    let native = native_path(&it, &users[1]).await;
    let answer = it.call(&it.admin, "PATCH", &native, json!({"autoDelete": true})).await;
    assert_eq!(answer.status, 200);
    it.clock.advance(10);
    let found = it.get(&it.admin, "/v1/access-tokens?dialect=contentive&status=expired").await.body;
    assert_eq!(found["items"].as_array().unwrap().len(), 3);
    assert_eq!(it.call(&it.admin, "DELETE", &path(&users[0]), Value::Null).await.status, 204);
    assert_eq!(it.state.service.sweep().await.unwrap(), 1);
    let left = it.get(&it.admin, USERS).await.body;
    assert_eq!(left.as_array().unwrap().iter().map(|user| &user["name"]).collect::<Vec<_>>(), ["kept"]);
}
