//! What the configuration's rules demand.

use countermark_tests::TestServer;
use serde_json::json;

use super::{DIALECTS, Dialect, Signer, code, send, trusting};

const RULES: &str = r#"[
    {"path": "/dav", "methods": ["GET", "HEAD", "OPTIONS", "PROPFIND"], "permission": "files:read", "storage": "main"},
    {"path": "/dav", "permission": "files:write", "storage": "main"},
    {"path": "/other", "permission": "files:write", "storage": "main"},
    {"path": "/locked", "permission": "never"},
    {"path": "/hooked", "free": true},
    {"path": "/stored", "storage": "main"},
    {"path": "/shared", "permission": "files:read", "storage": "main", "links": true},
    {"path": "/asking", "permission": "files:read", "challenge": "basic"},
    {"host": "img.example.com", "methods": ["GET", "HEAD"], "path": "/mycloud", "cloud": "mycloud"},
    {"host": "only.example", "cloud": "only"}
]"#;

fn ruled() -> TestServer {
    trusting(&[("COUNTERMARK__GATE__RULES", RULES)])
}

#[test]
fn the_first_matching_rule_says_what_a_key_needs() {
    let server = ruled();
    let mut admin = server.admin();
    let mut key = |permissions: &[&str], storages: serde_json::Value| {
        let token = json!({"type": "apiKey", "permissions": permissions, "storages": storages});
        format!("Bearer {}", admin.issue(&token)["value"].as_str().unwrap())
    };
    let reader = key(&["files:read"], json!(["main"]));
    let elsewhere = key(&["files:read"], json!(["other"]));
    let plain = key(&["read", "write"], json!(null));
    for (bearer, method, target, expected) in [
        (&reader, "GET", "/dav/x", "ALLOWED"),
        (&reader, "PROPFIND", "/%64av", "ALLOWED"),
        (&reader, "PUT", "/dav/x", "PERMISSION_DENIED"),
        (&reader, "GET", "/dav2/x", "STORAGE_DENIED"),
        (&elsewhere, "GET", "/dav/x", "STORAGE_DENIED"),
        (&plain, "GET", "/dav/x", "PERMISSION_DENIED"),
        (&plain, "GET", "/x", "ALLOWED"),
        (&plain, "BREW", "/x", "ALLOWED"),
        (&plain, "GET", "/hooked", "ALLOWED"),
        (&plain, "GET", "/dav//x", "MALFORMED"),
        (&plain, "GET", "/y%2fdav", "MALFORMED"),
        (&plain, "GET", "/%2564av", "MALFORMED"),
        (&plain, "GET", "/dav;x/y", "MALFORMED"),
        (&plain, "GET", "/y/%2e.;/dav", "MALFORMED"),
        (&plain, "GET", "/y;/../dav", "MALFORMED"),
        (&plain, "GET", "/z%3Ba", "MALFORMED"),
        (&reader, "put", "/dav/x", "MALFORMED"),
        (&reader, "Get", "/dav/x", "MALFORMED"),
    ] {
        for dialect in DIALECTS {
            let answer = send(&server, &dialect.ask(method, target, &[("Authorization", bearer)]));
            assert_eq!(code(&answer), expected, "{dialect:?} {method} {target}");
        }
    }
}

#[test]
fn a_rule_lets_nothing_through_by_itself() {
    let server = ruled();
    for target in ["/hooked/x", "/dav/x", "/mycloud/x"] {
        assert_eq!(code(&send(&server, &Dialect::Nginx.ask("GET", target, &[]))), "NO_CREDENTIAL");
    }
}

#[test]
fn a_free_rule_takes_no_use() {
    let server = ruled();
    let mut admin = server.admin();
    let (id, value) = admin.issue_upload(Some(1));
    let bearer = format!("Bearer {value}");
    for _ in 0..3 {
        let answer = send(&server, &Dialect::Nginx.ask("POST", "/hooked/x", &[("Authorization", &bearer)]));
        assert_eq!(answer.status, 204, "{}", answer.text());
    }
    assert_eq!(admin.used(&id), 0);
}

#[test]
fn links_are_matched_by_their_path_without_the_signature() {
    let server = ruled();
    let signer = Signer::issue(&mut server.admin(), &json!({}));
    for placement in ["path", "query"] {
        for (path, host, expected) in [
            ("/mycloud/i.jpg", super::HOST, "ALLOWED"),
            ("/yourcloud/i.jpg", super::HOST, "ALLOWED"),
            ("/yourcloud/a//i.jpg", super::HOST, "MALFORMED"),
            ("/mycloud/a%2Fi.jpg", super::HOST, "MALFORMED"),
        ] {
            let link = signer.link(path, None, placement);
            for dialect in DIALECTS {
                let answer = send(&server, &dialect.ask_of(host, "GET", &link, &[]));
                assert_eq!(code(&answer), expected, "{dialect:?} {placement} {path}");
            }
        }
    }
}

#[test]
fn a_link_for_another_cloud_than_the_rules_is_refused() {
    let server =
        trusting(&[("COUNTERMARK__GATE__RULES", r#"[{"host": "IMG.example.com", "cloud": "mycloud"}]"#)]);
    let mut admin = server.admin();
    let signer = Signer::issue(&mut admin, &json!({}));
    for placement in ["path", "query"] {
        let ask = |path| send(&server, &Dialect::Envoy.ask("GET", &signer.link(path, None, placement), &[]));
        assert_eq!(code(&ask("/mycloud/i.jpg")), "ALLOWED");
        assert_eq!(code(&ask("/yourcloud/i.jpg")), "WRONG_CLOUD");
        assert_eq!(code(&ask("/yourcloud/a//i.jpg")), "WRONG_CLOUD", "no prefix has to be tried");
    }
    let key = json!({"type": "apiKey", "permissions": ["read"], "clouds": ["mycloud"]});
    let bearer = format!("Bearer {}", admin.issue(&key)["value"].as_str().unwrap());
    let ask = |host| send(&server, &Dialect::Nginx.ask_of(host, "GET", "/x", &[("Authorization", &bearer)]));
    assert_eq!(code(&ask(super::HOST)), "ALLOWED");
    assert_eq!(code(&ask("other.example")), "WRONG_CLOUD", "no rule, no cloud");
}

#[test]
fn a_move_stays_within_host_path_and_rule() {
    let server = ruled();
    let mut admin = server.admin();
    let token = json!({"type": "apiKey", "permissions": ["*"], "basePath": "/dav"});
    let bound = format!("Bearer {}", admin.issue(&token)["value"].as_str().unwrap());
    let free = format!("Bearer {}", admin.issue_key(&["*"]).1);
    let url = |path: &str| format!("https://img.example.com{path}");
    for (bearer, destination, expected) in [
        (&bound, "/dav/y".to_owned(), "ALLOWED"),
        (&bound, url("/dav/y"), "ALLOWED"),
        (&bound, "/other/y".to_owned(), "PATH_DENIED"),
        (&bound, "/dav2/y".to_owned(), "PATH_DENIED"),
        (&bound, "/dav/../y".to_owned(), "MALFORMED"),
        (&bound, url("/dav/y").replace("img", "other"), "MALFORMED"),
        (&bound, url("/dav/y").replace(".com", ".com:443"), "ALLOWED"),
        (&bound, url("/dav/y").replace(".com", ".com:8443"), "MALFORMED"),
        (&bound, "/dav/..;/y".to_owned(), "MALFORMED"),
        (&bound, "/dav/%2e%2e%3b/y".to_owned(), "MALFORMED"),
        (&bound, "//other.example/dav/y".to_owned(), "MALFORMED"),
        (&bound, String::new(), "MALFORMED"),
        (&free, "/other/y".to_owned(), "ALLOWED"),
        (&free, "/locked/y".to_owned(), "PATH_DENIED"),
        (&free, "/y".to_owned(), "PATH_DENIED"),
    ] {
        for (dialect, method) in DIALECTS.into_iter().zip(["MOVE", "COPY", "MOVE"]) {
            let headers = [("Authorization", bearer.as_str()), ("Destination", &destination)];
            let answer = send(&server, &dialect.ask(method, "/dav/x", &headers));
            assert_eq!(code(&answer), expected, "{dialect:?} {method} {destination}");
        }
    }
    let headers = [("Authorization", bound.as_str())];
    assert_eq!(
        code(&send(&server, &Dialect::Nginx.ask("MOVE", "/dav/x", &headers))),
        "PATH_DENIED",
        "none named"
    );
    let unruled = trusting(&[]);
    let key = unruled.admin().issue(&token)["value"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {key}");
    let ask = |destination: &[(&str, &str)]| {
        let mut headers = vec![("Authorization", bearer.as_str())];
        headers.extend(destination);
        code(&send(&unruled, &Dialect::Nginx.ask("MOVE", "/dav/x", &headers))).to_owned()
    };
    assert_eq!(ask(&[("Destination", "/dav/y")]), "ALLOWED");
    assert_eq!(ask(&[("Destination", "/y")]), "PATH_DENIED");
    assert_eq!(ask(&[("Destination", "/dav/..;/y")]), "PATH_DENIED");
    assert_eq!(ask(&[]), "PATH_DENIED");
    assert_eq!(ask(&[("Destination", "/dav/y"), ("Destination", "/dav/y")]), "MALFORMED");
}

const MOUNTED: &str = r#"[
    {"path": "/dav/foreign", "permission": "files:write", "strip": "/dav/foreign"},
    {"path": "/dav", "permission": "files:write", "strip": "/dav"},
    {"path": "/plain", "permission": "files:write"},
    {"path": "/mycloud", "links": true, "strip": "/mycloud"}
]"#;

/// S3-28: a key's `basePath` is a virtual path, which a WebDAV server shows below a prefix.
#[test]
fn what_a_rule_strips_stands_before_the_paths_of_keys() {
    let server = trusting(&[("COUNTERMARK__GATE__RULES", MOUNTED)]);
    let mut admin = server.admin();
    let mut key = |base: &str| {
        let token = json!({"type": "apiKey", "permissions": ["*"], "basePath": base});
        format!("Bearer {}", admin.issue(&token)["value"].as_str().unwrap())
    };
    let (upload, all) = (key("/upload"), key("/"));
    for (bearer, target, expected) in [
        (&upload, "/dav/upload", "ALLOWED"),
        (&upload, "/dav/upload/?x", "ALLOWED"),
        (&upload, "/d%61v/%75pload/x", "ALLOWED"),
        (&upload, "/dav/foreign/upload/x", "ALLOWED"),
        (&upload, "/dav/upload2", "PATH_DENIED"),
        (&upload, "/dav/dav/upload", "PATH_DENIED"),
        (&upload, "/dav/x", "PATH_DENIED"),
        (&upload, "/dav/", "PATH_DENIED"),
        (&upload, "/dav", "PATH_DENIED"),
        (&upload, "/plain/upload/x", "PATH_DENIED"),
        (&upload, "/upload/x", "ALLOWED"),
        (&upload, "/dav//upload/x", "MALFORMED"),
        (&upload, "/dav/x/%2e%2e/upload", "MALFORMED"),
        (&upload, "/dav%2Fupload/x", "MALFORMED"),
        (&upload, "/dav;/upload/x", "MALFORMED"),
        (&all, "/dav", "ALLOWED"),
        (&all, "/dav/", "ALLOWED"),
    ] {
        for dialect in DIALECTS {
            let answer = send(&server, &dialect.ask("PUT", target, &[("Authorization", bearer)]));
            assert_eq!(code(&answer), expected, "{dialect:?} {target}");
        }
    }
}

#[test]
fn a_destination_loses_the_same_prefix_as_the_path() {
    let server = trusting(&[("COUNTERMARK__GATE__RULES", MOUNTED)]);
    let mut admin = server.admin();
    let mut key = |base: &str| {
        let token = json!({"type": "apiKey", "permissions": ["*"], "basePath": base});
        format!("Bearer {}", admin.issue(&token)["value"].as_str().unwrap())
    };
    let (upload, all) = (key("/upload"), key("/"));
    for (bearer, destination, expected) in [
        (&upload, "/dav/upload/y", "ALLOWED"),
        (&upload, "https://img.example.com/d%61v/upload/y", "ALLOWED"),
        (&upload, "/upload/y", "PATH_DENIED"),
        (&upload, "/dav/y", "PATH_DENIED"),
        (&upload, "/dav/foreign/upload/y", "PATH_DENIED"),
        (&upload, "/plain/upload/y", "PATH_DENIED"),
        (&upload, "/dav/x/../upload/y", "MALFORMED"),
        (&all, "/dav", "ALLOWED"),
        (&all, "/dav2/y", "PATH_DENIED"),
        (&all, "/plain/y", "PATH_DENIED"),
        (&all, "/dav/foreign/y", "PATH_DENIED"),
    ] {
        for (dialect, method) in DIALECTS.into_iter().zip(["MOVE", "COPY", "MOVE"]) {
            let headers = [("Authorization", bearer.as_str()), ("Destination", destination)];
            let answer = send(&server, &dialect.ask(method, "/dav/upload/x", &headers));
            assert_eq!(code(&answer), expected, "{dialect:?} {method} {destination}");
        }
    }
}

#[test]
fn links_are_not_stripped() {
    let server = trusting(&[("COUNTERMARK__GATE__RULES", MOUNTED)]);
    let signer = Signer::issue(&mut server.admin(), &json!({}));
    for placement in ["path", "query"] {
        let link = signer.link("/mycloud/i.jpg", None, placement);
        for dialect in DIALECTS {
            assert_eq!(code(&send(&server, &dialect.ask("GET", &link, &[]))), "ALLOWED", "{placement}");
        }
    }
}

#[test]
fn an_uploads_size_and_type_are_judged_where_they_are_told() {
    let server = trusting(&[]);
    let token = json!({"type": "upload", "limit": 10, "extra": {"maxBytes": 100, "mimeTypes": ["image/*"]}});
    let bearer = format!("Bearer {}", server.admin().issue(&token)["value"].as_str().unwrap());
    let ask = |dialect: Dialect, more: &[(&str, &str)]| {
        let mut headers = vec![("Authorization", bearer.as_str())];
        headers.extend(more);
        code(&send(&server, &dialect.ask("PUT", "/x", &headers))).to_owned()
    };
    let told = |length, mime| [("X-Original-Content-Length", length), ("X-Original-Content-Type", mime)];
    assert_eq!(ask(Dialect::Nginx, &told("100", "image/png")), "ALLOWED");
    assert_eq!(ask(Dialect::Nginx, &told("101", "image/png")), "CONSTRAINT_FAILED");
    assert_eq!(ask(Dialect::Nginx, &told("", "image/png")), "CONSTRAINT_FAILED");
    assert_eq!(ask(Dialect::Nginx, &told("100", "text/html")), "CONSTRAINT_FAILED");
    assert_eq!(ask(Dialect::Nginx, &[("Content-Type", "image/png")]), "CONSTRAINT_FAILED");
    for dialect in [Dialect::Forwarded, Dialect::Envoy] {
        assert_eq!(ask(dialect, &told("100", "image/png")), "CONSTRAINT_FAILED", "the client's own word");
    }
}

#[test]
fn what_a_rule_demands_by_name_only_a_key_can_have() {
    let server = ruled();
    let mut admin = server.admin();
    let (id, value) = admin.issue_upload(Some(5));
    let bearer = format!("Bearer {value}");
    for dialect in DIALECTS {
        for (target, expected) in [
            ("/locked/x", "PERMISSION_DENIED"),
            ("/dav/x", "STORAGE_DENIED"),
            ("/stored/x", "STORAGE_DENIED"),
            ("/shared/x", "STORAGE_DENIED"),
        ] {
            let answer = send(&server, &dialect.ask("PUT", target, &[("Authorization", &bearer)]));
            assert_eq!((code(&answer), answer.status), (expected, 403), "{dialect:?} {target}");
        }
    }
    assert_eq!(admin.used(&id), 0);
    let answer = send(&server, &Dialect::Nginx.ask("PUT", "/elsewhere", &[("Authorization", &bearer)]));
    assert_eq!(code(&answer), "ALLOWED", "the usual write is demanded of keys alone");
    let signer = Signer::issue(&mut admin, &json!({}));
    for placement in ["path", "query"] {
        for (path, expected) in [
            ("/locked/i.jpg", "PERMISSION_DENIED"),
            ("/dav/i.jpg", "STORAGE_DENIED"),
            ("/shared/i.jpg", "ALLOWED"),
            ("/elsewhere/i.jpg", "ALLOWED"),
        ] {
            let link = signer.link(path, None, placement);
            for dialect in DIALECTS {
                assert_eq!(
                    code(&send(&server, &dialect.ask("GET", &link, &[]))),
                    expected,
                    "{placement} {path}"
                );
            }
        }
    }
}

#[test]
fn a_rule_may_ask_for_name_and_password() {
    let server = ruled();
    let shown = |target: &str, headers: &[(&str, &str)]| {
        let answer = send(&server, &Dialect::Envoy.ask("PROPFIND", target, headers));
        let challenges = answer.headers.iter().filter(|(name, _)| name == "www-authenticate");
        (answer.status, challenges.map(|(_, value)| value.to_string()).collect::<Vec<_>>())
    };
    let basic = r#"Basic realm="countermark", charset="UTF-8""#.to_owned();
    let bearer = r#"Bearer realm="countermark""#.to_owned();
    assert_eq!(shown("/asking/x", &[]), (401, vec![basic.clone(), bearer.clone()]));
    assert_eq!(shown("/dav/x", &[]), (401, vec![bearer.clone()]));
    let invalid = format!("{bearer}, error=\"invalid_token\"");
    assert_eq!(shown("/asking/x", &[("Authorization", "Basic YTpi")]), (401, vec![basic, invalid]));
}
