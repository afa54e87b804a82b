//! The resource and its methods, requirement by requirement.

use countermark_server::config::Config;
use serde_json::{Value, json};

use super::{SECRET, Shardimage, TOKENS, at, image_token, named, refusal};
use crate::installation::{NOW, text};

#[actix_web::test]
async fn a_created_image_url_token_is_the_documented_resource() {
    // S2-1, S2-2, S2-3, S2-4, S2-5, S2-6, S2-7, S2-8, S2-9, S2-10, S2-12, S2-25
    let here = Shardimage::new().await;
    let made = here.create(image_token()).await;
    let id = text(&made["id"]);
    assert!(id.starts_with("iu_"), "{id}");
    assert_eq!(
        made,
        json!({"id": id, "type": "imageUrl", "expiry": 1_900_000_000, "limit": 1000,
            "extra": {"cloudId": "mycloud", "secret": SECRET}, "createdAt": NOW})
    );
    let record = here.native("GET", &format!("/v1/access-tokens/{id}"), Value::Null).await.body;
    assert_eq!((&record["dialect"], &record["type"]), (&json!("shardimage"), &json!("imageUrl")));
    assert_eq!((&record["recoverable"], &record["legacySignatures"]), (&json!(false), &json!(false)));
}

#[actix_web::test]
async fn the_members_stand_in_the_order_of_the_document() {
    // S2-2
    let here = Shardimage::new().await;
    let answer = here.call("POST", TOKENS, image_token()).await;
    let text = String::from_utf8(answer.bytes.to_vec()).unwrap();
    let places: Vec<_> = ["\"id\"", "\"type\"", "\"expiry\"", "\"limit\"", "\"extra\"", "\"createdAt\""]
        .map(|name| text.find(name).unwrap())
        .to_vec();
    assert!(places.is_sorted(), "{text}");
}

#[actix_web::test]
async fn a_created_upload_token_shows_its_extra_and_directs_native_uploads() {
    // S2-4, S2-9, S2-14, S2-15, S2-16, S2-17, S2-18, S2-19, S2-20, S2-22, S2-23, S2-24
    let here = Shardimage::new().await;
    let extra = json!({"notificationUrls": ["https://example.com/hook"], "addTags": ["b"],
        "transformationPrefix": "h:1", "cloudId": "mycloud", "format": "webp", "projection": "private",
        "transformation": "w:200", "transformationPostfix": "q:80", "publicId": "pid", "tags": ["a"]});
    let made = here.create(json!({"type": "upload", "limit": 5, "extra": extra})).await;
    assert_eq!(made["extra"], extra);
    let value = text(&made["id"]);
    assert!(value.len() == 22 && value.bytes().all(|it| it.is_ascii_alphanumeric()), "not to be guessed");
    let asked = json!({"tags": ["x"], "transformation": "r:90", "publicId": "mine", "format": "png"});
    let begun = here.begin(&value, asked).await;
    assert_eq!(begun.status, 201, "{}", begun.body);
    assert_eq!(
        begun.body["effective"],
        json!({"cloudId": "mycloud", "publicId": "pid", "tags": ["a", "b"], "transformation": "h:1/w:200/q:80",
            "format": "webp", "projection": "private"})
    );
    let id = text(&begun.body["tokenId"]);
    let record = here.native("GET", &format!("/v1/access-tokens/{id}"), Value::Null).await;
    assert_eq!((&record.body["dialect"], &record.body["used"]), (&json!("shardimage"), &json!(1)));
    assert!(!String::from_utf8_lossy(&record.bytes).contains(&value), "the value is nobody's to read");
}

#[actix_web::test]
async fn an_upload_token_without_any_extra_directs_nothing() {
    // S2-7, S2-14, S2-21
    let here = Shardimage::new().await;
    for extra in [json!(null), json!([]), json!({}), json!({"tags": null, "format": "", "unknown": [1]})] {
        let made = here.create(json!({"type": "upload", "extra": extra})).await;
        let shown = made["extra"].as_object().unwrap();
        assert!(shown.len() == 10 && shown.values().all(Value::is_null), "{made}");
        let begun = here.begin(made["id"].as_str().unwrap(), json!({"tags": ["x"], "cloudId": "any"})).await;
        assert_eq!(begun.body["effective"]["tags"], json!(["x"]));
        assert_eq!(begun.body["effective"]["cloudId"], "any", "S2-21: without a restriction, any cloud");
    }
    let none = here.create(json!({"type": "upload", "extra": {"tags": [], "transformation": ""}})).await;
    let asked = json!({"tags": ["x"], "transformation": "w:1"});
    let begun = here.begin(none["id"].as_str().unwrap(), asked).await.body;
    assert_eq!(begun["effective"]["tags"], json!([]), "S2-15: an empty list overwrites, too");
    assert_eq!(begun["effective"]["transformation"], Value::Null, "S2-17: so does an empty transformation");
}

#[actix_web::test]
async fn an_upload_token_is_bound_to_its_cloud_and_its_limit() {
    // S2-6, S2-20
    let here = Shardimage::new().await;
    let made = here.create(json!({"type": "upload", "limit": 1, "extra": {"cloudId": "mine"}})).await;
    let value = made["id"].as_str().unwrap();
    let foreign = here.begin(value, json!({"cloudId": "other"})).await;
    assert_eq!((foreign.status, foreign.refusal().1), (403, "WRONG_CLOUD"));
    assert_eq!(here.begin(value, json!({})).await.status, 201);
    assert_eq!(here.begin(value, json!({})).await.refusal().1, "LIMIT_REACHED");
}

#[actix_web::test]
async fn null_and_absent_bounds_are_none_and_zero_is_literal() {
    // S2-5, S2-6
    let here = Shardimage::new().await;
    let with = |members: Value| {
        let mut token = json!({"type": "imageUrl", "extra": {"secret": SECRET}});
        token.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        token
    };
    for none in [json!({}), json!({"expiry": null, "limit": null})] {
        let made = here.create(with(none)).await;
        assert_eq!((&made["expiry"], &made["limit"]), (&Value::Null, &Value::Null));
        assert_eq!(here.code(&here.link(made["id"].as_str().unwrap()).await, None).await, "ALLOWED");
    }
    let spent = here.create(with(json!({"limit": 0}))).await;
    assert_eq!(spent["limit"], 0);
    assert_eq!(here.code(&here.link(spent["id"].as_str().unwrap()).await, None).await, "LIMIT_REACHED");
    let ended = here.create(with(json!({"expiry": 0}))).await;
    assert_eq!(ended["expiry"], 0);
    assert_eq!(here.get(ended["id"].as_str().unwrap()).await.status, 200, "an expired token is still there");
}

#[actix_web::test]
async fn an_expiry_is_the_first_second_without_the_token_and_a_limit_counts_exactly() {
    // S2-5, S2-6
    let here = Shardimage::new().await;
    let mut token = image_token();
    (token["expiry"], token["limit"]) = (json!(NOW + 10), json!(2));
    let made = here.create(token).await;
    let link = here.link(made["id"].as_str().unwrap()).await;
    here.it.clock.advance(9);
    assert_eq!(here.code(&link, None).await, "ALLOWED");
    assert_eq!(here.code(&link, None).await, "ALLOWED");
    assert_eq!(here.code(&link, None).await, "LIMIT_REACHED");
    here.it.clock.advance(1);
    assert_eq!(here.code(&link, None).await, "EXPIRED");
}

#[actix_web::test]
async fn a_cloud_restriction_holds_and_without_one_any_cloud_is_served() {
    // S2-10, S2-11
    let here = Shardimage::new().await;
    let bound = here.image().await;
    let order = |id: &str| json!({"tokenId": id, "url": "https://img.example.com/other/i/pid"});
    assert_eq!(here.native("POST", "/v1/signed-urls", order(&bound)).await.status, 409);
    let free = here.create(json!({"type": "imageUrl", "extra": {"secret": SECRET}})).await;
    assert_eq!(free["extra"], json!({"secret": SECRET}));
    let signed = here.native("POST", "/v1/signed-urls", order(free["id"].as_str().unwrap())).await;
    assert_eq!(here.code(signed.body["url"].as_str().unwrap(), None).await, "ALLOWED");
}

#[actix_web::test]
async fn viewers_must_present_a_plain_or_an_msha1_password() {
    // S2-13
    let here = Shardimage::new().await;
    let users = json!({"viewer1": "plain", "viewer2": ["msha1", "3b30eff44ca0646eb0e58e1da6e8bd62e12af7e7"], "7": "x"});
    let extra = json!({"secret": SECRET, "authentication": users});
    let made = here.create(json!({"type": "imageUrl", "extra": extra})).await;
    let masked = json!({"viewer1": "***", "viewer2": "***", "7": "***"});
    assert_eq!(made["extra"]["authentication"], masked, "the SDK's model takes texts only");
    let link = here.link(made["id"].as_str().unwrap()).await;
    assert_eq!(here.code(&link, None).await, "AUTHENTICATION_REQUIRED");
    assert_eq!(here.code(&link, Some(("viewer1", "***"))).await, "AUTHENTICATION_REQUIRED");
    for good in [("viewer1", "plain"), ("viewer2", "password"), ("7", "x")] {
        assert_eq!(here.code(&link, Some(good)).await, "ALLOWED", "{good:?}");
    }
}

#[actix_web::test]
async fn users_of_the_names_0_1_and_so_on_come_as_a_list_from_php() {
    // S2-13
    let here = Shardimage::new().await;
    let extra = json!({"secret": SECRET, "authentication": ["first", "second"]});
    let made = here.create(json!({"type": "imageUrl", "extra": extra})).await;
    assert_eq!(made["extra"]["authentication"], json!({"0": "***", "1": "***"}));
    let link = here.link(made["id"].as_str().unwrap()).await;
    assert_eq!(here.code(&link, Some(("1", "second"))).await, "ALLOWED");
    let none = json!({"secret": SECRET, "authentication": []});
    let made = here.create(json!({"type": "imageUrl", "extra": none})).await;
    assert_eq!(made["extra"], json!({"secret": SECRET}));
}

#[actix_web::test]
async fn a_view_masks_and_answers_a_projection_alike() {
    // S2-26
    let here = Shardimage::new().await;
    let id = here.image().await;
    let viewed = here.get(&id).await;
    let expected = json!({"id": id, "type": "imageUrl", "expiry": 1_900_000_000, "limit": 1000,
        "extra": {"cloudId": "mycloud", "secret": "***"}, "createdAt": NOW});
    assert_eq!((viewed.status, &viewed.body), (200, &expected));
    assert_eq!(
        (viewed.header("content-type"), viewed.header("cache-control")),
        ("application/json", "no-store")
    );
    let projected = here.call("GET", &format!("{}?projections=id%2Cextra", at(&id)), Value::Null).await;
    assert_eq!((projected.status, projected.body), (200, expected));
}

#[actix_web::test]
async fn exists_answers_without_a_body() {
    // S2-27
    let here = Shardimage::new().await;
    let upload = here.create(json!({"type": "upload"})).await;
    for id in [&here.image().await, upload["id"].as_str().unwrap()] {
        let there = here.call("HEAD", &at(id), Value::Null).await;
        assert_eq!((there.status, there.bytes.len()), (200, 0));
    }
    for absent in ["tok_abc", "iu_0000000000000000000000", "x"] {
        assert_eq!(here.call("HEAD", &at(absent), Value::Null).await.status, 404, "{absent}");
    }
}

#[actix_web::test]
async fn a_revoked_token_is_gone_here_and_stays_revoked_natively() {
    // S2-29
    let here = Shardimage::new().await;
    let id = here.image().await;
    let link = here.link(&id).await;
    let revoked = here.call("DELETE", &at(&id), Value::Null).await;
    assert_eq!((revoked.status, revoked.bytes.len()), (204, 0));
    assert_eq!(here.code(&link, None).await, "REVOKED");
    assert_eq!(here.call("HEAD", &at(&id), Value::Null).await.status, 404);
    assert_eq!(refusal(&here.get(&id).await), (404, 1001));
    assert_eq!(refusal(&here.call("DELETE", &at(&id), Value::Null).await), (404, 1001));
    assert_eq!(refusal(&here.call("PUT", &at(&id), image_token()).await), (404, 1001));
    let record = here.native("GET", &format!("/v1/access-tokens/{id}"), Value::Null).await.body;
    assert_eq!(record["status"], "revoked");
}

#[actix_web::test]
async fn a_revoked_upload_token_begins_nothing_more() {
    // S2-29
    let here = Shardimage::new().await;
    let value = text(&here.create(json!({"type": "upload"})).await["id"]);
    assert_eq!(here.begin(&value, json!({})).await.status, 201);
    assert_eq!(here.call("DELETE", &at(&value), Value::Null).await.status, 204);
    assert_eq!(here.begin(&value, json!({})).await.refusal().1, "REVOKED");
}

#[actix_web::test]
async fn an_upload_token_is_named_by_its_value_only_and_keys_not_at_all() {
    // S2-3
    let here = Shardimage::new().await;
    let value = text(&here.create(json!({"type": "upload"})).await["id"]);
    assert_eq!(here.get(&value).await.body["id"], value.as_str());
    let list = here.native("GET", "/v1/access-tokens?dialect=shardimage", Value::Null).await.body;
    for record in list["items"].as_array().unwrap() {
        assert_eq!(refusal(&here.get(record["id"].as_str().unwrap()).await), (404, 1001), "{record}");
    }
    for key in [super::KEY, super::KEY_SECRET] {
        assert_eq!(refusal(&here.get(key).await), (404, 1001));
    }
}

#[actix_web::test]
async fn tokens_of_other_dialects_are_not_there() {
    let here = Shardimage::new().await;
    let image = here.it.issue(&here.it.admin, json!({"type": "imageUrl"})).await;
    let upload = here.it.issue(&here.it.admin, json!({"type": "upload"})).await;
    for id in [&image["id"], &upload["id"], &upload["value"], &json!(here.it.admin)] {
        let id = id.as_str().unwrap();
        assert_eq!(refusal(&here.get(id).await), (404, 1001));
        assert_eq!(refusal(&here.call("DELETE", &at(id), Value::Null).await), (404, 1001));
    }
}

#[actix_web::test]
async fn only_where_it_is_configured_tokens_with_a_cloud_verify_legacy_urls() {
    let mut config = Config::default();
    config.facades.shardimage_legacy_signatures = true;
    let here = Shardimage::configured(&config).await;
    let legacy = async |id: &str| {
        let record = here.native("GET", &format!("/v1/access-tokens/{id}"), Value::Null).await.body;
        record["legacySignatures"].as_bool().unwrap()
    };
    let bound = here.image().await;
    assert!(legacy(&bound).await);
    let free = here.create(json!({"type": "imageUrl", "extra": {"secret": SECRET}})).await;
    assert!(!legacy(free["id"].as_str().unwrap()).await, "s-token2 leaves the cloud unsigned");
    let mut freed = image_token();
    freed["extra"] = json!({"secret": "***"});
    let answer = here.call("PUT", &at(&bound), freed).await;
    assert_eq!(named(&answer), "extra.cloudId");
}
