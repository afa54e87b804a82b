//! Whatever comes in, the answer has the dialect's shape and is never a fault of ours.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use countermark_core::Dialect;
use serde_json::{Value, json};

use super::{KEYS, configured, delete, made, put, refused};
use crate::installation::{Installation, text};

const UNKNOWN: &str = "019a8e60-1c00-7a31-9c0e-5b1f0a6f2d11";

#[actix_web::test]
async fn bad_bodies_of_new_keys_are_refused_by_member() {
    let it = Installation::new().await;
    for (body, member) in [
        (json!({}), "/name"),
        (json!({"name": null}), "/name"),
        (json!({"name": ""}), "/name"),
        (json!({"name": "  "}), "/name"),
        (json!({"name": 7}), "/name"),
        (json!({"name": ["canary"]}), "/name"),
        (json!({"name": "a\u{0}b"}), "/name"),
        (json!({"name": "x".repeat(201)}), "/name"),
        (json!({"name": "k", "role": "ADMIN"}), "/role"),
        (json!({"name": "k", "role": 1}), "/role"),
        (json!({"name": "k", "role": "guest"}), "/role"),
        (json!({"name": "k", "permissions": -1}), "/permissions"),
        (json!({"name": "k", "permissions": 1.5}), "/permissions"),
        (json!({"name": "k", "permissions": 16}), "/permissions"),
        (json!({"name": "k", "permissions": 204_560}), "/permissions"),
        (json!({"name": "k", "permissions": u64::MAX}), "/permissions"),
        (json!({"name": "k", "permissions": "2"}), "/permissions"),
        (json!({"name": "k", "permissions": true}), "/permissions"),
        (json!({"name": "k", "permissions": ["FILE_SHARE"]}), "/permissions"),
        (json!({"name": "k", "basic_path": "upload"}), "/basic_path"),
        (json!({"name": "k", "basic_path": "/a/../b"}), "/basic_path"),
        (json!({"name": "k", "basic_path": "/a/./b"}), "/basic_path"),
        (json!({"name": "k", "basic_path": "//a"}), "/basic_path"),
        (json!({"name": "k", "basic_path": "/a//"}), "/basic_path"),
        (json!({"name": "k", "basic_path": "/%2e%2e"}), "/basic_path"),
        (json!({"name": "k", "basic_path": "/a\\b"}), "/basic_path"),
        (json!({"name": "k", "basic_path": "/x".repeat(600)}), "/basic_path"),
        (json!({"name": "k", "basic_path": 7}), "/basic_path"),
        (json!({"name": "k", "expires_at": "tomorrow"}), "/expires_at"),
        (json!({"name": "k", "expires_at": ""}), "/expires_at"),
        (json!({"name": "k", "expires_at": "2027-02-30T00:00:00Z"}), "/expires_at"),
        (json!({"name": "k", "expires_at": "+10000-01-01T00:00:00Z"}), "/expires_at"),
        (json!({"name": "k", "expires_at": 1_900_000_000}), "/expires_at"),
        (json!({"name": "k", "custom_key": 7}), "/custom_key"),
        (json!({"name": "k", "custom_key": "x y"}), "/custom_key"),
        (json!({"name": "k", "custom_key": "x".repeat(257)}), "/custom_key"),
    ] {
        let answer = it.call(&it.admin, "POST", KEYS, body.clone()).await;
        let message = refused(&answer, 400, "VALIDATION_ERROR");
        assert!(message.starts_with(member), "{body}: {message}");
        assert!(!message.contains("canary"));
    }
}

#[actix_web::test]
async fn what_is_no_object_of_json_is_refused() {
    let it = Installation::new().await;
    let id = text(&made(&it, json!({"name": "k"})).await["id"]);
    let deep = "[".repeat(10_000);
    for body in
        ["", "{", "null", "[]", "\"x\"", "{\"name\":\"a\",\"name\":\"b\"}", "{}x", "\u{feff}{}", &deep]
    {
        for (method, path) in [
            ("POST", KEYS.to_owned()),
            ("PUT", format!("{KEYS}/{id}")),
            ("PUT", format!("{KEYS}/{id}/storage-acl")),
            ("POST", "/api/admin/login".to_owned()),
        ] {
            let request = TestRequest::with_uri(&path)
                .method(method.parse().unwrap())
                .insert_header(("authorization", format!("Bearer {}", it.admin)))
                .set_payload(body.to_owned());
            refused(&it.send(request).await, 400, "VALIDATION_ERROR");
        }
    }
}

/// S3-31: something must be asked for.
#[actix_web::test]
async fn bad_changes_are_refused_and_change_nothing() {
    let it = Installation::new().await;
    let id = text(&made(&it, json!({"name": "k", "permissions": 2})).await["id"]);
    for body in [
        json!({}),
        json!({"key": "Zt4bQw8LrN1y"}),
        json!({"unknown": 1}),
        json!({"name": null}),
        json!({"name": " "}),
        json!({"name": 1}),
        json!({"permissions": null}),
        json!({"permissions": 16}),
        json!({"permissions": 1.5}),
        json!({"basic_path": "/.."}),
        json!({"expires_at": "soon"}),
        json!({"is_enable": 2}),
        json!({"is_enable": "1"}),
        json!({"is_enable": null}),
        json!({"role": "ADMIN"}),
        json!({"name": "new", "permissions": -1}),
    ] {
        let answer = put(&it, &id, body.clone()).await;
        refused(&answer, 400, "VALIDATION_ERROR");
    }
    let row = super::row(&it, &id).await;
    assert_eq!((&row["name"], &row["permissions"]), (&json!("k"), &json!(2)));
}

#[actix_web::test]
async fn ids_that_are_none_and_ids_that_are_not_there_are_answered_alike() {
    let it = Installation::new().await;
    let long = "x".repeat(4000);
    for id in [UNKNOWN, "1", "%00", "..%2f", "%ff", "ak_034YCGMODo7rNXJe1rD0Im", &it.admin_id, &long] {
        refused(&put(&it, id, json!({"is_enable": 1})).await, 404, "NOT_FOUND");
        refused(&delete(&it, id).await, 404, "NOT_FOUND");
        refused(&it.get(&it.admin, &format!("{KEYS}/{id}/storage-acl")).await, 404, "NOT_FOUND");
    }
}

#[actix_web::test]
async fn unknown_paths_below_the_rooms_own_are_answered_in_the_dialect() {
    let it = Installation::new().await;
    for path in [
        "/api/admin",
        "/api/admin/",
        "/api/admin/users",
        "/api/admin/api-keys/",
        "/api/admin/api-keys/1/2",
        "/api/test",
        "/api/test/nothing",
        "/api/public/x",
        "/api/mount",
        "/api/mount/1",
        "/api/storage/1",
        "/api/admin/%00",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            refused(&it.call(&it.admin, method, path, Value::Null).await, 404, "NOT_FOUND");
        }
    }
    let outside = it.get(&it.admin, "/api/administrators").await;
    assert_eq!(outside.header("content-type"), "application/problem+json", "not the room's");
}

#[actix_web::test]
async fn methods_that_are_not_offered_are_answered_405_with_allow() {
    let it = Installation::new().await;
    let one = format!("{KEYS}/{UNKNOWN}");
    let acl = format!("{one}/storage-acl");
    for (path, allow) in [
        (KEYS, "GET, POST"),
        (&one, "PUT, DELETE"),
        (&acl, "GET, HEAD, PUT"),
        ("/api/admin/login", "POST"),
        ("/api/admin/logout", "POST"),
        ("/api/admin/settings", "GET, HEAD"),
        ("/api/test/api-key", "GET, HEAD"),
        ("/api/test/admin-token", "GET, HEAD"),
        ("/api/public/guest-config", "GET, HEAD"),
        ("/api/mount/list", "GET, HEAD"),
        ("/api/storage", "GET, HEAD"),
    ] {
        for method in ["PATCH", "TRACE", "PROPFIND", "OPTIONS"] {
            let request = TestRequest::with_uri(path).method(Method::from_bytes(method.as_bytes()).unwrap());
            let answer = it.send(request).await;
            refused(&answer, 405, "METHOD_NOT_ALLOWED");
            assert_eq!(answer.header("allow"), allow, "{path}");
        }
    }
    // No look at values that shows none.
    assert_eq!(it.call(&it.admin, "HEAD", KEYS, Value::Null).await.status, 405);
    assert!(!it.get(&it.admin, "/v1/audit").await.body.to_string().contains("reveal_all"));
}

#[actix_web::test]
async fn large_and_encoded_bodies_are_refused_in_the_dialect() {
    let it = Installation::new().await;
    let post = || {
        let key = format!("Bearer {}", it.admin);
        TestRequest::post().uri(KEYS).insert_header(("authorization", key))
    };
    let large = it.send(post().set_payload("x".repeat(64 * 1024 + 1))).await;
    refused(&large, 413, "PAYLOAD_TOO_LARGE");
    let encoded = it.send(post().insert_header(("content-encoding", "gzip")).set_payload("{}")).await;
    refused(&encoded, 415, "UNSUPPORTED_MEDIA_TYPE");
}

#[actix_web::test]
async fn repeated_and_unreadable_credentials_are_refused() {
    let it = Installation::new().await;
    let key = format!("Bearer {}", it.admin);
    let twice = TestRequest::with_uri(KEYS)
        .append_header(("authorization", key.clone()))
        .append_header(("authorization", key));
    refused(&it.send(twice).await, 401, "UNAUTHORIZED");
    for value in
        ["Bearer", "Bearer ", "Bearer .", "Bearer ..", "ApiKey", "Basic", "Basic OjA=", "Basic /w==", "x"]
    {
        let request = TestRequest::with_uri(KEYS).insert_header(("authorization", value));
        refused(&it.send(request).await, 401, "UNAUTHORIZED");
    }
    let bytes = actix_web::http::header::HeaderValue::from_bytes(b"ApiKey \xff").unwrap();
    let request = TestRequest::with_uri(KEYS).insert_header(("authorization", bytes));
    refused(&it.send(request).await, 401, "UNAUTHORIZED");
}

#[actix_web::test]
async fn a_closed_room_is_answered_like_nothing() {
    let mut it = Installation::new().await;
    configured(&mut it, |config| config.facades.open.retain(|dialect| *dialect != Dialect::Cloudpaste));
    for path in [KEYS, "/api/test/api-key", "/api/public/guest-config", "/api/admin/login"] {
        let answer = it.get(&it.admin, path).await;
        assert_eq!(answer.refusal(), (404, "NOT_FOUND", ""), "{path}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
}
