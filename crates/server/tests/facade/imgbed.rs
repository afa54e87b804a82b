//! ImgBed's token API. Numbers such as S0-8 are those of the requirements of its document.

use actix_web::test::TestRequest;
use countermark_core::Dialect;
use countermark_server::config::Config;
use serde_json::{Value, json};

use crate::installation::{Answer, Installation, NOW, request, text};

const TOKENS: &str = "/api/manage/apiTokens";

/// 2024-01-01T00:00:00Z, when the document's examples are created.
const NEW_YEAR: u64 = 1_704_067_200;

/// The document's example.
const CREATE: &str = r#"{
  "name": "Upload Only",
  "permissions": ["upload"],
  "owner": "admin",
  "expiresAt": "2024-07-01T00:00:00.000Z",
  "autoDelete": true
}"#;

async fn create(it: &Installation, key: &str, body: Value) -> Value {
    let answer = it.call(key, "POST", TOKENS, body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

fn body(permissions: &[&str]) -> Value {
    json!({"name": "n", "owner": "o", "permissions": permissions})
}

/// A token with `manage` and these.
async fn manager(it: &Installation, permissions: &[&str]) -> String {
    let all: Vec<&str> = permissions.iter().copied().chain(["manage"]).collect();
    text(&create(it, &it.admin, body(&all)).await["token"])
}

async fn listed(it: &Installation) -> Vec<Value> {
    let answer = it.get(&it.admin, TOKENS).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["tokens"].as_array().unwrap().clone()
}

async fn with_header(it: &Installation, authorization: &str) -> Answer {
    it.send(TestRequest::with_uri(TOKENS).insert_header(("authorization", authorization))).await
}

fn basic(user: &str, password: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

fn not_valid(answer: &Answer) -> &str {
    assert_eq!((answer.status, &answer.body["valid"]), (401, &json!(false)), "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("www-authenticate"), r#"Basic realm="countermark", charset="UTF-8""#);
    assert_eq!(answer.body.as_object().unwrap().len(), 2);
    answer.body["error"].as_str().unwrap()
}

/// S0-1, S0-2, S0-4, S0-7, S0-9, S0-11, S0-17, S0-18, S0-19, S0-20, S0-26, S0-28: every documented answer, byte for byte but for the
/// id and the random part of the value.
#[actix_web::test]
async fn the_documented_requests_get_the_documented_answers() {
    let it = Installation::with(&Config::default(), NEW_YEAR).await;
    let manager = manager(&it, &["upload", "delete"]).await;
    let created = it
        .send(
            request(&manager, "POST", TOKENS, Value::Null)
                .insert_header(("content-type", "application/json"))
                .set_payload(CREATE),
        )
        .await;
    let (id, value) = (text(&created.body["id"]), text(&created.body["token"]));
    assert_eq!((created.status, created.header("content-type")), (200, "application/json"));
    assert_eq!(
        created.bytes,
        format!(
            r#"{{"id":"{id}","name":"Upload Only","token":"{value}","owner":"admin","permissions":["upload"],"createdAt":"2024-01-01T00:00:00.000Z","updatedAt":"2024-01-01T00:00:00.000Z","expiresAt":"2024-07-01T00:00:00.000Z","autoDelete":true}}"#
        )
    );
    // S0-19: the example's form.
    let random = value.strip_prefix("imgbed_").unwrap();
    assert!(random.len() == 32 && random.bytes().all(|byte| byte.is_ascii_alphanumeric()));

    let listed = it.get(&manager, TOKENS).await;
    let mut rows = listed.body["tokens"].as_array().unwrap().clone();
    assert!(rows.remove(0)["permissions"].as_array().unwrap().contains(&json!("manage")));
    // S0-8.
    let masked = created.body.to_string().replace(&value, &format!("{}...", &value[..15]));
    assert_eq!(rows, [serde_json::from_str::<Value>(&masked).unwrap()]);
    let order = String::from_utf8(listed.bytes.to_vec()).unwrap();
    assert!(order.ends_with(&format!(r#""token":"{}...","owner":"admin","permissions":["upload"],"createdAt":"2024-01-01T00:00:00.000Z","updatedAt":"2024-01-01T00:00:00.000Z","expiresAt":"2024-07-01T00:00:00.000Z","autoDelete":true}}]}}"#, &value[..15])));

    let update = json!({"tokenId": id, "permissions": ["upload", "delete"],
        "expiresAt": "2025-01-01T00:00:00.000Z", "autoDelete": false});
    let updated = it.call(&manager, "PUT", TOKENS, update).await;
    assert_eq!(updated.status, 200);
    assert_eq!(
        updated.bytes,
        format!(
            r#"{{"success":true,"message":"Token permissions updated","token":{{"id":"{id}","name":"Upload Only","permissions":["upload","delete"],"expiresAt":"2025-01-01T00:00:00.000Z","autoDelete":false}}}}"#
        )
    );
    let deleted = it.call(&manager, "DELETE", &format!("{TOKENS}?id={id}"), Value::Null).await;
    assert_eq!(
        (deleted.status, &deleted.bytes[..]),
        (200, &br#"{"success":true,"message":"Token deleted"}"#[..])
    );
}

// S0-3.
#[actix_web::test]
async fn s0_3_administrators_and_tokens_with_manage_are_let_in_by_each_way_of_presenting() {
    let it = Installation::new().await;
    let manager = manager(&it, &[]).await;
    for authorization in [
        format!("Bearer {manager}"),
        format!("bearer {manager}"),
        manager.clone(),
        format!("Bearer {}", it.admin),
        it.admin.clone(),
        basic("admin", &it.admin),
    ] {
        assert_eq!(with_header(&it, &authorization).await.status, 200, "{authorization}");
    }
    let mut config = Config::default();
    config.facades.admin_name = "root".to_owned();
    let renamed = Installation::with(&config, NOW).await;
    assert_eq!(with_header(&renamed, &basic("root", &renamed.admin)).await.status, 200);
    assert_eq!(with_header(&renamed, &basic("admin", &renamed.admin)).await.status, 401);
}

// S0-3.
#[actix_web::test]
async fn s0_3_nobody_else_is_let_in() {
    let it = Installation::new().await;
    let manager = manager(&it, &[]).await;
    let uploader = text(&create(&it, &it.admin, body(&["upload", "delete", "list"])).await["token"]);
    let (_, native) = it.key(json!({"permissions": ["manage", "tokens:write", "tokens:read"]})).await;
    let name = json!({"name": "q"});
    assert_eq!(it.call(&it.admin, "POST", "/_/token", name).await.status, 201);
    let of_query = it.get(&it.admin, "/_/token/value?name=q").await;
    let of_query = text(&of_query.body["data"][0]["token"]);
    for (authorization, error) in [
        (String::new(), "Token not found"),
        ("Bearer".to_owned(), "Token not found"),
        ("Bearer imgbed_00000000000000000000000000000000".to_owned(), "Token not found"),
        (format!("Token {manager}"), "Token not found"),
        (basic("root", &it.admin), "Token not found"),
        (basic("admin", "admin"), "Token not found"),
        (basic("admin", &manager), "Insufficient permissions"),
        ("Basic !".to_owned(), "Token not found"),
        (format!("Bearer {uploader}"), "Insufficient permissions"),
        (format!("Bearer {native}"), "Insufficient permissions"),
        (format!("Bearer {of_query}"), "Token not found"),
    ] {
        assert_eq!(not_valid(&with_header(&it, &authorization).await), error, "{authorization}");
    }
    let absent = it.send(TestRequest::with_uri(TOKENS)).await;
    assert_eq!(not_valid(&absent), "Token not found");
    let twice = TestRequest::with_uri(TOKENS).insert_header(("authorization", it.admin.clone()));
    let twice = it.send(twice.append_header(("authorization", it.admin.clone()))).await;
    assert_eq!(not_valid(&twice), "Token not found");
}

#[actix_web::test]
async fn a_disabled_token_is_refused_like_an_unknown_one() {
    let it = Installation::new().await;
    let manager = manager(&it, &[]).await;
    let natively = it.get(&it.admin, "/v1/access-tokens?dialect=imgbed").await;
    let path = format!("/v1/access-tokens/{}", natively.body["items"][0]["id"].as_str().unwrap());
    assert_eq!(it.call(&it.admin, "PATCH", &path, json!({"enabled": false})).await.status, 200);
    let disabled = it.get(&manager, TOKENS).await;
    let unknown = it.get("imgbed_00000000000000000000000000000000", TOKENS).await;
    assert_eq!(not_valid(&disabled), "Token not found");
    assert_eq!(disabled.bytes, unknown.bytes);
}

// S0-29, S0-30.
#[actix_web::test]
async fn s0_29_and_s0_30_an_expired_token_is_told_so_from_the_second_of_its_expiry_on() {
    let it = Installation::with(&Config::default(), NEW_YEAR).await;
    let mut expiring = body(&["manage", "upload"]);
    expiring["expiresAt"] = json!("2024-01-01T00:00:10.000Z");
    let value = text(&create(&it, &it.admin, expiring).await["token"]);
    it.clock.set(NEW_YEAR + 9);
    assert_eq!(it.get(&value, TOKENS).await.status, 200);
    let question = json!({"credential": {"value": value}, "request": {"permission": "upload"}});
    let decided = it.call(&it.admin, "POST", "/v1/authorize", question.clone()).await;
    assert_eq!(decided.body["code"], "ALLOWED");
    it.clock.set(NEW_YEAR + 10);
    for method in ["GET", "DELETE"] {
        let answer = it.call(&value, method, TOKENS, Value::Null).await;
        assert_eq!(not_valid(&answer), "Token expired");
        assert_eq!(&answer.bytes[..], br#"{"valid":false,"error":"Token expired"}"#);
    }
    let decided = it.call(&it.admin, "POST", "/v1/authorize", question).await;
    assert_eq!(decided.body["code"], "EXPIRED");
}

// S0-5, S0-6, S0-31.
#[actix_web::test]
async fn s0_5_s0_6_and_s0_31_a_list_first_removes_what_has_expired_and_is_marked() {
    let it = Installation::with(&Config::default(), NEW_YEAR).await;
    for (name, expires_at, auto_delete) in [
        ("never, marked", Value::Null, true),
        ("past, marked", json!("2024-01-01T00:00:05Z"), true),
        ("past, unmarked", json!("2024-01-01T00:00:05Z"), false),
        ("later, marked", json!("2024-01-01T00:00:06.000Z"), true),
    ] {
        let mut body = body(&["upload"]);
        (body["name"], body["expiresAt"], body["autoDelete"]) = (json!(name), expires_at, json!(auto_delete));
        it.clock.advance(1);
        create(&it, &it.admin, body).await;
    }
    let names = async || -> Vec<String> { listed(&it).await.iter().map(|row| text(&row["name"])).collect() };
    assert_eq!(names().await, ["never, marked", "past, marked", "past, unmarked", "later, marked"]);
    it.clock.set(NEW_YEAR + 5);
    assert_eq!(names().await, ["never, marked", "past, unmarked", "later, marked"]);
    let left = it.get(&it.admin, "/v1/access-tokens?name=past%2C+marked").await;
    assert_eq!(left.body["items"], json!([]), "from the database");
    it.clock.set(NEW_YEAR + 6);
    assert_eq!(names().await, ["never, marked", "past, unmarked"]);
}

// S0-6.
#[actix_web::test]
async fn s0_6_no_number_of_expired_tokens_is_too_great_for_one_list() {
    use countermark_core::{Permission, UnixSeconds};
    use countermark_domain::{Draft, Expiry, PurposeDraft};
    let it = Installation::new().await;
    let service = &it.state.service;
    let caller = service.authenticate_in(Dialect::Imgbed, &it.admin, "*", None).await.unwrap();
    for _ in 0..1001 {
        let draft = Draft {
            name: Some("n".to_owned()),
            description: None,
            owner: Some("o".to_owned()),
            labels: Default::default(),
            enabled: true,
            not_before: None,
            expiry: Some(Expiry::At(UnixSeconds::new(1).unwrap())),
            limit: None,
            notify: None,
            auto_delete: true,
            recoverable: false,
            dialect: Dialect::Imgbed,
            purpose: PurposeDraft::ApiKey {
                value: Some(service.foreign_value("imgbed_", 32)),
                permissions: vec![Permission::parse("upload").unwrap()],
                base_path: None,
                storages: None,
                clouds: None,
                source_networks: None,
            },
        };
        service.issue(&caller, draft, None).await.unwrap();
    }
    assert_eq!(listed(&it).await, [Value::Null; 0]);
}

// S0-10.
#[actix_web::test]
async fn s0_10_ids_are_short_lower_case_and_alphanumeric() {
    let it = Installation::new().await;
    let id = text(&create(&it, &it.admin, body(&["list"])).await["id"]);
    assert!(
        id.len() == 25 && id.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()),
        "{id}"
    );
}

// S0-15, S0-16.
#[actix_web::test]
async fn s0_15_and_s0_16_the_defaults_are_never_and_false() {
    let it = Installation::new().await;
    let mut null = body(&["list"]);
    (null["expiresAt"], null["autoDelete"]) = (Value::Null, Value::Null);
    for body in [body(&["list"]), null] {
        let created = create(&it, &it.admin, body).await;
        assert_eq!((&created["expiresAt"], &created["autoDelete"]), (&Value::Null, &json!(false)));
    }
}

#[actix_web::test]
async fn members_that_imgbed_does_not_document_are_ignored() {
    let it = Installation::new().await;
    let mut body = body(&["upload"]);
    (body["defaultUploadChannel"], body["autoDelete"]) = (json!("telegram"), json!(true));
    body["expiresAt"] = json!("2030-01-01T00:00:00.000Z");
    let created = create(&it, &it.admin, body).await;
    assert_eq!(created.get("defaultUploadChannel"), None);
    let update =
        json!({"tokenId": created["id"], "permissions": ["list"], "name": "other", "deep": [[[{}]]]});
    let updated = it.call(&it.admin, "PUT", TOKENS, update).await;
    assert_eq!((updated.status, &updated.body["token"]["name"]), (200, &json!("n")));
}

// S0-20, S0-26.
#[actix_web::test]
async fn s0_20_and_s0_26_the_value_is_shown_only_where_it_is_created() {
    let it = Installation::new().await;
    let created = create(&it, &it.admin, body(&["upload"])).await;
    let value = text(&created["token"]);
    let list = it.get(&it.admin, TOKENS).await;
    let update = json!({"tokenId": created["id"], "permissions": ["list"]});
    let update = it.call(&it.admin, "PUT", TOKENS, update).await;
    for answer in [&list, &update] {
        let shown = String::from_utf8(answer.bytes.to_vec()).unwrap();
        assert!(answer.status == 200 && !shown.contains(&value[..16]), "{shown}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let natively = it.get(&it.admin, "/v1/access-tokens?dialect=imgbed").await;
    let path = format!("/v1/access-tokens/{}/value", natively.body["items"][0]["id"].as_str().unwrap());
    assert_eq!(it.get(&it.admin, &path).await.refusal().1, "NOT_RECOVERABLE");
}

// S0-12, S0-13, S0-14, S0-21, S0-22, S0-23.
#[actix_web::test]
async fn s0_12_to_s0_14_and_s0_21_to_s0_23_what_is_required_must_be_there_and_right() {
    let it = Installation::new().await;
    let created = create(&it, &it.admin, body(&["upload"])).await;
    let update = json!({"tokenId": created["id"], "permissions": ["list"]});
    for (method, whole, required) in [
        ("POST", body(&["upload"]), &["name", "owner", "permissions"][..]),
        ("PUT", update, &["tokenId", "permissions"]),
    ] {
        for member in required {
            let mut body = whole.clone();
            body.as_object_mut().unwrap().remove(*member);
            let answer = it.call(&it.admin, method, TOKENS, body).await;
            let error = format!("/{member}: expected this member, which is missing");
            assert_eq!((answer.status, &answer.body), (400, &json!({"error": error})), "{method}");
        }
        for (member, wrong) in [
            ("permissions", json!("upload")),
            ("permissions", json!(["upload", "canary"])),
            ("permissions", json!(["*"])),
            ("permissions", json!([{"upload": null}])),
            ("expiresAt", json!("canary")),
            ("expiresAt", json!("2024-07-01")),
            ("expiresAt", json!("")),
            ("expiresAt", json!(1_719_792_000_000_u64)),
            ("autoDelete", json!("canary")),
            ("autoDelete", json!(1)),
        ] {
            let mut body = whole.clone();
            body[member] = wrong;
            let answer = it.call(&it.admin, method, TOKENS, body).await;
            let error = answer.body["error"].as_str().unwrap();
            assert!(answer.status == 400 && error.starts_with(&format!("/{member}")), "{method} {error}");
            assert!(!error.contains("canary"), "{error}");
        }
    }
    for name in ["", "a\u{7}", &"x".repeat(201)] {
        let mut body = body(&["upload"]);
        body["name"] = json!(name);
        assert_eq!(it.call(&it.admin, "POST", TOKENS, body).await.status, 400);
    }
    assert_eq!(listed(&it).await.len(), 1, "nothing was created");
}

// S0-24, S0-25.
#[actix_web::test]
async fn s0_24_and_s0_25_what_an_update_leaves_out_goes_back_to_its_default() {
    let it = Installation::new().await;
    let mut first = body(&["upload"]);
    (first["expiresAt"], first["autoDelete"]) = (json!("2030-01-01T00:00:00.000Z"), json!(true));
    let created = create(&it, &it.admin, first).await;
    it.clock.advance(5);
    let update = json!({"tokenId": created["id"], "permissions": ["manage", "list", "upload", "upload"]});
    let updated = it.call(&it.admin, "PUT", TOKENS, update).await.body["token"].clone();
    assert_eq!((&updated["expiresAt"], &updated["autoDelete"]), (&Value::Null, &json!(false)));
    assert_eq!(
        updated["permissions"],
        json!(["upload", "list", "manage"]),
        "in the documented order, each once"
    );
    let row = listed(&it).await.remove(0);
    assert_eq!((&row["createdAt"], &row["owner"]), (&created["createdAt"], &created["owner"]));
    assert_eq!(row["updatedAt"], "2027-01-15T08:00:05.000Z");
}

// S0-27.
#[actix_web::test]
async fn s0_27_what_does_not_exist_can_be_neither_changed_nor_deleted() {
    let it = Installation::new().await;
    let id = text(&create(&it, &it.admin, body(&["upload"])).await["id"]);
    let path = format!("{TOKENS}?id={id}");
    assert_eq!(it.call(&it.admin, "DELETE", &path, Value::Null).await.status, 200);
    for unknown in [&id, "m1abc2def3", "0000000000000000000000001", &id.to_uppercase()] {
        let path = format!("{TOKENS}?id={unknown}");
        let deleted = it.call(&it.admin, "DELETE", &path, Value::Null).await;
        assert_eq!((deleted.status, &deleted.body), (404, &json!({"error": "Token not found"})));
        let update = json!({"tokenId": unknown, "permissions": []});
        let updated = it.call(&it.admin, "PUT", TOKENS, update).await;
        assert_eq!((updated.status, &updated.body), (404, &json!({"error": "Token not found"})));
    }
    for missing in ["", "?", "?id=", "?id", "?ID=x", "?id=x&id=y", "?id=%zz"] {
        let answer = it.call(&it.admin, "DELETE", &format!("{TOKENS}{missing}"), Value::Null).await;
        let error = answer.body["error"].as_str().unwrap();
        assert!(answer.status == 400 && error.starts_with("?id"), "{missing}: {error}");
    }
}

#[actix_web::test]
async fn tokens_of_others_are_neither_listed_nor_touched() {
    let it = Installation::new().await;
    let (native, _) = it.key(json!({"permissions": ["upload"]})).await;
    // The same bits in the dialect's own spelling.
    let mut number = 0u128;
    for digit in native[3..].bytes() {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'A'..=b'Z' => digit - b'A' + 10,
            _ => digit - b'a' + 36,
        };
        number = number * 62 + u128::from(value);
    }
    let mut id = String::new();
    for place in (0..25).rev() {
        let digit = u32::try_from(number / 36u128.pow(place) % 36).unwrap();
        id.push(char::from_digit(digit, 36).unwrap());
    }
    assert_eq!(listed(&it).await, [Value::Null; 0]);
    let path = format!("{TOKENS}?id={id}");
    assert_eq!(it.call(&it.admin, "DELETE", &path, Value::Null).await.status, 404);
    let update = json!({"tokenId": id, "permissions": []});
    assert_eq!(it.call(&it.admin, "PUT", TOKENS, update).await.status, 404);
    assert_eq!(
        it.get(&it.admin, &format!("/v1/access-tokens/{native}")).await.body["permissions"],
        json!(["upload"])
    );
}

#[actix_web::test]
async fn a_token_with_manage_gives_nobody_more_than_it_has() {
    let it = Installation::new().await;
    let mut own = body(&["upload", "manage"]);
    own["expiresAt"] = json!("2028-01-01T00:00:00.000Z");
    let own = create(&it, &it.admin, own).await;
    let key = text(&own["token"]);
    let stronger = create(&it, &it.admin, body(&["delete"])).await;
    let refused = |answer: &Answer| {
        assert_eq!(answer.status, 403, "{}", answer.body);
        assert_eq!(answer.body.as_object().unwrap().len(), 1);
        text(&answer.body["error"])
    };
    let more = it.call(&key, "POST", TOKENS, body(&["upload", "delete"])).await;
    assert!(refused(&more).starts_with("/permissions"));
    let mut longer = body(&["upload"]);
    longer["expiresAt"] = json!("2028-01-01T00:00:01.000Z");
    assert!(
        refused(&it.call(&key, "POST", TOKENS, longer).await).starts_with("/expiresAt: "),
        "as the dialect names it"
    );

    let child = create(&it, &key, body(&["upload"])).await;
    assert_eq!(child["expiresAt"], "2028-01-01T00:00:00.000Z", "no longer life than its creator's");
    for permissions in [json!(["list"]), json!(["upload", "delete"])] {
        let update = json!({"tokenId": child["id"], "permissions": permissions});
        refused(&it.call(&key, "PUT", TOKENS, update).await);
    }
    let update = json!({"tokenId": child["id"], "permissions": ["manage"]});
    assert_eq!(
        it.call(&key, "PUT", TOKENS, update).await.body["token"]["expiresAt"],
        "2028-01-01T00:00:00.000Z"
    );
    let update = json!({"tokenId": stronger["id"], "permissions": ["upload"]});
    refused(&it.call(&key, "PUT", TOKENS, update).await);
    for id in [&stronger["id"], &own["id"]] {
        let path = format!("{TOKENS}?id={}", id.as_str().unwrap());
        refused(&it.call(&key, "DELETE", &path, Value::Null).await);
    }
    assert_eq!(listed(&it).await.len(), 3);
}

#[actix_web::test]
async fn a_token_of_this_dialect_opens_nothing_else() {
    let it = Installation::new().await;
    let value = manager(&it, &["upload", "delete", "list"]).await;
    for path in ["/v1/access-tokens", "/v1/audit", "/v1/stats", "/_/token", "/_/token/value?name=x"] {
        assert_eq!(it.get(&value, path).await.status, 401, "{path}");
    }
    for path in ["/v1/authorize", "/v1/signed-urls", "/v1/access-tokens", "/oauth2/introspect", "/_/token"] {
        let answer = it.call(&value, "POST", path, json!({})).await;
        assert!(matches!(answer.status, 401 | 415), "{path} {}", answer.status);
    }
}

#[actix_web::test]
async fn a_deleted_token_is_refused_at_the_very_next_ask() {
    let it = Installation::new().await;
    let created = create(&it, &it.admin, body(&["upload", "manage"])).await;
    let value = text(&created["token"]);
    let ask = async |permission: &str| {
        let question = json!({"credential": {"value": value}, "request": {"permission": permission}});
        text(&it.call(&it.admin, "POST", "/v1/authorize", question).await.body["code"])
    };
    assert_eq!((ask("upload").await, ask("list").await), ("ALLOWED".into(), "PERMISSION_DENIED".into()));
    assert_eq!(it.get(&value, TOKENS).await.status, 200);
    let path = format!("{TOKENS}?id={}", created["id"].as_str().unwrap());
    assert_eq!(it.call(&it.admin, "DELETE", &path, Value::Null).await.status, 200);
    assert_eq!(ask("upload").await, "UNKNOWN_TOKEN");
    assert_eq!(not_valid(&it.get(&value, TOKENS).await), "Token not found");
}

#[actix_web::test]
async fn other_methods_and_paths_are_answered_in_the_dialect() {
    let it = Installation::new().await;
    for method in ["PATCH", "TRACE", "PROPFIND"] {
        let answer = it.call(&it.admin, method, TOKENS, Value::Null).await;
        assert_eq!((answer.status, &answer.bytes[..]), (405, &b"Method not allowed"[..]), "{method}");
        assert_eq!(answer.header("allow"), "GET, HEAD, POST, PUT, DELETE, OPTIONS");
    }
    for path in ["/", "/x", "/x/y"] {
        let answer = it.get(&it.admin, &format!("{TOKENS}{path}")).await;
        assert_eq!((answer.status, &answer.body), (404, &json!({"error": "Not found"})), "{path}");
    }
    let options = it.send(TestRequest::with_uri(TOKENS).method("OPTIONS".parse().unwrap())).await;
    assert_eq!((options.status, &options.bytes[..]), (204, &b""[..]));
    assert_eq!(options.header("allow"), "GET, HEAD, POST, PUT, DELETE, OPTIONS");
    assert!(options.headers.get("access-control-allow-origin").is_none());
}

#[actix_web::test]
async fn a_closed_room_is_no_path_at_all() {
    let mut config = Config::default();
    config.facades.open.retain(|dialect| *dialect != Dialect::Imgbed);
    let it = Installation::with(&config, NOW).await;
    for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        assert_eq!(
            it.call(&it.admin, method, TOKENS, Value::Null).await.refusal().1,
            "NOT_FOUND",
            "{method}"
        );
    }
    assert_eq!(it.get(&it.admin, "/_/token").await.status, 200, "other rooms stay open");
}

#[actix_web::test]
async fn what_is_done_is_in_the_audit_log() {
    let it = Installation::new().await;
    let created = create(&it, &it.admin, body(&["upload"])).await;
    let update = json!({"tokenId": created["id"], "permissions": ["list"]});
    it.call(&it.admin, "PUT", TOKENS, update).await;
    let path = format!("{TOKENS}?id={}", created["id"].as_str().unwrap());
    it.call(&it.admin, "DELETE", &path, Value::Null).await;
    let audit = it.get(&it.admin, "/v1/audit").await.body;
    let actions: Vec<&str> =
        audit["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions[..3], ["token.purge", "token.update", "token.issue"], "{audit}");
    assert!(audit["items"][0]["requestId"].is_string());
    assert_eq!(audit["items"][0]["actor"], it.admin_id);
}
