//! Query Server's token API. Numbers such as S1-5 are those of the requirements of its document.

use actix_web::test::TestRequest;
use countermark_core::Dialect;
use countermark_server::config::Config;
use serde_json::{Value, json};

use crate::installation::{Answer, Installation, NOW, text};

const TOKEN: &str = "/_/token";

/// The document's example, for POST as for PUT.
const EXAMPLE: &str = r#"{
"name": "example",
"expiration_date": 1632960000000,
"active": true,
"write": true
}"#;

/// Sends a body as the real clients do: without a content type.
async fn send(it: &Installation, method: &str, body: impl Into<String>) -> Answer {
    let request = TestRequest::with_uri(TOKEN).method(method.parse().unwrap());
    let request = request.insert_header(("authorization", format!("Bearer {}", it.admin)));
    it.send(request.set_payload(body.into())).await
}

async fn post(it: &Installation, body: Value) {
    let answer = send(it, "POST", body.to_string()).await;
    assert_eq!((answer.status, &answer.bytes[..]), (201, &b""[..]), "{body}");
}

async fn put(it: &Installation, body: Value) {
    let answer = send(it, "PUT", body.to_string()).await;
    assert_eq!((answer.status, &answer.bytes[..]), (200, &b""[..]), "{body}");
}

async fn rows(it: &Installation) -> Vec<Value> {
    let answer = it.get(&it.admin, TOKEN).await;
    assert_eq!(answer.status, 200);
    answer.body["data"].as_array().unwrap().clone()
}

async fn row(it: &Installation) -> Value {
    rows(it).await.remove(0)
}

async fn named(it: &Installation, name: &str) -> Value {
    rows(it).await.into_iter().find(|row| row["name"] == name).unwrap()
}

/// What `/v1/authorize` says of the row's value.
async fn decided(it: &Installation, row: &Value, permission: &str) -> String {
    let question = json!({"credential": {"value": row["token"]}, "request": {"permission": permission}});
    text(&it.call(&it.admin, "POST", "/v1/authorize", question).await.body["code"])
}

fn line(answer: &Answer) -> (u16, &str) {
    assert!(answer.headers.get("content-type").is_none());
    (answer.status, std::str::from_utf8(&answer.bytes).unwrap())
}

// S1-2, S1-8.
#[actix_web::test]
async fn s1_2_and_s1_8_the_documented_example_creates_a_token() {
    let it = Installation::new().await;
    let answer = send(&it, "POST", EXAMPLE).await;
    assert_eq!(line(&answer), (201, ""));
    assert_eq!(answer.header("cache-control"), "no-store");
    let row = row(&it).await;
    assert_eq!((&row["name"], &row["expiration_date"]), (&json!("example"), &json!(1_632_960_000)));
    assert_eq!(decided(&it, &row, "read").await, "EXPIRED", "its date is in 2021");
}

// S1-4, S1-5, S1-6, S1-7.
#[actix_web::test]
async fn s1_4_to_s1_7_all_but_the_name_has_a_default() {
    let it = Installation::new().await;
    post(&it, json!({"name": "cli1", "expiration_date": null})).await;
    let row = row(&it).await;
    assert_eq!(
        row,
        json!({"active": 1, "created_at": NOW, "expiration_date": NOW, "id": row["id"], "name": "cli1",
            "token": row["token"], "updated_at": NOW, "write": 1})
    );
    it.clock.advance(1_000_000_000);
    assert_eq!(decided(&it, &row, "write").await, "ALLOWED", "it never expires");
    let without = send(&it, "POST", r#"{"write":true}"#).await;
    assert_eq!(line(&without), (400, "/name: expected this member, which is missing"));
}

// S1-5.
#[actix_web::test]
async fn s1_5_a_date_is_milliseconds_or_seconds_and_only_seconds_may_not_be_past() {
    let it = Installation::new().await;
    let past = "The expiration_date must be greater than current time";
    for date in [0, 1, NOW - 1, NOW] {
        let body = json!({"name": "a", "expiration_date": date});
        assert_eq!(line(&send(&it, "POST", body.to_string()).await), (400, past), "{date}");
    }
    for (name, date, shown) in [
        ("seconds", NOW + 1, NOW + 1),
        ("milliseconds", (NOW + 1) * 1000 + 999, NOW + 1),
        ("past milliseconds", (NOW - 1) * 1000, NOW - 1),
        ("the first milliseconds", 100_000_000_000, 100_000_000),
        ("the last seconds", 99_999_999_999, 99_999_999_999),
    ] {
        post(&it, json!({"name": name, "expiration_date": date})).await;
        assert_eq!(named(&it, name).await["expiration_date"], shown, "{name}");
    }
    // One that ends now does not look like one that never ends.
    post(&it, json!({"name": "now", "expiration_date": NOW * 1000})).await;
    let row = named(&it, "now").await;
    assert_ne!(row["expiration_date"], row["updated_at"]);
    assert_eq!(decided(&it, &row, "read").await, "EXPIRED");
    for bad in ["\"2030-01-01\"", "-1", "1.5", "253402300800000", "true", "[]"] {
        let answer = send(&it, "POST", format!(r#"{{"name":"b","expiration_date":{bad}}}"#)).await;
        assert!(answer.status == 400 && line(&answer).1.starts_with("/expiration_date: expected"), "{bad}");
    }
}

// S1-6, S1-7.
#[actix_web::test]
async fn s1_6_and_s1_7_active_and_write_decide_what_a_token_may() {
    let it = Installation::new().await;
    for (name, active, write) in
        [("a", true, true), ("b", true, false), ("c", false, true), ("d", false, false)]
    {
        post(&it, json!({"name": name, "active": active, "write": write})).await;
    }
    let rows = [named(&it, "a").await, named(&it, "b").await, named(&it, "c").await, named(&it, "d").await];
    for (row, active, write, decisions) in [
        (&rows[0], 1, 1, ["ALLOWED", "ALLOWED"]),
        (&rows[1], 1, 0, ["ALLOWED", "PERMISSION_DENIED"]),
        (&rows[2], 0, 1, ["DISABLED", "DISABLED"]),
        (&rows[3], 0, 0, ["DISABLED", "DISABLED"]),
    ] {
        assert_eq!((&row["active"], &row["write"]), (&json!(active), &json!(write)));
        let answers = [decided(&it, row, "read").await, decided(&it, row, "write").await];
        assert_eq!(answers, decisions, "{}", row["name"]);
    }
}

// S1-9.
#[actix_web::test]
async fn s1_9_the_list_shows_all_tokens_with_their_values_oldest_first() {
    let it = Installation::new().await;
    let empty = it.get(&it.admin, TOKEN).await;
    assert_eq!(line(&empty), (200, r#"{"data":[]}"#));
    for name in ["a", "b", "c"] {
        it.clock.advance(1);
        post(&it, json!({"name": name})).await;
    }
    it.key(json!({"name": "native", "recoverable": true})).await;
    let answer = it.get(&it.admin, TOKEN).await;
    let rows = answer.body["data"].as_array().unwrap().clone();
    assert_eq!(rows.iter().map(|row| text(&row["name"])).collect::<Vec<_>>(), ["a", "b", "c"]);
    let ids: Vec<u64> = rows.iter().map(|row| row["id"].as_u64().unwrap()).collect();
    assert!(ids.is_sorted() && ids.iter().all(|id| *id < 1 << 53), "{ids:?}");
    let (id, value) = (&rows[0]["id"], rows[0]["token"].as_str().unwrap());
    let first = format!(
        r#"{{"data":[{{"active":1,"created_at":1800000001,"expiration_date":1800000001,"id":{id},"name":"a","token":"{value}","updated_at":1800000001,"write":1}},"#
    );
    assert!(line(&answer).1.starts_with(&first), "members by name, booleans as numbers");
    for row in &rows {
        assert_eq!(decided(&it, row, "read").await, "ALLOWED");
    }
}

// S1-10.
#[actix_web::test]
async fn s1_10_an_update_keeps_what_it_leaves_out_and_the_value() {
    let it = Installation::new().await;
    post(&it, json!({"name": "a", "expiration_date": NOW + 500, "write": false, "active": false})).await;
    let before = row(&it).await;
    let mut expected = before.clone();
    for (seconds, patch, member, shown) in [
        (1, json!({"name": "a"}), "name", json!("a")),
        (2, json!({"name": "a", "expiration_date": null, "active": null, "write": null}), "name", json!("a")),
        (3, json!({"name": "a", "active": true}), "active", json!(1)),
        (4, json!({"name": "a", "write": true}), "write", json!(1)),
        (5, json!({"name": "a", "expiration_date": NOW + 900}), "expiration_date", json!(NOW + 900)),
        (6, json!({"name": "a", "expiration_date": (NOW + 700) * 1000}), "expiration_date", json!(NOW + 700)),
    ] {
        it.clock.set(NOW + seconds);
        put(&it, patch.clone()).await;
        (expected[member], expected["updated_at"]) = (shown, json!(NOW + seconds));
        assert_eq!(row(&it).await, expected, "{patch}");
    }
    assert_eq!(decided(&it, &before, "write").await, "ALLOWED", "by the value of before");
    assert_eq!(line(&send(&it, "POST", EXAMPLE).await).0, 201);
    assert_eq!(line(&send(&it, "PUT", EXAMPLE).await), (200, ""), "the documented example");
}

#[actix_web::test]
async fn a_row_that_is_sent_back_changes_nothing_but_what_was_changed_in_it() {
    let it = Installation::new().await;
    post(&it, json!({"name": "a"})).await;
    let before = row(&it).await;
    it.clock.advance(10);
    put(
        &it,
        json!({"name": "a", "expiration_date": before["expiration_date"], "active": true, "write": false}),
    )
    .await;
    it.clock.advance(10);
    assert_eq!(decided(&it, &before, "read").await, "ALLOWED", "it still never expires");
}

// S1-5, S1-10: as at POST.
#[actix_web::test]
async fn a_past_date_in_seconds_is_refused_by_an_update_too_and_in_milliseconds_it_ends_the_token() {
    let it = Installation::new().await;
    let past = "The expiration_date must be greater than current time";
    post(&it, json!({"name": "a"})).await;
    post(&it, json!({"name": "b", "expiration_date": NOW + 500})).await;
    let (never, ending) = (named(&it, "a").await, named(&it, "b").await);
    it.clock.advance(10);
    // The date of the last change stands for never only where there is no other.
    for (name, date) in [("a", NOW - 1), ("a", NOW + 10), ("b", NOW), ("b", 0)] {
        let body = json!({"name": name, "expiration_date": date, "write": false});
        assert_eq!(line(&send(&it, "PUT", body.to_string()).await), (400, past), "{name} {date}");
    }
    assert_eq!((named(&it, "a").await, named(&it, "b").await), (never.clone(), ending));
    put(&it, json!({"name": "a", "expiration_date": (NOW - 1) * 1000})).await;
    assert_eq!(decided(&it, &never, "read").await, "EXPIRED");
    assert_eq!(named(&it, "a").await["expiration_date"], NOW - 1);
}

#[actix_web::test]
async fn a_token_that_an_administrator_may_not_delete_is_not_told_to_be_gone() {
    let it = Installation::new().await;
    post(&it, json!({"name": "a"})).await;
    let (_, bound) = it.key(json!({"permissions": ["*"], "basePath": "/inner"})).await;
    let request = |name: &str| {
        let request = TestRequest::delete().uri(TOKEN).set_payload(json!({"name": name}).to_string());
        request.insert_header(("authorization", format!("Bearer {bound}")))
    };
    let refused = it.send(request("a")).await;
    assert_eq!(line(&refused), (403, "This token reaches further than the key that makes this call"));
    assert_eq!(line(&it.send(request("b")).await), (200, ""));
    assert_eq!(decided(&it, &row(&it).await, "read").await, "ALLOWED");
}

#[actix_web::test]
async fn an_update_of_nothing_is_told() {
    let it = Installation::new().await;
    for body in [
        json!({"name": "a"}),
        json!({"name": "a", "expiration_date": NOW + 1, "active": true, "write": true}),
    ] {
        assert_eq!(line(&send(&it, "PUT", body.to_string()).await), (400, "Query returned no rows"));
    }
}

// S1-11.
#[actix_web::test]
async fn s1_11_a_token_is_deleted_by_the_name_in_a_body_and_refused_at_once() {
    let it = Installation::new().await;
    post(&it, json!({"name": "a"})).await;
    let row = row(&it).await;
    assert_eq!(decided(&it, &row, "read").await, "ALLOWED");
    assert_eq!(line(&send(&it, "DELETE", r#"{"name":"a"}"#).await), (200, ""));
    assert_eq!(decided(&it, &row, "read").await, "UNKNOWN_TOKEN");
    for unknown in [r#"{"name":"a"}"#, r#"{"name":""}"#, r#"{"name":"\u0000"}"#] {
        assert_eq!(line(&send(&it, "DELETE", unknown).await), (200, ""), "{unknown}");
    }
    assert_eq!(rows(&it).await, [Value::Null; 0]);
    post(&it, json!({"name": "a"})).await;
    assert_ne!(self::row(&it).await["token"], row["token"], "the name is free, the value is another");
}

// S1-12.
#[actix_web::test]
async fn s1_12_the_value_of_one_token_is_shown_by_its_name() {
    let it = Installation::new().await;
    post(&it, json!({"name": "example"})).await;
    post(&it, json!({"name": "ü &"})).await;
    let (plain, odd) = (named(&it, "example").await, named(&it, "ü &").await);
    for (query, row) in [("name=example", &plain), ("x=1&name=%C3%BC+%26", &odd)] {
        let answer = it.get(&it.admin, &format!("/_/token/value?{query}")).await;
        let expected = format!(r#"{{"data":[{{"token":{}}}]}}"#, row["token"]);
        assert_eq!(line(&answer), (200, expected.as_str()));
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    for (query, status, body) in [
        ("?name=unknown", 200, r#"{"data":[]}"#),
        ("?name=", 200, r#"{"data":[]}"#),
        ("?name", 200, r#"{"data":[]}"#),
        ("?names=example", 400, "Missing query string: name"),
        ("?", 400, "Missing query string"),
        ("", 400, "Missing query string"),
        ("?name=%zz", 400, "?name: expected percent-encoded UTF-8"),
        ("?name=a&name=b", 400, "?name: expected this parameter at most once"),
    ] {
        let answer = it.get(&it.admin, &format!("/_/token/value{query}")).await;
        assert_eq!(line(&answer), (status, body), "{query}");
    }
}

#[actix_web::test]
async fn every_look_at_values_is_in_the_audit_log() {
    let it = Installation::new().await;
    post(&it, json!({"name": "a"})).await;
    rows(&it).await;
    it.get(&it.admin, "/_/token/value?name=a").await;
    let audit = it.get(&it.admin, "/v1/audit").await.body;
    let actions: Vec<&str> =
        audit["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions[..3], ["token.reveal", "token.reveal_all", "token.issue"], "{audit}");
}

/// S1-1: such a token belongs to nobody, and opens neither these routes nor any other.
// S1-1, S1-3.
#[actix_web::test]
async fn s1_1_and_s1_3_only_administrators_are_let_in() {
    let it = Installation::new().await;
    post(&it, json!({"name": "a"})).await;
    let own = text(&row(&it).await["token"]);
    let natively = it.get(&it.admin, "/v1/access-tokens?dialect=query").await;
    assert_eq!(natively.body["items"][0]["owner"], Value::Null);
    let (_, native) =
        it.key(json!({"permissions": ["tokens:write", "tokens:read", "tokens:reveal", "read"]})).await;
    let refused = [
        String::new(),
        it.admin.clone(),
        format!("Basic {}", it.admin),
        "Bearer".to_owned(),
        "Bearer cmk_unknown".to_owned(),
        format!("Bearer {own}"),
        format!("Bearer {native}"),
    ];
    for authorization in &refused {
        for (method, path) in [
            ("GET", TOKEN),
            ("POST", TOKEN),
            ("PUT", TOKEN),
            ("DELETE", TOKEN),
            ("GET", "/_/token/value?name=a"),
            ("GET", "/_/token/value"),
        ] {
            let request = TestRequest::with_uri(path).method(method.parse().unwrap());
            let request =
                request.insert_header(("authorization", authorization.as_str())).set_payload(EXAMPLE);
            let answer = it.send(request).await;
            assert_eq!(line(&answer), (401, ""), "{method} {path} {authorization}");
            assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="countermark""#);
        }
    }
    assert_eq!(it.send(TestRequest::with_uri(TOKEN)).await.status, 401);
    let any_case =
        TestRequest::with_uri(TOKEN).insert_header(("authorization", format!("bEARER {}", it.admin)));
    assert_eq!(it.send(any_case).await.status, 200);
    for path in ["/v1/access-tokens", "/v1/audit", "/api/manage/apiTokens"] {
        assert_eq!(it.get(&own, path).await.status, 401, "{path}");
    }
    assert_eq!(rows(&it).await.len(), 1);
}

#[actix_web::test]
async fn a_name_is_given_once_and_is_readable() {
    let it = Installation::new().await;
    post(&it, json!({"name": "a"})).await;
    let again = send(&it, "POST", json!({"name": "a", "write": false}).to_string()).await;
    assert_eq!(line(&again), (400, "There is already a token with this name"));
    assert_eq!(row(&it).await["write"], 1, "the first one stays as it is");
    let expected = "/name: expected a string of 1 to 200 characters without control characters";
    for name in ["", "a\nb", "\u{0}", "\u{7f}", "\u{85}", &"x".repeat(201)] {
        for method in ["POST", "PUT"] {
            let answer = send(&it, method, json!({"name": name}).to_string()).await;
            assert_eq!(line(&answer), (400, expected), "{method} {name:?}");
        }
    }
    post(&it, json!({"name": "A", "unknown": {"deep": [1]}})).await;
}

#[actix_web::test]
async fn a_revoked_token_is_inactive_and_can_be_deleted() {
    let it = Installation::new().await;
    post(&it, json!({"name": "a"})).await;
    let natively = it.get(&it.admin, "/v1/access-tokens?dialect=query").await;
    let path = format!("/v1/access-tokens/{}", natively.body["items"][0]["id"].as_str().unwrap());
    assert_eq!(it.call(&it.admin, "DELETE", &path, Value::Null).await.status, 204);
    assert_eq!(row(&it).await["active"], 0);
    assert_eq!(line(&send(&it, "PUT", r#"{"name":"a","active":true}"#).await).0, 409);
    assert_eq!(line(&send(&it, "DELETE", r#"{"name":"a"}"#).await), (200, ""));
    assert_eq!(rows(&it).await, [Value::Null; 0]);
}

#[actix_web::test]
async fn other_methods_and_paths_are_not_found_in_the_dialect() {
    let it = Installation::new().await;
    for (method, path) in [
        ("PATCH", TOKEN),
        ("OPTIONS", TOKEN),
        ("TRACE", TOKEN),
        ("POST", "/_/token/value"),
        ("DELETE", "/_/token/value"),
        ("GET", "/_/token/"),
        ("GET", "/_/token/values"),
        ("POST", "/_/token/value/x"),
    ] {
        let answer = it.call(&it.admin, method, path, Value::Null).await;
        assert_eq!(line(&answer), (404, "404 Not Found"), "{method} {path}");
    }
    for path in [TOKEN, "/_/token/value?name=a"] {
        assert_eq!(it.call(&it.admin, "HEAD", path, Value::Null).await.status, 404);
    }
    assert_eq!(it.get(&it.admin, "/_/tokens").await.refusal().1, "NOT_FOUND", "not the room's");
}

#[actix_web::test]
async fn a_closed_room_is_no_path_at_all() {
    let mut config = Config::default();
    config.facades.open.retain(|dialect| *dialect != Dialect::Query);
    let it = Installation::with(&config, NOW).await;
    for method in ["GET", "POST", "PUT", "DELETE"] {
        for path in [TOKEN, "/_/token/value", "/_/token/x"] {
            assert_eq!(
                it.call(&it.admin, method, path, Value::Null).await.refusal().1,
                "NOT_FOUND",
                "{method}"
            );
        }
    }
}

#[actix_web::test]
async fn what_exceeds_the_callers_rights_is_named_as_the_dialect_names_it() {
    let it = Installation::new().await;
    let (_, ending) = it.key(json!({"permissions": ["*"], "expiry": NOW + 1_000})).await;
    let body = json!({"name": "a", "expiration_date": NOW + 2_000});
    let refused = it.call(&ending, "POST", TOKEN, body).await;
    let (status, text) = line(&refused);
    assert!(status == 403 && text.starts_with("/expiration_date: "), "{status} {text}");
}
