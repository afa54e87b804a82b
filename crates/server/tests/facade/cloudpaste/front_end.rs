//! The requests that CloudPaste's own front end sends from its key page.

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::{KEYS, put, row, rows, usable};
use crate::installation::{Installation, request, text};

/// S3-8: what the page needs in order to open.
#[actix_web::test]
async fn the_key_page_opens() {
    let it = Installation::new().await;
    let body = json!({"username": "admin", "password": it.admin}).to_string();
    let login =
        TestRequest::post().uri("/api/admin/login").insert_header(("content-type", "application/json"));
    let token = text(&it.send(login.set_payload(body)).await.body["data"]["token"]);
    for path in [
        "/api/test/admin-token",
        KEYS,
        "/api/mount/list",
        "/api/storage",
        "/api/storage?page=1&limit=30",
        "/api/admin/settings?group=1",
        "/api/public/guest-config",
    ] {
        let answer = it.get(&token, path).await;
        assert_eq!((answer.status, &answer.body["success"]), (200, &json!(true)), "{path}");
        assert_eq!(answer.body["code"], "OK");
    }
    assert_eq!(it.get(&token, "/api/mount/list").await.body["data"], json!([]));
}

/// S3-32: the switch in a row.
#[actix_web::test]
async fn the_switch_in_a_row_sends_a_boolean() {
    let it = Installation::new().await;
    let (id, _) = usable(&it, json!({"name": "k"})).await;
    for (sent, shown) in [(false, 0), (true, 1)] {
        assert_eq!(put(&it, &id, json!({"is_enable": sent})).await.status, 200);
        assert_eq!(row(&it, &id).await["is_enable"], shown);
    }
}

/// S3-14: the form sends null for "never", and no `is_enable` for a new key.
#[actix_web::test]
async fn the_form_for_a_new_key_is_taken_with_members_that_we_do_not_know() {
    let it = Installation::new().await;
    let form = json!({
        "name": "form", "custom_key": null, "role": "GENERAL", "expires_at": null, "permissions": 783,
        "basic_path": "/", "text_permission": false, "something_new": {"a": [1]}
    });
    let answer = it.send(request(&it.admin, "POST", KEYS, form)).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let rows = rows(&it).await;
    assert_eq!(rows[0]["expires_at"], "9999-12-31T23:59:59.000Z");
    assert_eq!((&rows[0]["is_enable"], &rows[0]["permissions"]), (&json!(0), &json!(783)));
}

/// Clients name no content type, or another one: the body is read all the same.
#[actix_web::test]
async fn no_content_type_is_demanded() {
    let it = Installation::new().await;
    for content_type in [None, Some("text/plain;charset=UTF-8")] {
        let mut request = TestRequest::post()
            .uri(KEYS)
            .insert_header(("authorization", format!("Bearer {}", it.admin)))
            .set_payload(json!({"name": format!("{content_type:?}")}).to_string());
        if let Some(content_type) = content_type {
            request = request.insert_header(("content-type", content_type));
        }
        assert_eq!(it.send(request).await.status, 201);
    }
}

/// Templates of the front end: GENERAL, BASIC, GUEST and READ_ONLY, ALL.
#[actix_web::test]
async fn every_template_of_permissions_is_taken() {
    let it = Installation::new().await;
    for bits in [66_319, 783, 256, 204_559] {
        let (id, _) = usable(&it, json!({"name": bits.to_string(), "permissions": bits})).await;
        assert_eq!(row(&it, &id).await["permissions"], bits);
    }
}

/// The examples of the document, as they stand there.
#[actix_web::test]
async fn the_examples_of_the_document_are_true() {
    let it = Installation::new().await;
    let document = countermark_server::app::document(&it.state.facades);
    let document = serde_json::to_value(document).unwrap();
    let schema = |name: &str| document["components"]["schemas"][name]["example"].clone();
    let answer = |path: &str, method: &str, status: &str| {
        let answer = &document["paths"][path][method]["responses"][status];
        answer["content"]["application/json"]["example"].clone()
    };
    let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let created = it.call(&it.admin, "POST", KEYS, schema("CloudpasteCreateApiKeyRequest")).await;
    let shown = answer(KEYS, "post", "201");
    assert_eq!((created.status, &created.body["message"]), (201, &shown["message"]));
    assert_eq!(members(&created.body["data"]), members(&shown["data"]));
    let id = text(&created.body["data"]["id"]);
    assert_eq!(members(&row(&it, &id).await), members(&answer(KEYS, "get", "200")["data"][0]));
    assert_eq!(put(&it, &id, schema("CloudpasteUpdateApiKeyRequest")).await.body, schema("CloudpasteDone"));
    let path = format!("{KEYS}/{id}/storage-acl");
    let acl = it.call(&it.admin, "PUT", &path, schema("CloudpasteStorageAclRequest")).await;
    let shown = answer(&format!("{KEYS}/{{id}}/storage-acl"), "put", "200");
    assert_eq!(acl.body["message"], shown["message"]);
    assert_eq!(acl.body["data"]["storage_config_ids"], shown["data"]["storage_config_ids"]);
    let refusal = it.get(&it.admin, "/api/admin/none").await;
    assert_eq!(members(&refusal.body), members(&schema("CloudpasteError")));
}
