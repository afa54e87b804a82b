//! Contentive's API users: every requirement of its document, and what its clients meet beyond it.

mod bad_input;
mod browsers;
mod documents;
mod enforcement;
mod log_in;
mod practices;
mod strangers;
mod users;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::installation::{Answer, Installation, text};

pub const USERS: &str = "/admin/api";

/// The administrator creates an API user, which must succeed.
pub async fn create(it: &Installation, body: Value) -> Value {
    let answer = it.call(&it.admin, "POST", USERS, body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body
}

/// An active API user with this name and scope.
pub async fn active(it: &Installation, name: &str, scope: &str) -> Value {
    create(it, json!({"name": name, "status": "active", "scopes": [scope]})).await
}

/// The administrator changes an API user, which must succeed.
pub async fn put(it: &Installation, user: &Value, body: Value) -> Value {
    let answer = it.call(&it.admin, "PUT", &path(user), body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

pub async fn regenerate(it: &Installation, user: &Value) -> Answer {
    let path = format!("{USERS}/regenerate-token/{}", text(&user["id"]));
    it.call(&it.admin, "POST", &path, Value::Null).await
}

pub fn path(user: &Value) -> String {
    format!("{USERS}/{}", text(&user["id"]))
}

/// The native path of the same token.
pub async fn native_path(it: &Installation, user: &Value) -> String {
    let list = it.get(&it.admin, "/v1/access-tokens?dialect=contentive&limit=100").await.body;
    let is_his = |record: &&Value| record["name"] == user["name"];
    let record = list["items"].as_array().unwrap().iter().find(is_his).unwrap().clone();
    format!("/v1/access-tokens/{}", text(&record["id"]))
}

/// Status and text of an error, which must have the dialect's one shape.
pub fn error(answer: &Answer) -> (u16, &str) {
    assert_eq!(answer.header("content-type"), "application/json", "{:?}", answer.bytes);
    assert_eq!(answer.header("cache-control"), "no-store");
    let members = answer.body.as_object().unwrap();
    assert_eq!(members.keys().collect::<Vec<_>>(), ["error"]);
    (answer.status, members["error"].as_str().unwrap())
}

/// The code of the decision whether this value may be used for this permission.
pub async fn decide(it: &Installation, value: &Value, permission: &str) -> String {
    let question =
        json!({"credential": {"value": value}, "request": {"method": "GET", "permission": permission}});
    let answer = it.call(&it.admin, "POST", "/v1/authorize", question).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    text(&answer.body["code"])
}

/// A part of a JWT, read.
pub fn part(jwt: &Value, index: usize) -> Value {
    let part = jwt.as_str().unwrap().split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
