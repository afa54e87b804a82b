//! What is measured.

use serde_json::{Value, json};

use crate::subject::Subject;

/// One kind of request, as wrk repeats it.
pub struct Case {
    pub name: &'static str,
    pub base: String,
    pub method: &'static str,
    pub key: String,
    pub requests: Vec<(String, String)>,
    /// Decisions in one request.
    pub decisions: u32,
}

/// All cases; the first is the baseline.
pub struct Cases {
    pub all: Vec<Case>,
}

/// Tokens of the cases with many.
const MANY: usize = 10_000;
/// Never reached in any run.
const LIMIT: u64 = 1 << 52;

impl Cases {
    pub fn prepare(subject: &Subject) -> Self {
        let authorize = |name, requests| Case {
            name,
            base: subject.service.clone(),
            method: "POST",
            key: subject.key.clone(),
            requests,
            decisions: 1,
        };
        let bare = Case {
            name: "bare 204",
            base: subject.bare.clone(),
            method: "GET",
            key: subject.key.clone(),
            requests: vec![("/bare".to_owned(), String::new())],
            decisions: 1,
        };
        let unlimited = signed_url(subject, &issue(subject, Value::Null));
        let hot = signed_url(subject, &issue(subject, json!(LIMIT)));
        let many =
            (0..MANY).map(|_| signed_url(subject, &issue(subject, json!(LIMIT)))).map(|url| question(&url));
        let many: Vec<(String, String)> = many.collect();
        let item = json!({"credential": {"url": unlimited}});
        let batch = json!({"items": vec![item; 100]}).to_string();
        let all = vec![
            bare,
            authorize("no limit", vec![question(&unlimited)]),
            Case {
                decisions: 100,
                ..authorize("no limit, batch of 100", vec![("/v1/authorize/batch".to_owned(), batch)])
            },
            authorize("exact limit, one token", vec![question(&hot)]),
            authorize("exact limit, 10,000 tokens", many),
        ];
        Self { all }
    }
}

fn question(url: &str) -> (String, String) {
    let body = json!({"credential": {"url": url}, "request": {"method": "GET"}});
    ("/v1/authorize".to_owned(), body.to_string())
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
