//! The OAuth corner: challenges as RFC 6750 has them, introspection as RFC 7662 has it.

use countermark_tests::{Answer, Client, TestServer, request};
use serde_json::{Value, json};

const BARE: &str = r#"Bearer realm="countermark""#;

#[test]
fn a_challenge_names_an_error_only_where_a_key_was_presented() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let reader = admin.issue(&json!({"type": "apiKey", "permissions": ["tokens:read"]}));
    let ended = admin.issue(&json!({"type": "apiKey", "permissions": ["*"]}));
    assert_eq!(admin.revoke(ended["id"].as_str().unwrap()).status, 204);
    let cases = [
        (vec![], 401, BARE.to_owned()),
        (vec!["Basic YTpi".to_owned()], 401, BARE.to_owned()),
        (vec![bearer(&ended)], 401, format!(r#"{BARE}, error="invalid_token""#)),
        (vec![bearer(&reader); 2], 400, format!(r#"{BARE}, error="invalid_request""#)),
        (vec![bearer(&reader)], 403, format!(r#"{BARE}, error="insufficient_scope", scope="tokens:write""#)),
    ];
    for (keys, status, challenge) in cases {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(keys.iter().map(|key| ("authorization", key.as_str())));
        let asked = request("POST", "/v1/access-tokens", &headers, Some(br#"{"type":"upload"}"#));
        let answer = admin.exchange("POST", &asked).unwrap();
        assert_eq!((answer.status, answer.header("www-authenticate")), (status, Some(challenge.as_str())));
    }
}

#[test]
fn introspection_tells_an_authorized_asker_what_an_active_value_is_and_takes_no_use() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let key = json!({"type": "apiKey", "permissions": ["read", "write"], "owner": "shop", "limit": 1,
        "notBefore": 1, "expiry": 4_000_000_000_u64});
    let token = admin.issue(&key);
    let expected = json!({"active": true, "scope": "read write", "client_id": token["id"], "jti": token["id"],
        "token_type": "Bearer", "type": "apiKey", "sub": "shop", "exp": 4_000_000_000_u64, "nbf": 1});
    for _ in 0..3 {
        assert_eq!(introspect(&mut admin, token["value"].as_str().unwrap()).json(), expected);
    }
    let record = admin.call("GET", &format!("/v1/access-tokens/{}", token["id"].as_str().unwrap()), None);
    assert_eq!(record.json()["used"], 0);
}

#[test]
fn whatever_is_not_usable_is_inactive_and_nothing_more() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let issue = |admin: &mut Client, more: Value| {
        let mut token = json!({"type": "upload", "owner": "shop"});
        token.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let token = admin.issue(&token);
        (token["id"].as_str().unwrap().to_owned(), token["value"].as_str().unwrap().to_owned())
    };
    let (revoked, revoked_value) = issue(&mut admin, json!({}));
    admin.revoke(&revoked);
    let values = [
        revoked_value,
        issue(&mut admin, json!({"enabled": false})).1,
        issue(&mut admin, json!({"limit": 0})).1,
        issue(&mut admin, json!({"expiry": 1})).1,
        issue(&mut admin, json!({"notBefore": 4_000_000_000_u64})).1,
        "no value at all".to_owned(),
        countermark_tests::Random::fresh().value('u'),
    ];
    for value in values {
        let answer = introspect(&mut admin, &value);
        assert_eq!((answer.status, answer.json()), (200, json!({"active": false})));
    }
}

fn introspect(asker: &mut Client, value: &str) -> Answer {
    let key = format!("Bearer {}", asker.key());
    let headers = [("authorization", key.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let form = format!("token={}&token_type_hint=access_token", value.replace(' ', "+"));
    let bytes = request("POST", "/oauth2/introspect", &headers, Some(form.as_bytes()));
    asker.exchange("POST", &bytes).unwrap()
}

fn bearer(token: &Value) -> String {
    format!("Bearer {}", token["value"].as_str().unwrap())
}
