//! CloudPaste's dialect. Numbers such as S3-28 are those of the requirements in its documents.

mod bad_input;
mod braked;
mod front_end;
mod guest;
mod holders;
mod keys;
mod logins;
mod storages;

use std::sync::Arc;

use actix_web::test::TestRequest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countermark_server::config::Config;
use countermark_server::state::AppState;
use serde_json::{Value, json};

use crate::installation::{Answer, Installation, text};

pub const KEYS: &str = "/api/admin/api-keys";

/// Makes a key, which must succeed; its data.
pub async fn made(it: &Installation, body: Value) -> Value {
    let answer = it.call(&it.admin, "POST", KEYS, body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.body["code"], "CREATED");
    answer.body["data"].clone()
}

/// Makes a key that is switched on; its id and value.
pub async fn usable(it: &Installation, mut body: Value) -> (String, String) {
    body["is_enable"] = json!(1);
    let data = made(it, body).await;
    (text(&data["id"]), text(&data["key"]))
}

pub async fn put(it: &Installation, id: &str, body: Value) -> Answer {
    it.call(&it.admin, "PUT", &format!("{KEYS}/{id}"), body).await
}

pub async fn delete(it: &Installation, id: &str) -> Answer {
    it.call(&it.admin, "DELETE", &format!("{KEYS}/{id}"), Value::Null).await
}

/// The rows of the list.
pub async fn rows(it: &Installation) -> Vec<Value> {
    let answer = it.get(&it.admin, KEYS).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["data"].as_array().unwrap().clone()
}

/// The row of a key that must be in the list.
pub async fn row(it: &Installation, id: &str) -> Value {
    rows(it).await.into_iter().find(|row| row["id"] == id).unwrap()
}

/// GET with these headers.
pub async fn get_with(it: &Installation, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = TestRequest::with_uri(path);
    for (name, value) in headers {
        request = request.append_header((*name, *value));
    }
    it.send(request).await
}

/// What the holder of a key is told.
pub async fn own(it: &Installation, key: &str) -> Answer {
    get_with(it, "/api/test/api-key", &[("authorization", &format!("ApiKey {key}"))]).await
}

pub fn basic(key: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{key}:{key}")))
}

/// The decision on one use of a key, as `/v1/authorize` tells it.
pub async fn decision(it: &Installation, key: &str, request: Value) -> String {
    let question = json!({"credential": {"value": key}, "request": request});
    text(&it.call(&it.admin, "POST", "/v1/authorize", question).await.body["code"])
}

/// Demands an error in the dialect's shape; what stands there in words.
pub fn refused(answer: &Answer, status: u16, code: &str) -> String {
    assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{}", answer.body);
    assert_eq!(answer.body["success"], false);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    let members: Vec<&String> = answer.body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["code", "message", "requestId", "success"]);
    assert!(answer.bytes.starts_with(br#"{"success":false,"code":""#), "{:?}", answer.bytes);
    assert_eq!(answer.body["requestId"], answer.header("x-request-id"));
    text(&answer.body["message"])
}

/// The same service under another configuration.
pub fn configured(it: &mut Installation, change: impl FnOnce(&mut Config)) {
    let mut config = Config::default();
    change(&mut config);
    it.state = AppState::new(Arc::clone(&it.state.service), &config);
}
