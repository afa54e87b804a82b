//! Who may not: everything that is no administrator's, and what a scope of `*` does not open.

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::log_in::login_token;
use super::{USERS, active, decide, error, path};
use crate::installation::{Installation, request, text};

/// Every call of the room but the login.
fn calls(user: &Value) -> Vec<(&'static str, String)> {
    vec![
        ("GET", USERS.to_owned()),
        ("POST", USERS.to_owned()),
        ("GET", path(user)),
        ("PUT", path(user)),
        ("DELETE", path(user)),
        ("POST", format!("{USERS}/regenerate-token/{}", text(&user["id"]))),
    ]
}

#[actix_web::test]
async fn s4_2_every_call_needs_an_administrator() {
    let it = Installation::new().await;
    let user = active(&it, "watched", "*").await;
    for (method, path) in calls(&user) {
        let without = it.send(TestRequest::with_uri(&path).method(method.parse().unwrap())).await;
        assert_eq!(error(&without), (401, "Missing Authorization header"), "{method} {path}");
        for bad in ["Basic YTpi", "Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Token x", "Bearer a b"] {
            let request = TestRequest::with_uri(&path).method(method.parse().unwrap());
            let answer = it.send(request.insert_header(("authorization", bad))).await;
            assert_eq!(error(&answer), (401, "Invalid token"), "{method} {path} {bad}");
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{method} {path}");
        }
        let request = request(&it.admin, method, &path, Value::Null);
        let twice = it.send(request.append_header(("authorization", format!("Bearer {}", it.admin)))).await;
        assert_eq!(error(&twice).0, 400, "{method} {path}");
    }
    assert_eq!(it.get(&it.admin, USERS).await.body, json!([user]), "nothing has changed");
}

#[actix_web::test]
async fn s4_20_keys_and_api_tokens_that_are_no_administrators_are_denied() {
    let it = Installation::new().await;
    let user = active(&it, "all scopes", "*").await;
    let (_, manager) = it.key(json!({"permissions": ["tokens:*", "read"]})).await;
    for (method, path) in calls(&user) {
        for key in [&text(&user["token"]), &manager] {
            let body = json!({"name": "mine", "status": "active", "scopes": ["*"]});
            let answer = it.call(key, method, &path, body).await;
            assert_eq!(error(&answer), (403, "Access denied"), "{method} {path}");
        }
    }
    assert_eq!(it.get(&it.admin, USERS).await.body, json!([user]), "nothing has changed");
    let inactive = super::put(&it, &user, json!({"status": "inactive"})).await;
    let answer = it.get(&text(&inactive["token"]), USERS).await;
    assert_eq!(error(&answer), (401, "Invalid token"), "nor is said that such a token exists");
}

#[actix_web::test]
async fn s4_20_neither_an_api_token_nor_a_login_opens_the_native_api_or_another_room() {
    let it = Installation::new().await;
    let api_token = text(&active(&it, "all scopes", "*").await["token"]);
    let login = login_token(&it, &it.admin).await;
    for value in [&api_token, &login] {
        for (method, path, body) in [
            ("GET", "/v1/access-tokens", Value::Null),
            ("POST", "/v1/access-tokens", json!({"type": "apiKey", "permissions": ["*"]})),
            ("POST", "/v1/authorize", json!({"credential": {"value": "x"}})),
            ("GET", "/v1/audit", Value::Null),
            ("GET", "/v1/stats", Value::Null),
            (
                "POST",
                "/v1/signed-urls",
                json!({"tokenId": "iu_0000000000000000000000", "url": "https://a/b"}),
            ),
            ("GET", "/v1/notification-secrets", Value::Null),
        ] {
            assert_eq!(it.call(value, method, path, body).await.status, 401, "{method} {path}");
        }
        for path in ["/api/manage/apiTokens", "/_/token", "/secure/v1/access-token/x", "/api/admin/api-keys"]
        {
            let status = it.get(value, path).await.status;
            assert!((400..500).contains(&status), "{path}: {status}");
        }
    }
    assert_eq!(decide(&it, &json!(login), "anything").await, "UNKNOWN_TOKEN", "a login is no token of a use");
}

#[actix_web::test]
async fn the_tokens_of_other_dialects_are_neither_listed_nor_found_here() {
    let it = Installation::new().await;
    let native = it.issue(&it.admin, json!({"type": "apiKey", "recoverable": true})).await;
    let id: countermark_core::TokenId = text(&native["id"]).parse().unwrap();
    let hex: String = id.uuid().iter().map(|byte| format!("{byte:02x}")).collect();
    let uuid = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
    assert_eq!(it.get(&it.admin, USERS).await.body, json!([]));
    for (method, path) in calls(&json!({"id": uuid})).into_iter().skip(2) {
        let body = if method == "PUT" { json!({"name": "x"}) } else { Value::Null };
        let answer = it.call(&it.admin, method, &path, body).await;
        assert_eq!(error(&answer), (404, "API user not found"), "{method} {path}");
    }
}
