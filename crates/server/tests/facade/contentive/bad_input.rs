//! What is refused: always in the dialect's shape, by the member's name, and without repeating a value.

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::{USERS, active, error, path};
use crate::installation::{Installation, request, text};

const INSTANT: &str =
    "Invalid input: expire_at: expected an instant of ISO 8601 with its offset, such as 2030-01-01T00:00:00Z";
const STATUS: &str = "Invalid status: expected active, inactive or expired";

/// Members that neither a creation nor a change takes, with the beginning of what is said.
fn bad_members() -> Vec<(Value, &'static str)> {
    let scope = "expected an exact scope such as blog:read, or * for all";
    let first_scope: &'static str = Box::leak(format!("Invalid input: scopes/0: {scope}").into_boxed_str());
    let mut cases = vec![
        (json!({"name": 5}), "Invalid input: name: expected a string of 0 to 200 characters"),
        (json!({"name": ["canary"]}), "Invalid input: name: expected"),
        (json!({"name": "canary\u{0}"}), "Invalid input: name: expected"),
        (json!({"name": "c".repeat(201)}), "Invalid input: name: expected"),
        (json!({"description": {"canary": 1}}), "Invalid input: description: expected"),
        (json!({"description": "c".repeat(2001)}), "Invalid input: description: expected"),
        (json!({"status": "canary"}), STATUS),
        (json!({"status": "Active"}), STATUS),
        (json!({"status": "active "}), STATUS),
        (json!({"status": true}), "Invalid input: status: expected a string"),
        (json!({"scopes": "canary"}), "Invalid input: scopes: expected an array of at most 100 elements"),
        (json!({"scopes": {"canary": 1}}), "Invalid input: scopes: expected an array"),
        (json!({"scopes": [5]}), "Invalid input: scopes/0: expected"),
        (json!({"scopes": vec!["canary"; 101]}), "Invalid input: scopes: expected an array of at most 100"),
    ];
    for instant in [json!("canary"), json!(""), json!("2030-01-01"), json!("1969-01-01T00:00:00Z")] {
        cases.push((json!({"expire_at": instant}), INSTANT));
    }
    cases.push((json!({"expire_at": 1_900_000_000}), "Invalid input: expire_at: expected a string"));
    for bad in ["", "Canary", "canary canary", "blog:*", "x:y:z", "**", &"c".repeat(129)] {
        cases.push((json!({"scopes": [bad]}), first_scope));
    }
    cases
}

#[actix_web::test]
async fn s4_18_a_bad_member_is_named_with_what_was_expected_and_changes_nothing() {
    let it = Installation::new().await;
    let user = active(&it, "whole", "a").await;
    for (members, said) in bad_members() {
        let mut creation = json!({"name": "new", "status": "active"});
        for (name, value) in members.as_object().unwrap() {
            creation[name] = value.clone();
        }
        for (method, path, body) in [("POST", USERS.to_owned(), creation), ("PUT", path(&user), members)] {
            let answer = it.call(&it.admin, method, &path, body.clone()).await;
            let (status, text) = error(&answer);
            assert!(status == 400 && text.starts_with(said), "{method} {body}: {status} {text}");
            assert!(!text.contains("anary"), "{method} {body}: {text}");
        }
    }
    let empty = it.call(&it.admin, "PUT", &path(&user), json!({"name": ""})).await;
    assert_eq!(error(&empty), (400, "Name cannot be empty"));
    let empty = it.call(&it.admin, "PUT", &path(&user), json!({"status": ""})).await;
    assert_eq!(error(&empty), (400, STATUS));
    assert_eq!(it.get(&it.admin, USERS).await.body, json!([user]));
}

#[actix_web::test]
async fn s4_18_a_bad_body_is_refused_in_the_same_shape_on_every_route() {
    let it = Installation::new().await;
    let user = active(&it, "whole", "a").await;
    let deep = "[".repeat(20_000);
    let bodies: [&[u8]; 10] = [
        b"",
        b"null",
        b"[]",
        b"\"canary\"",
        b"{",
        b"{\"name\":\"canary\"",
        b"{\"name\":\"a\",\"name\":\"b\",\"status\":\"active\"}",
        b"\xff\xfe",
        b"{\"name\":\"\\ud800\",\"status\":\"active\"}",
        deep.as_bytes(),
    ];
    for (method, path) in
        [("POST", USERS.to_owned()), ("PUT", path(&user)), ("POST", "/admin/auth/login".to_owned())]
    {
        for body in bodies {
            for kind in [None, Some("application/json"), Some("text/plain"), Some("canary")] {
                let mut request = request(&it.admin, method, &path, Value::Null).set_payload(body.to_vec());
                if let Some(kind) = kind {
                    request = request.insert_header(("content-type", kind));
                }
                let answer = it.send(request).await;
                let (status, text) = error(&answer);
                assert!(status == 400 && text.starts_with("Invalid input: "), "{method} {path}: {text}");
                assert!(!text.contains("canary"), "{text}");
            }
        }
        let large = request(&it.admin, method, &path, Value::Null).set_payload(vec![b' '; 70_000]);
        assert_eq!(error(&it.send(large).await).0, 413, "{method} {path}");
        let packed = request(&it.admin, method, &path, Value::Null)
            .insert_header(("content-encoding", "gzip"))
            .set_payload("{}");
        assert_eq!(error(&it.send(packed).await).0, 415, "{method} {path}");
    }
    for (method, path) in
        [("DELETE", path(&user)), ("POST", format!("{USERS}/regenerate-token/{}", text(&user["id"])))]
    {
        let large = request(&it.admin, method, &path, Value::Null).set_payload(vec![b' '; 70_000]);
        assert_eq!(error(&it.send(large).await).0, 413, "{method} {path}");
    }
    assert_eq!(it.get(&it.admin, USERS).await.body, json!([user]));
}

#[actix_web::test]
async fn s4_3_no_content_type_is_demanded() {
    let it = Installation::new().await;
    for (name, kind) in [("none", None), ("text", Some("text/plain")), ("json", Some("application/json"))] {
        let body = json!({"name": name, "status": "active", "unknown": {"is": "ignored"}}).to_string();
        let mut request = request(&it.admin, "POST", USERS, Value::Null).set_payload(body);
        if let Some(kind) = kind {
            request = request.insert_header(("content-type", kind));
        }
        assert_eq!(it.send(request).await.status, 201, "{name}");
    }
}

#[actix_web::test]
async fn a_login_without_a_member_says_which() {
    let it = Installation::new().await;
    for (body, said) in [
        (json!({"password": "canary"}), "Invalid input: email: expected this member, which is missing"),
        (json!({"email": "", "password": "canary"}), "Invalid input: email: expected a string of 1"),
        (json!({"email": "a"}), "Invalid input: password: expected this member, which is missing"),
        (json!({"email": "a", "password": ""}), "Invalid input: password: expected a string of 1"),
        (json!({"email": "a", "password": "c".repeat(4097)}), "Invalid input: password: expected a string"),
        (json!({"email": 5, "password": "canary"}), "Invalid input: email: expected"),
    ] {
        let request = TestRequest::post().uri("/admin/auth/login").set_payload(body.to_string());
        let answer = it.send(request).await;
        let (status, text) = error(&answer);
        assert!(status == 400 && text.starts_with(said) && !text.contains("canary"), "{body}: {text}");
    }
}

#[actix_web::test]
async fn s4_19_what_is_no_id_of_an_api_user_is_not_found() {
    let it = Installation::new().await;
    active(&it, "other", "a").await;
    let ids = [
        "x",
        "0",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "019a00ff-1234-7001-8002-0304050607f",
        "019a00ff123470018002030405060 7fe",
        "%00",
        "%ff",
        "..%2f..",
        "%F0%9F%92%A5",
        &it.admin_id,
        &"9".repeat(2000),
    ];
    for id in ids {
        let id = id.replace(' ', "%20");
        for (method, path, body) in [
            ("GET", format!("{USERS}/{id}"), Value::Null),
            ("PUT", format!("{USERS}/{id}"), json!({"name": "x"})),
            ("DELETE", format!("{USERS}/{id}"), Value::Null),
            ("POST", format!("{USERS}/regenerate-token/{id}"), Value::Null),
        ] {
            let answer = it.call(&it.admin, method, &path, body).await;
            let (status, text) = error(&answer);
            assert!(
                status == 404 && ["API user not found", "Not found"].contains(&text),
                "{method} {id}: {text}"
            );
        }
    }
}

#[actix_web::test]
async fn methods_and_paths_that_there_are_not_are_answered_in_the_dialect() {
    let it = Installation::new().await;
    let user = active(&it, "other", "a").await;
    let regeneration = format!("{USERS}/regenerate-token/{}", text(&user["id"]));
    for (path, allowed) in [
        (USERS.to_owned(), "GET, POST"),
        (path(&user), "GET, HEAD, PUT, DELETE"),
        (regeneration, "POST"),
        ("/admin/auth/login".to_owned(), "POST"),
    ] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
            if allowed.split(", ").any(|it| it == method) {
                continue;
            }
            let answer = it.call(&it.admin, method, &path, Value::Null).await;
            assert_eq!(error(&answer).0, 405, "{method} {path}");
            assert_eq!(answer.header("allow"), allowed, "{method} {path}");
        }
    }
    // No look at tokens that shows none.
    assert_eq!(it.call(&it.admin, "HEAD", USERS, Value::Null).await.status, 405);
    assert!(!it.get(&it.admin, "/v1/audit").await.body.to_string().contains("reveal_all"));
    for path in [
        "/admin/api/",
        "/admin/api/a/b",
        "/admin/api/regenerate-token/a/b",
        "/admin/auth",
        "/admin/auth/",
        "/admin/auth/logout",
        "/admin/auth/login/x",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = it.call(&it.admin, method, path, Value::Null).await;
            assert_eq!(error(&answer), (404, "Not found"), "{method} {path}");
        }
    }
}
