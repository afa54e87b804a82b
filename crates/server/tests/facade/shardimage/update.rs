//! `S2-28`: an update is the whole token again.

use serde_json::{Value, json};

use super::{SECRET, Shardimage, at, image_token, named, refusal};
use crate::installation::text;

async fn put(here: &Shardimage, id: &str, body: Value) -> Value {
    let answer = here.call("PUT", &at(id), body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

fn with_extra(extra: Value) -> Value {
    json!({"type": "imageUrl", "extra": extra})
}

#[actix_web::test]
async fn what_was_viewed_can_be_sent_back_and_keeps_the_secret() {
    // S2-28
    let here = Shardimage::new().await;
    let id = here.image().await;
    let link = here.link(&id).await;
    let mut viewed = here.get(&id).await.body;
    viewed["limit"] = json!(20);
    assert_eq!(put(&here, &id, viewed.clone()).await, viewed);
    assert_eq!(here.get(&id).await.body, viewed);
    assert_eq!(here.code(&link, None).await, "ALLOWED");
}

#[actix_web::test]
async fn an_omitted_and_a_null_secret_keep_the_stored_one_and_what_else_is_left_out_is_taken_away() {
    // S2-28
    let here = Shardimage::new().await;
    let id = here.image().await;
    let link = here.link(&id).await;
    for extra in [json!({"cloudId": "mycloud"}), json!({"cloudId": "mycloud", "secret": null})] {
        let changed = put(&here, &id, with_extra(extra)).await;
        assert_eq!((&changed["expiry"], &changed["limit"]), (&Value::Null, &Value::Null));
        assert_eq!(changed["extra"], json!({"cloudId": "mycloud", "secret": "***"}));
    }
    assert_eq!(put(&here, &id, with_extra(json!([]))).await["extra"], json!({"secret": "***"}));
    assert_eq!(here.code(&link, None).await, "ALLOWED", "PHP's empty extra keeps the secret, too");
    for none in [json!({"type": "imageUrl"}), with_extra(Value::Null)] {
        assert_eq!(
            named(&here.call("PUT", &at(&id), none).await),
            "extra",
            "a forgotten extra frees no token"
        );
    }
}

#[actix_web::test]
async fn a_changed_secret_is_the_next_version_and_ends_the_old_and_the_same_one_changes_nothing() {
    // S2-12, S2-28
    let here = Shardimage::new().await;
    let id = here.image().await;
    let old = here.link(&id).await;
    let versions = async || {
        let record = here.native("GET", &format!("/v1/access-tokens/{id}"), Value::Null).await.body;
        let versions = record["secretVersions"].as_array().unwrap().clone();
        versions.iter().map(|it| (it["version"].as_u64().unwrap(), text(&it["state"]))).collect::<Vec<_>>()
    };
    put(&here, &id, image_token()).await;
    assert_eq!(versions().await, [(1, "active".to_owned())]);
    let changed =
        put(&here, &id, with_extra(json!({"cloudId": "mycloud", "secret": "another secret"}))).await;
    assert_eq!(changed["extra"]["secret"], "***");
    assert_eq!(versions().await.last().unwrap(), &(2, "active".to_owned()));
    assert_eq!(versions().await.iter().filter(|(_, state)| state == "active").count(), 1);
    assert_eq!(here.code(&old, None).await, "BAD_SIGNATURE");
    assert_eq!(here.code(&here.link(&id).await, None).await, "ALLOWED");
}

#[actix_web::test]
async fn users_are_kept_by_their_mask_changed_added_and_removed_by_being_left_out() {
    // S2-13, S2-28
    let here = Shardimage::new().await;
    let users = json!({"kept": "one", "changed": "two", "removed": "three"});
    let id = text(&here.create(with_extra(json!({"secret": SECRET, "authentication": users}))).await["id"]);
    let link = here.link(&id).await;
    let users = json!({"kept": "***", "changed": "new", "added": ["msha1", "3b30eff44ca0646eb0e58e1da6e8bd62e12af7e7"]});
    let changed = put(&here, &id, with_extra(json!({"authentication": users}))).await;
    assert_eq!(changed["extra"]["authentication"], json!({"added": "***", "changed": "***", "kept": "***"}));
    for good in [("kept", "one"), ("changed", "new"), ("added", "password")] {
        assert_eq!(here.code(&link, Some(good)).await, "ALLOWED", "{good:?}");
    }
    for bad in [("removed", "three"), ("changed", "two"), ("kept", "***")] {
        assert_eq!(here.code(&link, Some(bad)).await, "AUTHENTICATION_REQUIRED", "{bad:?}");
    }
    let unknown = with_extra(json!({"authentication": {"kept": "***", "new": "***"}}));
    assert_eq!(named(&here.call("PUT", &at(&id), unknown).await), "extra.authentication");
    assert_eq!(
        here.code(&link, Some(("changed", "new"))).await,
        "ALLOWED",
        "a refused update changes nothing"
    );
    put(&here, &id, with_extra(json!({}))).await;
    assert_eq!(here.code(&link, None).await, "ALLOWED", "nobody is left");
}

#[actix_web::test]
async fn an_upload_token_is_replaced_as_a_whole_but_for_what_only_the_native_api_knows() {
    // S2-14, S2-20, S2-28
    let here = Shardimage::new().await;
    let made = here.create(
        json!({"type": "upload", "limit": 5, "extra": {"tags": ["a"], "format": "webp", "cloudId": "c"}}),
    );
    let value = text(&made.await["id"]);
    let id = text(&here.begin(&value, json!({})).await.body["tokenId"]);
    let patch = json!({"extra": {"maxBytes": 10}});
    assert_eq!(here.native("PATCH", &format!("/v1/access-tokens/{id}"), patch).await.status, 200);
    let sent = json!({"id": value, "type": "upload", "expiry": 1_900_000_000, "limit": 4, "extra": {"tags": ["b"], "cloudId": "c"}});
    let changed = put(&here, &value, sent).await;
    assert_eq!((&changed["limit"], &changed["extra"]["tags"]), (&json!(4), &json!(["b"])));
    assert_eq!((&changed["extra"]["format"], &changed["extra"]["cloudId"]), (&Value::Null, &json!("c")));
    assert_eq!(here.begin(&value, json!({"bytes": 11})).await.refusal().1, "CONSTRAINT_FAILED");
    assert_eq!(here.begin(&value, json!({"bytes": 10})).await.body["effective"]["tags"], json!(["b"]));
}

#[actix_web::test]
async fn a_forgotten_extra_frees_no_upload_token_and_an_empty_one_does() {
    // S2-28
    let here = Shardimage::new().await;
    let made = here.create(json!({"type": "upload", "extra": {"tags": ["a"], "cloudId": "c"}})).await;
    let value = text(&made["id"]);
    for none in [json!({"type": "upload"}), json!({"type": "upload", "extra": null})] {
        assert_eq!(named(&here.call("PUT", &at(&value), none).await), "extra");
    }
    assert_eq!(here.get(&value).await.body["extra"]["cloudId"], "c");
    for empty in [json!([]), json!({}), json!({"cloudId": null, "tags": null})] {
        let changed = put(&here, &value, json!({"type": "upload", "extra": empty})).await;
        assert_eq!(changed["extra"]["cloudId"], Value::Null);
    }
}

#[actix_web::test]
async fn read_only_members_are_null_or_as_they_are() {
    // S2-3, S2-4, S2-8, S2-28
    let here = Shardimage::new().await;
    let id = here.image().await;
    let with = |member: &str, value: Value| {
        let mut token = image_token();
        token[member] = value;
        token
    };
    for good in [
        with("id", json!(id)),
        with("id", Value::Null),
        with("type", Value::Null),
        with("createdAt", json!(5)),
    ] {
        put(&here, &id, good).await;
    }
    let other = here.image().await;
    for (member, bad) in [("id", json!(other)), ("type", json!("upload"))] {
        assert_eq!(named(&here.call("PUT", &at(&id), with(member, bad)).await), member);
    }
}

#[actix_web::test]
async fn a_limit_below_the_uses_is_a_validation_error() {
    // S2-6, S2-28
    let here = Shardimage::new().await;
    let id = here.image().await;
    let link = here.link(&id).await;
    for _ in 0..2 {
        assert_eq!(here.code(&link, None).await, "ALLOWED");
    }
    let mut token = image_token();
    token["limit"] = json!(1);
    let refused = here.call("PUT", &at(&id), token).await;
    assert_eq!(refusal(&refused), (409, 1000));
    assert!(refused.body["error"]["message"]["limit"].is_array(), "{}", refused.body);
    assert_eq!(here.get(&id).await.body["limit"], 1000);
}
