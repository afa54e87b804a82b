//! Contentive's API users over the real binary: calls that meet, the gate, and what is kept at rest.

use std::fs;
use std::path::Path;
use std::process::Command;

use countermark_tests::{Answer, Client, Options, TestServer, in_parallel};
use serde_json::{Value, json};

use crate::gate::{DIALECTS, code, send, trusting};

const USERS: &str = "/admin/api";

fn create(client: &mut Client, name: &str, scopes: &[&str]) -> Value {
    let body = json!({"name": name, "status": "active", "scopes": scopes});
    let answer = client.call("POST", USERS, Some(&body));
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

fn path(user: &Value) -> String {
    format!("{USERS}/{}", user["id"].as_str().unwrap())
}

fn regenerate(client: &mut Client, user: &Value) -> Value {
    let path = format!("{USERS}/regenerate-token/{}", user["id"].as_str().unwrap());
    let answer = client.call("POST", &path, None);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn error(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), Some("application/json"), "{}", answer.text());
    answer.json()["error"].as_str().unwrap().to_owned()
}

fn names(client: &mut Client) -> Vec<String> {
    let list = client.call("GET", USERS, None).json();
    list.as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap().to_owned()).collect()
}

/// S4-8: the name is unique, whoever comes at once.
#[test]
fn of_fifty_creations_of_one_name_exactly_one_succeeds() {
    let server = TestServer::start();
    let (address, key) = (server.address(), server.admin_key().to_owned());
    let answers = in_parallel(50, move |_| {
        let body = json!({"name": "one", "status": "active", "scopes": ["a"]});
        Client::new(address, &key).call("POST", USERS, Some(&body))
    });
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 201).collect();
    assert_eq!(refused.len(), 49);
    for answer in refused {
        assert_eq!((answer.status, error(answer).as_str()), (400, "Name already exists"));
    }
    assert_eq!(names(&mut server.admin()), ["one"]);
}

/// S4-8 and S4-15.
#[test]
fn of_fifty_renamings_to_one_name_exactly_one_succeeds() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let paths: Vec<String> =
        (0..50).map(|number| path(&create(&mut admin, &format!("n{number}"), &[]))).collect();
    let (address, key) = (server.address(), server.admin_key().to_owned());
    let answers = in_parallel(50, move |number| {
        Client::new(address, &key).call("PUT", &paths[number], Some(&json!({"name": "wanted"})))
    });
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert_eq!(refused.len(), 49);
    for answer in refused {
        assert_eq!((answer.status, error(answer).as_str()), (400, "Name already exists"));
    }
    assert_eq!(names(&mut admin).iter().filter(|name| *name == "wanted").count(), 1);
}

/// S4-15, S4-16, S4-17 and S4-19.
#[test]
fn changes_that_meet_a_deletion_come_before_it_or_find_nobody() {
    let server = TestServer::start();
    let mut admin = server.admin();
    for round in 0..5 {
        let user = create(&mut admin, &format!("round {round}"), &["a"]);
        let (address, key) = (server.address(), server.admin_key().to_owned());
        let of_user = user.clone();
        let answers = in_parallel(20, move |number| {
            let mut client = Client::new(address, &key);
            let id = of_user["id"].as_str().unwrap();
            match number % 4 {
                0 => client.call("DELETE", &path(&of_user), None),
                1 => client.call("POST", &format!("{USERS}/regenerate-token/{id}"), None),
                2 => client.call("GET", USERS, None),
                _ => client.call("PUT", &path(&of_user), Some(&json!({"description": "d"}))),
            }
        });
        assert_eq!(answers.iter().filter(|answer| answer.status == 204).count(), 1);
        for answer in answers.iter().filter(|answer| !matches!(answer.status, 200 | 204)) {
            assert_eq!((answer.status, error(answer).as_str()), (404, "API user not found"));
        }
        let value = user["token"].as_str().unwrap();
        let question = json!({"credential": {"value": value}, "request": {"permission": "a"}});
        assert_eq!(admin.authorize(&question), "UNKNOWN_TOKEN");
    }
}

/// S4-17.
#[test]
fn of_twenty_regenerations_at_once_one_token_is_left() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let user = create(&mut admin, "renewed", &["a"]);
    let (address, key) = (server.address(), server.admin_key().to_owned());
    let of_user = user.clone();
    let mut values = in_parallel(20, move |_| {
        let renewed = regenerate(&mut Client::new(address, &key), &of_user);
        renewed["token"].as_str().unwrap().to_owned()
    });
    values.push(user["token"].as_str().unwrap().to_owned());
    let mut allowed: Vec<String> = Vec::new();
    for value in &values {
        let question = json!({"credential": {"value": value}, "request": {"permission": "a"}});
        if admin.authorize(&question) == "ALLOWED" {
            allowed.push(value.clone());
        }
    }
    assert_eq!(allowed.len(), 1);
    let shown = admin.call("GET", &path(&user), None).json();
    assert_eq!(shown["token"].as_str().unwrap(), allowed[0]);
}

const RULES: &str = r#"[
    {"path": "/blog", "methods": ["GET", "HEAD"], "permission": "blog:read"},
    {"path": "/blog", "permission": "blog:update"},
    {"path": "/", "permission": "never"}
]"#;

/// S4-11 to S4-14 and S4-17: a proxy before the content asks with the token that its client presents.
#[test]
fn the_gate_holds_tokens_to_scope_status_and_expiry_at_the_very_next_ask() {
    let server = trusting(&[("COUNTERMARK__GATE__RULES", RULES)]);
    let mut admin = server.admin();
    let user = create(&mut admin, "site", &["blog:read"]);
    let all = create(&mut admin, "all", &["*"]);
    let ask = |token: &Value, method: &str, target: &str| {
        let bearer = format!("Bearer {}", token.as_str().unwrap());
        let codes = DIALECTS.map(|dialect| {
            let headers = [("Authorization", bearer.as_str())];
            code(&send(&server, &dialect.ask(method, target, &headers))).to_owned()
        });
        assert!(codes.iter().all(|code| *code == codes[0]), "{codes:?}");
        codes[0].clone()
    };
    assert_eq!(ask(&user["token"], "GET", "/blog/1"), "ALLOWED");
    assert_eq!(ask(&user["token"], "PUT", "/blog/1"), "PERMISSION_DENIED");
    assert_eq!(ask(&user["token"], "GET", "/other"), "PERMISSION_DENIED");
    assert_eq!(ask(&all["token"], "PUT", "/blog/1"), "ALLOWED");
    let mut put = |members: Value| {
        let answer = admin.call("PUT", &path(&user), Some(&members));
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    for _ in 0..5 {
        put(json!({"status": "inactive"}));
        assert_eq!(ask(&user["token"], "GET", "/blog/1"), "DISABLED");
        put(json!({"status": "active", "scopes": ["blog:update"]}));
        assert_eq!(ask(&user["token"], "GET", "/blog/1"), "PERMISSION_DENIED");
        put(json!({"scopes": ["blog:read"], "expire_at": "2024-01-01T00:00:00Z"}));
        assert_eq!(ask(&user["token"], "GET", "/blog/1"), "EXPIRED");
        put(json!({"expire_at": null}));
        assert_eq!(ask(&user["token"], "GET", "/blog/1"), "ALLOWED");
    }
    let renewed = regenerate(&mut server.admin(), &user);
    assert_eq!(ask(&user["token"], "GET", "/blog/1"), "UNKNOWN_TOKEN");
    assert_eq!(ask(&renewed["token"], "GET", "/blog/1"), "ALLOWED");
    let login = log_in(&mut server.admin(), server.admin_key());
    assert_eq!(ask(&json!(login), "GET", "/blog/1"), "UNKNOWN_TOKEN");
}

fn log_in(client: &mut Client, password: &str) -> String {
    let body = json!({"email": "admin@example.com", "password": password});
    let answer = client.call("POST", "/admin/auth/login", Some(&body));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["token"].as_str().unwrap().to_owned()
}

fn assert_absent(folder: &Path, needles: &[String]) {
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        count += 1;
        for needle in needles {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle.as_bytes()));
        }
    }
    assert!(count > 1, "there is a database to search");
}

/// S4-21 and S4-23.
#[test]
fn no_token_lies_open_in_the_database_or_the_log_and_all_are_shown_again_after_a_restart() {
    let mut server = TestServer::with(Options {
        environment: vec![("COUNTERMARK__LOG__LEVEL".to_owned(), "debug".into())],
        ..Options::default()
    });
    let mut admin = server.admin();
    let user = create(&mut admin, "kept", &["a"]);
    let renewed = regenerate(&mut admin, &user);
    let login = log_in(&mut admin, server.admin_key());
    assert_eq!(server.caller(&login).call("GET", USERS, None).status, 200);
    let wrong = json!({"email": "a", "password": "wrong-password-canary"});
    assert_eq!(admin.call("POST", "/admin/auth/login", Some(&wrong)).status, 401);
    // Claims and signature; the header is the same for all.
    let mut needles = vec!["wrong-password-canary".to_owned()];
    for token in [user["token"].as_str().unwrap(), renewed["token"].as_str().unwrap(), &login] {
        needles.extend(token.split('.').skip(1).map(str::to_owned));
    }
    assert_absent(&server.data(), &needles);
    assert_eq!(server.stop().code(), Some(0));
    assert_absent(&server.data(), &needles);
    let log = server.log();
    assert!(needles.iter().all(|needle| !log.contains(needle.as_str())));
    server.restart();
    let shown = server.admin().call("GET", USERS, None).json();
    assert_eq!(shown, json!([renewed]));
    assert_eq!(server.caller(&login).call("GET", USERS, None).json(), shown, "a login outlives a restart");
}

#[test]
fn the_commands_of_the_guide_log_in_and_create_an_api_user() {
    let server = TestServer::start();
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guide/src/dialects/contentive.md");
    let page = fs::read_to_string(page).unwrap();
    let commands =
        crate::documents::blocks(&page, "sh", "<!-- contentive:begin -->", "<!-- contentive:end -->");
    let done = Command::new("sh")
        .args(["-eu", "-c", &commands])
        .env("COUNTERMARK_URL", format!("http://{}", server.address()))
        .env("COUNTERMARK_KEY", server.admin_key())
        .output()
        .unwrap();
    let user: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&user["name"], &user["status"]), (&json!("site"), &json!("active")));
    assert_eq!(names(&mut server.admin()), ["site"]);
}
