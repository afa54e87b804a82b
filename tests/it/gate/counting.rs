//! Uses through the gate are as exact as through the API, and a revocation is felt at once.

use countermark_tests::{Answer, Connection, TestServer};
use serde_json::json;

use super::{DIALECTS, Dialect, Signer, code, raw, send, target, trusting};

#[test]
fn a_burst_through_the_gate_is_granted_exactly_the_limit() {
    let server = trusting(&[]);
    let mut admin = server.admin();
    for (dialect, limit) in DIALECTS.into_iter().flat_map(|dialect| [1, 7, 100].map(|limit| (dialect, limit)))
    {
        let (id, url) = admin.issue_link(Some(limit));
        let answers = burst(&server, &vec![dialect.ask("GET", target(&url), &[]); 200]);
        let allowed = answers.iter().filter(|answer| code(answer) == "ALLOWED").count() as u64;
        assert!(answers.iter().all(|it| matches!(code(it), "ALLOWED" | "LIMIT_REACHED")));
        assert_eq!((allowed, admin.used(&id)), (limit, limit), "{dialect:?}");
        let mut left: Vec<u64> = answers.iter().filter(|it| code(it) == "ALLOWED").map(remaining).collect();
        left.sort_unstable();
        assert_eq!(left, (0..limit).collect::<Vec<_>>(), "each use was told what is left after it");
    }
}

#[test]
fn a_burst_over_all_dialects_is_granted_exactly_the_limit() {
    let server = trusting(&[]);
    let mut admin = server.admin();
    let (id, value) = admin.issue_upload(Some(50));
    let bearer = format!("Bearer {value}");
    let asks: Vec<_> = (0..200)
        .map(|number| DIALECTS[number % 3].ask("POST", "/x", &[("Authorization", &bearer)]))
        .collect();
    let allowed = burst(&server, &asks).iter().filter(|answer| code(answer) == "ALLOWED").count();
    assert_eq!((allowed, admin.used(&id)), (50, 50));
}

fn remaining(answer: &Answer) -> u64 {
    answer.header("x-countermark-remaining").unwrap().parse().unwrap()
}

/// Every connection holds back its last byte, then all last bytes are sent together.
fn burst(server: &TestServer, asks: &[Vec<u8>]) -> Vec<Answer> {
    let mut connections: Vec<_> = asks.iter().map(|_| Connection::open(server.address()).unwrap()).collect();
    for (connection, ask) in connections.iter_mut().zip(asks) {
        connection.send(&ask[..ask.len() - 1]).unwrap();
    }
    for (connection, ask) in connections.iter_mut().zip(asks) {
        connection.send(&ask[ask.len() - 1..]).unwrap();
    }
    connections.iter_mut().map(|connection| connection.answer_to("GET").unwrap()).collect()
}

#[test]
fn a_revoked_link_is_refused_by_the_next_ask() {
    let server = trusting(&[]);
    let mut admin = server.admin();
    for dialect in DIALECTS {
        for limit in [None, Some(1000)] {
            let (id, url) = admin.issue_link(limit);
            let mut proxy = Connection::open(server.address()).unwrap();
            let mut ask = || {
                proxy.send(&dialect.ask("GET", target(&url), &[])).unwrap();
                code(&proxy.answer_to("GET").unwrap()).to_owned()
            };
            assert_eq!([ask(), ask()], ["ALLOWED", "ALLOWED"]);
            assert_eq!(admin.patch(&id, &json!({"enabled": false})).status, 200);
            assert_eq!(ask(), "DISABLED");
            assert_eq!(admin.patch(&id, &json!({"enabled": true})).status, 200);
            assert_eq!(ask(), "ALLOWED");
            assert_eq!(admin.revoke(&id).status, 204);
            assert_eq!(ask(), "REVOKED");
        }
    }
}

#[test]
fn head_is_free_and_a_refusal_costs_nothing() {
    let server = trusting(&[]);
    let mut admin = server.admin();
    let (id, url) = admin.issue_link(Some(1));
    for dialect in DIALECTS {
        assert_eq!(send(&server, &dialect.ask("HEAD", target(&url), &[])).status, dialect.allowed());
        assert_eq!(send(&server, &dialect.ask("POST", target(&url), &[])).status, 403);
        let two = dialect.ask("GET", target(&url), &[("Authorization", "Bearer x")]);
        assert_eq!(code(&send(&server, &two)), "MALFORMED");
        assert_eq!(admin.used(&id), 0, "{dialect:?}");
    }
    assert_eq!(send(&server, &Dialect::Nginx.ask("GET", target(&url), &[])).status, 204);
    assert_eq!(admin.used(&id), 1);
}

#[test]
fn a_window_makes_one_use_of_one_clients_requests() {
    let server = trusting(&[]);
    let mut admin = server.admin();
    for dialect in DIALECTS {
        let signer = Signer::issue(&mut admin, &json!({"limit": 100, "countWindow": 3600}));
        let link = signer.link("/c/i.jpg", None, "path");
        let name = if dialect == Dialect::Nginx { "X-Real-IP" } else { "X-Forwarded-For" };
        let mut ask = |client: &str| {
            let headers = [(name, client)];
            assert_eq!(code(&send(&server, &dialect.ask("GET", &link, &headers))), "ALLOWED");
            admin.used(&signer.id)
        };
        assert_eq!([ask("192.0.2.1"), ask("192.0.2.1"), ask("192.0.2.2")], [1, 1, 2], "{dialect:?}");
        assert_eq!(ask("::ffff:192.0.2.1"), 2, "another spelling is no other client");
        assert_eq!([ask("2001:db8::1"), ask("2001:DB8:0:0::0001")], [3, 3]);
        if dialect != Dialect::Nginx {
            assert_eq!(ask("192.0.2.9, 192.0.2.1"), 3, "the last element is the client");
            assert_eq!(ask("192.0.2.1, 192.0.2.9"), 4, "the first one is whatever the client says");
        }
        let before = ask("nobody");
        assert_eq!(ask("nobody"), before + 1, "who has no address has no window");
    }
}

#[test]
fn a_link_is_counted_once_an_ask_whatever_the_endpoints_own_query() {
    let server = trusting(&[]);
    let mut admin = server.admin();
    let (id, url) = admin.issue_link(Some(5));
    let headers =
        [("X-Original-URI", target(&url)), ("X-Original-Method", "GET"), ("X-Original-Host", super::HOST)];
    let ask = raw("GET", "/v1/forward-auth/nginx?method=HEAD&cost=0&dryRun=true&token=x", "h", &headers);
    assert_eq!(send(&server, &ask).status, 204);
    assert_eq!(admin.used(&id), 1);
}

#[test]
fn what_continues_a_live_upload_of_the_token_is_free() {
    let server = trusting(&[]);
    let mut admin = server.admin();
    let (id, value) = admin.issue_upload(Some(1));
    let bearer = format!("Bearer {value}");
    let others = format!("Bearer {}", admin.issue_upload(None).1);
    let begun = admin.call("POST", "/v1/uploads", Some(&json!({"value": value})));
    assert_eq!(begun.status, 201, "{}", begun.text());
    let upload = begun.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/files/{upload}");
    for dialect in DIALECTS {
        let ask = |method: &str, target: &str, bearer: &str| {
            send(&server, &dialect.ask(method, target, &[("Authorization", bearer)]))
        };
        for method in ["PATCH", "HEAD", "DELETE"] {
            assert_eq!(code(&ask(method, &path, &bearer)), "ALLOWED", "{dialect:?} {method}");
            assert_eq!(code(&ask(method, &path, &others)), "METHOD_DENIED", "another token's");
            assert_eq!(code(&ask(method, "/files/upl_0000000000000000000000", &bearer)), "METHOD_DENIED");
            assert_eq!(code(&ask(method, &format!("{path}/x"), &bearer)), "METHOD_DENIED");
        }
        assert_eq!(code(&ask("POST", &path, &bearer)), "LIMIT_REACHED");
    }
    assert_eq!(admin.used(&id), 1, "its beginning alone");
    let ended = admin.call("POST", &format!("/v1/uploads/{upload}/abort"), Some(&json!({})));
    assert_eq!(ended.status, 200, "{}", ended.text());
    let ask = Dialect::Envoy.ask("PATCH", &path, &[("Authorization", &bearer)]);
    assert_eq!(code(&send(&server, &ask)), "METHOD_DENIED", "it lives no more");
}
