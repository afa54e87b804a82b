//! Shardimage: what its SDK sends, and what must come back.

mod bad_input;
mod batch;
mod packed;
mod recorded;
mod resource;
mod signature;
mod update;

use actix_web::http::header::HeaderValue;
use actix_web::test::TestRequest;
use countermark_core::{Dialect, Permission, shardimage_api_signature};
use countermark_domain::{Draft, Outcome, PurposeDraft};
use countermark_server::config::Config;
use ipnet::IpNet;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::installation::{Answer, Installation, text};

/// The key of the recordings.
const KEY: &str = "1234567890";
/// Its secret.
const KEY_SECRET: &str = "dummySecret";
const TOKENS: &str = "/secure/v1/access-token";
const SECRET: &str = "secretString";

/// An installation with the key of the recordings.
struct Shardimage {
    it: Installation,
}

impl Shardimage {
    async fn new() -> Self {
        Self::configured(&Config::default()).await
    }

    async fn configured(config: &Config) -> Self {
        let here = Self { it: Installation::configured(config).await };
        here.make_key(KEY, KEY_SECRET, &["tokens:read", "tokens:write"], None).await;
        here
    }

    /// A key with these digits and this secret, which no operator can choose; its token id.
    async fn make_key(&self, key: &str, secret: &str, may: &[&str], networks: Option<Vec<IpNet>>) -> String {
        let service = &self.it.state.service;
        let admin = service.authenticate(&self.it.admin, "tokens:write").await.unwrap();
        let purpose = PurposeDraft::ApiKey {
            value: Some(Zeroizing::new(secret.to_owned())),
            permissions: may.iter().map(|it| Permission::parse(it).unwrap()).collect(),
            base_path: None,
            storages: None,
            clouds: None,
            source_networks: networks,
        };
        let draft = Draft {
            name: Some(key.to_owned()),
            description: None,
            owner: None,
            labels: Default::default(),
            enabled: true,
            not_before: None,
            expiry: None,
            limit: None,
            notify: None,
            auto_delete: false,
            recoverable: true,
            dialect: Dialect::Shardimage,
            purpose,
        };
        let Outcome::Done(issued) = service.issue(&admin, draft, None).await.unwrap() else {
            panic!("no idempotency key was given")
        };
        issued.token.terms.id.to_string()
    }

    /// A call signed with the key of the recordings; no body if it is null.
    async fn call(&self, method: &str, uri: &str, body: Value) -> Answer {
        self.it.send(signed(method, uri, KEY, KEY_SECRET, body)).await
    }

    async fn get(&self, id: &str) -> Answer {
        self.call("GET", &at(id), Value::Null).await
    }

    /// A new token as it is answered.
    async fn create(&self, body: Value) -> Value {
        let answer = self.call("POST", TOKENS, body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    /// The id of a new imageUrl token.
    async fn image(&self) -> String {
        text(&self.create(image_token()).await["id"])
    }

    /// A native call of the administrator.
    async fn native(&self, method: &str, path: &str, body: Value) -> Answer {
        self.it.call(&self.it.admin, method, path, body).await
    }

    /// A URL signed natively with this token.
    async fn link(&self, id: &str) -> String {
        let order = json!({"tokenId": id, "url": "https://img.example.com/mycloud/i/pid"});
        let signed = self.native("POST", "/v1/signed-urls", order).await;
        assert_eq!(signed.status, 200, "{}", signed.body);
        text(&signed.body["url"])
    }

    /// The code of the decision on a URL.
    async fn code(&self, url: &str, basic: Option<(&str, &str)>) -> String {
        let mut request = json!({"method": "GET"});
        if let Some((username, password)) = basic {
            request["basic"] = json!({"username": username, "password": password});
        }
        let question = json!({"credential": {"url": url}, "request": request});
        text(&self.native("POST", "/v1/authorize", question).await.body["code"])
    }

    /// The answer to the beginning of an upload.
    async fn begin(&self, value: &str, request: Value) -> Answer {
        self.native("POST", "/v1/uploads", json!({"value": value, "request": request})).await
    }
}

fn at(id: &str) -> String {
    format!("{TOKENS}/{id}")
}

fn image_token() -> Value {
    json!({"id": null, "expiry": 1_900_000_000, "limit": 1000, "extra": {"cloudId": "mycloud", "secret": SECRET},
        "createdAt": null, "type": "imageUrl"})
}

/// A request with this key's signature over its path and query.
fn signed(method: &str, uri: &str, key: &str, secret: &str, body: Value) -> TestRequest {
    let request = TestRequest::with_uri(uri)
        .method(method.parse().unwrap())
        .insert_header(("x-shardimage-auth-key", key))
        .insert_header(("x-shardimage-auth-signature", shardimage_api_signature(uri, key, secret)));
    match body {
        Value::Null => request,
        body => request
            .insert_header(("content-type", "application/json; charset=utf-8"))
            .set_payload(body.to_string()),
    }
}

/// A recorded request, byte for byte: first line, header fields, an empty line, the body.
fn verbatim(raw: &[u8]) -> TestRequest {
    let end = raw.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&raw[..end]).unwrap();
    let (first, fields) = head.split_once("\r\n").unwrap();
    let [method, uri, "HTTP/1.1"] = first.split(' ').collect::<Vec<_>>()[..] else { panic!("{first}") };
    let mut request = TestRequest::with_uri(uri).method(method.parse().unwrap());
    for field in fields.split("\r\n") {
        let (name, value) = field.split_once(':').unwrap();
        request = request.append_header((name, HeaderValue::from_str(value.trim()).unwrap()));
    }
    request.set_payload(raw[end + 4..].to_vec())
}

/// Status and code of a refusal, which must be in the dialect's own shape.
#[track_caller]
fn refusal(answer: &Answer) -> (u16, u64) {
    assert_eq!(answer.header("content-type"), "application/json", "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    refusal_in(answer.status, &answer.body)
}

#[track_caller]
fn refusal_in(status: u16, body: &Value) -> (u16, u64) {
    let error = &body["error"];
    assert_eq!(body.as_object().map(|it| it.len()), Some(2), "{body}");
    assert_eq!((&body["success"], error["type"].is_string()), (&json!(false), true), "{body}");
    assert!(error["message"].is_string() || error["message"].is_object(), "{body}");
    (status, error["code"].as_u64().unwrap())
}

/// The one member that a validation error names.
#[track_caller]
fn named(answer: &Answer) -> String {
    assert_eq!(refusal(answer), (400, 1000), "{}", answer.body);
    let message = answer.body["error"]["message"].as_object().unwrap_or_else(|| panic!("{}", answer.body));
    let (name, said) = message.iter().next().unwrap();
    let (template, parameters) = (said[0].as_str().unwrap(), said[1].as_object().unwrap());
    assert!(parameters.keys().all(|name| template.contains(&format!("{{{name}}}"))), "{said}");
    assert_eq!((message.len(), said.as_array().unwrap().len()), (1, 2));
    name.clone()
}
