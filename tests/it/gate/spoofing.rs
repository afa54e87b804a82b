//! What a hostile client can put beside its request: it never changes what is decided, or it is refused.

use countermark_tests::{Client, TestServer};

use super::{Dialect, HOST, code, raw, send, target, trusting};

/// A client that holds one good link and a key, and wants something else.
struct Attack {
    server: TestServer,
    link: String,
    key: String,
    other: String,
}

impl Attack {
    fn new() -> Self {
        let server = trusting(&[]);
        let mut admin = server.admin();
        let link = |admin: &mut Client| target(&admin.issue_link(None).1).to_owned();
        let (link, other) = (link(&mut admin), link(&mut admin));
        let key = admin.issue_key(&["read"]).1;
        assert_eq!(send(&server, &Dialect::Nginx.ask("GET", &link, &[])).status, 204);
        Self { server, link, key, other }
    }

    /// `(none)` as the code is a refusal by the HTTP layer itself.
    fn assert(&self, name: &str, bytes: &[u8], expected: &str) {
        let answer = send(&self.server, bytes);
        assert_eq!(code(&answer), expected, "{name}: {}", answer.text());
        assert_eq!(matches!(answer.status, 200 | 204), expected == "ALLOWED", "{name}: {}", answer.text());
        assert!(expected != "(none)" || answer.status == 400, "{name}: {}", answer.text());
    }

    /// What is the same in every dialect.
    fn common(&self, dialect: Dialect) {
        let link = self.link.as_str();
        let name = |case: &str| format!("{dialect:?}: {case}");
        let bearer = format!("Bearer {}", self.key);
        let foreign = |headers: &[(&str, &str)]| dialect.ask("GET", "/private", headers);
        for header in
            ["X-Original-Url", "X-Rewrite-Url", "X-Envoy-Original-Path", "X-Forwarded-Prefix", "Forwarded"]
        {
            self.assert(&name(header), &foreign(&[(header, link)]), "NO_CREDENTIAL");
        }
        for header in [
            "X-Countermark-Code",
            "X-Countermark-Owner",
            "X-Countermark-Token-Id",
            "X-Countermark-Gate-Secret",
        ] {
            self.assert(&name(header), &foreign(&[(header, "ALLOWED")]), "NO_CREDENTIAL");
        }
        for header in ["X_Countermark_Owner", "X.Countermark.Code", "X-Custom_Auth_Key"] {
            self.assert(&name(header), &dialect.ask("GET", link, &[(header, "x")]), "MALFORMED");
        }
        for header in ["X-HTTP-Method-Override", "X-Method-Override", "X-Forwarded-Method-Override"] {
            self.assert(&name(header), &dialect.ask("DELETE", link, &[(header, "GET")]), "METHOD_DENIED");
        }
        let two = [("Authorization", bearer.as_str()), ("Authorization", bearer.as_str())];
        self.assert(&name("Authorization twice"), &foreign(&two), "MALFORMED");
        let two = [("Authorization", bearer.as_str()), ("X-Custom-Auth-Key", self.key.as_str())];
        self.assert(&name("one key in two ways"), &foreign(&two), "MALFORMED");
        self.assert(&name("a key beside a link"), &dialect.ask("GET", link, &two[..1]), "MALFORMED");
        let long = format!("{link}?{}", "x".repeat(8193 - link.len() - 1));
        self.assert(&name("8193 bytes"), &dialect.ask("GET", &long, &[]), "MALFORMED");
        let key = ("Authorization", bearer.as_str());
        self.assert(
            &name("8193 bytes and a key"),
            &dialect.ask("GET", &format!("/{}", "x".repeat(8192)), &[key]),
            "MALFORMED",
        );
        for target in ["/a/%00", "/a/..", "/%2e%2E/a", "/a%2f..%2fb", "/a/%", "/a\\b", "/%ff", "/?%00", "?x"]
        {
            self.assert(&name(target), &dialect.ask("GET", target, &[key]), "MALFORMED");
        }
        for host in ["img.example.com@other.example", "img.example.com..", "[::1", "img.example.com:x"] {
            let answer = send(&self.server, &dialect.ask_of(host, "GET", link, &[]));
            assert!(answer.status == 400 || code(&answer) == "MALFORMED", "{host}: {}", answer.text());
        }
        self.assert(
            &name("another host"),
            &dialect.ask_of("other.example", "GET", link, &[]),
            "BAD_SIGNATURE",
        );
        self.assert(
            &name("the same host"),
            &dialect.ask_of("IMG.example.com.:8443", "GET", link, &[]),
            "ALLOWED",
        );
        self.assert(
            &name("a link within a link"),
            &dialect.ask("GET", &format!("{link}{}", self.other), &[]),
            "MALFORMED",
        );
    }

    /// What holds of each header by which a proxy reports the request.
    fn reported(&self, dialect: Dialect, names: &[(&str, &str)]) {
        for (header, honest) in names {
            let twins = [header.replace('-', "_"), header.replace('-', "."), header.replacen('-', "_", 1)];
            for twin in &twins {
                self.assert(twin, &dialect.ask("GET", &self.link, &[(twin, honest)]), "MALFORMED");
            }
            let upper = header.to_uppercase();
            self.assert(header, &dialect.ask("GET", &self.link, &[(&upper, honest)]), "MALFORMED");
        }
    }

    fn assert_raw_bytes(&self, dialect: Dialect, expected: &str) {
        let ask = dialect.ask("GET", "/private/HERE", &[("Authorization", "Bearer x")]);
        let text = String::from_utf8(ask).unwrap();
        let (before, after) = text.split_once("HERE").unwrap();
        let with = |bytes: &[u8]| [before.as_bytes(), bytes, after.as_bytes()].concat();
        self.assert("beyond ASCII", &with(b"\xc3\xa9"), expected);
        self.assert("NUL", &with(b"\0"), "(none)");
        self.assert("DEL", &with(b"\x7f"), "(none)");
    }
}

const FORWARDED: [(&str, &str); 3] =
    [("X-Forwarded-Uri", "/private"), ("X-Forwarded-Method", "GET"), ("X-Forwarded-Host", HOST)];
const ORIGINAL: [(&str, &str); 3] =
    [("X-Original-URI", "/private"), ("X-Original-Method", "GET"), ("X-Original-Host", HOST)];

#[test]
fn a_client_cannot_deceive_the_gate_behind_nginx() {
    let attack = Attack::new();
    attack.common(Dialect::Nginx);
    attack.reported(Dialect::Nginx, &ORIGINAL);
    attack.assert_raw_bytes(Dialect::Nginx, "MALFORMED");
    let mut forged = FORWARDED;
    forged[0].1 = &attack.link;
    attack.assert("X-Forwarded-Uri", &Dialect::Nginx.ask("GET", "/private", &forged), "NO_CREDENTIAL");
    attack.assert(
        "X-Forwarded-Method",
        &Dialect::Nginx.ask("DELETE", &attack.link, &forged[1..2]),
        "METHOD_DENIED",
    );
    for target in [
        format!("https://{HOST}{}", attack.link),
        format!("{}, /private", attack.link),
        format!("{}#x", attack.link),
    ] {
        attack.assert(&target, &Dialect::Nginx.ask("GET", &target, &[]), "MALFORMED");
    }
    for method in ["GE T", "GET, DELETE", "GET/", "\"GET\""] {
        attack.assert(method, &Dialect::Nginx.ask(method, &attack.link, &[]), "MALFORMED");
    }
    attack.assert("a lower-case method", &Dialect::Nginx.ask("get", &attack.link, &[]), "MALFORMED");
    for (header, value) in [("X-Original-Content-Length", "-1"), ("X-Original-Content-Length", "1e3")] {
        attack.assert(header, &Dialect::Nginx.ask("GET", &attack.link, &[(header, value)]), "MALFORMED");
    }
}

#[test]
fn a_client_cannot_deceive_the_gate_behind_caddy_and_traefik() {
    let attack = Attack::new();
    attack.common(Dialect::Forwarded);
    attack.reported(Dialect::Forwarded, &FORWARDED);
    attack.assert_raw_bytes(Dialect::Forwarded, "MALFORMED");
    let mut forged = ORIGINAL;
    forged[0].1 = &attack.link;
    attack.assert("X-Original-URI", &Dialect::Forwarded.ask("GET", "/private", &forged), "NO_CREDENTIAL");
    attack.assert(
        "X-Original-Method",
        &Dialect::Forwarded.ask("DELETE", &attack.link, &forged[1..2]),
        "METHOD_DENIED",
    );
    for target in [
        format!("https://{HOST}{}", attack.link),
        format!("{}, /private", attack.link),
        format!("{}#x", attack.link),
    ] {
        attack.assert(&target, &Dialect::Forwarded.ask("GET", &target, &[]), "MALFORMED");
    }
    for method in ["GE T", "GET, DELETE", "GET/", "\"GET\""] {
        attack.assert(method, &Dialect::Forwarded.ask(method, &attack.link, &[]), "MALFORMED");
    }
    let host = format!("{HOST}, other.example");
    attack.assert(&host, &Dialect::Forwarded.ask_of(&host, "GET", &attack.link, &[]), "MALFORMED");
    // Caddy appends the client's query to the endpoint's.
    let mut honest = FORWARDED;
    honest[0].1 = "/private?x=1";
    let query = format!("/v1/forward-auth/forwarded?token={}", attack.key);
    attack.assert("the endpoint's query", &raw("GET", &query, "h", &honest), "NO_CREDENTIAL");
}

#[test]
fn a_client_cannot_deceive_the_gate_behind_envoy() {
    let attack = Attack::new();
    attack.common(Dialect::Envoy);
    attack.assert_raw_bytes(Dialect::Envoy, "(none)");
    let mut forged = ORIGINAL.to_vec();
    forged.extend(FORWARDED);
    forged[0].1 = &attack.link;
    forged[3].1 = &attack.link;
    attack.assert(
        "X-Original and X-Forwarded",
        &Dialect::Envoy.ask("GET", "/private", &forged),
        "NO_CREDENTIAL",
    );
    attack.assert("Methods", &Dialect::Envoy.ask("DELETE", &attack.link, &forged), "METHOD_DENIED");
    let absolute = format!("https://{HOST}/v1/forward-auth/envoy{}", attack.link);
    attack.assert("absolute form", &raw("GET", &absolute, HOST, &[]), "MALFORMED");
    attack.assert("absolute form, another host", &raw("GET", &absolute, "other.example", &[]), "MALFORMED");
    let escaped = format!("/v1/forward-auth/env%6Fy{}", attack.link);
    let answer = send(&attack.server, &raw("GET", &escaped, HOST, &[]));
    assert_eq!(answer.status, 400, "{}", answer.text());
    let glued = send(&attack.server, &Dialect::Envoy.ask("GET", "x", &[]));
    assert_eq!(glued.status, 404, "no route of ours: {}", glued.text());
    attack.assert("no path at all", &Dialect::Envoy.ask("GET", "", &[]), "MALFORMED");
    attack.assert("Host twice", &Dialect::Envoy.ask("GET", &attack.link, &[("Host", HOST)]), "(none)");
    attack.assert(
        "a twin",
        &Dialect::Envoy.ask("GET", &attack.link, &[("X_Forwarded_For", "192.0.2.1")]),
        "MALFORMED",
    );
    for method in ["OPTIONS", "PROPFIND", "MKCOL", "MOVE", "TRACE", "BREW", "M-SEARCH"] {
        attack.assert(method, &Dialect::Envoy.ask(method, &attack.link, &[]), "METHOD_DENIED");
    }
    // Envoy refuses a # itself. Our HTTP library cuts the target there: what is decided is what is signed.
    let cut = format!("{}#/private", attack.link);
    attack.assert("a fragment", &Dialect::Envoy.ask("GET", &cut, &[]), "ALLOWED");
    let deeper = format!("{}/../private", attack.link);
    attack.assert("dots behind a link", &Dialect::Envoy.ask("GET", &deeper, &[]), "MALFORMED");
}
