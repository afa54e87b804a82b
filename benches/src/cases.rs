//! What is measured.

use std::thread::scope;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use md5::{Digest, Md5};
use serde_json::{Value, json};

use crate::nginx::{Nginx, SECURE_LINK_SECRET};
use crate::subject::Subject;

/// One kind of request, as wrk repeats it.
#[derive(Clone)]
pub struct Case {
    pub name: &'static str,
    pub base: String,
    pub method: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub requests: Vec<(String, String)>,
    /// Decisions in one request.
    pub decisions: u32,
}

/// Cases measured beside each other; the first is the baseline.
pub struct Cases {
    pub all: Vec<Case>,
}

/// Tokens of the cases with many.
const MANY: usize = 10_000;
/// Never reached in any run.
const LIMIT: u64 = 1 << 52;

impl Cases {
    pub fn prepare(subject: &Subject) -> Self {
        let mut all = Self::exact(subject);
        let one = all.iter().find(|case| case.name == NO_LIMIT).expect("is among them").clone();
        let item: Value = serde_json::from_str(&one.requests[0].1).expect("is JSON");
        let batch = json!({"items": vec![json!({"credential": item["credential"]}); 100]}).to_string();
        let requests = vec![("/v1/authorize/batch".to_owned(), batch)];
        all.insert(2, Case { name: "no limit, batch of 100", requests, decisions: 100, ..one });
        Self { all }
    }

    fn exact(subject: &Subject) -> Vec<Case> {
        let with_key = with_key(subject);
        let authorize = |name, requests| Case {
            name,
            base: subject.service.clone(),
            method: "POST",
            headers: with_key.clone(),
            requests,
            decisions: 1,
        };
        let bare = Case {
            name: BARE,
            base: subject.bare.clone(),
            method: "GET",
            headers: with_key.clone(),
            requests: vec![("/bare".to_owned(), String::new())],
            decisions: 1,
        };
        let unlimited = signed_url(subject, &issue(subject, Value::Null));
        let hot = signed_url(subject, &issue(subject, json!(LIMIT)));
        let many = signed_urls(subject).iter().map(|url| question(url)).collect();
        vec![
            bare,
            authorize(NO_LIMIT, vec![question(&unlimited)]),
            authorize(HOT, vec![question(&hot)]),
            authorize("exact limit, 10,000 tokens", many),
        ]
    }

    /// Without batches, and beside them what takes each use by an update of its own.
    pub fn on_postgres(subject: &Subject) -> Self {
        let mut all = Self::exact(subject);
        let token = issue(subject, json!(LIMIT));
        let one_update = |name, path: String| Case {
            name,
            base: subject.bare.clone(),
            method: "GET",
            headers: Vec::new(),
            requests: vec![(path, String::new())],
            decisions: 1,
        };
        all.push(one_update(ONE_UPDATE, format!("/one-update/{token}")));
        // No requests: pgbench has its own.
        all.push(Case { base: token, requests: Vec::new(), ..one_update(PGBENCH, String::new()) });
        Self { all }
    }

    /// The same on each of several nodes.
    pub fn on_nodes(nodes: &[Subject]) -> Vec<Self> {
        let first = Self::exact(&nodes[0]);
        let of = |node: &Subject| {
            let all = first.iter().map(|case| {
                let is_bare = case.name == BARE;
                let base = if is_bare { &node.bare } else { &node.service };
                Case { base: base.clone(), ..case.clone() }
            });
            Self { all: all.collect() }
        };
        nodes.iter().map(of).collect()
    }

    /// The gate, asked by wrk itself and by a real nginx, each beside the same with a bare handler.
    pub fn at_the_gate(subject: &Subject, nginx: &Nginx) -> Self {
        let unlimited = signed_url(subject, &issue(subject, Value::Null));
        let hot = signed_url(subject, &issue(subject, json!(LIMIT)));
        let target = |url: &str| url.trim_start_matches("https://img.example.com").to_owned();
        let direct = |name, base: &str, path: &str, url: &str| Case {
            name,
            base: base.to_owned(),
            method: "GET",
            headers: vec![
                ("X-Original-URI", target(url)),
                ("X-Original-Method", "GET".to_owned()),
                ("X-Original-Host", "img.example.com".to_owned()),
                ("X-Real-IP", "127.0.0.1".to_owned()),
            ],
            requests: vec![(path.to_owned(), String::new())],
            decisions: 1,
        };
        let behind = |name, path: String| Case {
            name,
            base: format!("http://{}", nginx.address),
            method: "GET",
            headers: Vec::new(),
            requests: vec![(path, String::new())],
            decisions: 1,
        };
        let asking = "/v1/forward-auth/nginx";
        let all = vec![
            direct(BARE, &subject.bare, "/bare", &unlimited),
            direct("forward-auth, no limit", &subject.service, asking, &unlimited),
            direct("forward-auth, exact limit", &subject.service, asking, &hot),
            behind("nginx alone", format!("/open{}", target(&unlimited))),
            behind("nginx, secure_link", secure_link("/secure/mycloud/w:200_h:100/i/dir/image.webp")),
            behind(NGINX_ASKS_BARE, format!("/plain{}", target(&unlimited))),
            behind("nginx asks the gate, no limit", format!("/asked{}", target(&unlimited))),
            behind("nginx asks the gate, exact limit", format!("/asked{}", target(&hot))),
        ];
        Self { all }
    }
}

/// The baseline of everything else.
pub const BARE: &str = "bare 204";

const NO_LIMIT: &str = "no limit";

/// What is compared with [`ONE_UPDATE`] and [`PGBENCH`].
pub const HOT: &str = "exact limit, one token";

/// Without combining, by the bare server.
pub const ONE_UPDATE: &str = "one UPDATE a request, one token";

/// Without combining and without HTTP; `base` is the token.
pub const PGBENCH: &str = "pgbench, one UPDATE each, one row";

/// The baseline of what nginx asks.
pub const NGINX_ASKS_BARE: &str = "nginx asks bare 204";

/// A link as nginx's secure_link checks it, good for ever.
fn secure_link(path: &str) -> String {
    let expires = 4_000_000_000_u64;
    let digest = Md5::digest(format!("{expires}{path} {SECURE_LINK_SECRET}"));
    format!("{path}?md5={}&expires={expires}", URL_SAFE_NO_PAD.encode(digest))
}

/// The headers of a call to the native API.
pub fn with_key(subject: &Subject) -> Vec<(&'static str, String)> {
    vec![
        ("Authorization", format!("Bearer {}", subject.key)),
        ("Content-Type", "application/json".to_owned()),
    ]
}

fn question(url: &str) -> (String, String) {
    let body = json!({"credential": {"url": url}, "request": {"method": "GET"}});
    ("/v1/authorize".to_owned(), body.to_string())
}

/// Of [`MANY`] tokens, issued by several callers at once: each waits for the disk.
fn signed_urls(subject: &Subject) -> Vec<String> {
    const CALLERS: usize = 8;
    scope(|scope| {
        let issue_some =
            || (0..MANY / CALLERS).map(|_| signed_url(subject, &issue(subject, json!(LIMIT)))).collect();
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(issue_some)).collect();
        let urls = callers.into_iter().map(|it| it.join().expect("tokens can be issued"));
        urls.collect::<Vec<Vec<String>>>().concat()
    })
}

pub fn issue(subject: &Subject, limit: Value) -> String {
    let issued = subject.post("/v1/access-tokens", &json!({"type": "imageUrl", "limit": limit}));
    issued["id"].as_str().expect("an issued token has an id").to_owned()
}

pub fn signed_url(subject: &Subject, token: &str) -> String {
    let order =
        json!({"tokenId": token, "url": "https://img.example.com/mycloud/w:200_h:100/i/dir/image.webp"});
    let signed = subject.post("/v1/signed-urls", &order);
    signed["url"].as_str().expect("a signed URL").to_owned()
}
