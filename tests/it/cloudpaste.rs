//! CloudPaste's dialect over the real binary: keys at the gate, and calls that meet. Numbers such as S3-28 are those of the
//! requirements in its documents.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countermark_tests::{Answer, Client, Options, TestServer, in_parallel};
use serde_json::{Value, json};

use crate::gate::{DIALECTS, Dialect, code, send, trusting};

const KEYS: &str = "/api/admin/api-keys";

/// The scenarios of the documents as rules of the gate: S3-33, S3-34, S3-35, S3-36.
const RULES: &str = r#"[
    {"path": "/upload", "methods": ["POST", "PUT"], "permission": "file:share"},
    {"path": "/public", "methods": ["GET", "HEAD"], "permission": "text:share"},
    {"path": "/dav", "methods": ["GET", "HEAD", "OPTIONS", "PROPFIND"], "permission": "webdav:read", "storage": "r2",
     "challenge": "basic"},
    {"path": "/dav", "permission": "webdav:manage", "storage": "r2", "challenge": "basic"}
]"#;

fn ruled() -> TestServer {
    trusting(&[("COUNTERMARK__GATE__RULES", RULES)])
}

/// Makes a key that is switched on; its id and value.
fn usable(admin: &mut Client, mut body: Value) -> (String, String) {
    body["is_enable"] = json!(1);
    let answer = admin.call("POST", KEYS, Some(&body));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let text = |member: &str| answer.json()["data"][member].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

fn basic(key: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{key}:{key}")))
}

/// What each of the gate's dialects says to a request with this header.
fn asked(server: &TestServer, method: &str, target: &str, header: (&str, &str)) -> String {
    let codes =
        DIALECTS.map(|dialect| code(&send(server, &dialect.ask(method, target, &[header]))).to_owned());
    assert!(codes.iter().all(|one| *one == codes[0]), "{codes:?}");
    codes[0].clone()
}

/// S3-27, S3-28, S3-33, S3-35, S3-36, S3-37: bits, path, storage and switch, each at the gate.
#[test]
fn the_scenarios_of_the_documents_hold_at_the_gate() {
    let server = ruled();
    let mut admin = server.admin();
    let (_, uploader) = usable(&mut admin, json!({"name": "up", "permissions": 2, "basic_path": "/upload"}));
    let dav = json!({"name": "dav", "permissions": 65_536 + 131_072 + 7_936, "basic_path": "/dav/team"});
    let (dav_id, dav) = usable(&mut admin, dav);
    let (_, reader) =
        usable(&mut admin, json!({"name": "read", "permissions": 65_536, "basic_path": "/dav"}));
    let acl =
        |storages: Value| (format!("{KEYS}/{dav_id}/storage-acl"), json!({"storage_config_ids": storages}));
    let (uploader_header, dav_basic, reader_basic) =
        (format!("ApiKey {uploader}"), basic(&dav), basic(&reader));
    for (header, method, target, expected) in [
        (&uploader_header, "POST", "/upload/a.png", "ALLOWED"),
        (&uploader_header, "POST", "/upload2/a.png", "PATH_DENIED"),
        (&uploader_header, "POST", "/upload/../dav", "MALFORMED"),
        (&uploader_header, "GET", "/upload/a.png", "PERMISSION_DENIED"),
        (&uploader_header, "GET", "/dav/team/x", "PATH_DENIED"),
        (&dav_basic, "PROPFIND", "/dav/team/", "ALLOWED"),
        (&dav_basic, "PUT", "/dav/team/x", "ALLOWED"),
        (&dav_basic, "PROPFIND", "/dav/", "PATH_DENIED"),
        (&dav_basic, "GET", "/dav/other/x", "PATH_DENIED"),
        (&reader_basic, "GET", "/dav/x", "ALLOWED"),
        (&reader_basic, "PUT", "/dav/x", "PERMISSION_DENIED"),
    ] {
        let codes = asked(&server, method, target, ("Authorization", header));
        assert_eq!(codes, expected, "{method} {target}");
    }
    assert_eq!(asked(&server, "PUT", "/upload/x", ("X-Custom-Auth-Key", &uploader)), "ALLOWED");
    for (storages, expected) in
        [(json!(["r2"]), "ALLOWED"), (json!(["hf"]), "STORAGE_DENIED"), (json!([]), "ALLOWED")]
    {
        let (path, body) = acl(storages);
        assert_eq!(admin.call("PUT", &path, Some(&body)).status, 200);
        assert_eq!(asked(&server, "GET", "/dav/team/x", ("Authorization", &dav_basic)), expected);
    }
}

/// S3-32, S3-37: the next ask after the answer is refused, everywhere.
#[test]
fn a_key_that_is_switched_off_is_refused_by_the_very_next_ask() {
    let server = ruled();
    let mut admin = server.admin();
    let (id, key) = usable(&mut admin, json!({"name": "dav", "permissions": 65_536, "basic_path": "/dav"}));
    let header = basic(&key);
    let path = format!("{KEYS}/{id}");
    let own = |server: &TestServer| {
        let headers = [("authorization", header.as_str())];
        let bytes = crate::gate::raw("GET", "/api/test/api-key", "127.0.0.1", &headers);
        send(server, &bytes).status
    };
    for _ in 0..20 {
        let ask = Dialect::Forwarded.ask("PROPFIND", "/dav/", &[("Authorization", header.as_str())]);
        assert_eq!(code(&send(&server, &ask)), "ALLOWED");
        assert_eq!(own(&server), 200);
        assert_eq!(admin.call("PUT", &path, Some(&json!({"is_enable": false}))).status, 200);
        assert_eq!(code(&send(&server, &ask)), "DISABLED");
        assert_eq!(own(&server), 401);
        let question =
            json!({"credential": {"value": key}, "request": {"permission": "webdav:read", "path": "/dav"}});
        assert_eq!(admin.authorize(&question), "DISABLED");
        assert_eq!(admin.call("PUT", &path, Some(&json!({"is_enable": true}))).status, 200);
    }
}

/// S3-34: the guest at the gate.
#[test]
fn a_guest_browses_where_he_may() {
    let server = ruled();
    let mut admin = server.admin();
    let guest = json!({"role": "GUEST", "permissions": 1, "basic_path": "/public"});
    let (id, _) = usable(&mut admin, guest);
    let header = ("Authorization", "ApiKey guest");
    assert_eq!(asked(&server, "GET", "/public/note", header), "ALLOWED");
    assert_eq!(asked(&server, "PUT", "/public/note", header), "PERMISSION_DENIED");
    assert_eq!(asked(&server, "GET", "/dav/x", header), "PATH_DENIED");
    assert_eq!(admin.call("DELETE", &format!("{KEYS}/{id}"), None).status, 200);
    assert_eq!(asked(&server, "GET", "/public/note", header), "UNKNOWN_TOKEN");
}

/// The statuses of so many calls at once, each by `call` with its number.
fn at_once(
    server: &TestServer,
    call: impl Fn(&mut Client, usize) -> Answer + Send + Sync + 'static,
) -> Vec<u16> {
    let (address, key) = (server.address(), server.admin_key().to_owned());
    in_parallel(50, move |number| call(&mut Client::new(address, &key), number).status)
}

fn count(statuses: &[u16], status: u16) -> usize {
    statuses.iter().filter(|one| **one == status).count()
}

fn names(admin: &mut Client) -> Vec<String> {
    let rows = admin.call("GET", KEYS, None).json()["data"].clone();
    rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

/// S3-9.
#[test]
fn of_fifty_keys_of_one_name_one_is_made() {
    let server = TestServer::start();
    let statuses = at_once(&server, |admin, _| admin.call("POST", KEYS, Some(&json!({"name": "one"}))));
    assert_eq!((count(&statuses, 201), count(&statuses, 409)), (1, 49), "{statuses:?}");
    let custom = |number: usize| json!({"name": format!("k{number}"), "custom_key": "Zt4bQw8LrN1y"});
    let statuses = at_once(&server, move |admin, number| admin.call("POST", KEYS, Some(&custom(number))));
    assert_eq!((count(&statuses, 201), count(&statuses, 409)), (1, 49), "{statuses:?}");
    assert_eq!(names(&mut server.admin()).len(), 2);
}

/// S3-7, S3-39: one guest, whether it is made switched on or off.
#[test]
fn of_fifty_guest_keys_one_is_made() {
    let server = TestServer::start();
    for is_enable in [0, 1] {
        let body = json!({"name": "guest", "role": "GUEST", "is_enable": is_enable});
        let statuses = at_once(&server, move |admin, _| admin.call("POST", KEYS, Some(&body)));
        assert_eq!((count(&statuses, 201), count(&statuses, 409)), (1, 49), "{statuses:?}");
        let mut admin = server.admin();
        let rows = admin.call("GET", KEYS, None).json();
        assert_eq!(rows["data"].as_array().unwrap().len(), 1);
        let path = format!("{KEYS}/{}", rows["data"][0]["id"].as_str().unwrap());
        assert_eq!(admin.call("DELETE", &path, None).status, 200);
    }
}

#[test]
fn of_fifty_replacements_of_a_guest_key_that_was_switched_off_one_is_made() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let (id, _) = usable(&mut admin, json!({"role": "GUEST"}));
    assert_eq!(admin.call("PUT", &format!("{KEYS}/{id}"), Some(&json!({"is_enable": 0}))).status, 200);
    let body = json!({"role": "GUEST", "is_enable": 1});
    let statuses = at_once(&server, move |admin, _| admin.call("POST", KEYS, Some(&body)));
    assert_eq!((count(&statuses, 201), count(&statuses, 409)), (1, 49), "{statuses:?}");
    assert_eq!(names(&mut admin), ["guest"]);
}

#[test]
fn of_fifty_keys_that_want_one_name_one_gets_it() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let ids: Vec<String> =
        (0..50).map(|number| usable(&mut admin, json!({"name": format!("k{number}")})).0).collect();
    let statuses = at_once(&server, move |admin, number| {
        admin.call("PUT", &format!("{KEYS}/{}", ids[number]), Some(&json!({"name": "wanted"})))
    });
    assert_eq!((count(&statuses, 200), count(&statuses, 409)), (1, 49), "{statuses:?}");
    assert_eq!(names(&mut admin).iter().filter(|name| *name == "wanted").count(), 1);
}

/// S3-38: lists sweep while keys are made, changed and deleted; nobody is told of a fault.
#[test]
fn sweeps_and_changes_that_meet_have_one_outcome_each() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let (id, _) = usable(&mut admin, json!({"name": "there"}));
    let path = format!("{KEYS}/{id}");
    let statuses = at_once(&server, move |admin, number| match number % 5 {
        0 => admin.call("GET", KEYS, None),
        1 => admin.call("POST", KEYS, Some(&json!({"name": "past", "expires_at": "2020-01-01T00:00:00Z"}))),
        2 => admin.call("PUT", &path, Some(&json!({"expires_at": "2020-01-01T00:00:00Z"}))),
        3 => admin.call("PUT", &path, Some(&json!({"permissions": 2}))),
        _ => admin.call("DELETE", &path, None),
    });
    assert!(statuses.iter().all(|status| matches!(status, 200 | 201 | 404 | 409)), "{statuses:?}");
    let deleted: Vec<u16> = statuses.iter().skip(4).step_by(5).copied().collect();
    assert!(count(&deleted, 200) <= 1, "{deleted:?}");
    assert!(names(&mut admin).is_empty());
}

#[test]
fn no_key_and_no_login_is_found_in_the_log() {
    let environment = vec![("COUNTERMARK__LOG__LEVEL".to_owned(), "debug".into())];
    let server = TestServer::with(Options { environment, ..Options::default() });
    let mut admin = server.admin();
    let (id, key) = usable(&mut admin, json!({"name": "k", "permissions": 65_536}));
    let password = json!({"username": "admin", "password": server.admin_key()});
    let login = admin.call("POST", "/api/admin/login", Some(&password)).json();
    let login = login["data"]["token"].as_str().unwrap().to_owned();
    let mut client = server.caller(&login);
    assert_eq!(client.call("GET", KEYS, None).status, 200);
    client.call("POST", KEYS, Some(&json!({"name": "k", "custom_key": &key})));
    client.call("PUT", &format!("{KEYS}/{key}"), Some(&json!({"custom_key": &key})));
    for header in [basic(&key), format!("ApiKey {key}"), format!("Bearer {key}")] {
        let headers = [("authorization", header.as_str())];
        send(&server, &crate::gate::raw("GET", "/api/test/api-key", "127.0.0.1", &headers));
    }
    admin.call("DELETE", &format!("{KEYS}/{id}"), None);
    let log = server.log();
    for needle in [key.as_str(), &basic(&key)[6..], &login[40..80], server.admin_key()] {
        assert!(!log.contains(needle), "a secret was logged");
    }
}

#[test]
fn a_body_that_does_not_arrive_is_answered_in_the_dialect() {
    let environment = vec![("COUNTERMARK__LIMITS__BODY_SECONDS".to_owned(), "1".into())];
    let server = TestServer::with(Options { environment, ..Options::default() });
    let answer = send(&server, b"POST /api/admin/login HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{");
    assert_eq!((answer.status, answer.json()["code"].as_str()), (408, Some("REQUEST_TIMEOUT")));
    assert_eq!(answer.json()["requestId"].as_str(), answer.header("x-request-id"));
}
