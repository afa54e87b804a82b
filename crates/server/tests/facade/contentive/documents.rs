//! The room's part of the OpenAPI document, and the room when it is closed.

use countermark_core::Dialect;
use countermark_server::config::{Config, FacadeSettings};
use countermark_server::state::AppState;
use serde_json::{Value, json};

use super::{USERS, create};
use crate::installation::Installation;

fn document(settings: &FacadeSettings) -> Value {
    serde_json::to_value(countermark_server::app::document(settings)).unwrap()
}

#[actix_web::test]
async fn the_documented_examples_are_accepted_and_shaped_like_real_answers() {
    let it = Installation::new().await;
    let document = document(&FacadeSettings::all_open());
    let example =
        |schema: &str| document.pointer(&format!("/components/schemas/{schema}/example")).unwrap().clone();
    let created = create(&it, example("ContentiveCreateRequest")).await;
    let members = |user: &Value| user.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&created), members(&example("ContentiveApiUser")));
    super::put(&it, &created, example("ContentiveUpdateRequest")).await;
    let list = document.pointer("/paths/~1admin~1api/get/responses/200/content/application~1json/example");
    assert_eq!(members(&created), members(&list.unwrap()[0]));
    let mut login = example("ContentiveLoginRequest");
    login["password"] = it.admin.clone().into();
    let answer = it.call(&it.admin, "POST", "/admin/auth/login", login).await;
    assert_eq!(members(&answer.body), members(&example("ContentiveLogin")));
}

#[test]
fn every_operation_of_the_room_has_its_tag_and_a_scheme_that_there_is() {
    let document = document(&FacadeSettings::all_open());
    assert!(document["components"]["securitySchemes"]["contentiveAdministrator"].is_object());
    let mut count = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        if !path.starts_with("/admin/") {
            continue;
        }
        for operation in item.as_object().unwrap().values() {
            count += 1;
            assert_eq!(operation["tags"], json!(["Contentive dialect"]), "{path}");
            assert!(operation["operationId"].as_str().unwrap().starts_with("contentive_"), "{path}");
            if path != "/admin/auth/login" {
                assert_eq!(operation["security"], json!([{"contentiveAdministrator": []}]), "{path}");
            }
        }
    }
    assert_eq!(count, 7);
}

#[actix_web::test]
async fn a_closed_room_is_not_found_and_its_tokens_stay_what_they_are() {
    let mut it = Installation::new().await;
    let user = super::active(&it, "kept", "a").await;
    let mut config = Config::default();
    config.facades.open.retain(|dialect| *dialect != Dialect::Contentive);
    assert!(!document(&config.facades)["paths"].to_string().contains("/admin/"));
    it.state = AppState::new(it.state.service.clone(), &config);
    for (method, path) in [
        ("GET", USERS.to_owned()),
        ("POST", USERS.to_owned()),
        ("GET", super::path(&user)),
        ("POST", "/admin/auth/login".to_owned()),
    ] {
        assert_eq!(it.call(&it.admin, method, &path, Value::Null).await.refusal().0, 404, "{method} {path}");
    }
    assert_eq!(super::decide(&it, &user["token"], "a").await, "ALLOWED");
}
