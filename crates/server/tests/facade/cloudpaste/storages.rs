//! The storages of a key.

use serde_json::{Value, json};

use super::{KEYS, decision, refused, usable};
use crate::installation::{Answer, Installation};

async fn acl(it: &Installation, id: &str) -> Answer {
    it.get(&it.admin, &format!("{KEYS}/{id}/storage-acl")).await
}

async fn replace(it: &Installation, id: &str, body: Value) -> Answer {
    it.call(&it.admin, "PUT", &format!("{KEYS}/{id}/storage-acl"), body).await
}

/// S3-6, S3-18, S3-31.
#[actix_web::test]
async fn a_list_replaces_the_former_and_an_empty_one_opens_all() {
    let it = Installation::new().await;
    let (id, _) = usable(&it, json!({"name": "k"})).await;
    let shown = |storages: Value| json!({"subject_type": "API_KEY", "subject_id": id, "storage_config_ids": storages});
    assert_eq!(acl(&it, &id).await.body["data"], shown(json!([])));
    for (given, kept) in [
        (json!([" r2 ", "s3", "r2"]), json!(["r2", "s3"])),
        (json!(["hf"]), json!(["hf"])),
        (json!([]), json!([])),
    ] {
        let answer = replace(&it, &id, json!({"storage_config_ids": given})).await;
        assert_eq!((answer.status, &answer.body["data"]), (200, &shown(kept.clone())));
        assert_eq!(acl(&it, &id).await.body["data"], shown(kept));
    }
}

/// What is no id is refused: a list of which nothing was left would open all.
#[actix_web::test]
async fn a_list_with_anything_but_ids_is_refused_and_changes_nothing() {
    let it = Installation::new().await;
    let (id, _) = usable(&it, json!({"name": "k"})).await;
    replace(&it, &id, json!({"storage_config_ids": ["r2"]})).await;
    for bad in [
        json!({}),
        json!({"storage_config_ids": "r2"}),
        json!({"storage_config_ids": null}),
        json!({"storage_config_ids": [1]}),
        json!({"storage_config_ids": ["r2", null]}),
        json!({"storage_config_ids": [" "]}),
        json!({"storage_config_ids": ["a b"]}),
        json!({"storage_config_ids": ["x".repeat(129)]}),
        json!({"storage_config_ids": vec!["x"; 101]}),
    ] {
        refused(&replace(&it, &id, bad).await, 400, "VALIDATION_ERROR");
    }
    assert_eq!(acl(&it, &id).await.body["data"]["storage_config_ids"], json!(["r2"]));
    let unknown = "019a8e60-1c00-7a31-9c0e-5b1f0a6f2d11";
    refused(&acl(&it, unknown).await, 404, "NOT_FOUND");
    refused(&replace(&it, unknown, json!({"storage_config_ids": []})).await, 404, "NOT_FOUND");
}

/// S3-6, S3-18, S3-36, S3-40: another storage is missing; texts lie in none.
#[actix_web::test]
async fn a_list_binds_what_has_to_do_with_storages() {
    let it = Installation::new().await;
    let (id, key) = usable(&it, json!({"name": "k", "permissions": 3 + 256})).await;
    replace(&it, &id, json!({"storage_config_ids": ["r2"]})).await;
    for (request, expected) in [
        (json!({"permission": "file:share", "storage": "r2"}), "ALLOWED"),
        (json!({"permission": "file:share", "storage": "hf"}), "STORAGE_DENIED"),
        (json!({"permission": "mount:view"}), "STORAGE_DENIED"),
        (json!({"permission": "text:share"}), "ALLOWED"),
        (json!({"permission": "mount:upload", "storage": "r2"}), "PERMISSION_DENIED"),
    ] {
        assert_eq!(decision(&it, &key, request.clone()).await, expected, "{request}");
    }
    replace(&it, &id, json!({"storage_config_ids": []})).await;
    assert_eq!(decision(&it, &key, json!({"permission": "file:share", "storage": "hf"})).await, "ALLOWED");
}
