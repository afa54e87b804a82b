//! The gate as proxies ask it, on raw sockets: every header is what the test says, and stands where it says.

mod counting;
mod proxies;
mod rules;
mod secrets;
mod spoofing;
mod statuses;

use std::process::Command;

use countermark_tests::{Answer, Client, Connection, Options, TestServer, binary};
use serde_json::{Value, json};

pub const HOST: &str = "img.example.com";

/// How a proxy asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Nginx,
    Forwarded,
    Envoy,
}

pub const DIALECTS: [Dialect; 3] = [Dialect::Nginx, Dialect::Forwarded, Dialect::Envoy];

impl Dialect {
    /// The ask for a request to [`HOST`]; `headers` are those of the client, and stand first.
    pub fn ask(self, method: &str, target: &str, headers: &[(&str, &str)]) -> Vec<u8> {
        self.ask_of(HOST, method, target, headers)
    }

    /// As [`Dialect::ask`] for another host.
    pub fn ask_of(self, host: &str, method: &str, target: &str, headers: &[(&str, &str)]) -> Vec<u8> {
        let mut all = headers.to_vec();
        match self {
            Self::Nginx => {
                all.extend([
                    ("X-Original-URI", target),
                    ("X-Original-Method", method),
                    ("X-Original-Host", host),
                ]);
                raw("GET", "/v1/forward-auth/nginx", "127.0.0.1", &all)
            }
            Self::Forwarded => {
                all.extend([
                    ("X-Forwarded-Uri", target),
                    ("X-Forwarded-Method", method),
                    ("X-Forwarded-Host", host),
                ]);
                raw("GET", "/v1/forward-auth/forwarded", "127.0.0.1", &all)
            }
            Self::Envoy => raw(method, &format!("/v1/forward-auth/envoy{target}"), host, &all),
        }
    }

    /// The status of `ALLOWED`.
    pub fn allowed(self) -> u16 {
        if self == Self::Envoy { 200 } else { 204 }
    }

    /// `nginx` for it, `full` for the others.
    pub fn status(self, nginx: u16, full: u16) -> u16 {
        if self == Self::Nginx { nginx } else { full }
    }
}

/// A request without a body.
pub fn raw(method: &str, target: &str, host: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    (text + "\r\n").into_bytes()
}

/// A server that believes proxies on the loopback address.
pub fn trusting(environment: &[(&str, &str)]) -> TestServer {
    let mut all = vec![("COUNTERMARK__GATE__TRUSTED_PROXIES".to_owned(), "127.0.0.0/8".into())];
    all.extend(environment.iter().map(|(name, value)| (name.to_string(), value.into())));
    TestServer::with(Options { environment: all, ..Options::default() })
}

/// The answer to these bytes on a connection of their own.
pub fn send(server: &TestServer, bytes: &[u8]) -> Answer {
    let mut connection = Connection::open(server.address()).unwrap();
    connection.send(bytes).unwrap();
    let is_head = bytes.starts_with(b"HEAD ");
    connection.answer_to(if is_head { "HEAD" } else { "GET" }).unwrap()
}

/// Path and query of a URL on [`HOST`].
pub fn target(url: &str) -> &str {
    url.strip_prefix("https://img.example.com").expect("the URL is on our host")
}

/// The decision in the headers.
pub fn code(answer: &Answer) -> &str {
    answer.header("x-countermark-code").unwrap_or("(none)")
}

/// What every answer of the gate has.
pub fn assert_complete(answer: &Answer) {
    for name in ["token-id", "code", "remaining", "owner", "cache-control"] {
        let name = format!("x-countermark-{name}");
        let count = answer.headers.iter().filter(|(known, _)| *known == name).count();
        assert_eq!(count, 1, "{name}: {}", answer.text());
    }
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{}", answer.text());
}

/// An imageUrl token whose secret is known here, so that links can be made that the service would not sign.
pub struct Signer {
    pub id: String,
    secret: String,
}

impl Signer {
    /// A new token with these members.
    pub fn issue(admin: &mut Client, members: &Value) -> Self {
        let mut token = json!({"type": "imageUrl"});
        for (name, value) in members.as_object().unwrap() {
            token[name] = value.clone();
        }
        let issued = admin.issue(&token);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self { id: text(&issued["id"]), secret: text(&issued["extra"]["secret"]) }
    }

    /// The target of a link that ends at `expires`.
    pub fn link(&self, path: &str, expires: Option<u64>, placement: &str) -> String {
        let mut command = Command::new(binary());
        let url = format!("https://{HOST}{path}");
        command.args(["sign", "--url", &url, "--token", &self.id, "--placement", placement]);
        if let Some(expires) = expires {
            command.args(["--expires", &expires.to_string()]);
        }
        let signed = command.env("COUNTERMARK_SIGNING_SECRET", &self.secret).output().unwrap();
        let url = String::from_utf8(signed.stdout).unwrap();
        assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
        target(url.trim()).to_owned()
    }
}
