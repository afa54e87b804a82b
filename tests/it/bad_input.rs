//! Bad input over the wire: always a 4xx problem that says where the fault lies and never repeats a value.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use countermark_tests::{Answer, Connection, TestServer, in_parallel, request, upload_question};
use serde_json::{Value, json};

/// Stands in every value that is at fault; may never come back.
const CANARY: &str = "CaNaRy7hQz";

/// One bad request and what must be said about it.
struct Case {
    name: String,
    bytes: Vec<u8>,
    method: &'static str,
    statuses: Vec<u16>,
    code: Option<&'static str>,
    /// The place that must be named, by JSON pointer or `?parameter`.
    pointer: Option<String>,
}

/// What the cases are about.
struct World {
    server: TestServer,
    upload: String,
    link: String,
    authorization: String,
}

const JSON_ROUTES: [(&str, &str); 7] = [
    ("POST", "/v1/authorize"),
    ("POST", "/v1/authorize/batch"),
    ("POST", "/v1/explain"),
    ("POST", "/v1/signed-urls"),
    ("POST", "/v1/access-tokens"),
    ("PATCH", "/v1/access-tokens/{upload}"),
    ("POST", "/v1/access-tokens/{upload}/regenerate"),
];

#[test]
fn broken_bodies_are_refused_on_every_route() {
    let world = World::new();
    let mut cases = Vec::new();
    for (method, path) in JSON_ROUTES {
        cases.extend(world.broken_bodies(method, path));
    }
    world.assert_all(&cases, 100);
}

#[test]
fn bad_members_are_named_by_pointer() {
    let world = World::new();
    let mut cases = world.bad_numbers();
    cases.extend(world.bad_members());
    world.assert_all(&cases, 90);
}

#[test]
fn bad_heads_are_refused_on_every_route() {
    let world = World::new();
    let mut cases = Vec::new();
    for (method, path) in JSON_ROUTES {
        cases.extend(world.bad_heads(method, path));
    }
    cases.extend(world.wrong_methods());
    cases.extend(world.unknown_paths());
    cases.extend(world.bad_parameters());
    world.assert_all(&cases, 100);
}

#[test]
fn broken_http_is_refused_without_a_word_of_it() {
    let world = World::new();
    let key = &world.authorization;
    let body = upload_question("x").to_string();
    let head = format!(
        "POST /v1/authorize HTTP/1.1\r\nhost: x\r\nauthorization: {key}\r\ncontent-type: application/json\r\n"
    );
    let length = body.len();
    let long = "a".repeat(200_000);
    let many: String = (0..2_000).map(|number| format!("x-{number}: {CANARY}\r\n")).collect();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        (
            "length and chunks",
            format!("{head}content-length: {length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n").into(),
        ),
        ("two lengths", format!("{head}content-length: {length}\r\ncontent-length: 1\r\n\r\n{body}").into()),
        ("negative length", format!("{head}content-length: -1\r\n\r\n{body}").into()),
        ("length with a sign", format!("{head}content-length: +{length}\r\n\r\n{body}").into()),
        ("length in words", format!("{head}content-length: {CANARY}\r\n\r\n{body}").into()),
        (
            "length beyond 64 bits",
            format!("{head}content-length: 99999999999999999999999\r\n\r\n{body}").into(),
        ),
        ("unknown transfer coding", format!("{head}transfer-encoding: {CANARY}\r\n\r\n{body}").into()),
        ("chunked twice", format!("{head}transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n").into()),
        ("chunk size is no number", format!("{head}transfer-encoding: chunked\r\n\r\n{CANARY}\r\n").into()),
        (
            "chunk size overflows",
            format!("{head}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n").into(),
        ),
        ("folded header", format!("{head}x-a: b\r\n {CANARY}\r\ncontent-length: 0\r\n\r\n").into()),
        ("space before the colon", format!("{head}x-a : {CANARY}\r\n\r\n").into()),
        ("control character in a header", format!("{head}x-a: \u{1}{CANARY}\r\n\r\n").into()),
        ("NUL in a header", format!("{head}x-a: \0{CANARY}\r\n\r\n").into()),
        ("header without a colon", format!("{head}{CANARY}\r\n\r\n").into()),
        ("header without a name", format!("{head}: {CANARY}\r\n\r\n").into()),
        ("huge header", format!("{head}x-a: {long}\r\n\r\n").into()),
        ("many headers", format!("{head}{many}\r\n").into()),
        ("huge target", format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n").into()),
        ("no target", b"GET HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("space in the target", format!("GET /a {CANARY} HTTP/1.1\r\nhost: x\r\n\r\n").into()),
        ("bytes in the target", b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("bytes in the method", b"G\xffT / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("wrong version", b"GET / HTTP/9.9\r\nhost: x\r\n\r\n".to_vec()),
        ("no version", b"GET /\r\n\r\n".to_vec()),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".iter().copied().chain([0; 512]).collect()),
        ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("bare line feeds", format!("GET /nowhere/{CANARY} HTTP/1.1\nhost: x\n\n").into()),
        ("no host", format!("GET /nowhere/{CANARY} HTTP/1.1\r\n\r\n").into()),
        ("absolute target", format!("GET http://{CANARY}/nowhere HTTP/1.1\r\nhost: x\r\n\r\n").into()),
    ];
    let address = world.server.address();
    // Together, since some of them wait until the server gives up on them.
    let answers = in_parallel(cases.len(), {
        let cases = cases.clone();
        move |number| broken_exchange(address, cases[number].1.clone())
    });
    for ((name, _), answer) in cases.iter().zip(&answers) {
        let status: u16 = answer.get(9..12).and_then(|text| text.parse().ok()).unwrap_or(0);
        println!("{name}: {status} {}", if answer.contains("problem+json") { "problem" } else { "" });
        assert!(status == 0 || (400..500).contains(&status), "{name}: {answer}");
        assert!(!answer.contains(CANARY), "{name}: {answer}");
    }
    world.assert_healthy();
}

/// Everything that the server says until it ends the connection.
fn broken_exchange(address: SocketAddr, mut bytes: Vec<u8>) -> String {
    let mut connection = Connection::open(address).unwrap();
    // Whatever is taken for a whole request is the last one, so that the connection ends.
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").filter(|_| bytes.len() < 4096);
    if let Some(end) = head {
        bytes.splice(end..end, *b"\r\nconnection: close");
    }
    // The server may end the connection before it has read all of it.
    let _ = connection.send(&bytes);
    String::from_utf8_lossy(&connection.rest()).into_owned()
}

impl World {
    fn new() -> Self {
        let server = TestServer::start();
        let mut admin = server.admin();
        let (upload, _) = admin.issue_upload(Some(5));
        let (link, _) = admin.issue_link(Some(5));
        Self { authorization: format!("Bearer {}", server.admin_key()), server, upload, link }
    }

    fn path(&self, path: &str) -> String {
        path.replace("{upload}", &self.upload).replace("{link}", &self.link)
    }

    fn case(
        &self,
        name: impl Into<String>,
        method: &'static str,
        path: &str,
        body: impl Into<Vec<u8>>,
    ) -> Case {
        self.case_with(name, method, path, &[], body)
    }

    /// `headers` replace the usual ones of the same name.
    fn case_with(
        &self,
        name: impl Into<String>,
        method: &'static str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Case {
        let usual = [("authorization", self.authorization.as_str()), ("content-type", "application/json")];
        let replaced = |name: &str| headers.iter().any(|(other, _)| *other == name);
        let mut all: Vec<(&str, &str)> = usual.into_iter().filter(|(name, _)| !replaced(name)).collect();
        all.extend(headers.iter().filter(|(_, value)| !value.is_empty()));
        all.push(("connection", "close"));
        Case {
            name: format!("{method} {path}: {}", name.into()),
            bytes: request(method, &self.path(path), &all, Some(&body.into())),
            method,
            statuses: vec![400],
            code: None,
            pointer: None,
        }
    }

    fn broken_bodies(&self, method: &'static str, path: &str) -> Vec<Case> {
        let mut cases = Vec::new();
        let mut malformed = |name: &str, body: Vec<u8>| {
            cases.push(self.case(name, method, path, body).code("MALFORMED_BODY"));
        };
        malformed("an empty body", vec![]);
        malformed("white space only", b" \r\n".to_vec());
        malformed("an unfinished object", b"{".to_vec());
        malformed("an unfinished string", format!("{{\"{CANARY}").into());
        malformed("a word", CANARY.into());
        malformed("single quotes", format!("{{'{CANARY}': 1}}").into());
        malformed("a comment", format!("{{/* {CANARY} */}}").into());
        malformed("a comma too many", b"{,}".to_vec());
        malformed("a byte order mark", b"\xef\xbb\xbf{}".to_vec());
        malformed("UTF-16", "{}".encode_utf16().flat_map(u16::to_le_bytes).collect());
        let mut invalid = |name: &str, body: &str| {
            cases.push(self.case(name, method, path, body).code("INVALID_MEMBER").pointer(""));
        };
        invalid("an array", "[]");
        invalid("an array of values", &format!("[\"{CANARY}\", 1]"));
        invalid("null", "null");
        invalid("a number", "7");
        invalid("a string", &format!("\"{CANARY}\""));
        invalid("true", "true");
        let unknown = format!("{{\"noSuchMember\": \"{CANARY}\"}}");
        cases.push(
            self.case("an unknown member", method, path, unknown)
                .code("INVALID_MEMBER")
                .pointer("/noSuchMember"),
        );
        let odd = format!("{{\"a/b~c\": \"{CANARY}\"}}");
        cases.push(self.case("a member that needs escapes", method, path, odd).pointer("/a~1b~0c"));
        let deep = format!("{{\"extra\": {}", "[".repeat(30_000));
        cases.push(self.case("deep nesting", method, path, deep));
        let deep = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
        cases.push(self.case("deep nesting of objects", method, path, deep));
        // What is told of these depends on whether a member is missing before their fault is met.
        cases.push(self.case("something after the end", method, path, format!("{{}} {CANARY}")));
        cases.push(self.case("a NUL", method, path, "{}\0"));
        let mut bytes = format!("{{\"name\": \"{CANARY}").into_bytes();
        bytes.extend_from_slice(b"\xff\xfe\"}");
        cases.push(self.case("no UTF-8", method, path, bytes));
        cases.push(self.case("half a surrogate", method, path, "{\"\\ud800\": 1}"));
        cases
    }

    /// Every whole number of the API with everything that is none.
    fn bad_numbers(&self) -> Vec<Case> {
        let create = ("POST", "/v1/access-tokens", "{\"type\":\"upload\",\"#\":%}");
        let link = ("POST", "/v1/access-tokens", "{\"type\":\"imageUrl\",\"#\":%}");
        let patch = ("PATCH", "/v1/access-tokens/{upload}", "{\"#\":%}");
        let sign =
            ("POST", "/v1/signed-urls", "{\"tokenId\":\"{link}\",\"url\":\"https://a.example/c/x\",\"#\":%}");
        let ask = ("POST", "/v1/authorize", "{\"credential\":{\"value\":\"x\"},\"#\":%}");
        let regenerate = ("POST", "/v1/access-tokens/{upload}/regenerate", "{\"#\":%}");
        let members = [
            (create, vec!["expiry", "notBefore", "ttl", "limit"]),
            (link, vec!["countWindow"]),
            (patch, vec!["expiry", "notBefore", "limit"]),
            (sign, vec!["expires", "ttl", "bucket"]),
            (ask, vec!["cost"]),
            (regenerate, vec!["overlapSeconds"]),
        ];
        let wrong = [
            "1.0",
            "1e3",
            "-1",
            "-0.5",
            "18446744073709551616",
            "\"7\"",
            "true",
            "[7]",
            "{\"a\":7}",
            "1E400",
            "\"CaNaRy7hQz\"",
        ];
        let mut cases = Vec::new();
        for ((method, path, template), names) in members {
            for name in names {
                let mut numbers = wrong.to_vec();
                if ["expiry", "notBefore", "expires"].contains(&name) {
                    numbers.extend(["253402300800", "1900000000000"]);
                }
                for number in numbers {
                    let body = self.path(template).replace('#', name).replace('%', number);
                    let case = self.case(format!("{name} = {number}"), method, path, body);
                    // A number that no float holds is refused by the parser, before any member is known.
                    cases.push(if number == "1E400" { case } else { case.pointer(&format!("/{name}")) });
                }
            }
        }
        cases
    }

    fn bad_members(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        let mut add = |method: &'static str, path: &str, body: String, pointer: &str| {
            let name: String = body.chars().take(80).collect();
            cases.push(self.case(name, method, path, body).code("INVALID_MEMBER").pointer(pointer));
        };
        let create = "/v1/access-tokens";
        let mut created =
            |body: &str, pointer: &str| add("POST", create, body.replace("CANARY", CANARY), pointer);
        created("{}", "/type");
        created(r#"{"type":"CANARY"}"#, "/type");
        created(r#"{"type":7}"#, "/type");
        created(r#"{"type":{"upload":null}}"#, "/type");
        created(r#"{"type":"upload","type":"upload"}"#, "/type");
        created(r#"{"type":"upload","limit":1,"limit":1}"#, "/limit");
        created(r#"{"type":"upload","name":["CANARY"]}"#, "/name");
        created(r#"{"type":"upload","name":"CANARY\u0000"}"#, "/name");
        created(r#"{"type":"upload","enabled":"CANARY"}"#, "/enabled");
        created(r#"{"type":"upload","enabled":1}"#, "/enabled");
        created(r#"{"type":"upload","labels":["CANARY"]}"#, "/labels");
        created(r#"{"type":"upload","labels":{"a":7}}"#, "/labels/a");
        created(r#"{"type":"upload","labels":{"a":"1","a":"CANARY"}}"#, "/labels/a");
        created(r#"{"type":"upload","extra":["CANARY"]}"#, "/extra");
        created(r#"{"type":"upload","extra":"CANARY"}"#, "/extra");
        created(r#"{"type":"upload","extra":{"noSuch":"CANARY"}}"#, "/extra/noSuch");
        created(r#"{"type":"upload","extra":{"format":"a","format":"CANARY"}}"#, "/extra/format");
        created(r#"{"type":"upload","extra":{"tags":"CANARY"}}"#, "/extra/tags");
        created(r#"{"type":"upload","extra":{"tags":["CANARY",7]}}"#, "/extra/tags/1");
        created(r#"{"type":"upload","extra":{"maxBytes":1.0}}"#, "/extra/maxBytes");
        created(r#"{"type":"upload","extra":{"maxBytes":-1}}"#, "/extra/maxBytes");
        created(r#"{"type":"upload","extra":{"minBytes":"CANARY"}}"#, "/extra/minBytes");
        created(r#"{"type":"imageUrl","extra":["CANARY"]}"#, "/extra");
        created(r#"{"type":"imageUrl","extra":{"secret":7}}"#, "/extra/secret");
        created(r#"{"type":"imageUrl","extra":{"secret":"CANARY"}}"#, "/extra/secret");
        created(r#"{"type":"imageUrl","extra":{"authentication":["CANARY"]}}"#, "/extra/authentication");
        created(r#"{"type":"imageUrl","extra":{"authentication":{"a":7}}}"#, "/extra/authentication/a");
        created(
            r#"{"type":"imageUrl","extra":{"authentication":{"a":"b","a":"CANARY"}}}"#,
            "/extra/authentication/a",
        );
        created(r#"{"type":"apiKey","permissions":"CANARY"}"#, "/permissions");
        created(r#"{"type":"apiKey","permissions":["read","CaNaRy7hQz!"]}"#, "/permissions/1");
        created(r#"{"type":"apiKey","permissions":["read"],"storages":"CANARY"}"#, "/storages");
        created(r#"{"type":"apiKey","permissions":["read"],"clouds":[7]}"#, "/clouds/0");
        created(&format!(r#"{{"type":"upload","owner":"{}"}}"#, "o".repeat(5_000)), "/owner");

        let ask = "/v1/authorize";
        let mut asked = |body: &str, pointer: &str| add("POST", ask, body.replace("CANARY", CANARY), pointer);
        asked("{}", "/credential");
        asked(r#"{"credential":"CANARY"}"#, "/credential");
        asked(r#"{"credential":["CANARY"]}"#, "/credential");
        asked(r#"{"credential":{}}"#, "/credential");
        asked(r#"{"credential":{"url":"CANARY","value":"CANARY"}}"#, "/credential");
        asked(r#"{"credential":{"value":7}}"#, "/credential/value");
        asked(r#"{"credential":{"value":"a","value":"CANARY"}}"#, "/credential/value");
        asked(r#"{"credential":{"noSuch":"CANARY"}}"#, "/credential/noSuch");
        asked(r#"{"credential":{"basic":["CANARY","CANARY"]}}"#, "/credential/basic");
        asked(r#"{"credential":{"basic":{"username":"CANARY"}}}"#, "/credential/basic/password");
        asked(r#"{"credential":{"value":"x"},"dryRun":"CANARY"}"#, "/dryRun");
        asked(r#"{"credential":{"value":"x"},"idempotencyKey":7}"#, "/idempotencyKey");
        asked(r#"{"credential":{"value":"x"},"idempotencyKey":""}"#, "/idempotencyKey");
        asked(r#"{"credential":{"value":"x"},"request":["CANARY"]}"#, "/request");
        asked(r#"{"credential":{"value":"x"},"request":{"noSuch":"CANARY"}}"#, "/request/noSuch");
        asked(r#"{"credential":{"value":"x"},"request":{"method":"get CANARY"}}"#, "/request/method");
        asked(r#"{"credential":{"value":"x"},"request":{"bytes":1.5}}"#, "/request/bytes");
        asked(r#"{"credential":{"value":"x"},"request":{"clientIp":"CANARY"}}"#, "/request/clientIp");
        asked(
            r#"{"credential":{"value":"x"},"request":{"permission":"CaNaRy7hQz:!"}}"#,
            "/request/permission",
        );
        asked(&format!(r#"{{"credential":{{"value":"{}"}}}}"#, "v".repeat(5_000)), "/credential/value");

        let batch = "/v1/authorize/batch";
        let mut batched =
            |body: &str, pointer: &str| add("POST", batch, body.replace("CANARY", CANARY), pointer);
        batched("{}", "/items");
        batched(r#"{"items":{"a":"CANARY"}}"#, "/items");
        batched(r#"{"items":["CANARY"]}"#, "/items/0");
        batched(r#"{"items":[["CANARY"]]}"#, "/items/0");
        batched(
            r#"{"items":[{"credential":{"value":"x"}},{"credential":{"value":7}}]}"#,
            "/items/1/credential/value",
        );
        batched(r#"{"items":[{"credential":{"value":"x","url":"CANARY"}}]}"#, "/items/0/credential");
        batched(&json!({"items": vec![upload_question("x"); 101]}).to_string(), "/items");

        let mut signed = |body: &str, pointer: &str| {
            add("POST", "/v1/signed-urls", self.path(body).replace("CANARY", CANARY), pointer);
        };
        signed("{}", "/tokenId");
        signed(r#"{"tokenId":"CANARY","url":"https://a.example/c/x"}"#, "/tokenId");
        signed(r#"{"tokenId":"{link}"}"#, "/url");
        signed(r#"{"tokenId":"{link}","url":["CANARY"]}"#, "/url");
        signed(r#"{"tokenId":"{link}","url":"https://a.example/c/x","placement":"CANARY"}"#, "/placement");
        signed(r#"{"tokenId":"{link}","url":"https://a.example/c/x","ttl":1,"expires":1}"#, "/ttl");

        let patch = "/v1/access-tokens/{upload}";
        let mut patched =
            |body: &str, pointer: &str| add("PATCH", patch, body.replace("CANARY", CANARY), pointer);
        patched(r#"{"type":"apiKey"}"#, "/type");
        patched(r#"{"id":"CANARY"}"#, "/id");
        patched(r#"{"used":0}"#, "/used");
        patched(r#"{"revision":1}"#, "/revision");
        patched(r#"{"enabled":"CANARY"}"#, "/enabled");
        patched(r#"{"enabled":true,"enabled":false}"#, "/enabled");
        patched(r#"{"labels":["CANARY"]}"#, "/labels");
        patched(r#"{"extra":["CANARY"]}"#, "/extra");
        patched(r#"{"extra":{"noSuch":"CANARY"}}"#, "/extra/noSuch");
        patched(r#"{"name":{"CaNaRy7hQz":1}}"#, "/name");
        cases
    }

    fn bad_heads(&self, method: &'static str, path: &str) -> Vec<Case> {
        let key = self.authorization.as_str();
        let stranger = format!("Bearer cmk_{CANARY}");
        let two = [("authorization", key), ("authorization", key)];
        let with = |name: &str, headers: &[(&str, &str)]| self.case_with(name, method, path, headers, "{}");
        let large = format!("{{\"name\": \"{}\"}}", "x".repeat(1_100_000));
        let mut cases = vec![
            with("two Authorization headers", &two).code("INVALID_HEADER"),
            with("no Authorization", &[("authorization", "")]).status(401).code("UNAUTHENTICATED"),
            with("an unknown key", &[("authorization", &stranger)]).status(401).code("UNAUTHENTICATED"),
            with("another scheme", &[("authorization", "Basic CaNaRy7hQz")]).status(401),
            with("a scheme without a key", &[("authorization", "Bearer")]).status(401),
            with("no content type", &[("content-type", "")]).status(415),
            with("text", &[("content-type", "text/plain; CaNaRy7hQz=1")]).status(415),
            with("a form", &[("content-type", "application/x-www-form-urlencoded")]).status(415),
            with(
                "two content types",
                &[("content-type", "application/json"), ("content-type", "text/plain")],
            )
            .status(415),
            with("a compressed body", &[("content-encoding", "gzip")]).status(415),
            with("an unknown encoding", &[("content-encoding", CANARY)]).status(415),
            self.case("a large body", method, path, large.clone()).status(413).code("BODY_TOO_LARGE"),
        ];
        let chunked = format!(
            "{method} {} HTTP/1.1\r\nhost: x\r\nauthorization: {key}\r\ncontent-type: application/json\r\n\
             transfer-encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
            self.path(path),
            large.len()
        );
        let mut chunks = with("a large body in chunks", &[]).status(413).code("BODY_TOO_LARGE");
        chunks.bytes = chunked.into_bytes();
        cases.push(chunks);
        cases
    }

    fn wrong_methods(&self) -> Vec<Case> {
        let resources = [
            ("/v1/access-tokens", vec!["GET", "POST"]),
            ("/v1/access-tokens/{upload}", vec!["GET", "HEAD", "PATCH", "DELETE"]),
            ("/v1/access-tokens/{upload}/regenerate", vec!["POST"]),
            ("/v1/access-tokens/{upload}/value", vec!["GET"]),
            ("/v1/access-tokens/{upload}/usage", vec!["GET"]),
            ("/v1/stats", vec!["GET"]),
            ("/v1/audit", vec!["GET"]),
            ("/v1/authorize", vec!["POST"]),
            ("/v1/authorize/batch", vec!["POST"]),
            ("/v1/explain", vec!["POST"]),
            ("/v1/signed-urls", vec!["POST"]),
            ("/oauth2/introspect", vec!["POST"]),
            ("/healthz", vec!["GET", "HEAD"]),
            ("/readyz", vec!["GET", "HEAD"]),
            ("/metrics", vec!["GET"]),
        ];
        let mut cases = Vec::new();
        for (path, offered) in resources {
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
                if !offered.contains(&method) {
                    let case = self.case("a method that is not offered", method, path, "{}");
                    cases.push(case.status(405).code("METHOD_NOT_ALLOWED"));
                }
            }
        }
        cases
    }

    fn unknown_paths(&self) -> Vec<Case> {
        let paths = [
            "/",
            "/v1",
            "/v1/",
            "/v2/authorize",
            "/v1/authorize/",
            "//v1/authorize",
            "/v1//authorize",
            "/V1/authorize",
            "/v1/authorize%00",
            "/v1/authorize;x",
            "/v1/%61uthorize/x",
            "/..",
            "/v1/../v1/nothing",
            "/%2e%2e/etc/passwd",
            "/v1/access-tokens/",
            "/v1/access-tokens/%ff",
            "/v1/access-tokens/%00",
            "/v1/access-tokens/CaNaRy7hQz",
            "/v1/access-tokens/up_0000000000000000000000",
            "/v1/access-tokens/up_%ff00000000000000000000",
            "/v1/access-tokens/..%2f..%2fetc",
            "/v1/access-tokens/up_/value",
            "/v1/access-tokens/CaNaRy7hQz/usage",
            "/v1/access-tokens/%F0%9F%92%A9/value",
            "/v1/errors/CaNaRy7hQz",
            "/docs/errors/CaNaRy7hQz",
        ];
        let mut cases: Vec<Case> = paths
            .iter()
            .map(|path| {
                let mut case = self.case("a path that is nothing", "GET", path, "");
                case.statuses = vec![400, 404, 405];
                case
            })
            .collect();
        let long = format!("/v1/access-tokens/{}", "A".repeat(5_000));
        cases.push(self.case("a long id", "DELETE", &long, "").either(&[400, 404]));
        cases.push(
            self.case("an unknown id", "DELETE", "/v1/access-tokens/up_0000000000000000000000", "")
                .status(404),
        );
        let path = "/v1/access-tokens/up_0000000000000000000000";
        cases.push(self.case("an unknown id", "PATCH", path, "{}").status(404));
        cases
    }

    fn bad_parameters(&self) -> Vec<Case> {
        let list = [
            ("limit=0", "?limit"),
            ("limit=201", "?limit"),
            ("limit=CaNaRy7hQz", "?limit"),
            ("limit=1.0", "?limit"),
            ("limit=-1", "?limit"),
            ("limit=", "?limit"),
            ("limit=1&limit=2", "?limit"),
            ("cursor=CaNaRy7hQz", "?cursor"),
            ("cursor=%ff", "?cursor"),
            ("status=CaNaRy7hQz", "?status"),
            ("type=CaNaRy7hQz", "?type"),
            ("dialect=CaNaRy7hQz", "?dialect"),
            ("noSuch=CaNaRy7hQz", "?noSuch"),
            ("owner=%zz", "?owner"),
        ];
        let usage = [
            ("from=CaNaRy7hQz", "?from"),
            ("to=1.0", "?to"),
            ("step=CaNaRy7hQz", "?step"),
            ("from=253402300800", "?from"),
        ];
        let mut cases = Vec::new();
        let mut add = |path: &str, query: &str, pointer: &str| {
            let case = self.case("a bad parameter", "GET", &format!("{path}?{query}"), "");
            cases.push(case.code("INVALID_PARAMETER").pointer(pointer));
        };
        list.iter().for_each(|(query, pointer)| add("/v1/access-tokens", query, pointer));
        for path in ["/v1/stats", "/v1/access-tokens/{upload}/usage"] {
            usage.iter().for_each(|(query, pointer)| add(path, query, pointer));
        }
        add("/v1/audit", "limit=CaNaRy7hQz", "?limit");
        add("/v1/audit", "cursor=CaNaRy7hQz", "?cursor");
        for (query, pointer) in
            [("purge=CaNaRy7hQz", "?purge"), ("cascade=1", "?cascade"), ("noSuch=1", "?noSuch")]
        {
            let case =
                self.case("a bad parameter", "DELETE", &format!("/v1/access-tokens/{{upload}}?{query}"), "");
            cases.push(case.code("INVALID_PARAMETER").pointer(pointer));
        }
        cases
    }

    /// Sends all cases and tells of all that were answered wrongly, not only of the first.
    fn assert_all(&self, cases: &[Case], at_least: usize) {
        assert!(cases.len() >= at_least, "only {} cases", cases.len());
        let faults: Vec<String> = cases
            .iter()
            .filter_map(|case| {
                let answer = self.send(case);
                let fault = answer
                    .as_ref()
                    .map_or_else(|| Some("no answer".to_owned()), |answer| case.fault_of(answer))?;
                let text = answer.map(|answer| answer.text()).unwrap_or_default();
                Some(format!("{}\n  {fault}\n  {}", case.name, text.replace('\n', "\n  ")))
            })
            .collect();
        assert!(faults.is_empty(), "{} of {} cases:\n{}", faults.len(), cases.len(), faults.join("\n"));
        self.assert_healthy();
    }

    fn send(&self, case: &Case) -> Option<Answer> {
        let mut connection = Connection::open(self.server.address()).unwrap();
        // The server need not read a body that it refuses by its head.
        let _ = connection.send(&case.bytes);
        connection.answer_to(case.method).ok()
    }

    fn assert_healthy(&self) {
        let mut admin = self.server.admin();
        let (_, value) = admin.issue_upload(Some(1));
        assert_eq!(admin.authorize(&upload_question(&value)), "ALLOWED");
        let log = self.server.log();
        assert!(!log.contains("panicked"), "{log}");
        assert!(!log.contains(CANARY), "{log}");
    }
}

impl Case {
    fn status(mut self, status: u16) -> Self {
        self.statuses = vec![status];
        self
    }

    fn either(mut self, statuses: &[u16]) -> Self {
        self.statuses = statuses.to_vec();
        self
    }

    fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    fn pointer(mut self, pointer: &str) -> Self {
        self.pointer = Some(pointer.to_owned());
        self
    }

    fn fault_of(&self, answer: &Answer) -> Option<String> {
        let expect = |holds: bool, what: String| (!holds).then_some(what);
        let body = answer.json();
        let text = |member: &str| body[member].as_str().unwrap_or_default().to_owned();
        let pointer = body["errors"][0]["pointer"].as_str();
        let allow = answer.header("allow").unwrap_or_default();
        let named: BTreeSet<&str> = allow.split(", ").collect();
        expect(!answer.text().contains(CANARY), "a value is repeated".into())
            .or_else(|| {
                expect(self.statuses.contains(&answer.status), format!("expected {:?}", self.statuses))
            })
            .or_else(|| {
                expect(answer.header("content-type") == Some("application/problem+json"), "no problem".into())
            })
            .or_else(|| {
                expect(self.code.is_none_or(|code| text("code") == code), format!("expected {:?}", self.code))
            })
            .or_else(|| {
                expect(!text("code").is_empty() && !text("title").is_empty(), "no code or title".into())
            })
            .or_else(|| expect(!text("detail").is_empty(), "no detail".into()))
            .or_else(|| {
                expect(body["status"].as_u64() == Some(answer.status.into()), "another status inside".into())
            })
            .or_else(|| expect(text("type").ends_with(&text("code")), "no page".into()))
            .or_else(|| {
                expect(answer.header("x-request-id") == Some(&text("requestId")), "no request id".into())
            })
            .or_else(|| {
                let fits = self.pointer.is_none() || self.pointer.as_deref() == pointer;
                expect(fits, format!("expected the pointer {:?}", self.pointer))
            })
            .or_else(|| {
                let fits = answer.status != 401 || answer.header("www-authenticate").is_some();
                expect(fits, "401 without a challenge".into())
            })
            .or_else(|| {
                let fits = answer.status != 405 || (!allow.is_empty() && !named.contains(self.method));
                expect(fits, "405 without a fitting Allow".into())
            })
    }
}

#[test]
fn an_unknown_member_inside_a_secret_place_is_named_without_its_value() {
    let world = World::new();
    let body: Value = json!({"type": "imageUrl", "extra": {"secret": {"canary": CANARY}}});
    let case = world.case("a secret that is an object", "POST", "/v1/access-tokens", body.to_string());
    world.assert_all(&[case.pointer("/extra/secret")], 1);
}
