//! Secrets of every kind go through every route; none of them may be found anywhere afterwards.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use countermark_tests::{Answer, Client, Random, TestServer};
use serde_json::{Value, json};

/// Length of the fragments that are searched for.
const FRAGMENT: usize = 12;
/// Leading characters of a native value that may be shown in lists.
const PREVIEW: usize = 15;
/// Hidden characters in each fragment of a value: fewer may equal by chance what stands beside its preview in a file.
const HIDDEN: usize = 6;

#[test]
fn no_secret_is_found_in_log_database_metrics_errors_or_arguments() {
    let mut server = TestServer::with(countermark_tests::Options {
        environment: vec![("COUNTERMARK__LOG__LEVEL".to_owned(), "debug".into())],
        ..Default::default()
    });
    let secrets = Secrets::new();
    let mut seen = Seen::default();
    let values = seen.ordinary_use(&mut server.admin(), &secrets);
    seen.refusals(&server, &secrets, &values);

    let needles = Needles::of(&secrets, &values, server.admin_key());
    let arguments = fs::read(format!("/proc/{}/cmdline", server.pid())).unwrap();
    needles.assert_absent("the arguments", &arguments);
    let metrics = server.admin().call("GET", "/metrics", None);
    assert_eq!(metrics.status, 200);
    needles.assert_absent("the metrics", &metrics.body);
    for answer in &seen.refusals {
        needles.assert_absent("an error", answer.text().as_bytes());
    }
    // While it runs, much of the database lies in the write-ahead log; after the stop it is in the file.
    needles.assert_absent_in_files(&server.data());
    assert_eq!(server.stop().code(), Some(0));
    needles.assert_absent_in_files(&server.data());
    let log = server.log();
    assert!(log.lines().filter(|line| line.starts_with('{')).count() > 0, "there is a JSON log to search");
    needles.assert_absent("the log", log.as_bytes());
}

#[test]
fn the_search_finds_what_it_must_find() {
    let secrets = Secrets::new();
    let value = Random::fresh().value('u');
    let needles = Needles::of(&secrets, std::slice::from_ref(&value), "cmk_0000000000");
    let secret = &secrets.signing;
    let shifted = STANDARD.encode(format!("x{secret}"));
    let hex: String = secret.bytes().map(|byte| format!("{byte:02X}")).collect();
    for text in [secret.as_str(), &secret[5..20], &shifted, &hex, &value[14..30]] {
        assert!(needles.find(text.as_bytes()).is_some(), "{text}");
    }
    assert_eq!(needles.find(&value.as_bytes()[..PREVIEW]), None, "a preview is no secret");
    let beside = format!("{}native", &value[..=PREVIEW]);
    assert_eq!(
        needles.find(beside.as_bytes()),
        None,
        "a neighbour of a preview may equal the character that comes next"
    );
    assert!(
        needles.find(&value.as_bytes()[..PREVIEW + HIDDEN]).is_some(),
        "few characters beyond a preview are too many"
    );
}

struct Secrets {
    signing: String,
    password: String,
    /// Sent where no secret belongs: in members of the wrong type, as keys, in paths and parameters.
    stray: String,
}

impl Secrets {
    fn new() -> Self {
        let mut random = Random::fresh();
        Self { signing: random.base62(40), password: random.base62(30), stray: random.base62(40) }
    }
}

#[derive(Default)]
struct Seen {
    refusals: Vec<Answer>,
}

impl Seen {
    /// Every route with good requests; gives the values that were issued on the way.
    fn ordinary_use(&mut self, admin: &mut Client, secrets: &Secrets) -> Vec<String> {
        let link = json!({"type": "imageUrl", "limit": 100, "extra": {
            "secret": secrets.signing, "authentication": {"viewer": secrets.password}
        }});
        let link = admin.issue(&link)["id"].as_str().unwrap().to_owned();
        let url = admin.sign(&link, "https://img.example.com/mycloud/i/cat.jpg");
        let viewer = json!({"username": "viewer", "password": secrets.password});
        let question = json!({"credential": {"url": url}, "request": {"basic": viewer}});
        assert_eq!(admin.authorize(&question), "ALLOWED");
        let explained = admin.call("POST", "/v1/explain", Some(&question));
        assert_eq!(explained.status, 200, "{}", explained.text());
        self.refusals.push(explained);

        let upload = admin.issue(&json!({"type": "upload", "limit": 100, "recoverable": true}));
        let (id, value) = (upload["id"].as_str().unwrap(), upload["value"].as_str().unwrap().to_owned());
        assert_eq!(admin.authorize(&countermark_tests::upload_question(&value)), "ALLOWED");
        let basic = json!({"credential": {"basic": {"username": value, "password": value}}, "request": {"method": "POST"}});
        assert_eq!(admin.authorize(&json!(basic)), "ALLOWED");
        let shown = admin.call("GET", &format!("/v1/access-tokens/{id}/value"), None);
        assert!(shown.text().contains(&value), "a recoverable value is shown: {}", shown.text());
        let regenerated = admin.call("POST", &format!("/v1/access-tokens/{id}/regenerate"), Some(&json!({})));
        let new_value = regenerated.json()["value"].as_str().unwrap().to_owned();
        let (_, key) = admin.issue_key(&["read"]);
        let form = format!("token={key}");
        let authorization = format!("Bearer {}", admin.key());
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let bytes = countermark_tests::request("POST", "/oauth2/introspect", &headers, Some(form.as_bytes()));
        let introspected = admin.exchange("POST", &bytes).unwrap();
        assert_eq!(introspected.json()["active"], true, "{}", introspected.text());
        for path in ["/v1/access-tokens", "/v1/audit", "/v1/stats"] {
            let list = admin.call("GET", path, None);
            assert_eq!(list.status, 200, "{path}: {}", list.text());
            self.refusals.push(list);
        }
        vec![value, new_value, key]
    }

    /// Every route with the secrets in wrong places; the answers are all kept.
    fn refusals(&mut self, server: &TestServer, secrets: &Secrets, values: &[String]) {
        let mut admin = server.admin();
        for secret in [&secrets.signing, &secrets.password, &secrets.stray].into_iter().chain(values) {
            for (method, path) in ROUTES {
                let path = path.replace("{id}", "up_0000000000000000000000");
                for body in wrong_bodies(secret) {
                    self.keep(admin.call(method, &path, Some(&body)));
                }
            }
            let mut stranger = server.caller(secret);
            for path in ["/v1/access-tokens", "/v1/audit"] {
                self.keep(stranger.call("GET", path, None));
                self.keep(admin.call("GET", &format!("{path}?cursor={secret}"), None));
            }
            self.keep(admin.call("GET", &format!("/v1/access-tokens/{secret}"), None));
            self.keep(admin.call("GET", &format!("/nowhere/{secret}"), None));
            let long_key = secret.repeat(10);
            let question = countermark_tests::upload_question(secret);
            let headers = [("idempotency-key", long_key.as_str()), ("cookie", secret.as_str())];
            self.keep(admin.try_call("POST", "/v1/authorize", &headers, Some(&question)).unwrap());
        }
    }

    fn keep(&mut self, answer: Answer) {
        assert!(answer.status < 500, "{}", answer.text());
        self.refusals.push(answer);
    }
}

const ROUTES: [(&str, &str); 7] = [
    ("POST", "/v1/access-tokens"),
    ("PATCH", "/v1/access-tokens/{id}"),
    ("POST", "/v1/access-tokens/{id}/regenerate"),
    ("POST", "/v1/authorize"),
    ("POST", "/v1/authorize/batch"),
    ("POST", "/v1/explain"),
    ("POST", "/v1/signed-urls"),
];

fn wrong_bodies(secret: &str) -> Vec<Value> {
    vec![
        json!(secret),
        json!({"type": secret, "enabled": secret, "expiry": secret, "limit": secret}),
        json!({"type": "imageUrl", "extra": {"secret": [secret]}}),
        json!({"type": "imageUrl", "extra": {"secret": secret, "authentication": [secret]}}),
        json!({"type": "upload", "basePath": secret, "expiry": secret}),
        json!({"extra": secret, "tokenId": secret, "url": secret}),
        json!({"credential": {"value": secret}, "request": {"method": secret}}),
        json!({"credential": {"url": secret, "value": secret}}),
        json!({"credential": {"url": format!("https://img.example.com/c/s-cm1:{secret}/x")}}),
        json!({"items": [{"credential": {"basic": {"username": secret, "password": 7}}}]}),
        json!({"tokenId": "iu_0000000000000000000000", "url": secret}),
    ]
}

/// All fragments of the secrets in clear, hexadecimal and base64.
struct Needles(HashSet<Vec<u8>>);

impl Needles {
    fn of(secrets: &Secrets, values: &[String], admin_key: &str) -> Self {
        let mut needles = Self(HashSet::new());
        for secret in [&secrets.signing, &secrets.password, &secrets.stray] {
            needles.add(secret.as_bytes());
        }
        for value in values.iter().map(String::as_str).chain([admin_key]) {
            needles.add(value.as_bytes().get(PREVIEW + HIDDEN - FRAGMENT..).unwrap_or_default());
        }
        needles
    }

    fn add(&mut self, secret: &[u8]) {
        let hex = |upper: bool| -> String {
            secret
                .iter()
                .map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") })
                .collect()
        };
        let mut forms = vec![secret.to_vec(), hex(false).into_bytes(), hex(true).into_bytes()];
        for skipped in 0..3 {
            let aligned = secret.get(skipped..).unwrap_or_default();
            // Whole groups of three only: what follows the secret would change the last characters.
            let whole = &aligned[..aligned.len() / 3 * 3];
            forms.push(STANDARD.encode(whole).into_bytes());
            forms.push(URL_SAFE.encode(whole).into_bytes());
        }
        for form in forms {
            // A hexadecimal fragment of so many characters would hold half as many bytes of the secret.
            self.0.extend(form.windows(FRAGMENT).map(<[u8]>::to_vec));
        }
    }

    fn find(&self, text: &[u8]) -> Option<usize> {
        text.windows(FRAGMENT).position(|window| self.0.contains(window))
    }

    fn assert_absent(&self, place: &str, text: &[u8]) {
        if let Some(position) = self.find(text) {
            let around = &text[position.saturating_sub(120)..(position + 60).min(text.len())];
            panic!("a secret stands in {place}: …{}…", String::from_utf8_lossy(around));
        }
    }

    fn assert_absent_in_files(&self, directory: &Path) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.assert_absent_in_files(&path);
            } else {
                self.assert_absent(&path.display().to_string(), &fs::read(&path).unwrap());
            }
        }
    }
}
