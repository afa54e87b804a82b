//! Logging in with an administrator key.

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::{KEYS, configured, get_with, refused, usable};
use crate::installation::{Answer, Installation, text};

async fn log_in(it: &Installation, body: Value) -> Answer {
    it.send(TestRequest::post().uri("/api/admin/login").set_payload(body.to_string())).await
}

async fn token(it: &Installation) -> String {
    let answer = log_in(it, json!({"username": "admin", "password": it.admin})).await;
    text(&answer.body["data"]["token"])
}

#[actix_web::test]
async fn an_administrator_key_is_the_password() {
    let it = Installation::new().await;
    let answer = log_in(&it, json!({"username": "admin", "password": it.admin})).await;
    assert_eq!((answer.status, &answer.body["code"]), (200, &json!("OK")));
    let data = answer.body["data"].as_object().unwrap();
    assert_eq!(data.keys().collect::<Vec<_>>(), ["expiresAt", "token", "username"]);
    assert_eq!(
        (&data["username"], &data["expiresAt"]),
        (&json!("admin"), &json!("2027-01-16T08:00:00.000Z"))
    );
    let token = text(&data["token"]);
    assert_eq!(it.get(&token, KEYS).await.status, 200);
    let test = it.get(&token, "/api/test/admin-token").await;
    assert_eq!(test.body, json!({"success": true, "code": "OK", "message": "the login holds"}));
    assert_eq!(it.get(&token, "/v1/access-tokens").await.status, 401, "in this dialect only");
    assert_eq!(it.get(&it.admin, "/api/test/admin-token").await.status, 200);
}

#[actix_web::test]
async fn a_wrong_name_and_a_wrong_password_are_refused_alike() {
    let it = Installation::new().await;
    let (_, cloudpaste) = usable(&it, json!({"name": "k", "permissions": 204_559})).await;
    let (_, native) = it.key(json!({"permissions": ["tokens:*"]})).await;
    let mut messages = Vec::new();
    for (name, password) in [
        ("admin", "admin123"),
        ("admin", ""),
        ("admin", &cloudpaste),
        ("admin", &native),
        ("root", &it.admin),
        ("Admin", &it.admin),
    ] {
        let answer = log_in(&it, json!({"username": name, "password": password})).await;
        messages.push(refused(&answer, 401, "UNAUTHORIZED"));
    }
    messages.dedup();
    assert_eq!(messages.len(), 1);
}

#[actix_web::test]
async fn the_operator_can_choose_the_name() {
    let mut it = Installation::new().await;
    configured(&mut it, |config| config.facades.admin_name = "root".to_owned());
    assert_eq!(log_in(&it, json!({"username": "root", "password": it.admin})).await.status, 200);
    assert_eq!(log_in(&it, json!({"username": "admin", "password": it.admin})).await.status, 401);
}

#[actix_web::test]
async fn a_login_ends_by_itself_and_with_its_key() {
    let it = Installation::new().await;
    let first = token(&it).await;
    it.clock.advance(86_400);
    refused(&it.get(&first, KEYS).await, 401, "UNAUTHORIZED");

    let (id, key) = it.key(json!({"permissions": ["*"]})).await;
    let answer = log_in(&it, json!({"username": "admin", "password": key})).await;
    let second = text(&answer.body["data"]["token"]);
    assert_eq!(it.get(&second, KEYS).await.status, 200);
    it.call(&it.admin, "DELETE", &format!("/v1/access-tokens/{id}"), Value::Null).await;
    refused(&it.get(&second, KEYS).await, 401, "UNAUTHORIZED");
    assert_eq!(it.get(&token(&it).await, KEYS).await.status, 200, "others go on");
}

#[actix_web::test]
async fn a_forged_login_is_refused() {
    let it = Installation::new().await;
    let mut forged = token(&it).await;
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'B' } else { 'A' });
    refused(&it.get(&forged, KEYS).await, 401, "UNAUTHORIZED");
    let good = token(&it).await;
    for scheme in ["ApiKey", "Basic"] {
        let answer = get_with(&it, KEYS, &[("authorization", &format!("{scheme} {good}"))]).await;
        refused(&answer, 401, "UNAUTHORIZED");
    }
}

#[actix_web::test]
async fn guessed_passwords_are_braked_by_address() {
    let it = Installation::new().await;
    let mut statuses = Vec::new();
    for number in 0..40 {
        let body = json!({"username": "admin", "password": format!("guess{number}")});
        let request = TestRequest::post().uri("/api/admin/login").peer_addr("192.0.2.7:1".parse().unwrap());
        statuses.push(it.send(request.set_payload(body.to_string())).await.status);
    }
    assert!(statuses.starts_with(&[401]) && statuses.contains(&429), "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 401 | 429)), "{statuses:?}");
}

#[actix_web::test]
async fn logging_out_is_answered_and_does_not_pretend() {
    let it = Installation::new().await;
    let answer = it.send(TestRequest::post().uri("/api/admin/logout")).await;
    assert_eq!(answer.status, 200);
    assert!(text(&answer.body["message"]).contains("holds until its end"));
}

/// Natively a key can be given any permission: that makes it no administrator of the dialect in which it was issued.
#[actix_web::test]
async fn a_key_that_was_given_every_permission_natively_manages_nothing_here() {
    let it = Installation::new().await;
    let (_, value) = usable(&it, json!({"role": "GUEST", "permissions": 256})).await;
    let found = it.get(&it.admin, "/v1/access-tokens?dialect=cloudpaste").await;
    let path = format!("/v1/access-tokens/{}", found.body["items"][0]["id"].as_str().unwrap());
    assert_eq!(it.call(&it.admin, "PATCH", &path, json!({"permissions": ["*"]})).await.status, 200);
    assert_eq!(it.get(&value, KEYS).await.status, 403);
    assert_eq!(it.call(&value, "POST", KEYS, json!({"name": "mine"})).await.status, 403);
    let login = json!({"username": "admin", "password": value});
    assert_ne!(it.call("", "POST", "/api/admin/login", login).await.status, 200);
}
