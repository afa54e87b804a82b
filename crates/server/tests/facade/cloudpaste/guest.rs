//! The one key for everybody.

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::{KEYS, decision, delete, made, own, put, refused, row, rows, usable};
use crate::installation::{Installation, NOW, text};

/// What everybody is told.
async fn config(it: &Installation) -> Value {
    let answer = it.send(TestRequest::with_uri("/api/public/guest-config")).await;
    assert_eq!(answer.status, 200);
    answer.body["data"].clone()
}

/// The native path of the only key.
async fn native(it: &Installation) -> String {
    let list = it.get(&it.admin, "/v1/access-tokens?dialect=cloudpaste").await.body;
    format!("/v1/access-tokens/{}", list["items"][0]["id"].as_str().unwrap())
}

/// S3-7, S3-11, S3-12: name and key are fixed, whatever is asked for.
#[actix_web::test]
async fn the_guest_key_is_guest_under_the_name_guest() {
    let it = Installation::new().await;
    let body = json!({"name": "other", "role": "GUEST", "custom_key": "Zt4bQw8LrN1y", "permissions": 256});
    let data = made(&it, body).await;
    assert_eq!(
        (&data["name"], &data["key"], &data["role"]),
        (&json!("guest"), &json!("guest"), &json!("GUEST"))
    );
    assert_eq!(data["key_masked"], "guest...");
    assert_eq!(data["is_enable"], 0);
}

/// S3-7, S3-39: one at a time.
#[actix_web::test]
async fn a_second_guest_key_is_refused_until_the_first_is_deleted() {
    let it = Installation::new().await;
    for (is_enable, said) in [(0, "switched off: change or delete it"), (1, "delete or disable it first")] {
        let body = json!({"name": "guest", "role": "GUEST", "is_enable": is_enable});
        let data = made(&it, body.clone()).await;
        let message = refused(&it.call(&it.admin, "POST", KEYS, body).await, 409, "CONFLICT");
        assert!(message.ends_with(said), "{message}");
        assert_eq!(delete(&it, data["id"].as_str().unwrap()).await.status, 200);
    }
}

/// S3-39, section 3 row 10: one that has been switched off makes room, and keeps its id and its history.
#[actix_web::test]
async fn a_guest_key_that_was_switched_off_becomes_what_is_asked_for() {
    let it = Installation::new().await;
    let (id, _) = usable(&it, json!({"role": "GUEST", "permissions": 204_559, "basic_path": "/all"})).await;
    let acl = format!("{KEYS}/{id}/storage-acl");
    let answer = it.call(&it.admin, "PUT", &acl, json!({"storage_config_ids": ["r2"]})).await;
    assert_eq!(answer.status, 200);
    assert_eq!(put(&it, &id, json!({"is_enable": 0})).await.status, 200);
    let asked =
        json!({"name": "guest", "role": "GUEST", "permissions": 256, "expires_at": null, "is_enable": 1});
    let data = made(&it, asked).await;
    assert_eq!((&data["id"], &data["key"], &data["role"]), (&json!(id), &json!("guest"), &json!("GUEST")));
    let rows = rows(&it).await;
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0]["id"], &rows[0]["permissions"]), (&json!(id), &json!(256)));
    assert_eq!((&rows[0]["basic_path"], &rows[0]["is_enable"]), (&json!("/"), &json!(1)));
    assert_eq!(rows[0]["expires_at"], "9999-12-31T23:59:59.000Z");
    assert_eq!(it.get(&it.admin, &acl).await.body["data"]["storage_config_ids"], json!([]));
    assert_eq!(decision(&it, "guest", json!({"permission": "mount:view"})).await, "ALLOWED");
    let audit = it.get(&it.admin, "/v1/audit").await.body.to_string();
    assert!(!audit.contains("token.purge"), "{audit}");
}

/// What a refused replacement would have replaced is as it was.
#[actix_web::test]
async fn a_guest_key_is_not_lost_where_the_caller_may_not_make_the_new_one() {
    let it = Installation::new().await;
    let (id, _) = usable(&it, json!({"role": "GUEST", "expires_at": null})).await;
    assert_eq!(put(&it, &id, json!({"is_enable": 0})).await.status, 200);
    let (_, ending) = it.key(json!({"permissions": ["*"], "expiry": NOW + 1_000})).await;
    let before = row(&it, &id).await;
    let body = json!({"role": "GUEST", "expires_at": null});
    let message = refused(&it.call(&ending, "POST", KEYS, body).await, 403, "FORBIDDEN");
    assert!(message.starts_with("/expires_at: "), "as the dialect names it: {message}");
    let (_, bound) = it.key(json!({"permissions": ["*"], "basePath": "/inner"})).await;
    let message = refused(&it.call(&bound, "POST", KEYS, json!({"role": "GUEST"})).await, 409, "CONFLICT");
    assert!(message.contains("may not change it"), "{message}");
    assert_eq!(row(&it, &id).await, before);
}

#[actix_web::test]
async fn a_guest_key_that_was_revoked_natively_makes_no_room() {
    let it = Installation::new().await;
    usable(&it, json!({"role": "GUEST"})).await;
    assert_eq!(it.call(&it.admin, "DELETE", &native(&it).await, Value::Null).await.status, 204);
    let message = refused(&it.call(&it.admin, "POST", KEYS, json!({"role": "GUEST"})).await, 409, "CONFLICT");
    assert!(message.contains("revoked for ever: delete it first"), "{message}");
    assert_eq!(rows(&it).await.len(), 1);
}

/// The native API can take the guest key's name away; everybody still knows its value.
#[actix_web::test]
async fn a_guest_key_that_was_renamed_natively_still_keeps_its_value() {
    let it = Installation::new().await;
    let (id, _) = usable(&it, json!({"role": "GUEST"})).await;
    let renamed = it.call(&it.admin, "PATCH", &native(&it).await, json!({"name": "other"})).await;
    assert_eq!(renamed.status, 200, "{}", renamed.body);
    assert_eq!(row(&it, &id).await["role"], "GENERAL");
    assert_eq!(config(&it).await, json!({"enabled": false, "key": null}));
    let message = refused(&it.call(&it.admin, "POST", KEYS, json!({"role": "GUEST"})).await, 409, "CONFLICT");
    assert!(message.contains("the value of an API key with another name"), "{message}");
}

/// Nor does its name make a key the guest: nothing of it is told, and it is not handed over.
#[actix_web::test]
async fn a_key_that_was_named_guest_natively_is_not_the_guest() {
    let it = Installation::new().await;
    let body = json!({"name": "k", "basic_path": "/inner", "custom_key": "Zt4bQw8LrN1y"});
    let (id, value) = usable(&it, body).await;
    let renamed = it.call(&it.admin, "PATCH", &native(&it).await, json!({"name": "guest"})).await;
    assert_eq!(renamed.status, 200, "{}", renamed.body);
    assert_eq!(config(&it).await, json!({"enabled": false, "key": null}));
    assert_eq!(own(&it, &value).await.body["data"]["key_info"]["is_guest"], false);
    assert_eq!(put(&it, &id, json!({"name": "guest", "role": "GENERAL", "is_enable": 0})).await.status, 200);
    let before = row(&it, &id).await;
    assert_eq!(before["role"], "GENERAL");
    let message = refused(&it.call(&it.admin, "POST", KEYS, json!({"role": "GUEST"})).await, 409, "CONFLICT");
    assert!(message.contains("not the guest key"), "{message}");
    assert_eq!(row(&it, &id).await, before);
    assert_eq!(put(&it, &id, json!({"name": "k"})).await.status, 200, "it can be given its name back");
}

/// S3-12: nobody else is called so.
#[actix_web::test]
async fn no_other_key_gets_the_name_or_the_role_of_the_guest() {
    let it = Installation::new().await;
    refused(&it.call(&it.admin, "POST", KEYS, json!({"name": " guest "})).await, 409, "CONFLICT");
    let (id, _) = usable(&it, json!({"name": "k"})).await;
    for change in [json!({"name": "guest"}), json!({"role": "GUEST"})] {
        refused(&put(&it, &id, change).await, 409, "CONFLICT");
    }
}

/// S3-31: of the guest key only switch, permissions, path and storages change.
#[actix_web::test]
async fn the_guest_key_keeps_its_name_role_and_end() {
    let it = Installation::new().await;
    let (id, _) = usable(&it, json!({"role": "GUEST", "expires_at": null})).await;
    for change in [json!({"name": "other"}), json!({"role": "GENERAL"}), json!({"name": "x", "is_enable": 0})]
    {
        refused(&put(&it, &id, change).await, 409, "CONFLICT");
    }
    let all = json!({
        "name": "guest", "role": "GUEST", "expires_at": "2020-01-01T00:00:00Z", "permissions": 1,
        "basic_path": "/public", "is_enable": 1
    });
    assert_eq!(put(&it, &id, all).await.status, 200);
    assert_eq!(put(&it, &id, json!({"expires_at": "2020-01-01T00:00:00Z"})).await.status, 200);
    let row = row(&it, &id).await;
    assert_eq!(row["expires_at"], "9999-12-31T23:59:59.000Z");
    assert_eq!(
        (&row["permissions"], &row["basic_path"], &row["is_enable"]),
        (&json!(1), &json!("/public"), &json!(1))
    );
    let acl = format!("{KEYS}/{id}/storage-acl");
    let answer = it.call(&it.admin, "PUT", &acl, json!({"storage_config_ids": ["s"]})).await;
    assert_eq!(answer.status, 200);
}

/// S3-30.
#[actix_web::test]
async fn everybody_is_told_the_guest_key_while_it_can_be_used() {
    let it = Installation::new().await;
    assert_eq!(config(&it).await, json!({"enabled": false, "key": null}));
    let body = json!({"role": "GUEST", "permissions": 256, "basic_path": "/public", "expires_at": null});
    let id = text(&made(&it, body).await["id"]);
    let told = |enabled: bool| {
        json!({
            "enabled": enabled, "key": enabled.then_some("guest"), "name": "guest", "permissions": 256,
            "permissions_detail": {
                "text_share": false, "text_manage": false, "file_share": false, "file_manage": false,
                "mount_view": true, "mount_upload": false, "mount_copy": false, "mount_rename": false,
                "mount_delete": false, "webdav_read": false, "webdav_manage": false
            },
            "basic_path": "/public", "expires_at": "9999-12-31T23:59:59.000Z"
        })
    };
    assert_eq!(config(&it).await, told(false));
    put(&it, &id, json!({"is_enable": true})).await;
    assert_eq!(config(&it).await, told(true));
    put(&it, &id, json!({"is_enable": false})).await;
    assert_eq!(config(&it).await, told(false));
}

#[actix_web::test]
async fn an_expired_guest_key_is_told_as_none() {
    let it = Installation::new().await;
    usable(&it, json!({"role": "GUEST"})).await;
    it.clock.advance(86_400);
    let told = config(&it).await;
    assert_eq!((&told["enabled"], &told["key"]), (&json!(false), &json!(null)));
}

/// A value that the native API has given it is a secret, and `guest` opens nothing then.
#[actix_web::test]
async fn a_guest_key_with_another_value_is_told_to_nobody() {
    let it = Installation::new().await;
    usable(&it, json!({"role": "GUEST"})).await;
    let path = format!("{}/regenerate", native(&it).await);
    let renewed = it.call(&it.admin, "POST", &path, json!({"overlapSeconds": 0})).await;
    assert_eq!(renewed.status, 200, "{}", renewed.body);
    let told = config(&it).await;
    assert_eq!(told, json!({"enabled": false, "key": null}));
    refused(&own(&it, "guest").await, 401, "UNAUTHORIZED");
}

/// S3-34: guest browsing.
#[actix_web::test]
async fn a_guest_may_do_what_was_granted_to_him_and_no_more() {
    let it = Installation::new().await;
    usable(&it, json!({"role": "GUEST", "permissions": 1, "basic_path": "/public"})).await;
    let data = own(&it, "guest").await.body["data"].clone();
    assert_eq!((&data["key_info"]["role"], &data["key_info"]["is_guest"]), (&json!("GUEST"), &json!(true)));
    for (permission, path, expected) in [
        ("text:share", "/public/note", "ALLOWED"),
        ("text:share", "/private/note", "PATH_DENIED"),
        ("text:manage", "/public/note", "PERMISSION_DENIED"),
        ("file:share", "/public/note", "PERMISSION_DENIED"),
    ] {
        let request = json!({"permission": permission, "path": path});
        assert_eq!(decision(&it, "guest", request).await, expected, "{permission} {path}");
    }
}
