//! Query Server's token API over the real binary: the requests of its command line byte for byte, and what meets what.

use countermark_tests::{Answer, Client, Connection, TestServer, in_parallel};
use serde_json::{Value, json};

const TOKEN: &str = "/_/token";

/// A request as Query's command line (reqwest) sends it: no content type.
fn as_the_cli(server: &TestServer, line: &str, body: Option<&str>) -> Answer {
    let (key, address) = (server.admin_key(), server.address());
    let mut text =
        format!("{line} HTTP/1.1\r\nauthorization: Bearer {key}\r\naccept: */*\r\nhost: {address}\r\n");
    match body {
        Some(body) => text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len())),
        None => text.push_str("\r\n"),
    }
    let mut connection = Connection::open(address).unwrap();
    connection.send(text.as_bytes()).unwrap();
    connection.answer_to(line.split(' ').next().unwrap()).unwrap()
}

fn body_of(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

#[test]
fn the_requests_of_the_command_line_work_as_it_sends_them() {
    let server = TestServer::start();
    let expect = |line: &str, body: Option<&str>, status: u16, expected: &str| {
        let answer = as_the_cli(&server, line, body);
        assert_eq!((answer.status, body_of(&answer).as_str()), (status, expected), "{line}");
        assert_eq!(answer.header("content-type"), None, "{line}");
    };
    let create = r#"{"active":true,"expiration_date":1900000000,"name":"cli1","write":true}"#;
    expect("POST /_/token", Some(create), 201, "");
    expect("POST /_/token", Some(create), 400, "There is already a token with this name");
    let never = r#"{"active":true,"expiration_date":null,"name":"cli2","write":false}"#;
    expect("POST /_/token", Some(never), 201, "");
    let update = r#"{"active":false,"expiration_date":null,"name":"cli1","write":true}"#;
    expect("PUT /_/token", Some(update), 200, "");
    // What its table shows.
    let list: Value = serde_json::from_slice(&as_the_cli(&server, "GET /_/token", None).body).unwrap();
    let [first, second] = &list["data"].as_array().unwrap()[..] else { panic!("{list}") };
    assert_eq!(
        (&first["name"], &first["active"], &first["expiration_date"]),
        (&json!("cli1"), &json!(0), &json!(1_900_000_000))
    );
    assert_eq!((&second["name"], &second["write"]), (&json!("cli2"), &json!(0)));
    assert_eq!(second["expiration_date"], second["updated_at"]);
    let value = format!(r#"{{"data":[{{"token":{}}}]}}"#, first["token"]);
    expect("GET /_/token/value?name=cli1", None, 200, &value);
    expect("DELETE /_/token", Some(r#"{"name":"cli1"}"#), 200, "");
    expect("GET /_/token/value?name=cli1", None, 200, r#"{"data":[]}"#);
    expect("DELETE /_/token", None, 400, "The body is empty");
    let head = as_the_cli(&server, "HEAD /_/token", None);
    assert_eq!((head.status, &head.body[..]), (404, &b""[..]));
}

#[test]
fn of_fifty_tokens_of_one_name_one_is_created() {
    let server = TestServer::start();
    for round in 0..3 {
        let (address, key) = (server.address(), server.admin_key().to_owned());
        let answers = in_parallel(50, move |number| {
            let body = json!({"name": format!("name {round}"), "write": number % 2 == 0});
            let answer = Client::new(address, &key).call("POST", TOKEN, Some(&body));
            (answer.status, body_of(&answer))
        });
        let created = answers.iter().filter(|answer| **answer == (201, String::new())).count();
        let taken = (400, "There is already a token with this name".to_owned());
        assert_eq!(
            (created, answers.iter().filter(|answer| **answer == taken).count()),
            (1, 49),
            "{answers:?}"
        );
        let list = server.admin().call("GET", TOKEN, None).json();
        assert_eq!(list["data"].as_array().unwrap().len(), round + 1);
    }
}

#[test]
fn creations_updates_and_deletions_that_meet_have_one_outcome() {
    let server = TestServer::start();
    let mut admin = server.admin();
    for round in 0..10 {
        let (address, key) = (server.address(), server.admin_key().to_owned());
        let answers = in_parallel(16, move |number| {
            let mut client = Client::new(address, &key);
            let body = json!({"name": "a", "active": number % 2 == 0, "write": true});
            let method = ["POST", "PUT", "DELETE", "GET"][number % 4];
            let answer = client.call(method, TOKEN, (method != "GET").then_some(&body));
            (method, answer.status, body_of(&answer))
        });
        for (method, status, text) in &answers {
            let fits = match *method {
                "POST" => matches!(*status, 201 | 400),
                "PUT" => *status == 200 || text == "Query returned no rows",
                _ => *status == 200,
            };
            assert!(fits, "{round} {method} {status} {text}");
        }
        let rows = admin.call("GET", TOKEN, None).json()["data"].as_array().unwrap().clone();
        assert!(rows.len() <= 1, "{rows:?}");
        // What is left works like any other.
        assert_eq!(admin.call("DELETE", TOKEN, Some(&json!({"name": "a"}))).status, 200);
        assert_eq!(admin.call("GET", TOKEN, None).json(), json!({"data": []}));
    }
}

#[test]
fn no_value_and_no_name_of_a_token_is_in_the_log() {
    let server = TestServer::start();
    let mut admin = server.admin();
    assert_eq!(admin.call("POST", TOKEN, Some(&json!({"name": "canary"}))).status, 201);
    let value = admin.call("GET", "/_/token/value?name=canary", None).json()["data"][0]["token"].clone();
    for (method, path) in [("GET", "/_/token/value?name=canary&name=canary"), ("PUT", "/_/token/canary")] {
        assert!(admin.call(method, path, None).status >= 400);
    }
    let body = json!({"name": "n", "owner": "o", "permissions": ["upload"]});
    let of_imgbed = admin.call("POST", "/api/manage/apiTokens", Some(&body)).json()["token"].clone();
    admin.call("DELETE", "/api/manage/apiTokens?id=canary", None);
    let log = server.log();
    for secret in ["canary", value.as_str().unwrap(), of_imgbed.as_str().unwrap()] {
        assert!(!log.contains(secret));
    }
}
