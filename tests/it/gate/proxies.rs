//! The header sets that proxies document, for those that are not run here themselves.

use super::{HOST, Signer, code, raw, send, target, trusting};
use serde_json::json;

/// Traefik's manual, ForwardAuth, "Forward-Request Headers": method, protocol, host, URI and source address as
/// `X-Forwarded-…`. `trustForwardHeader` is off, so they are Traefik's own; every other header is the client's.
#[test]
fn traefiks_documented_headers_are_understood() {
    let server = trusting(&[]);
    let mut admin = server.admin();
    let (id, url) = admin.issue_link(Some(1));
    let ask = |method: &str, more: &[(&str, &str)]| {
        let mut headers = vec![
            ("User-Agent", "curl/8.5.0"),
            ("Accept", "*/*"),
            ("Accept-Encoding", "gzip"),
            ("X-Forwarded-Method", method),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", HOST),
            ("X-Forwarded-Uri", target(&url)),
            ("X-Forwarded-For", "192.0.2.7"),
        ];
        headers.extend(more);
        let answer = send(&server, &raw("GET", "/v1/forward-auth/forwarded", "countermark:8080", &headers));
        (answer.status, code(&answer).to_owned())
    };
    // Set by the entry point before any middleware runs.
    let usual = [("X-Forwarded-Port", "443"), ("X-Forwarded-Server", "edge-1"), ("X-Real-Ip", "192.0.2.7")];
    assert_eq!(ask("HEAD", &usual), (204, "ALLOWED".to_owned()));
    assert_eq!(ask("DELETE", &usual), (403, "METHOD_DENIED".to_owned()));
    assert_eq!(ask("GET", &usual), (204, "ALLOWED".to_owned()));
    assert_eq!(ask("GET", &usual), (429, "LIMIT_REACHED".to_owned()));
    assert_eq!(admin.used(&id), 1);
}

/// APISIX's manual, forward-auth: it adds these five and sends what `request_headers` lists of the client's; nothing else.
/// The URI is the normalized one with its query.
#[test]
fn apisixs_documented_headers_are_understood() {
    let server = trusting(&[]);
    let mut admin = server.admin();
    let key = admin.issue_key(&["read"]).1;
    let ask = |method: &str, uri: &str, more: &[(&str, &str)]| {
        let mut headers = vec![
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Method", method),
            ("X-Forwarded-Host", HOST),
            ("X-Forwarded-Uri", uri),
            ("X-Forwarded-For", "192.0.2.7"),
        ];
        headers.extend(more);
        let answer = send(&server, &raw("GET", "/v1/forward-auth/forwarded", "127.0.0.1:8080", &headers));
        (answer.status, code(&answer).to_owned())
    };
    let bearer = format!("Bearer {key}");
    assert_eq!(ask("GET", "/a/b?c=d", &[("Authorization", &bearer)]), (204, "ALLOWED".to_owned()));
    assert_eq!(ask("PUT", "/a/b?c=d", &[("Authorization", &bearer)]), (403, "PERMISSION_DENIED".to_owned()));
    assert_eq!(ask("GET", "/a/b?c=d", &[]), (401, "NO_CREDENTIAL".to_owned()), "not listed, not sent");
    let signer = Signer::issue(&mut admin, &json!({}));
    let link = signer.link("/c/a%7Eb.jpg", None, "path");
    assert_eq!(ask("GET", &link, &[]), (204, "ALLOWED".to_owned()));
    assert_eq!(ask("GET", &link.replace("%7E", "~"), &[]), (401, "BAD_SIGNATURE".to_owned()), "other bytes");
}

/// Envoy's manual, ext_authz over HTTP: the client's method, the path behind `path_prefix`, `Host`, `Content-Length: 0`,
/// `Authorization`, and what `allowed_headers` lists.
#[test]
fn envoys_documented_requests_are_understood() {
    let server = trusting(&[]);
    let mut admin = server.admin();
    let (_, value) = admin.issue_upload(Some(1));
    let bearer = format!("Bearer {value}");
    let ask = |method: &str| {
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-length", "0"),
            ("content-type", "image/png"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-proto", "https"),
            ("x-envoy-internal", "true"),
            ("x-envoy-expected-rq-timeout-ms", "200"),
        ];
        let answer =
            send(&server, &raw(method, "/v1/forward-auth/envoy/mycloud/new.png?x=1", HOST, &headers));
        (answer.status, code(&answer).to_owned())
    };
    assert_eq!(ask("GET"), (403, "METHOD_DENIED".to_owned()));
    assert_eq!(ask("PUT"), (200, "ALLOWED".to_owned()));
    assert_eq!(ask("POST"), (429, "LIMIT_REACHED".to_owned()));
}
