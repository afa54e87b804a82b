//! The login: what it takes, and everything that ends it.

use actix_web::test::TestRequest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countermark_core::Dialect;
use serde_json::{Value, json};

use super::{USERS, active, error, part};
use crate::installation::{Answer, Installation, text};

const LOGIN: &str = "/admin/auth/login";

pub async fn log_in(it: &Installation, password: &str) -> Answer {
    let body = json!({"email": "admin@example.com", "password": password}).to_string();
    it.send(TestRequest::post().uri(LOGIN).set_payload(body)).await
}

pub async fn login_token(it: &Installation, password: &str) -> String {
    let answer = log_in(it, password).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    text(&answer.body["token"])
}

const INVALID: (u16, &str) = (401, "Invalid token");

#[actix_web::test]
async fn s4_2_s4_3_an_administrator_logs_in_with_his_key_and_manages_with_the_token() {
    let it = Installation::new().await;
    let answer = log_in(&it, &it.admin).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
    let user = &answer.body["user"];
    let expected =
        json!({"id": user["id"], "name": "admin", "email": "admin@example.com", "role": "super_admin"});
    assert_eq!(*user, expected);
    assert_eq!(text(&user["id"]).len(), 36);
    let token = text(&answer.body["token"]);
    assert_eq!(part(&answer.body["token"], 0), json!({"alg": "HS256", "typ": "login+jwt"}));
    let created = it.call(&token, "POST", USERS, json!({"name": "by login", "status": "active"})).await;
    assert_eq!(created.status, 201, "{}", created.body);
    assert_eq!(it.get(&token, USERS).await.body, it.get(&it.admin, USERS).await.body);
    // The documented header of every call, also where there is no body.
    let listed = it
        .send(
            TestRequest::get()
                .uri(USERS)
                .insert_header(("content-type", "application/json"))
                .insert_header(("authorization", format!("Bearer {token}"))),
        )
        .await;
    assert_eq!(listed.status, 200);
}

#[actix_web::test]
async fn a_wrong_password_or_one_of_no_administrator_is_invalid_credentials() {
    let it = Installation::new().await;
    let api_token = text(&active(&it, "all", "*").await["token"]);
    let (_, reader) = it.key(json!({"permissions": ["tokens:write", "tokens:read"]})).await;
    let mut wrong = it.admin.clone();
    wrong.replace_range(10..11, if &wrong[10..11] == "a" { "b" } else { "a" });
    let login = login_token(&it, &it.admin).await;
    for password in ["x", "admin", &wrong, &api_token, &reader, &login] {
        let answer = log_in(&it, password).await;
        assert_eq!(error(&answer), (401, "Invalid credentials"));
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
}

#[actix_web::test]
async fn failed_logins_are_braked_by_address_and_the_right_password_is_not() {
    let it = Installation::new().await;
    let from = |password: &str| {
        let body = json!({"email": "a", "password": password}).to_string();
        TestRequest::post().uri(LOGIN).peer_addr("192.0.2.1:5".parse().unwrap()).set_payload(body)
    };
    let mut statuses = Vec::new();
    for _ in 0..200 {
        let answer = it.send(from("wrong")).await;
        statuses.push(answer.status);
        if answer.status == 429 {
            assert!(error(&answer).0 == 429 && !answer.header("retry-after").is_empty());
            break;
        }
    }
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    let guess = TestRequest::get().uri(USERS).peer_addr("192.0.2.1:6".parse().unwrap());
    let guess = it.send(guess.insert_header(("authorization", "Bearer x.y.z"))).await;
    assert_eq!(error(&guess).0, 429, "guessed tokens spend the same allowance");
    assert_eq!(it.send(from(&it.admin)).await.status, 200);
}

#[actix_web::test]
async fn a_login_ends_with_its_time() {
    let it = Installation::new().await;
    let token = login_token(&it, &it.admin).await;
    it.clock.advance(86_399);
    assert_eq!(it.get(&token, USERS).await.status, 200);
    it.clock.advance(1);
    assert_eq!(error(&it.get(&token, USERS).await), INVALID);
}

#[actix_web::test]
async fn a_login_ends_at_once_when_its_key_is_regenerated_disabled_or_revoked() {
    let it = Installation::new().await;
    let changes = [
        ("regenerate", "POST", "/regenerate", json!({})),
        ("disable", "PATCH", "", json!({"enabled": false})),
        ("narrow", "PATCH", "", json!({"permissions": ["tokens:read"]})),
        ("revoke", "DELETE", "", Value::Null),
        ("purge", "DELETE", "?purge=true", Value::Null),
    ];
    for (what, method, below, body) in changes {
        let (id, key) = it.key(json!({"permissions": ["*"]})).await;
        let token = login_token(&it, &key).await;
        assert_eq!(it.get(&token, USERS).await.status, 200, "{what}");
        let path = format!("/v1/access-tokens/{id}{below}");
        let answer = it.call(&it.admin, method, &path, body).await;
        assert!(answer.status < 300, "{what}: {}", answer.body);
        let expected = if what == "narrow" { (403, "Access denied") } else { INVALID };
        assert_eq!(error(&it.get(&token, USERS).await), expected, "{what}");
        assert_eq!(log_in(&it, &key).await.status, 401, "{what}");
    }
}

#[actix_web::test]
async fn a_login_of_another_dialect_or_another_form_opens_nothing_here() {
    let it = Installation::new().await;
    let service = &it.state.service;
    for dialect in Dialect::ALL.into_iter().filter(|it| *it != Dialect::Contentive) {
        let login = service.log_in(dialect, &it.admin, 60, None, None).await.unwrap();
        assert_eq!(error(&it.get(&login.token, USERS).await), INVALID, "{dialect:?}");
    }
    let ours = login_token(&it, &it.admin).await;
    for dialect in Dialect::ALL.into_iter().filter(|it| *it != Dialect::Contentive) {
        assert!(service.authenticate_login(dialect, &ours, None).await.is_err(), "{dialect:?}");
    }
    let claims = ours.split('.').nth(1).unwrap();
    let mac = ours.split('.').nth(2).unwrap();
    let header = |json: &str| URL_SAFE_NO_PAD.encode(json);
    for forged in [
        format!("{}.{claims}.", header(r#"{"alg":"none"}"#)),
        format!("{}.{claims}.", header(r#"{"alg":"none","typ":"login+jwt"}"#)),
        format!("{}.{claims}.{mac}", header(r#"{"alg":"none","typ":"login+jwt"}"#)),
        format!("{}.{claims}.{mac}", header(r#"{"alg":"HS256","typ":"JWT"}"#)),
        format!("{}.{claims}.{mac}", header(r#"{"alg":"HS512","typ":"login+jwt"}"#)),
        ours[..ours.len() - 2].to_owned(),
        format!("{ours}."),
    ] {
        assert_eq!(error(&it.get(&forged, USERS).await), INVALID, "{forged}");
    }
}

#[actix_web::test]
async fn a_login_is_noted_in_the_audit_log_by_its_key() {
    let it = Installation::new().await;
    login_token(&it, &it.admin).await;
    let entry = it.get(&it.admin, "/v1/audit?limit=1").await.body["items"][0].clone();
    assert_eq!((&entry["action"], &entry["actor"]), (&json!("login"), &json!(it.admin_id)));
    assert!(entry["requestId"].is_string());
}
