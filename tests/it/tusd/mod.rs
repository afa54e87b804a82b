//! tusd's hooks over HTTP, in every order and repeated, with bodies of the shape that tusd sends.

mod demands;
mod order;
mod strangers;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countermark_tests::{Answer, Client, Options, TestServer, request};
use serde_json::{Value, json};

const SECRET: &str = "a-long-and-random-hook-secret";
const HOOKS: &str = "/v1/hooks/tusd";

/// A server whose hooks are open.
struct World {
    server: TestServer,
}

impl World {
    fn start() -> Self {
        Self::with(&[])
    }

    fn with(environment: &[(&str, &str)]) -> Self {
        let mut all = vec![("COUNTERMARK__HOOKS__TUSD_SECRET".to_owned(), SECRET.into())];
        all.extend(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())));
        Self { server: TestServer::with(Options { environment: all, ..Default::default() }) }
    }

    fn hook(&self, body: &Value) -> Answer {
        self.send(body, Some(&basic(SECRET)))
    }

    fn send(&self, body: &Value, authorization: Option<&str>) -> Answer {
        let mut client = Client::new(self.server.address(), "");
        client.exchange("POST", &hook_request(body, authorization)).unwrap()
    }

    fn upload(&self, id: &str) -> Value {
        self.server.admin().call("GET", &format!("/v1/uploads/{id}"), None).json()
    }

    fn used(&self, token: &str) -> u64 {
        self.server.admin().used(token)
    }
}

fn hook_request(body: &Value, authorization: Option<&str>) -> Vec<u8> {
    let mut headers = vec![("content-type", "application/json"), ("user-agent", "Go-http-client/1.1")];
    headers.extend(authorization.map(|value| ("authorization", value)));
    request("POST", HOOKS, &headers, Some(body.to_string().as_bytes()))
}

fn basic(secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("tusd:{secret}")))
}

fn fixture(name: &str) -> Value {
    let path = format!("{}/fixtures/tusd/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The hook that asks whether an upload of five bytes may begin with this value.
fn pre_create(value: &str) -> Value {
    with_header(fixture("pre-create"), "Authorization", &format!("Bearer {value}"))
}

/// The hook of this name about the upload with this id.
fn about(name: &str, id: &str) -> Value {
    changed(fixture(name), "/Event/Upload/ID", json!(id))
}

fn changed(mut body: Value, pointer: &str, value: Value) -> Value {
    *body.pointer_mut(pointer).expect("the fixture has this member") = value;
    body
}

fn with_header(mut body: Value, name: &str, value: &str) -> Value {
    body["Event"]["HTTPRequest"]["Header"][name] = json!([value]);
    body
}

fn with_metadata(body: Value, members: &[(&str, &str)]) -> Value {
    let members: Value = members.iter().map(|(name, value)| (*name, *value)).collect();
    changed(body, "/Event/Upload/MetaData", members)
}

fn deferred(body: Value) -> Value {
    let body = changed(body, "/Event/Upload/Size", json!(0));
    changed(body, "/Event/Upload/SizeIsDeferred", json!(true))
}

/// Upload parameters of a vector as metadata: tags joined by commas, what is absent or empty left out.
fn as_metadata(parameters: &Value) -> Vec<(String, String)> {
    let texts = parameters.as_object().into_iter().flatten().map(|(name, value)| {
        let text = match value {
            Value::Array(tags) => tags.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
            other => other.as_str().unwrap_or_default().to_owned(),
        };
        (name.clone(), text)
    });
    texts.filter(|(_, text)| !text.is_empty()).collect()
}

fn created_id(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let id = answer.json()["ChangeFileInfo"]["ID"].as_str().map(str::to_owned);
    id.unwrap_or_else(|| panic!("nothing was created: {}", answer.text()))
}

/// Status and code that the client gets; the hook itself is always answered 200.
fn refusal(answer: &Answer) -> (u16, String) {
    assert_eq!((answer.status, &answer.json()["RejectUpload"]), (200, &json!(true)), "{}", answer.text());
    let status = answer.json()["HTTPResponse"]["StatusCode"].as_u64().unwrap() as u16;
    (status, reply_to_client(answer)["code"].as_str().unwrap().to_owned())
}

fn reply_to_client(answer: &Answer) -> Value {
    serde_json::from_str(answer.json()["HTTPResponse"]["Body"].as_str().unwrap()).unwrap()
}
