//! The Shardimage dialect of the real binary: `100 Continue` on a raw socket, keys of the command line, and updates that
//! meet.

use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countermark_tests::{Answer, Connection, TestServer, binary, in_parallel, request};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

const TOKENS: &str = "/secure/v1/access-token";

/// A key as the command line has printed it.
#[derive(Clone)]
struct Key {
    key: String,
    secret: String,
}

/// A server that knows one key.
fn start() -> (TestServer, Key) {
    let mut server = TestServer::start();
    assert!(server.stop().success());
    let made = key_command(&server, &["create", "--name", "test"]);
    server.restart();
    let text = |member: &str| made[member].as_str().unwrap().to_owned();
    (server, Key { key: text("key"), secret: text("secret") })
}

/// What `countermark shardimage-key` prints on the data of a server that is stopped.
fn key_command(server: &TestServer, arguments: &[&str]) -> Value {
    let done = Command::new(binary())
        .arg("shardimage-key")
        .args(arguments)
        .arg("--data")
        .arg(server.data())
        .arg("--json")
        .env_clear()
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

/// The signature over path and query, by the table of the vectors.
fn signature(uri: &str, key: &Key) -> String {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/shardimage.json")).unwrap();
    let table: Vec<Vec<u8>> = vectors["tables"]["api"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| STANDARD.decode(entry.as_str().unwrap()).unwrap())
        .collect();
    let mut entries = key.key.bytes().rev().map(|byte| &table[usize::from(byte) % table.len()]);
    let mut sha1 = Sha1::new();
    for text in [&key.key, uri, &key.secret] {
        sha1.update(entries.next().unwrap());
        sha1.update(text);
    }
    sha1.update(entries.next().unwrap());
    format!("s-{}", sha1.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn signed(method: &str, uri: &str, key: &Key, more: &[(&str, &str)], body: Option<&Value>) -> Vec<u8> {
    let signature = signature(uri, key);
    let own = [
        ("content-type", "application/json; charset=utf-8"),
        ("x-shardimage-auth-key", key.key.as_str()),
        ("x-shardimage-auth-signature", signature.as_str()),
    ];
    let headers: Vec<_> = own.iter().chain(more).copied().collect();
    request(method, uri, &headers, body.map(Value::to_string).as_deref().map(str::as_bytes))
}

fn call(server: &TestServer, method: &str, uri: &str, key: &Key, body: Option<&Value>) -> Answer {
    let mut connection = Connection::open(server.address()).unwrap();
    connection.send(&signed(method, uri, key, &[], body)).unwrap();
    connection.answer_to(method).unwrap()
}

fn image(secret: &str) -> Value {
    json!({"type": "imageUrl", "extra": {"cloudId": "mycloud", "secret": secret}})
}

fn create(server: &TestServer, key: &Key) -> String {
    let made = call(server, "POST", TOKENS, key, Some(&image("secretString")));
    assert_eq!(made.status, 200, "{}", made.text());
    made.json()["id"].as_str().unwrap().to_owned()
}

#[test]
fn whoever_waits_for_100_continue_is_told_so_before_he_sends_the_body() {
    let (server, key) = start();
    let body = image("secretString");
    for (method, uri) in [("POST", TOKENS.to_owned()), ("PUT", format!("{TOKENS}/{}", create(&server, &key)))]
    {
        let whole = signed(method, &uri, &key, &[("expect", "100-continue")], Some(&body));
        let head = whole.len() - body.to_string().len();
        let mut connection = Connection::open(server.address()).unwrap();
        connection.send(&whole[..head]).unwrap();
        assert_eq!(connection.answer_to(method).unwrap().status, 100, "{method}");
        connection.send(&whole[head..]).unwrap();
        assert_eq!(connection.answer_to(method).unwrap().status, 200, "{method}");
    }
}

#[test]
fn fifty_updates_with_different_secrets_leave_one_active_version_of_fifty_one() {
    // S2-12, S2-28
    let (server, key) = start();
    let id = create(&server, &key);
    let (address, by, uri) = (server.address(), key.clone(), format!("{TOKENS}/{id}"));
    let statuses = in_parallel(50, move |number| {
        let mut connection = Connection::open(address).unwrap();
        let sent = image(&format!("secret number {number:02}"));
        connection.send(&signed("PUT", &uri, &by, &[], Some(&sent))).unwrap();
        connection.answer_to("PUT").unwrap().status
    });
    assert_eq!(statuses, vec![200; 50]);
    let record = server.admin().view(&id);
    let versions = record["secretVersions"].as_array().unwrap();
    let active: Vec<_> = versions.iter().filter(|it| it["state"] == "active").collect();
    assert_eq!(active.len(), 1, "{record}");
    assert_eq!(active[0]["version"], 51, "each is a version of its own, and the newest holds");
    assert_eq!(record["revision"], 51);
    let link = server.admin().sign(&id, "https://img.example.com/mycloud/i/pid");
    assert_eq!(server.admin().authorize(&json!({"credential": {"url": link}})), "ALLOWED");
}

#[test]
fn an_update_that_meets_a_revocation_revives_nothing() {
    // S2-28, S2-29
    let (server, key) = start();
    for round in 0..5 {
        let id = create(&server, &key);
        let (address, by, uri) = (server.address(), key.clone(), format!("{TOKENS}/{id}"));
        let statuses = in_parallel(20, move |number| {
            let sent = image(&format!("secret number {number:02}"));
            let (method, body) = if number == 7 { ("DELETE", None) } else { ("PUT", Some(&sent)) };
            let mut connection = Connection::open(address).unwrap();
            connection.send(&signed(method, &uri, &by, &[], body)).unwrap();
            (method, connection.answer_to(method).unwrap().status)
        });
        for status in &statuses {
            assert!(matches!(status, ("DELETE", 204) | ("PUT", 200 | 404)), "round {round}: {statuses:?}");
        }
        assert_eq!(server.admin().view(&id)["status"], "revoked");
        assert_eq!(call(&server, "HEAD", &format!("{TOKENS}/{id}"), &key, None).status, 404);
    }
}

#[test]
fn a_key_that_the_operator_ends_stops() {
    let (mut server, key) = start();
    let uri = format!("{TOKENS}/iu_0000000000000000000000");
    assert_eq!(call(&server, "GET", &uri, &key, None).status, 404);
    assert!(server.stop().success());
    key_command(&server, &["revoke", &key.key]);
    let listed = key_command(&server, &["list"]);
    assert_eq!((&listed["keys"][0]["key"], &listed["keys"][0]["revoked"]), (&json!(key.key), &json!(true)));
    assert!(!listed.to_string().contains(&key.secret));
    server.restart();
    assert_eq!(call(&server, "GET", &uri, &key, None).status, 401);
    assert!(!server.log().contains(&key.secret));
}
