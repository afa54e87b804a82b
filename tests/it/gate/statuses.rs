//! Each row of the table of answers, in each dialect.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countermark_tests::{TestServer, request};
use serde_json::json;

use super::{DIALECTS, Dialect, HOST, Signer, assert_complete, code, raw, send, trusting};

/// One ask and what must be answered: to nginx, to the others.
struct Row {
    code: &'static str,
    method: &'static str,
    target: String,
    authorization: Option<String>,
    nginx: u16,
    full: u16,
}

fn row(code: &'static str, nginx: u16, full: u16, target: impl Into<String>) -> Row {
    Row { code, method: "GET", target: target.into(), authorization: None, nginx, full }
}

impl Row {
    fn with(mut self, method: &'static str, authorization: &str) -> Self {
        self.method = method;
        self.authorization = Some(authorization.to_owned()).filter(|it| !it.is_empty());
        self
    }
}

#[test]
fn each_decision_has_its_status_in_each_dialect() {
    let server = trusting(&[]);
    let mut rows = about_links(&server);
    rows.extend(about_values(&server));
    assert!(rows.len() >= 24, "all of the table");
    for row in &rows {
        for dialect in DIALECTS {
            let authorization = row.authorization.as_deref().map(|value| ("Authorization", value));
            let headers: Vec<_> = authorization.into_iter().collect();
            let answer = send(&server, &dialect.ask(row.method, &row.target, &headers));
            let status = match row.code {
                "ALLOWED" => dialect.allowed(),
                _ => dialect.status(row.nginx, row.full),
            };
            let expected = (row.code, status);
            assert_eq!((code(&answer), answer.status), expected, "{dialect:?}: {}", answer.text());
            assert_complete(&answer);
            assert_challenge(&answer, row.code);
            if row.code == "ALLOWED" {
                assert!(answer.body.is_empty(), "{}", answer.text());
            } else if row.method != "HEAD" {
                assert_eq!(answer.header("content-type"), Some("application/problem+json"));
                assert_eq!(
                    (answer.code().as_str(), answer.json()["status"].as_u64()),
                    (row.code, Some(answer.status.into()))
                );
            }
        }
    }
}

fn about_links(server: &TestServer) -> Vec<Row> {
    let mut admin = server.admin();
    let mut signer = |members| Signer::issue(&mut admin, &members);
    let link = |signer: &Signer| signer.link("/mycloud/i/cat.jpg", None, "path");
    let plain = signer(json!({"owner": "shop"}));
    let spent = signer(json!({"limit": 0}));
    let early = signer(json!({"notBefore": 253_402_300_000u64}));
    let late = signer(json!({"expiry": 1}));
    let off = signer(json!({"enabled": false}));
    let ended = signer(json!({}));
    let of_cloud = signer(json!({"extra": {"cloudId": "other"}}));
    let of_host = signer(json!({"extra": {"hosts": ["other.example"]}}));
    let with_login = signer(json!({"extra": {"authentication": {"ann": "secret"}}}));
    assert_eq!(admin.revoke(&ended.id).status, 204);
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let good = link(&plain);
    let upload = admin.issue_upload(None).0;
    vec![
        row("ALLOWED", 204, 204, &good),
        row("ALLOWED", 204, 204, plain.link("/any.where/x?y=1", Some(253_402_300_799), "query")),
        row("ALLOWED", 204, 204, &good).with("HEAD", ""),
        row("MALFORMED", 403, 400, good.replace("/i/", "/../")),
        row("MALFORMED", 403, 400, format!("{good}?cm-token=x")),
        row("MALFORMED", 403, 400, &good).with("GET", "Bearer x"),
        row("UNKNOWN_TOKEN", 401, 401, good.replace(&plain.id, "iu_0000000000000000000000")),
        row("WRONG_TYPE", 401, 401, good.replace(&plain.id, &upload)),
        row("BAD_SIGNATURE", 401, 401, good.replace("cat", "dog")),
        row("REVOKED", 403, 403, link(&ended)),
        row("DISABLED", 403, 403, link(&off)),
        row("NOT_YET_VALID", 403, 403, link(&early)),
        row("EXPIRED", 403, 410, link(&late)),
        row("LINK_EXPIRED", 403, 410, plain.link("/mycloud/i/cat.jpg", Some(1), "path")),
        row("METHOD_DENIED", 403, 403, &good).with("POST", ""),
        row("WRONG_CLOUD", 403, 403, link(&of_cloud)),
        row("WRONG_HOST", 403, 403, link(&of_host)),
        row("AUTHENTICATION_REQUIRED", 401, 401, link(&with_login)),
        row("AUTHENTICATION_REQUIRED", 401, 401, link(&with_login)).with("GET", &basic("ann:wrong")),
        row("ALLOWED", 204, 204, link(&with_login)).with("GET", &basic("ann:secret")),
        row("LIMIT_REACHED", 403, 429, link(&spent)),
        row("ALLOWED", 204, 204, link(&spent)).with("HEAD", ""),
    ]
}

fn about_values(server: &TestServer) -> Vec<Row> {
    let mut admin = server.admin();
    let mut bearer = |token| format!("Bearer {}", admin.issue(&token)["value"].as_str().unwrap());
    let key = bearer(json!({"type": "apiKey", "permissions": ["read"], "basePath": "/dav"}));
    let stored = bearer(json!({"type": "apiKey", "permissions": ["read"], "storages": ["main"]}));
    let upload = bearer(json!({"type": "upload"}));
    let bounded = bearer(json!({"type": "upload", "extra": {"maxBytes": 10}}));
    let basic = |value: &str| {
        let value = value.strip_prefix("Bearer ").unwrap();
        format!("Basic {}", STANDARD.encode(format!("{value}:{value}")))
    };
    vec![
        row("NO_CREDENTIAL", 401, 401, "/dav/x"),
        row("NO_CREDENTIAL", 401, 401, "/dav/x").with("GET", "Digest x"),
        row("UNKNOWN_TOKEN", 401, 401, "/dav/x").with("GET", "Bearer nobodys"),
        row("UNKNOWN_TOKEN", 401, 401, "/dav/x").with("GET", "Basic !"),
        row("ALLOWED", 204, 204, "/dav/x?y").with("PROPFIND", &key),
        row("ALLOWED", 204, 204, "/dav/x?y").with("GET", &key.replace("Bearer", "ApiKey")),
        row("ALLOWED", 204, 204, "/dav/x?y").with("GET", &basic(&key)),
        row("ALLOWED", 204, 204, format!("/dav/x?token={}", &key["Bearer ".len()..])),
        row("MALFORMED", 403, 400, format!("/dav/x?token={}", &key["Bearer ".len()..])).with("GET", &key),
        row("PATH_DENIED", 403, 403, "/dav2/x").with("GET", &key),
        row("PATH_DENIED", 403, 403, "/dav//x").with("GET", &key),
        row("MALFORMED", 403, 400, "/dav/%2e%2e/x").with("GET", &key),
        row("STORAGE_DENIED", 403, 403, "/x").with("GET", &stored),
        row("PERMISSION_DENIED", 403, 403, "/dav/x").with("PUT", &key),
        row("ALLOWED", 204, 204, "/x").with("POST", &upload),
        row("METHOD_DENIED", 403, 403, "/x").with("GET", &upload),
        row("CONSTRAINT_FAILED", 403, 403, "/x").with("PUT", &bounded),
    ]
}

fn assert_challenge(answer: &countermark_tests::Answer, code: &str) {
    let expected = match code {
        "NO_CREDENTIAL" => Some(r#"Bearer realm="countermark""#),
        "UNKNOWN_TOKEN" | "WRONG_TYPE" | "BAD_SIGNATURE" => {
            Some(r#"Bearer realm="countermark", error="invalid_token""#)
        }
        "AUTHENTICATION_REQUIRED" => Some(r#"Basic realm="countermark", charset="UTF-8""#),
        "PERMISSION_DENIED" => Some(r#"Bearer realm="countermark", error="insufficient_scope""#),
        _ => None,
    };
    assert_eq!(answer.header("www-authenticate"), expected, "{}", answer.text());
}

#[test]
fn nobody_may_ask_by_default_and_the_log_says_what_to_do() {
    let server = TestServer::start();
    let (_, url) = server.admin().issue_link(None);
    for dialect in DIALECTS {
        let answer =
            send(&server, &dialect.ask("GET", super::target(&url), &[("X-Forwarded-For", "127.0.0.1")]));
        assert_eq!((answer.status, code(&answer)), (403, "UNTRUSTED_PROXY"));
        assert_complete(&answer);
    }
    assert_eq!(server.log().matches("set gate.trusted_proxies or gate.shared_secret").count(), 1);
}

#[test]
fn the_shared_secret_opens_the_gate_to_any_peer() {
    const SECRET: &str = "a-secret-of-the-proxy";
    let options = countermark_tests::Options {
        environment: vec![("COUNTERMARK__GATE__SHARED_SECRET".to_owned(), SECRET.into())],
        ..Default::default()
    };
    let server = TestServer::with(options);
    let (_, url) = server.admin().issue_link(None);
    for dialect in DIALECTS {
        let ask = |headers: &[(&str, &str)]| {
            send(&server, &dialect.ask("GET", super::target(&url), headers)).status
        };
        let name = "X-Countermark-Gate-Secret";
        assert_eq!(ask(&[(name, SECRET)]), dialect.allowed());
        assert_eq!(ask(&[]), 403);
        assert_eq!(ask(&[(name, "a-secret-of-the-prox")]), 403);
        assert_eq!(ask(&[(name, SECRET), (name, SECRET)]), 403);
    }
    assert!(!server.log().contains(SECRET));
}

#[test]
fn a_header_that_the_proxy_must_send_is_missed_loudly() {
    let server = trusting(&[]);
    for (dialect, path, names) in [
        (Dialect::Nginx, "nginx", ["X-Original-URI", "X-Original-Method", "X-Original-Host"]),
        (Dialect::Forwarded, "forwarded", ["X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Host"]),
    ] {
        for missing in names {
            for is_empty in [true, false] {
                let mut headers: Vec<_> = names.into_iter().zip(["/x", "GET", HOST]).collect();
                match is_empty {
                    true => headers.iter_mut().filter(|(name, _)| *name == missing).for_each(|it| it.1 = ""),
                    false => headers.retain(|(name, _)| *name != missing),
                }
                let answer = send(&server, &raw("GET", &format!("/v1/forward-auth/{path}"), "h", &headers));
                assert_eq!(
                    (answer.status, code(&answer)),
                    (500, "PROXY_HEADER_MISSING"),
                    "{dialect:?} {missing}"
                );
                assert_complete(&answer);
            }
        }
    }
    assert!(server.log().contains("X-Original-URI"), "the log names the first one");
}

#[test]
fn a_preflight_is_free_and_needs_no_credential() {
    let server = trusting(&[]);
    let mut admin = server.admin();
    let (id, url) = admin.issue_link(Some(1));
    let preflight = [("Origin", "https://shop.example"), ("Access-Control-Request-Method", "GET")];
    for dialect in DIALECTS {
        for target in ["/x", super::target(&url)] {
            let answer = send(&server, &dialect.ask("OPTIONS", target, &preflight));
            assert_eq!((answer.status, code(&answer)), (dialect.allowed(), "ALLOWED"), "{}", answer.text());
            assert_complete(&answer);
            for part in 0..2 {
                let answer = send(&server, &dialect.ask("OPTIONS", target, &preflight[part..=part]));
                assert!(matches!(answer.status, 401 | 403), "{}", answer.text());
            }
            assert_eq!(send(&server, &dialect.ask("GET", "/x", &preflight)).status, 401);
        }
        let answer = send(&server, &dialect.ask("OPTIONS", "/a/%2e%2e/b", &preflight));
        assert_eq!(answer.status, dialect.status(403, 400));
        let mut with_key = preflight.to_vec();
        with_key.push(("Authorization", "Bearer x"));
        assert_eq!(send(&server, &dialect.ask("OPTIONS", "/x", &with_key)).status, 401);
    }
    assert_eq!(admin.used(&id), 0);
}

#[test]
fn pages_that_may_call_the_api_change_nothing_at_the_gate() {
    let origin = "https://app.example.com";
    let cors = ("COUNTERMARK__CORS__ALLOWED_ORIGINS", origin);
    let trusting = trusting(&[cors]);
    let untrusting = TestServer::with(countermark_tests::Options {
        environment: vec![(cors.0.to_owned(), cors.1.into())],
        ..Default::default()
    });
    for (server, expected) in [(&trusting, "ALLOWED"), (&untrusting, "UNTRUSTED_PROXY")] {
        for dialect in DIALECTS {
            for from in [origin, "https://evil.example", "null"] {
                let preflight = [("Origin", from), ("Access-Control-Request-Method", "POST")];
                let mut asks = vec![dialect.ask("OPTIONS", "/x", &preflight)];
                if dialect != Dialect::Envoy {
                    // Some proxies ask with the client's own method.
                    let text = String::from_utf8(asks[0].clone()).unwrap();
                    asks.push(text.replacen("GET", "OPTIONS", 1).into_bytes());
                }
                for ask in &asks {
                    let answer = send(server, ask);
                    let status = if expected == "ALLOWED" { dialect.allowed() } else { 403 };
                    assert_eq!((answer.status, code(&answer)), (status, expected), "{}", answer.text());
                    assert_complete(&answer);
                    assert_without_cors(&answer);
                }
                let refused = send(server, &dialect.ask("GET", "/x", &preflight));
                assert!(matches!(refused.status, 401 | 403), "{}", refused.text());
                assert_without_cors(&refused);
            }
        }
        let preflight = [("origin", origin), ("access-control-request-method", "POST")];
        for (path, status) in [("/v1/hooks/tusd", 405), ("/healthz", 405), ("/v1/uploads", 200)] {
            let answer = send(server, &raw("OPTIONS", path, "h", &preflight));
            assert_eq!(answer.status, status, "{}", answer.text());
            let allowed = answer.header("access-control-allow-origin");
            assert_eq!(allowed, Some(origin).filter(|_| status == 200), "{path}");
        }
    }
}

fn assert_without_cors(answer: &countermark_tests::Answer) {
    let is_plain = |name: &str| !name.starts_with("access-control-") && name != "vary";
    assert!(answer.headers.iter().all(|(name, _)| is_plain(name)), "{}", answer.text());
}

#[test]
fn an_empty_header_of_the_client_counts_as_none() {
    let server = trusting(&[]);
    let (_, url) = server.admin().issue_link(None);
    let empty = [("Authorization", ""), ("X-Custom-Auth-Key", "")];
    for dialect in DIALECTS {
        let answer = send(&server, &dialect.ask("GET", super::target(&url), &empty));
        assert_eq!(code(&answer), "ALLOWED", "{}", answer.text());
        let mut preflight = vec![("Origin", "https://a.example"), ("Access-Control-Request-Method", "GET")];
        preflight.extend(empty);
        assert_eq!(code(&send(&server, &dialect.ask("OPTIONS", "/x", &preflight))), "ALLOWED");
        preflight[0].1 = "";
        assert_eq!(code(&send(&server, &dialect.ask("OPTIONS", "/x", &preflight))), "NO_CREDENTIAL");
    }
}

#[test]
fn clients_may_keep_only_what_costs_nothing_and_ends_later() {
    let server = trusting(&[("COUNTERMARK__GATE__MAX_AGE_SECONDS", "500")]);
    let mut admin = server.admin();
    let now = admin.issue(&json!({"type": "upload"}))["createdAt"].as_u64().unwrap();
    let mut kept = |members: serde_json::Value, expires: Option<u64>, headers: &[(&str, &str)]| {
        let signer = Signer::issue(&mut admin, &members);
        let link = signer.link("/c/i.jpg", expires, "path");
        let answer = send(&server, &Dialect::Nginx.ask("GET", &link, headers));
        assert_eq!(answer.status, 204, "{}", answer.text());
        answer.header("x-countermark-cache-control").unwrap().to_owned()
    };
    let seconds = |kept: String| kept.strip_prefix("max-age=").unwrap().parse::<u64>().unwrap();
    assert_eq!(kept(json!({}), None, &[]), "max-age=500");
    assert!((200..=300).contains(&seconds(kept(json!({}), Some(now + 300), &[]))));
    assert!((200..=300).contains(&seconds(kept(json!({"expiry": now + 300}), Some(now + 400), &[]))));
    assert_eq!(kept(json!({"limit": 5}), None, &[]), "private, no-store");
    let login = json!({"extra": {"authentication": {"a": "b"}}});
    assert_eq!(kept(login, None, &[("Authorization", "Basic YTpi")]), "private, no-store");
    let value = admin.issue_upload(None).1;
    let answer = send(&server, &Dialect::Nginx.ask("POST", &format!("/x?token={value}"), &[]));
    assert_eq!(answer.header("x-countermark-cache-control"), Some("private, no-store"));
}

#[test]
fn a_secret_that_is_being_replaced_bounds_what_clients_keep() {
    let server = trusting(&[]);
    let mut admin = server.admin();
    let signer = Signer::issue(&mut admin, &json!({}));
    let link = signer.link("/c/i.jpg", None, "query");
    let path = format!("/v1/access-tokens/{}/regenerate", signer.id);
    assert_eq!(admin.call("POST", &path, Some(&json!({"overlapSeconds": 300}))).status, 200);
    let answer = send(&server, &Dialect::Envoy.ask("GET", &link, &[]));
    let kept = answer.header("x-countermark-cache-control").unwrap().strip_prefix("max-age=").unwrap();
    assert!((200..=300).contains(&kept.parse::<u64>().unwrap()), "{kept}");
}

#[test]
fn the_headers_tell_of_the_token_once_it_is_proven() {
    let server = trusting(&[]);
    let mut admin = server.admin();
    let signer = Signer::issue(&mut admin, &json!({"owner": "a b\u{e9},\"c", "limit": 2}));
    let link = signer.link("/c/i.jpg", None, "path");
    let told = |target: &str| {
        let answer = send(&server, &Dialect::Forwarded.ask("GET", target, &[]));
        ["token-id", "remaining", "owner"]
            .map(|it| answer.header(&format!("x-countermark-{it}")).unwrap().to_owned())
    };
    assert_eq!(told(&link), [signer.id.as_str(), "1", "a%20b%C3%A9%2C%22c"]);
    assert_eq!(told(&link), [signer.id.as_str(), "0", "a%20b%C3%A9%2C%22c"]);
    assert_eq!(told(&link), [signer.id.as_str(), "0", "a%20b%C3%A9%2C%22c"], "also when it is spent");
    assert_eq!(told(&link.replace("i.jpg", "j.jpg")), ["", "", ""], "a bad signature proves nothing");
}

#[test]
fn any_method_asks_and_a_body_does_not_disturb_the_connection() {
    let server = trusting(&[]);
    let (_, url) = server.admin().issue_link(None);
    let headers =
        [("x-forwarded-uri", super::target(&url)), ("x-forwarded-method", "GET"), ("x-forwarded-host", HOST)];
    for method in ["GET", "POST", "PUT", "OPTIONS", "BREW"] {
        let mut connection = countermark_tests::Connection::open(server.address()).unwrap();
        let body = b"{\"some\":\"body\"}";
        connection.send(&request(method, "/v1/forward-auth/forwarded?x=1", &headers, Some(body))).unwrap();
        assert_eq!(connection.answer_to(method).unwrap().status, 204, "{method}");
        if !connection.has_ended() {
            let again = request("GET", "/v1/forward-auth/forwarded", &headers, None);
            if connection.send(&again).is_ok()
                && let Ok(answer) = connection.answer_to("GET")
            {
                assert_eq!(answer.status, 204, "the body is not taken for a request");
            }
        }
    }
}
