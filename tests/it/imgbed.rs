//! ImgBed's token API over the real binary: the documented commands run by curl, and what meets what.

use std::process::{Command, Stdio};

use countermark_tests::{Client, Options, TestServer, in_parallel};
use serde_json::{Value, json};

use crate::gate::{DIALECTS, code, send, trusting};

const TOKENS: &str = "/api/manage/apiTokens";

/// The document's commands as they stand there.
const CREATE: &str = r#"curl -X POST "https://your.domain/api/manage/apiTokens" \
-H "Content-Type: application/json" \
-H "Authorization: Bearer YOUR_API_TOKEN" \
-d '{
  "name": "Upload Only",
  "permissions": ["upload"],
  "owner": "admin",
  "expiresAt": "2024-07-01T00:00:00.000Z",
  "autoDelete": true
}'"#;
const UPDATE: &str = r#"curl -X PUT "https://your.domain/api/manage/apiTokens" \
-H "Content-Type: application/json" \
-H "Authorization: Bearer YOUR_API_TOKEN" \
-d '{
  "tokenId": "m1abc2def3",
  "permissions": ["upload", "delete"],
  "expiresAt": "2025-01-01T00:00:00.000Z",
  "autoDelete": false
}'"#;
const DELETE: &str = r#"curl -X DELETE "https://your.domain/api/manage/apiTokens?id=m1abc2def3" \
-H "Authorization: Bearer YOUR_API_TOKEN""#;

/// Has a shell run a documented command; only host, key and id are others.
fn run(server: &TestServer, command: &str, key: &str, id: &str) -> Value {
    let command = command
        .replace("https://your.domain", &format!("http://{}", server.address()))
        .replace("YOUR_API_TOKEN", key)
        .replace("m1abc2def3", id);
    let run = Command::new("sh").args(["-c", &command]).stdin(Stdio::null()).output().unwrap();
    serde_json::from_slice(&run.stdout).unwrap_or_else(|_| {
        panic!("curl is needed and gets JSON; {:?}", String::from_utf8_lossy(&run.stderr))
    })
}

fn create(admin: &mut Client, permissions: &[&str]) -> Value {
    let body = json!({"name": "n", "owner": "o", "permissions": permissions});
    let answer = admin.call("POST", TOKENS, Some(&body));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// S0-11, S0-17, S0-21, S0-27.
#[test]
fn every_documented_command_works_as_it_stands() {
    let server = TestServer::start();
    let manager = create(&mut server.admin(), &["upload", "delete", "manage"]);
    let key = manager["token"].as_str().unwrap();
    let created = run(&server, CREATE, key, "");
    let id = created["id"].as_str().unwrap();
    assert_eq!((&created["name"], &created["autoDelete"]), (&json!("Upload Only"), &json!(true)));
    let updated = run(&server, UPDATE, key, id);
    assert_eq!(
        updated,
        json!({"success": true, "message": "Token permissions updated", "token": {
            "id": id, "name": "Upload Only", "permissions": ["upload", "delete"],
            "expiresAt": "2025-01-01T00:00:00.000Z", "autoDelete": false
        }})
    );
    let deleted = run(&server, DELETE, key, id);
    assert_eq!(deleted, json!({"success": true, "message": "Token deleted"}));
    assert_eq!(run(&server, DELETE, key, id), json!({"error": "Token not found"}));
}

/// S0-3: as browsers and curl log an administrator in.
#[test]
fn an_administrator_logs_in_with_name_and_password() {
    let server = TestServer::start();
    let login = format!("curl -u admin:YOUR_API_TOKEN https://your.domain{TOKENS}");
    assert_eq!(run(&server, &login, server.admin_key(), ""), json!({"tokens": []}));
    let wrong = json!({"valid": false, "error": "Token not found"});
    assert_eq!(run(&server, &login, "admin", ""), wrong);
}

/// S0-13, S0-29: a token may at the gate what its permissions say, and nothing from its deletion on.
#[test]
fn a_token_passes_the_gate_by_its_permissions_until_it_is_deleted() {
    let server = trusting(&[(
        "COUNTERMARK__GATE__RULES",
        r#"[{"path": "/upload", "permission": "upload"}, {"path": "/api/manage/list", "permission": "list"}]"#,
    )]);
    let mut admin = server.admin();
    let token = create(&mut admin, &["upload"]);
    let bearer = format!("Bearer {}", token["token"].as_str().unwrap());
    let ask = |target: &str| {
        DIALECTS.map(|dialect| {
            code(&send(&server, &dialect.ask("POST", target, &[("Authorization", &bearer)]))).to_owned()
        })
    };
    assert_eq!(ask("/upload"), ["ALLOWED"; 3]);
    assert_eq!(ask("/api/manage/list"), ["PERMISSION_DENIED"; 3]);
    let path = format!("{TOKENS}?id={}", token["id"].as_str().unwrap());
    assert_eq!(admin.call("DELETE", &path, None).status, 200);
    assert_eq!(ask("/upload"), ["UNKNOWN_TOKEN"; 3]);
}

#[test]
fn of_twenty_deletions_of_one_token_one_finds_it() {
    let server = TestServer::start();
    let token = create(&mut server.admin(), &["upload"]);
    let path = format!("{TOKENS}?id={}", token["id"].as_str().unwrap());
    let (address, key) = (server.address(), server.admin_key().to_owned());
    let mut statuses =
        in_parallel(20, move |_| Client::new(address, &key).call("DELETE", &path, None).status);
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, &[404; 19][..]));
}

#[test]
fn updates_deletions_and_sweeping_lists_that_meet_leave_no_trace_of_a_failure() {
    let server = TestServer::start();
    let mut admin = server.admin();
    for round in 0..5 {
        let past = json!({"name": "n", "owner": "o", "permissions": [], "autoDelete": true,
            "expiresAt": "2020-01-01T00:00:00Z"});
        let id = admin.call("POST", TOKENS, Some(&past)).json()["id"].as_str().unwrap().to_owned();
        let (address, key) = (server.address(), server.admin_key().to_owned());
        let answers = in_parallel(12, move |number| {
            let mut client = Client::new(address, &key);
            let update = json!({"tokenId": id, "permissions": ["list"], "autoDelete": true,
                "expiresAt": "2020-01-01T00:00:00Z"});
            let answer = match number % 3 {
                0 => client.call("PUT", TOKENS, Some(&update)),
                1 => client.call("DELETE", &format!("{TOKENS}?id={id}"), None),
                _ => client.call("GET", TOKENS, None),
            };
            (number % 3, answer.status)
        });
        assert!(
            answers.iter().all(|answer| matches!(answer, (0 | 1, 200 | 404) | (2, 200))),
            "{round} {answers:?}"
        );
        assert!(answers.iter().filter(|answer| **answer == (1, 200)).count() <= 1, "{round} {answers:?}");
        assert_eq!(admin.call("GET", TOKENS, None).json(), json!({"tokens": []}), "{round}");
    }
}

/// Browsers of allowed origins ask first, and are answered for every method of the room.
#[test]
fn a_preflight_is_answered_for_allowed_origins_only() {
    let origins = vec![("COUNTERMARK__CORS__ALLOWED_ORIGINS".to_owned(), "https://panel.example".into())];
    let server = TestServer::with(Options { environment: origins, ..Options::default() });
    for (method, path) in [("PUT", TOKENS), ("DELETE", TOKENS), ("PUT", "/_/token")] {
        let ask = |origin: &str| {
            let headers = [("origin", origin), ("access-control-request-method", method)];
            server.admin().try_call("OPTIONS", path, &headers, None).unwrap()
        };
        let allowed = ask("https://panel.example");
        assert_eq!(allowed.header("access-control-allow-origin"), Some("https://panel.example"), "{path}");
        assert!(allowed.header("access-control-allow-methods").unwrap().contains(method));
        assert!(matches!(allowed.status, 200 | 204));
        assert_eq!(ask("https://other.example").header("access-control-allow-origin"), None);
    }
}
