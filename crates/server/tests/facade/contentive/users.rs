//! The five calls on API users and the regeneration of their tokens.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{USERS, active, create, decide, error, native_path, part, path, put, regenerate};
use crate::installation::{Answer, Installation, NOW, text};

/// The members of the documented answer, in its order.
const MEMBERS: [&str; 9] =
    ["id", "name", "description", "token", "expire_at", "created_at", "updated_at", "scopes", "status"];

fn in_order(answer: &Answer) -> bool {
    let body = std::str::from_utf8(&answer.bytes).unwrap();
    let places: Vec<usize> = MEMBERS.iter().map(|name| body.find(&format!("\"{name}\":")).unwrap()).collect();
    places.is_sorted()
}

fn assert_user(user: &Value) {
    let names: BTreeSet<&str> = user.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(MEMBERS));
    let id = text(&user["id"]);
    let groups: Vec<usize> = id.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12], "S4-5: a UUID");
    assert!(id.bytes().all(|byte| byte == b'-' || matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    assert_eq!(text(&user["token"]).split('.').count(), 3, "S4-5: a JWT");
}

#[actix_web::test]
async fn s4_1_s4_4_s4_5_the_list_is_a_bare_array_of_the_documented_members_with_full_tokens() {
    let it = Installation::new().await;
    assert_eq!(it.get(&it.admin, USERS).await.bytes, "[]");
    let first = active(&it, "first", "blog:read").await;
    it.clock.advance(1);
    let second = active(&it, "second", "blog:read").await;
    it.issue(&it.admin, json!({"type": "apiKey", "name": "native"})).await;
    let answer = it.get(&it.admin, USERS).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.body, json!([second, first]), "with their tokens, and nobody else's");
    assert!(in_order(&answer));
    answer.body.as_array().unwrap().iter().for_each(assert_user);
    assert_eq!(second["created_at"], "2027-01-15T08:00:01Z");
}

/// The document's own example, both ways.
#[actix_web::test]
async fn s4_5_s4_7_s4_9_s4_10_s4_14_the_documents_example_is_created_and_shown_as_it_stands() {
    let it = Installation::new().await;
    it.clock.set(NOW);
    let seed: Value = serde_json::from_str(
        r#"[ { "id": "uuid", "name": "api-user-name", "description": "API user description", "token": "jwt-token", "expire_at": "2024-01-01T00:00:00Z", "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z", "scopes": ["scope1", "scope2"], "status": "active" } ]"#,
    )
    .unwrap();
    let answer = it.call(&it.admin, "POST", USERS, seed[0].clone()).await;
    assert_eq!(answer.status, 201, "members that the service sets by itself are ignored: {}", answer.body);
    assert!(in_order(&answer));
    assert_user(&answer.body);
    let mut shown = it.get(&it.admin, USERS).await.body;
    assert_eq!(shown[0]["status"], "expired", "2024 is over");
    for own in ["id", "token", "created_at", "updated_at", "status"] {
        shown[0][own] = seed[0][own].clone();
    }
    assert_eq!(shown, seed);
}

#[actix_web::test]
async fn s4_6_one_api_user_is_shown_by_his_id_in_either_letter_case() {
    let it = Installation::new().await;
    let user = active(&it, "one", "blog:read").await;
    let answer = it.get(&it.admin, &path(&user)).await;
    assert_eq!((answer.status, &answer.body), (200, &user));
    assert!(in_order(&answer));
    let capitals = format!("{USERS}/{}", text(&user["id"]).to_uppercase());
    assert_eq!(it.get(&it.admin, &capitals).await.body, user);
    let head = it.call(&it.admin, "HEAD", &path(&user), Value::Null).await;
    assert_eq!(head.status, 200);
}

#[actix_web::test]
async fn s4_9_s4_10_s4_14_what_is_optional_may_be_left_out_or_null() {
    let it = Installation::new().await;
    for (name, body) in [
        ("left out", json!({"name": "left out", "status": "active"})),
        (
            "null",
            json!({"name": "null", "status": "active", "description": null, "expire_at": null, "scopes": null}),
        ),
    ] {
        let user = create(&it, body).await;
        assert_user(&user);
        let members = [&user["name"], &user["description"], &user["expire_at"], &user["scopes"]];
        assert_eq!(members, [&json!(name), &json!(""), &json!(null), &json!([])]);
    }
}

#[actix_web::test]
async fn s4_8_s4_18_a_name_is_taken_once_also_by_renaming_and_natively() {
    let it = Installation::new().await;
    let first = active(&it, "taken", "*").await;
    let taken = (400, "Name already exists");
    let again = it.call(&it.admin, "POST", USERS, json!({"name": "taken", "status": "inactive"})).await;
    assert_eq!(error(&again), taken);
    let other = active(&it, "other", "*").await;
    let renamed = it.call(&it.admin, "PUT", &path(&other), json!({"name": "taken"})).await;
    assert_eq!(error(&renamed), taken);
    assert_eq!(it.get(&it.admin, &path(&other)).await.body, other, "nothing has changed");
    assert_eq!(put(&it, &first, json!({"name": "taken"})).await["name"], "taken", "his own name is free");
    let native = native_path(&it, &other).await;
    let renamed = it.call(&it.admin, "PATCH", &native, json!({"name": "taken"})).await;
    assert_eq!(renamed.refusal(), (409, "VALUE_TAKEN", "/name"));
    it.issue(&it.admin, json!({"type": "apiKey", "name": "taken"})).await;
    assert_eq!(it.call(&it.admin, "DELETE", &path(&first), Value::Null).await.status, 204);
    assert_eq!(active(&it, "taken", "*").await["name"], "taken", "free again");
}

#[actix_web::test]
async fn s4_8_s4_11_s4_18_what_is_required_is_named_when_it_is_missing() {
    let it = Installation::new().await;
    let status = "Status is required: expected active, inactive or expired";
    for (body, said) in [
        (json!({}), "Name and Status are required"),
        (json!({"name": "", "status": ""}), "Name and Status are required"),
        (json!({"status": "active"}), "Name is required"),
        (json!({"status": "active", "name": null}), "Name is required"),
        (json!({"name": "x"}), status),
        (json!({"name": "x", "status": ""}), status),
    ] {
        let answer = it.call(&it.admin, "POST", USERS, body.clone()).await;
        assert_eq!(error(&answer), (400, said), "{body}");
    }
    assert_eq!(it.get(&it.admin, USERS).await.body, json!([]));
}

#[actix_web::test]
async fn s4_11_s4_12_s4_13_every_status_is_kept_and_can_be_changed_into_every_other() {
    let it = Installation::new().await;
    let statuses = ["active", "inactive", "expired"];
    for from in statuses {
        for to in statuses {
            let name = format!("{from} {to}");
            let user = create(&it, json!({"name": name, "status": from, "scopes": ["a"]})).await;
            assert_eq!(user["status"], from);
            let code = if from == "active" { "ALLOWED" } else { "DISABLED" };
            assert_eq!(decide(&it, &user["token"], "a").await, code, "{name}");
            let user = put(&it, &user, json!({"status": to})).await;
            assert_eq!(user["status"], to, "{name}");
            assert_eq!(it.get(&it.admin, &path(&user)).await.body["status"], to, "{name}");
            let code = if to == "active" { "ALLOWED" } else { "DISABLED" };
            assert_eq!(decide(&it, &user["token"], "a").await, code, "{name}");
        }
    }
}

/// Row 13 of the conflicts between document and code.
#[actix_web::test]
async fn s4_10_s4_13_a_past_expiry_is_reported_as_expired_and_null_takes_it_away() {
    let it = Installation::new().await;
    let body =
        json!({"name": "x", "status": "active", "scopes": ["a"], "expire_at": "2027-01-15T09:00:10.5+01:00"});
    let user = create(&it, body).await;
    assert_eq!((&user["expire_at"], &user["status"]), (&json!("2027-01-15T08:00:10Z"), &json!("active")));
    it.clock.advance(9);
    assert_eq!(it.get(&it.admin, &path(&user)).await.body["status"], "active");
    assert_eq!(decide(&it, &user["token"], "a").await, "ALLOWED");
    it.clock.advance(1);
    assert_eq!(it.get(&it.admin, &path(&user)).await.body["status"], "expired");
    assert_eq!(decide(&it, &user["token"], "a").await, "EXPIRED");
    let inactive = put(&it, &user, json!({"status": "inactive"})).await;
    assert_eq!(inactive["status"], "expired", "the expiry is over all the same");
    let kept = put(&it, &user, json!({"status": "active", "description": "d"})).await;
    assert_eq!((&kept["expire_at"], &kept["status"]), (&json!("2027-01-15T08:00:10Z"), &json!("expired")));
    let cleared = put(&it, &user, json!({"expire_at": null})).await;
    assert_eq!((&cleared["expire_at"], &cleared["status"]), (&json!(null), &json!("active")));
    assert_eq!(decide(&it, &user["token"], "a").await, "ALLOWED");
}

#[actix_web::test]
async fn s4_15_every_member_can_be_changed_alone_and_what_is_left_out_or_null_stays() {
    let it = Installation::new().await;
    let body = json!({"name": "n", "description": "d", "status": "active", "scopes": ["b", "a", "b"],
        "expire_at": "2030-01-01T00:00:00Z"});
    let mut user = create(&it, body).await;
    assert_eq!(user["scopes"], json!(["a", "b"]));
    for (member, value) in [
        ("name", json!("n2")),
        ("description", json!("d2")),
        ("description", json!("")),
        ("expire_at", json!("2031-01-01T00:00:00Z")),
        ("status", json!("inactive")),
        ("scopes", json!(["c"])),
        ("scopes", json!([])),
    ] {
        it.clock.advance(1);
        let changed = put(&it, &user, json!({ member: value })).await;
        assert_ne!(changed["updated_at"], user["updated_at"]);
        user["updated_at"] = changed["updated_at"].clone();
        user[member] = value;
        assert_eq!(changed, user, "{member}; the token stays the same");
    }
    let nulls = json!({"name": null, "description": null, "status": null, "scopes": null});
    for nothing in [json!({}), nulls] {
        assert_eq!(put(&it, &user, nothing).await["name"], "n2");
    }
    user["updated_at"] = it.get(&it.admin, &path(&user)).await.body["updated_at"].clone();
    assert_eq!(it.get(&it.admin, &path(&user)).await.body, user);
}

#[actix_web::test]
async fn s4_16_s4_19_a_deleted_api_user_is_gone_with_his_token() {
    let it = Installation::new().await;
    let user = active(&it, "gone", "*").await;
    assert_eq!(decide(&it, &user["token"], "a").await, "ALLOWED");
    let deleted = it.call(&it.admin, "DELETE", &path(&user), json!({"any": "body"})).await;
    assert_eq!((deleted.status, deleted.bytes.len()), (204, 0));
    assert_eq!(decide(&it, &user["token"], "a").await, "UNKNOWN_TOKEN");
    for method in ["GET", "PUT", "DELETE"] {
        let body = if method == "PUT" { json!({}) } else { Value::Null };
        let answer = it.call(&it.admin, method, &path(&user), body).await;
        assert_eq!(error(&answer), (404, "API user not found"), "{method}");
    }
    assert_eq!(error(&regenerate(&it, &user).await), (404, "API user not found"));
}

/// Row 14 as well: two regenerations within one second differ.
#[actix_web::test]
async fn s4_17_a_regenerated_token_ends_the_former_at_once_and_never_repeats() {
    let it = Installation::new().await;
    let user = active(&it, "renewed", "blog:read").await;
    assert_eq!(decide(&it, &user["token"], "blog:read").await, "ALLOWED");
    let mut seen = BTreeSet::from([text(&user["token"])]);
    let mut former = user.clone();
    for _ in 0..5 {
        let answer = regenerate(&it, &user).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(in_order(&answer));
        let renewed = answer.body;
        assert_user(&renewed);
        assert!(seen.insert(text(&renewed["token"])), "within one second");
        assert_eq!(decide(&it, &former["token"], "blog:read").await, "UNKNOWN_TOKEN");
        assert_eq!(decide(&it, &renewed["token"], "blog:read").await, "ALLOWED");
        assert_eq!(it.get(&it.admin, &path(&user)).await.body, renewed);
        former = renewed;
    }
    former["token"] = user["token"].clone();
    assert_eq!(former, user, "the same user");
}

#[actix_web::test]
async fn s4_5_the_token_is_a_jwt_with_contentives_claims_and_a_random_one() {
    let it = Installation::new().await;
    let body = json!({"name": "claims", "status": "inactive", "scopes": ["blog:read", "media:create"],
        "expire_at": "2030-01-01T00:00:00Z"});
    let user = create(&it, body).await;
    assert_eq!(part(&user["token"], 0), json!({"alg": "HS256", "typ": "JWT"}));
    let claims = part(&user["token"], 1);
    let jti = text(&claims["jti"]);
    assert_eq!(jti.len(), 22);
    let expected = json!({"user_id": user["id"], "name": "claims", "Scopes": ["blog:read", "media:create"],
        "status": "inactive", "exp": 1_893_456_000, "iat": NOW, "jti": jti});
    assert_eq!(claims, expected);

    it.clock.advance(7);
    put(&it, &user, json!({"name": "later", "status": "active", "scopes": ["*"], "expire_at": null})).await;
    let renewed = regenerate(&it, &user).await.body;
    let claims = part(&renewed["token"], 1);
    assert_ne!(claims["jti"], jti);
    let expected = json!({"user_id": user["id"], "name": "later", "Scopes": ["*"], "status": "active",
        "iat": NOW + 7, "jti": claims["jti"]});
    assert_eq!(claims, expected, "as he is now, and without exp");
}

#[actix_web::test]
async fn s4_14_scopes_that_would_make_the_token_too_long_are_refused_before_anything_changes() {
    let it = Installation::new().await;
    let scopes = |count: usize| (0..count).map(|n| format!("{}:{n}", "s".repeat(120))).collect::<Vec<_>>();
    let said = "Invalid input: scopes: expected fewer or shorter scopes: the token would be longer than 4096 characters";
    let body = json!({"name": "long", "status": "active", "scopes": scopes(30)});
    assert_eq!(error(&it.call(&it.admin, "POST", USERS, body).await), (400, said));
    assert_eq!(it.get(&it.admin, USERS).await.body, json!([]));

    let user = create(&it, json!({"name": "long", "status": "active", "scopes": scopes(21)})).await;
    let length = text(&user["token"]).len();
    assert!((3_500..=4_096).contains(&length), "{length}");
    assert_eq!(decide(&it, &user["token"], &scopes(1)[0]).await, "ALLOWED");
    let widened = it.call(&it.admin, "PUT", &path(&user), json!({"scopes": scopes(30)})).await;
    assert_eq!(error(&widened), (400, said));
    let renamed = it.call(&it.admin, "PUT", &path(&user), json!({"name": "ü".repeat(200)})).await;
    assert_eq!(error(&renamed), (400, said), "the name stands in the token, too");
    assert_eq!(it.get(&it.admin, &path(&user)).await.body, user);
    assert_eq!(regenerate(&it, &user).await.status, 200);
    let hundred: Vec<String> = (0..100).map(|n| format!("s{n}")).collect();
    assert_eq!(put(&it, &user, json!({"scopes": hundred})).await["scopes"].as_array().unwrap().len(), 100);
}

#[actix_web::test]
async fn a_user_with_more_scopes_than_a_token_holds_can_be_disabled_ended_and_shortened_but_not_extended() {
    let it = Installation::new().await;
    let user = active(&it, "long", "a").await;
    let scopes = |count: usize| (0..count).map(|n| format!("{}:{n}", "s".repeat(120))).collect::<Vec<_>>();
    let native = native_path(&it, &user).await;
    let widened = it.call(&it.admin, "PATCH", &native, json!({"permissions": scopes(60)})).await;
    assert_eq!(widened.status, 200, "{}", widened.body);
    assert_eq!(put(&it, &user, json!({"status": "inactive"})).await["status"], "inactive");
    let ended = put(&it, &user, json!({"expire_at": "2030-01-01T00:00:00Z", "description": "d"})).await;
    assert_eq!(ended["expire_at"], "2030-01-01T00:00:00Z");
    put(&it, &user, json!({"name": "lon", "scopes": scopes(59)})).await;
    for longer in [json!({"name": "longer"}), json!({"scopes": scopes(61)})] {
        assert_eq!(error(&it.call(&it.admin, "PUT", &path(&user), longer).await).0, 400);
    }
}

#[actix_web::test]
async fn whoever_can_be_made_can_be_disabled_ended_late_and_regenerated() {
    let it = Installation::new().await;
    let mut scopes: Vec<String> = (0..22).map(|n| format!("{}:{n}", "s".repeat(120))).collect();
    let (mut accepted, mut made) = (0, Value::Null);
    // Letter by letter up to the longest that is taken.
    for length in 1..=120 {
        scopes.push("t".repeat(length));
        let body = json!({"name": format!("user {length:03}"), "status": "active", "scopes": scopes});
        let answer = it.call(&it.admin, "POST", USERS, body).await;
        scopes.pop();
        if answer.status != 201 {
            break;
        }
        (accepted, made) = (length, answer.body);
    }
    assert!((1..120).contains(&accepted), "{accepted}");
    put(&it, &made, json!({"status": "inactive", "expire_at": "9999-12-31T23:59:59Z"})).await;
    assert_eq!(regenerate(&it, &made).await.status, 200);
}

#[actix_web::test]
async fn a_token_that_was_revoked_natively_is_inactive_and_cannot_be_changed_but_deleted() {
    let it = Installation::new().await;
    let user = active(&it, "revoked", "*").await;
    let native = native_path(&it, &user).await;
    assert_eq!(it.call(&it.admin, "DELETE", &native, Value::Null).await.status, 204);
    assert_eq!(it.get(&it.admin, &path(&user)).await.body["status"], "inactive");
    assert_eq!(it.get(&it.admin, USERS).await.body[0]["status"], "inactive");
    let changed = it.call(&it.admin, "PUT", &path(&user), json!({"status": "active"})).await;
    assert_eq!(error(&changed).0, 409);
    assert_eq!(error(&regenerate(&it, &user).await).0, 409);
    assert_eq!(decide(&it, &user["token"], "a").await, "REVOKED");
    assert_eq!(it.call(&it.admin, "DELETE", &path(&user), Value::Null).await.status, 204);
}

#[actix_web::test]
async fn s4_10_a_token_says_the_end_that_its_maker_hands_on() {
    let it = Installation::new().await;
    let end = it.state.service.now().get() + 3600;
    let (_, bound) = it.key(json!({"permissions": ["*"], "expiry": end})).await;
    let body = json!({"name": "bound", "status": "active", "scopes": []});
    let made = it.call(&bound, "POST", USERS, body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert!(made.body["expire_at"].is_string());
    assert_eq!(part(&made.body["token"], 1)["exp"], end);
}
