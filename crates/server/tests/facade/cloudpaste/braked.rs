//! Guessing keys that people have chosen: at the gate, in the room, and what goes on meanwhile.

use std::time::{Duration, Instant};

use actix_web::test::TestRequest;
use countermark_server::config::Config;
use serde_json::{Value, json};

use super::{basic, usable};
use crate::installation::{Answer, Installation, text};

const GUESSER: &str = "192.0.2.66";
const OTHER: &str = "192.0.2.7";
const RULES: &str = r#"[{"path": "/dav", "permission": "webdav:read"}]"#;

/// How a proxy asks, and the status with which it is told that its client is braked.
const DIALECTS: [(&str, u16); 3] = [("nginx", 403), ("forwarded", 429), ("envoy", 429)];

/// A service that believes its peer at the gate and forgives one failure.
async fn installation() -> Installation {
    let variables = [("GATE__TRUSTED_PROXIES", "127.0.0.1"), ("GATE__RULES", RULES)]
        .map(|(name, value)| (format!("COUNTERMARK__{name}"), value.to_owned()));
    let mut config = Config::load(None, variables.into_iter(), &[]).unwrap();
    config.throttle.burst = 1.try_into().unwrap();
    Installation::configured(&config).await
}

/// The answer to a proxy whose client at `client` asks for `target`.
async fn ask(
    it: &Installation,
    dialect: &str,
    client: Option<&str>,
    target: &str,
    authorization: &str,
) -> Answer {
    let (path, headers) = match dialect {
        "nginx" => (String::new(), ["X-Original-URI", "X-Original-Method", "X-Original-Host", "X-Real-IP"]),
        "forwarded" => {
            (String::new(), ["X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Host", "X-Forwarded-For"])
        }
        _ => (target.to_owned(), ["X-1", "X-2", "Host", "X-Forwarded-For"]),
    };
    let mut request = TestRequest::with_uri(&format!("/v1/forward-auth/{dialect}{path}"))
        .peer_addr("127.0.0.1:1".parse().unwrap());
    let values = [Some(target), Some("GET"), Some("img.example.com"), client];
    for (name, value) in headers.into_iter().zip(values) {
        request = request.append_header((name, value.unwrap_or_default()));
    }
    if !authorization.is_empty() {
        request = request.append_header(("Authorization", authorization));
    }
    it.send(request).await
}

/// The answer's decision; each has the five headers.
fn code(answer: &Answer) -> &str {
    for name in ["token-id", "code", "remaining", "owner", "cache-control"] {
        assert!(answer.headers.contains_key(format!("x-countermark-{name}")), "{name}");
    }
    answer.header("x-countermark-code")
}

/// The answers of the room to a key.
async fn own(it: &Installation, client: &str, authorization: &str) -> Answer {
    let request =
        TestRequest::with_uri("/api/test/api-key").peer_addr(format!("{client}:1").parse().unwrap());
    it.send(request.append_header(("Authorization", authorization))).await
}

async fn figures_of(it: &Installation) -> String {
    it.state.metrics.render(&it.state.service, &it.state.throttle).await
}

async fn reader(it: &Installation) -> String {
    usable(it, json!({"name": "reader", "permissions": 65_536, "basic_path": "/dav"})).await.1
}

/// The target of a link, and a native key that reads.
async fn random_ones(it: &Installation) -> (String, String) {
    let link = it.issue(&it.admin, json!({"type": "imageUrl"})).await;
    let url = "https://img.example.com/mycloud/i/cat.jpg";
    let signed =
        it.call(&it.admin, "POST", "/v1/signed-urls", json!({"tokenId": link["id"], "url": url})).await;
    let target = text(&signed.body["url"]).replace("https://img.example.com", "");
    let (_, native) = it.key(json!({"name": "n", "permissions": ["read", "webdav:read"]})).await;
    (target, native)
}

#[actix_web::test]
async fn a_burst_of_guesses_at_the_gate_brakes_its_client_and_nobody_else() {
    for (dialect, status) in DIALECTS {
        let it = installation().await;
        let key = reader(&it).await;
        let (link, native) = random_ones(&it).await;
        let (right, twice, wrong) = (format!("ApiKey {key}"), basic(&key), "ApiKey guess-number-1");
        let dav = |client, authorization| ask(&it, dialect, Some(client), "/dav/x", authorization);
        assert_eq!(code(&dav(GUESSER, &right).await), "ALLOWED");
        assert_eq!(code(&dav(GUESSER, wrong).await), "UNKNOWN_TOKEN");
        for authorization in [wrong, &right, &twice, "ApiKey guest"] {
            let braked = dav(GUESSER, authorization).await;
            assert_eq!((code(&braked), braked.status), ("THROTTLED", status), "{dialect}");
            assert_eq!(braked.header("retry-after"), if status == 429 { "1" } else { "" });
            assert_eq!(braked.body["code"], "THROTTLED");
        }
        let native = format!("Bearer {native}");
        assert_eq!(code(&dav(GUESSER, &native).await), "ALLOWED");
        assert_eq!(code(&ask(&it, dialect, Some(GUESSER), &link, "").await), "ALLOWED");
        assert_eq!(code(&dav(OTHER, &right).await), "ALLOWED", "another client is free");
        assert_eq!(
            code(&ask(&it, dialect, None, "/dav/x", &right).await),
            "ALLOWED",
            "and one without address"
        );
        let begun = Instant::now();
        while code(&dav(GUESSER, &right).await) == "THROTTLED" {
            assert!(begun.elapsed() < Duration::from_secs(30), "time frees the client");
        }
        assert_eq!(code(&dav(GUESSER, &right).await), "ALLOWED");
    }
}

#[actix_web::test]
async fn random_values_that_are_unknown_neither_brake_nor_are_braked_at_the_gate() {
    let it = installation().await;
    let random = ["x".repeat(32), format!("imgbed_{}", "y".repeat(32)), "ey.ey.sig".to_owned()];
    for value in random.iter().cycle().take(30) {
        let answer = ask(&it, "nginx", Some(GUESSER), "/dav/x", &format!("Bearer {value}")).await;
        assert_eq!(code(&answer), "UNKNOWN_TOKEN");
    }
    let right = format!("ApiKey {}", reader(&it).await);
    assert_eq!(code(&ask(&it, "nginx", Some(GUESSER), "/dav/x", &right).await), "ALLOWED");
}

/// Else 200 for the right key would stand out from the 429 of the wrong ones.
#[actix_web::test]
async fn in_the_room_a_right_key_is_told_from_no_guess_while_its_address_is_braked() {
    let it = installation().await;
    let key = reader(&it).await;
    let (right, wrong) = (format!("ApiKey {key}"), "ApiKey guess-number-1");
    assert_eq!(own(&it, GUESSER, &right).await.status, 200);
    assert_eq!(own(&it, GUESSER, wrong).await.status, 401);
    assert_eq!(own(&it, GUESSER, wrong).await.status, 429);
    for authorization in [&right, &basic(&key), &format!("Bearer {key}")] {
        let braked = own(&it, GUESSER, authorization).await;
        assert_eq!((braked.status, braked.header("retry-after")), (429, "1"));
        assert_eq!(braked.body["data"], Value::Null);
    }
    assert_eq!(own(&it, GUESSER, &format!("Bearer {}", it.admin)).await.status, 200);
    assert_eq!(own(&it, OTHER, &right).await.status, 200);
    let at_gate = ask(&it, "nginx", Some(GUESSER), "/dav/x", &right).await;
    assert_eq!(code(&at_gate), "THROTTLED", "room and gate share the allowance");
    let figures = figures_of(&it).await;
    for (place, outcome, total) in [
        ("cloudpaste", "refused", 1),
        ("cloudpaste", "throttled", 4),
        ("gate", "throttled", 1),
        ("native", "refused", 0),
    ] {
        let line = format!(
            "countermark_authentication_failures_total{{where=\"{place}\",outcome=\"{outcome}\"}} {total}\n"
        );
        assert!(figures.contains(&line), "{line}{figures}");
    }
}

/// Where a holder begins an upload alone, another refusal for a key that exists would tell it from those that do not.
#[actix_web::test]
async fn uploads_do_not_tell_a_right_key_from_guesses_of_a_braked_client() {
    let it = installation().await;
    let key = reader(&it).await;
    let token = it.issue(&it.admin, json!({"type": "upload"})).await;
    let begin = async |client: &str, value: &str| {
        let request =
            TestRequest::post().uri("/v1/uploads").peer_addr(format!("{client}:1").parse().unwrap());
        let request = request.append_header(("Authorization", format!("Bearer {value}")));
        it.send(request.set_json(json!({}))).await
    };
    let statuses = [
        begin(GUESSER, "guess-one").await.status,
        begin(GUESSER, "guess-two").await.status,
        begin(GUESSER, &key).await.status,
    ];
    assert_eq!(statuses, [401, 429, 429]);
    assert_eq!(begin(OTHER, &key).await.body["code"], "WRONG_TYPE", "another client is not braked");
    assert_eq!(
        begin(GUESSER, &text(&token["value"])).await.status,
        201,
        "nor is a value that nobody can choose"
    );
}
