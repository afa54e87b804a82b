//! Making, listing, changing and deleting keys.

use serde_json::{Value, json};

use super::{KEYS, configured, decision, delete, made, own, put, refused, row, rows, usable};
use crate::installation::{Installation, NOW, text};

const IN_A_DAY: &str = "2027-01-16T08:00:00.000Z";
const NEVER: &str = "9999-12-31T23:59:59.000Z";

/// S3-2, S3-8, S3-9, S3-10, S3-12, S3-13, S3-15, S3-16, S3-17: the defaults, and the shape of the answer.
#[actix_web::test]
async fn a_new_key_has_twelve_characters_holds_a_day_is_off_and_may_do_nothing() {
    let it = Installation::new().await;
    let data = made(&it, json!({"name": "  uploader "})).await;
    let key = text(&data["key"]);
    assert_eq!(key.len(), 12);
    assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let expected = json!({
        "id": data["id"], "name": "uploader", "key": key, "key_masked": format!("{}...", &key[..6]),
        "permissions": 0, "role": "GENERAL", "basic_path": "/", "is_enable": 0, "permission_names": [],
        "expires_at": IN_A_DAY
    });
    assert_eq!(data, expected);
    let groups: Vec<usize> = text(&data["id"]).split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12]);
}

/// S3-19: the full key and the masked view can be copied from the list.
#[actix_web::test]
async fn the_list_shows_each_key_in_full_newest_first() {
    let it = Installation::new().await;
    let first = made(&it, json!({"name": "first"})).await;
    it.clock.advance(5);
    let body = json!({"name": "second", "permissions": 66_319, "basic_path": "/a/", "expires_at": null, "is_enable": 1});
    let second = made(&it, body).await;
    let rows = rows(&it).await;
    let names: Vec<&Value> = rows.iter().map(|row| &row["name"]).collect();
    assert_eq!(names, ["second", "first"]);
    assert_eq!(rows[1]["key"], first["key"]);
    let expected = json!({
        "id": second["id"], "name": "second", "key": second["key"], "permissions": 66_319, "role": "GENERAL",
        "basic_path": "/a", "is_enable": 1, "last_used": null, "created_at": "2027-01-15T08:00:05.000Z",
        "expires_at": NEVER, "key_masked": second["key_masked"],
        "permission_names": ["TEXT_SHARE", "FILE_SHARE", "TEXT_MANAGE", "FILE_MANAGE", "MOUNT_VIEW", "MOUNT_UPLOAD", "WEBDAV_READ"]
    });
    assert_eq!(rows[0], expected);
    let audit = it.get(&it.admin, "/v1/audit").await.body;
    assert_eq!(audit["items"][0]["action"], "token.reveal_all");
}

#[actix_web::test]
async fn the_time_of_the_last_use_is_shown() {
    let it = Installation::new().await;
    let (id, key) = usable(&it, json!({"name": "k", "permissions": 2})).await;
    assert_eq!(decision(&it, &key, json!({"permission": "file:share"})).await, "ALLOWED");
    it.state.service.flush().await.unwrap();
    assert_eq!(row(&it, &id).await["last_used"], "2027-01-15T08:00:00.000Z");
}

/// S3-3, S3-13, S3-14.
#[actix_web::test]
async fn an_end_can_be_given_left_out_or_ruled_out() {
    let it = Installation::new().await;
    for (name, given, shown) in [
        ("null", json!(null), NEVER),
        ("never", json!("never"), NEVER),
        ("as shown", json!(NEVER), NEVER),
        ("date", json!("2027-03-01T12:00:00.750+02:00"), "2027-03-01T10:00:00.000Z"),
    ] {
        let data = made(&it, json!({"name": name, "expires_at": given})).await;
        assert_eq!(data["expires_at"], shown, "{name}");
    }
    assert_eq!(made(&it, json!({"name": "omitted"})).await["expires_at"], IN_A_DAY);
}

/// S3-38: expiry, and automatic clean-up.
#[actix_web::test]
async fn a_past_end_is_accepted_and_the_key_is_gone_from_the_next_list() {
    let it = Installation::new().await;
    let (id, key) = usable(&it, json!({"name": "old", "expires_at": "2020-01-01T00:00:00.000Z"})).await;
    refused(&own(&it, &key).await, 401, "UNAUTHORIZED");
    assert!(rows(&it).await.is_empty());
    refused(&delete(&it, &id).await, 404, "NOT_FOUND");
}

/// S3-38.
#[actix_web::test]
async fn an_expired_key_is_refused_at_its_second_and_holds_no_name_any_more() {
    let it = Installation::new().await;
    let (_, key) = usable(&it, json!({"name": "day", "permissions": 2})).await;
    it.clock.set(NOW + 86_399);
    assert_eq!(own(&it, &key).await.status, 200);
    it.clock.set(NOW + 86_400);
    refused(&own(&it, &key).await, 401, "UNAUTHORIZED");
    assert_eq!(decision(&it, &key, json!({"permission": "file:share"})).await, "EXPIRED");
    made(&it, json!({"name": "day"})).await;
    assert_eq!(rows(&it).await.len(), 1);
}

/// S3-15: at making only the number 1 switches a key on.
#[actix_web::test]
async fn only_the_number_one_switches_a_new_key_on() {
    let it = Installation::new().await;
    for (given, shown) in
        [(json!(1), 1), (json!(0), 0), (json!(true), 0), (json!("1"), 0), (json!(null), 0), (json!([1]), 0)]
    {
        let data = made(&it, json!({"name": given.to_string(), "is_enable": given})).await;
        assert_eq!(data["is_enable"], shown, "{given}");
    }
}

/// S3-2, S3-10: chosen keys.
#[actix_web::test]
async fn a_chosen_key_is_taken_if_it_cannot_be_guessed() {
    let it = Installation::new().await;
    let (_, key) = usable(&it, json!({"name": "mine", "custom_key": "My-own_key-9f3Kq2"})).await;
    assert_eq!(key, "My-own_key-9f3Kq2");
    assert_eq!(own(&it, &key).await.status, 200);
    for weak in ["short1", "aaaaaaaaaaaaaaaaaaaaaaaa", "123456789012345678901234", "guest1"] {
        let answer = it.call(&it.admin, "POST", KEYS, json!({"name": "weak", "custom_key": weak})).await;
        let message = refused(&answer, 400, "VALIDATION_ERROR");
        assert!(message.contains("64 bits") && message.contains("facades.short_keys"), "{message}");
        assert!(!message.contains(weak));
    }
    for bad in ["with space in it 12", "ümlaut9f3Kq2ZpX9m", "cmk_9f3Kq2ZpX9mTa77", "a/b9f3Kq2ZpX9mTa77"] {
        let answer = it.call(&it.admin, "POST", KEYS, json!({"name": "bad", "custom_key": bad})).await;
        refused(&answer, 400, "VALIDATION_ERROR");
    }
}

#[actix_web::test]
async fn the_operator_can_allow_short_keys_but_not_that_of_the_guest() {
    let mut it = Installation::new().await;
    configured(&mut it, |config| config.facades.short_keys = true);
    let (_, key) = usable(&it, json!({"name": "short", "custom_key": "k1"})).await;
    assert_eq!(own(&it, &key).await.status, 200);
    let answer = it.call(&it.admin, "POST", KEYS, json!({"name": "other", "custom_key": "guest"})).await;
    refused(&answer, 409, "CONFLICT");
}

/// S3-9.
#[actix_web::test]
async fn names_and_keys_are_unique() {
    let it = Installation::new().await;
    made(&it, json!({"name": "one", "custom_key": "Zt4bQw8LrN1y"})).await;
    let other = made(&it, json!({"name": "two"})).await;
    for body in [json!({"name": " one"}), json!({"name": "three", "custom_key": "Zt4bQw8LrN1y"})] {
        refused(&it.call(&it.admin, "POST", KEYS, body).await, 409, "CONFLICT");
    }
    let id = text(&other["id"]);
    refused(&put(&it, &id, json!({"name": "one "})).await, 409, "CONFLICT");
    assert_eq!(row(&it, &id).await["name"], "two");
    assert_eq!(put(&it, &id, json!({"name": "two"})).await.status, 200, "its own name is no other one's");
}

/// S3-3, S3-31: every member can be changed, alone and together.
#[actix_web::test]
async fn a_change_shows_in_the_list_and_leaves_the_rest() {
    let it = Installation::new().await;
    let (id, key) = usable(&it, json!({"name": "k", "permissions": 2, "basic_path": "/a"})).await;
    let before = row(&it, &id).await;
    for (change, member, shown) in [
        (json!({"name": " new "}), "name", json!("new")),
        (json!({"permissions": 256}), "permissions", json!(256)),
        (json!({"basic_path": "/b/c/"}), "basic_path", json!("/b/c")),
        (json!({"basic_path": "/"}), "basic_path", json!("/")),
        (json!({"expires_at": "2027-02-01T00:00:00Z"}), "expires_at", json!("2027-02-01T00:00:00.000Z")),
        (json!({"expires_at": null}), "expires_at", json!(NEVER)),
        (json!({"expires_at": "2027-02-01T00:00:00Z"}), "expires_at", json!("2027-02-01T00:00:00.000Z")),
        (json!({"expires_at": "never"}), "expires_at", json!(NEVER)),
        (json!({"is_enable": 0}), "is_enable", json!(0)),
        (json!({"is_enable": true}), "is_enable", json!(1)),
        (json!({"role": "GENERAL"}), "role", json!("GENERAL")),
    ] {
        let answer = put(&it, &id, change.clone()).await;
        assert_eq!(answer.status, 200, "{change}: {}", answer.body);
        assert_eq!(answer.body, json!({"success": true, "code": "OK", "message": "the API key is updated"}));
        assert_eq!(row(&it, &id).await[member], shown, "{change}");
    }
    let after = row(&it, &id).await;
    assert_eq!((&after["key"], &after["created_at"]), (&json!(key), &before["created_at"]));
    assert_eq!(after["permission_names"], json!(["MOUNT_VIEW"]));
}

/// S3-1, S3-32: what is off is refused at once, what is on again works again.
#[actix_web::test]
async fn a_key_that_is_switched_off_stops_at_once_and_can_be_switched_on_again() {
    let it = Installation::new().await;
    let (id, key) = usable(&it, json!({"name": "k", "permissions": 2})).await;
    let ask = json!({"permission": "file:share"});
    for _ in 0..3 {
        assert_eq!(own(&it, &key).await.status, 200);
        assert_eq!(decision(&it, &key, ask.clone()).await, "ALLOWED");
        assert_eq!(put(&it, &id, json!({"is_enable": false})).await.status, 200);
        refused(&own(&it, &key).await, 401, "UNAUTHORIZED");
        assert_eq!(decision(&it, &key, ask.clone()).await, "DISABLED");
        assert_eq!(put(&it, &id, json!({"is_enable": 1})).await.status, 200);
    }
}

/// S3-1: revoking.
#[actix_web::test]
async fn a_deleted_key_is_gone_at_once() {
    let it = Installation::new().await;
    let (id, key) = usable(&it, json!({"name": "k", "permissions": 2})).await;
    assert_eq!(own(&it, &key).await.status, 200);
    let answer = delete(&it, &id).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, json!({"success": true, "code": "OK", "message": "the API key is deleted"}));
    refused(&own(&it, &key).await, 401, "UNAUTHORIZED");
    assert_eq!(decision(&it, &key, json!({"permission": "file:share"})).await, "UNKNOWN_TOKEN");
    for again in [delete(&it, &id).await, put(&it, &id, json!({"is_enable": 1})).await] {
        refused(&again, 404, "NOT_FOUND");
    }
}

/// S3-4, S3-20, S3-21, S3-22, S3-23, S3-24, S3-37: each bit opens its own permission and no other.
#[actix_web::test]
async fn a_missing_bit_blocks_its_operation() {
    let it = Installation::new().await;
    let (id, key) = usable(&it, json!({"name": "k"})).await;
    let all = [
        (1, "text:share"),
        (4, "text:manage"),
        (2, "file:share"),
        (8, "file:manage"),
        (256, "mount:view"),
        (512, "mount:upload"),
        (1024, "mount:copy"),
        (2048, "mount:rename"),
        (4096, "mount:delete"),
        (65_536, "webdav:read"),
        (131_072, "webdav:manage"),
    ];
    for (bit, _) in all {
        assert_eq!(put(&it, &id, json!({"permissions": bit})).await.status, 200);
        for (other, permission) in all {
            let expected = if bit == other { "ALLOWED" } else { "PERMISSION_DENIED" };
            assert_eq!(
                decision(&it, &key, json!({"permission": permission})).await,
                expected,
                "{bit} {permission}"
            );
        }
    }
}

/// S3-5, S3-28; dot segments are refused on every route (section 3, row 11).
#[actix_web::test]
async fn a_base_path_confines_by_whole_segments() {
    let it = Installation::new().await;
    let (_, key) = usable(&it, json!({"name": "k", "permissions": 2, "basic_path": "/upload/"})).await;
    for (path, expected) in [
        ("/upload", "ALLOWED"),
        ("/upload/x", "ALLOWED"),
        ("/upload2", "PATH_DENIED"),
        ("/upl", "PATH_DENIED"),
        ("/", "PATH_DENIED"),
        ("/upload/../secret", "PATH_DENIED"),
        ("/upload/%2e%2e/secret", "PATH_DENIED"),
    ] {
        let request = json!({"permission": "file:share", "path": path});
        assert_eq!(decision(&it, &key, request).await, expected, "{path}");
    }
}

#[actix_web::test]
async fn only_keys_of_this_dialect_are_seen_and_touched() {
    let it = Installation::new().await;
    let (native, _) = it.key(json!({"name": "native", "permissions": ["read"]})).await;
    made(&it, json!({"name": "native"})).await;
    assert_eq!(rows(&it).await.len(), 1);
    let answer = it.get(&it.admin, &format!("/v1/access-tokens/{native}")).await;
    assert_eq!(answer.status, 200);
    let list = it.get(&it.admin, "/v1/access-tokens?dialect=cloudpaste").await.body;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["dialect"], "cloudpaste");
}

#[actix_web::test]
async fn a_key_that_the_native_api_has_revoked_is_off_for_good() {
    let it = Installation::new().await;
    let (id, key) = usable(&it, json!({"name": "k"})).await;
    let list = it.get(&it.admin, "/v1/access-tokens?dialect=cloudpaste").await.body;
    let path = format!("/v1/access-tokens/{}", list["items"][0]["id"].as_str().unwrap());
    assert_eq!(it.call(&it.admin, "DELETE", &path, Value::Null).await.status, 204);
    refused(&own(&it, &key).await, 401, "UNAUTHORIZED");
    assert_eq!(row(&it, &id).await["is_enable"], 0);
    refused(&put(&it, &id, json!({"is_enable": 1})).await, 409, "CONFLICT");
    assert_eq!(delete(&it, &id).await.status, 200);
}
