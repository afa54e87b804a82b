//! What is presented at the gate is found nowhere afterwards.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countermark_tests::{Options, Random, TestServer};
use serde_json::json;

use super::{DIALECTS, Signer, send};

#[test]
fn no_credential_of_an_ask_is_found_in_log_or_answer() {
    let secret = Random::fresh().base62(40);
    let environment = [
        ("COUNTERMARK__GATE__TRUSTED_PROXIES", "127.0.0.1"),
        ("COUNTERMARK__GATE__SHARED_SECRET", secret.as_str()),
        ("COUNTERMARK__LOG__LEVEL", "debug"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.into())).to_vec();
    let server = TestServer::with(Options { environment, ..Options::default() });
    let mut admin = server.admin();
    let stray = Random::fresh().base62(40);
    let value = admin.issue_upload(Some(1)).1;
    let link = Signer::issue(&mut admin, &json!({"limit": 1})).link("/c/i.jpg", None, "path");
    let signature = &link[link.rfind(',').unwrap() + 1..][..43];
    let basic = format!("Basic {}", STANDARD.encode(format!("{stray}:{stray}")));
    let bearers =
        [format!("Bearer {stray}"), format!("ApiKey {stray}"), basic.clone(), format!("Bearer {value}")];
    let mut asks = Vec::new();
    for dialect in DIALECTS {
        for bearer in &bearers {
            asks.push(dialect.ask("POST", "/x", &[("Authorization", bearer)]));
            asks.push(dialect.ask("POST", "/x", &[("Authorization", bearer), ("Authorization", bearer)]));
            asks.push(dialect.ask("GET", &link, &[("Authorization", bearer)]));
        }
        asks.push(dialect.ask("GET", "/x", &[("X-Custom-Auth-Key", &stray)]));
        asks.push(dialect.ask("GET", "/x", &[("X_Custom_Auth_Key", &stray)]));
        asks.push(dialect.ask("GET", "/x", &[("X-Countermark-Gate-Secret", &secret)]));
        asks.push(dialect.ask("GET", &format!("/x?token={stray}"), &[]));
        asks.push(dialect.ask("GET", &format!("/x/../{stray}"), &[]));
        asks.push(dialect.ask_of(&format!("{stray}@x"), "GET", "/x", &[]));
        asks.push(dialect.ask("GET", &link, &[]));
        asks.push(dialect.ask("GET", &link.replace("i.jpg", "j.jpg"), &[]));
    }
    let log_of = |answers: String| format!("{answers}{}", server.log());
    let answers: String = asks.iter().map(|ask| send(&server, ask).text()).collect();
    let all = log_of(answers);
    let encoded = basic.strip_prefix("Basic ").unwrap();
    for needle in [stray.as_str(), secret.as_str(), value.as_str(), signature, encoded] {
        assert!(!all.contains(&needle[4..30]), "a secret came back or was logged");
    }
}
