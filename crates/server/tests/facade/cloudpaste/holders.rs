//! What holders present, and what they are told.

use actix_web::test::TestRequest;
use serde_json::json;

use super::{KEYS, basic, get_with, own, put, refused, usable};
use crate::installation::{Installation, request};

const OWN: &str = "/api/test/api-key";

/// S3-29: the whole answer.
#[actix_web::test]
async fn the_holder_is_told_what_the_key_may_do() {
    let it = Installation::new().await;
    let (id, key) =
        usable(&it, json!({"name": "up", "permissions": 2 + 131_072, "basic_path": "/upload"})).await;
    let expected = json!({
        "success": true, "code": "OK", "message": "the API key holds",
        "data": {
            "name": "up", "basic_path": "/upload",
            "permissions": {
                "text_share": false, "text_manage": false, "file_share": true, "file_manage": false,
                "mount_view": false, "mount_upload": false, "mount_copy": false, "mount_rename": false,
                "mount_delete": false, "webdav_read": false, "webdav_manage": true
            },
            "key_info": {"id": id, "name": "up", "basic_path": "/upload", "role": "GENERAL", "is_guest": false}
        }
    });
    let answer = own(&it, &key).await;
    assert_eq!((answer.status, answer.body), (200, expected));
}

/// S3-25, S3-26, S3-27.
#[actix_web::test]
async fn a_key_is_presented_in_three_ways_in_any_letter_case() {
    let it = Installation::new().await;
    let (_, key) = usable(&it, json!({"name": "dav", "permissions": 65_536})).await;
    let basic = basic(&key);
    for (name, value) in [
        ("authorization", format!("ApiKey {key}")),
        ("authorization", format!("aPIkEY {key}")),
        ("Authorization", basic.clone()),
        ("authorization", basic.replacen("Basic", "bASIC", 1)),
        ("X-Custom-Auth-Key", key.clone()),
        ("x-custom-auth-key", key.clone()),
    ] {
        let answer = get_with(&it, OWN, &[(name, &value)]).await;
        assert_eq!((answer.status, &answer.body["data"]["name"]), (200, &json!("dav")), "{name}: {value}");
    }
}

/// S3-27: only a key that may read over WebDAV is taken as Basic.
#[actix_web::test]
async fn basic_needs_webdav_read() {
    let it = Installation::new().await;
    let (id, key) = usable(&it, json!({"name": "dav", "permissions": 131_072})).await;
    refused(&get_with(&it, OWN, &[("authorization", &basic(&key))]).await, 401, "UNAUTHORIZED");
    assert_eq!(put(&it, &id, json!({"permissions": 65_536})).await.status, 200);
    assert_eq!(get_with(&it, OWN, &[("authorization", &basic(&key))]).await.status, 200);
}

/// S3-26: the second header counts where the first is absent or fails.
#[actix_web::test]
async fn the_custom_header_is_tried_where_authorization_fails() {
    let it = Installation::new().await;
    let (_, one) = usable(&it, json!({"name": "one"})).await;
    let (_, two) = usable(&it, json!({"name": "two"})).await;
    let custom = ("x-custom-auth-key", two.as_str());
    for failing in ["ApiKey nobody", "Bearer nobody", "Bearer a.b.c", "Basic !!", "Digest x", ""] {
        let answer = get_with(&it, OWN, &[("authorization", failing), custom]).await;
        assert_eq!(answer.body["data"]["name"], "two", "{failing}");
    }
    let answer = get_with(&it, OWN, &[("authorization", &format!("ApiKey {one}")), custom]).await;
    assert_eq!(answer.body["data"]["name"], "one");
}

/// S3-38: nothing tells one reason from another.
#[actix_web::test]
async fn unknown_disabled_and_expired_keys_are_refused_alike() {
    let it = Installation::new().await;
    let (off, disabled) = usable(&it, json!({"name": "off"})).await;
    put(&it, &off, json!({"is_enable": 0})).await;
    let (_, expired) = usable(&it, json!({"name": "old", "expires_at": "2020-01-01T00:00:00Z"})).await;
    let (_, native) = it.key(json!({"permissions": ["read"]})).await;
    let mut messages = Vec::new();
    for key in ["k7Gq2ZpX9mTa", &disabled, &expired, &native, "", " ", "cmk_x"] {
        let answer = own(&it, key).await;
        assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="countermark""#);
        messages.push(refused(&answer, 401, "UNAUTHORIZED"));
    }
    messages.push(refused(&get_with(&it, OWN, &[]).await, 401, "UNAUTHORIZED"));
    messages.dedup();
    assert_eq!(messages.len(), 1, "{messages:?}");
}

/// As Bearer there are administrators only; elsewhere a key is known, but may not manage keys.
#[actix_web::test]
async fn a_key_manages_no_keys_however_it_is_presented() {
    let it = Installation::new().await;
    let (_, key) = usable(&it, json!({"name": "all", "permissions": 204_559})).await;
    for (name, value) in [
        ("authorization", format!("Bearer {key}")),
        ("authorization", format!("ApiKey {key}")),
        ("authorization", basic(&key)),
        ("x-custom-auth-key", key.clone()),
    ] {
        for path in [KEYS, "/api/test/admin-token", "/api/admin/settings", "/api/mount/list", "/api/storage"]
        {
            refused(&get_with(&it, path, &[(name, &value)]).await, 403, "FORBIDDEN");
        }
    }
    refused(&get_with(&it, OWN, &[("authorization", &format!("Bearer {key}"))]).await, 401, "UNAUTHORIZED");
    let native = it.send(request(&key, "GET", "/v1/access-tokens", json!(null))).await;
    assert_eq!(native.status, 401, "{}", native.body);
}

#[actix_web::test]
async fn an_administrator_is_told_that_he_is_one() {
    let it = Installation::new().await;
    let data = it.get(&it.admin, OWN).await.body["data"].clone();
    assert_eq!((&data["is_admin"], &data["permissions"]["text"]), (&json!(true), &json!(true)));
}

/// An administrator key is no API key of the dialect: only as Bearer does it open anything.
#[actix_web::test]
async fn an_administrator_key_is_presented_as_bearer_only() {
    let it = Installation::new().await;
    for (name, value) in [
        ("authorization", format!("ApiKey {}", it.admin)),
        ("authorization", basic(&it.admin)),
        ("x-custom-auth-key", it.admin.clone()),
    ] {
        refused(&get_with(&it, KEYS, &[(name, &value)]).await, 401, "UNAUTHORIZED");
    }
}

#[actix_web::test]
async fn guesses_are_braked_by_address_even_beside_a_good_key() {
    let it = Installation::new().await;
    let (_, key) = usable(&it, json!({"name": "k"})).await;
    let from = |peer: &str| TestRequest::with_uri(OWN).peer_addr(peer.parse().unwrap());
    let guess = || {
        let good = ("x-custom-auth-key", key.as_str());
        from("192.0.2.7:1").insert_header(("authorization", "ApiKey guess")).insert_header(good)
    };
    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(it.send(guess()).await.status);
    }
    assert!(statuses.contains(&200) && statuses.contains(&429), "{statuses:?}");
    let braked = it.send(from("192.0.2.7:1").insert_header(("authorization", "ApiKey guess"))).await;
    refused(&braked, 429, "TOO_MANY_REQUESTS");
    assert!(!braked.header("retry-after").is_empty());
    let good = it.send(from("192.0.2.7:1").insert_header(("x-custom-auth-key", key.as_str()))).await;
    refused(&good, 429, "TOO_MANY_REQUESTS");
    let administrator = from("192.0.2.7:1").insert_header(("authorization", format!("Bearer {}", it.admin)));
    assert_eq!(it.send(administrator).await.status, 200, "a native key is never braked");
    let other = it.send(from("192.0.2.8:1").insert_header(("authorization", "ApiKey guess"))).await;
    refused(&other, 401, "UNAUTHORIZED");
}
