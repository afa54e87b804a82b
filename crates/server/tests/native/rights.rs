//! Nobody reaches further than his own key: the rights rule on every route that changes, shows or uses a token.

use crate::installation::{Installation, NOW, text};
use serde_json::{Value, json};

const TOKENS: &str = "/v1/access-tokens";

fn at(id: &str) -> String {
    format!("{TOKENS}/{id}")
}

/// Everything that can be done to a token.
fn attempts(id: &str) -> Vec<(&'static str, String, Value)> {
    vec![
        ("PATCH", at(id), json!({"name": "mine"})),
        ("POST", format!("{}/regenerate", at(id)), json!({})),
        ("GET", format!("{}/value", at(id)), Value::Null),
        ("DELETE", at(id), Value::Null),
        ("DELETE", format!("{}?cascade=true", at(id)), Value::Null),
        ("DELETE", format!("{}?purge=true", at(id)), Value::Null),
        ("DELETE", format!("{}?purge=true&cascade=true", at(id)), Value::Null),
    ]
}

#[actix_web::test]
async fn each_route_needs_its_own_permission() {
    let it = Installation::new().await;
    let (id, _) = it.key(json!({})).await;
    let routes = [
        ("POST", TOKENS.to_owned(), json!({"type": "upload"}), "tokens:write"),
        ("GET", TOKENS.to_owned(), Value::Null, "tokens:read"),
        ("GET", at(&id), Value::Null, "tokens:read"),
        ("HEAD", at(&id), Value::Null, "tokens:read"),
        ("PATCH", at(&id), json!({}), "tokens:write"),
        ("DELETE", at(&id), Value::Null, "tokens:write"),
        ("POST", format!("{}/regenerate", at(&id)), json!({}), "tokens:write"),
        ("GET", format!("{}/value", at(&id)), Value::Null, "tokens:reveal"),
        ("GET", format!("{}/usage", at(&id)), Value::Null, "tokens:read"),
        ("GET", "/v1/stats".to_owned(), Value::Null, "tokens:read"),
        ("GET", "/v1/audit".to_owned(), Value::Null, "audit:read"),
        ("POST", "/v1/signed-urls".to_owned(), json!({"tokenId": id, "url": "https://h/c/x"}), "sign"),
    ];
    let all = ["tokens:write", "tokens:read", "tokens:reveal", "audit:read", "sign", "authorize"];
    for (method, path, body, needed) in routes {
        let others: Vec<&str> = all.into_iter().filter(|one| *one != needed).collect();
        let (_, value) = it.key(json!({"permissions": others})).await;
        let refused = it.call(&value, method, &path, body.clone()).await;
        assert_eq!(refused.refusal().0, 403, "{method} {path}");
        assert_eq!(refused.refusal().1, "PERMISSION_REQUIRED", "{method} {path}");
        let (_, value) = it.key(json!({"permissions": [needed]})).await;
        let allowed = it.call(&value, method, &path, body).await;
        assert_ne!(allowed.refusal().1, "PERMISSION_REQUIRED", "{method} {path}");
        assert_ne!(allowed.status, 401, "{method} {path}");
    }
}

#[actix_web::test]
async fn a_key_that_may_only_write_tokens_reaches_no_administrator() {
    let it = Installation::new().await;
    let (own, value) = it.key(json!({"permissions": ["tokens:write", "tokens:reveal", "sign"]})).await;
    let (other, _) = it.key(json!({"permissions": ["*"], "recoverable": true})).await;
    for target in [&it.admin_id, &other] {
        for (method, path, body) in attempts(target) {
            let answer = it.call(&value, method, &path, body).await;
            assert_eq!(answer.refusal(), (403, "RIGHTS_EXCEEDED", "/permissions"), "{method} {path}");
        }
    }
    for permissions in [json!(["*"]), json!(["tokens:*"]), json!(["tokens:write", "authorize"])] {
        let body = json!({"type": "apiKey", "permissions": permissions});
        let answer = it.call(&value, "POST", TOKENS, body).await;
        assert_eq!(answer.refusal(), (403, "RIGHTS_EXCEEDED", "/permissions"), "{permissions}");
        let child = it.issue(&value, json!({"type": "apiKey", "permissions": ["tokens:write"]})).await;
        let patch = json!({"permissions": permissions});
        let answer = it.call(&value, "PATCH", &at(&text(&child["id"])), patch).await;
        assert_eq!(answer.refusal(), (403, "RIGHTS_EXCEEDED", "/permissions"), "{permissions}");
    }
    assert_eq!(it.get(&it.admin, &at(&other)).await.body["revision"], 1, "nothing has been changed");
    assert_eq!(it.get(&it.admin, &at(&own)).await.body["status"], "active");
}

#[actix_web::test]
async fn no_key_changes_itself_or_its_twin_of_more_rights() {
    let it = Installation::new().await;
    let (own, value) = it.key(json!({"permissions": ["*"]})).await;
    for (method, path, body) in attempts(&own).into_iter().filter(|(method, ..)| *method != "GET") {
        let answer = it.call(&value, method, &path, body).await;
        assert_eq!(answer.refusal().1, "SELF_CHANGE", "{method} {path}");
    }
    assert_eq!(it.get(&value, &at(&own)).await.body["status"], "active");
}

#[actix_web::test]
async fn a_cascade_stops_before_what_the_caller_cannot_reach() {
    let it = Installation::new().await;
    let (parent, parent_value) = it.key(json!({"permissions": ["tokens:write", "files:read"]})).await;
    let child = it.issue(&parent_value, json!({"type": "apiKey", "permissions": ["files:read"]})).await;
    let child = text(&child["id"]);
    // An administrator has since given the child more than its parent has.
    let widened = it.call(&it.admin, "PATCH", &at(&child), json!({"permissions": ["*"]})).await;
    assert_eq!(widened.status, 200);
    let (_, writer) = it.key(json!({"permissions": ["tokens:write", "files:read"]})).await;
    let answer = it.call(&writer, "DELETE", &format!("{}?cascade=true", at(&parent)), Value::Null).await;
    assert_eq!(answer.refusal(), (403, "RIGHTS_EXCEEDED", "/permissions"));
    for id in [&parent, &child] {
        assert_eq!(it.get(&it.admin, &at(id)).await.body["status"], "active");
    }
    let all = it.call(&it.admin, "DELETE", &format!("{}?cascade=true", at(&parent)), Value::Null).await;
    assert_eq!(all.status, 204);
    assert_eq!(it.get(&it.admin, &at(&child)).await.body["status"], "revoked");
}

#[actix_web::test]
async fn a_cascade_over_the_callers_own_key_is_a_self_change() {
    let it = Installation::new().await;
    let (parent, parent_value) = it.key(json!({"permissions": ["tokens:write"]})).await;
    let child = it.issue(&parent_value, json!({"type": "apiKey", "permissions": ["tokens:write"]})).await;
    let path = format!("{}?cascade=true", at(&parent));
    let answer = it.call(child["value"].as_str().unwrap(), "DELETE", &path, Value::Null).await;
    assert_eq!(answer.refusal().1, "SELF_CHANGE");
    assert_eq!(it.get(&it.admin, &at(&parent)).await.body["status"], "active");
}

#[actix_web::test]
async fn every_bound_of_a_key_binds_what_it_issues() {
    let it = Installation::new().await;
    let bounds = json!({"permissions": ["*"], "expiry": NOW + 100, "limit": 10, "clouds": ["c1", "c2"], "storages": ["s1"],
        "basePath": "/a"});
    let (_, value) = it.key(bounds).await;
    let child = it.issue(&value, json!({"type": "apiKey", "permissions": ["read"]})).await;
    for (member, bound) in [
        ("expiry", json!(NOW + 100)),
        ("limit", json!(10)),
        ("clouds", json!(["c1", "c2"])),
        ("storages", json!(["s1"])),
        ("basePath", json!("/a")),
    ] {
        assert_eq!(child[member], bound, "{member}");
    }
    for (member, beyond) in [
        ("expiry", json!(NOW + 101)),
        ("limit", json!(11)),
        ("clouds", json!(["c3"])),
        ("storages", json!(["s2"])),
        ("basePath", json!("/ab")),
    ] {
        let refused = (403, "RIGHTS_EXCEEDED", format!("/{member}"));
        let mut body = json!({"type": "apiKey"});
        body[member] = beyond.clone();
        let answer = it.call(&value, "POST", TOKENS, body).await;
        let (status, code, pointer) = answer.refusal();
        assert_eq!((status, code, pointer.to_owned()), refused, "issue {member}");
        let answer = it.call(&value, "PATCH", &at(&text(&child["id"])), json!({member: beyond})).await;
        let (status, code, pointer) = answer.refusal();
        assert_eq!((status, code, pointer.to_owned()), refused, "patch {member}");
    }
    // An upload token cannot be bound to a path: such a key may not issue one.
    let answer = it.call(&value, "POST", TOKENS, json!({"type": "upload"})).await;
    assert_eq!(answer.refusal(), (403, "RIGHTS_EXCEEDED", "/type"));
}

#[actix_web::test]
async fn a_bound_key_is_not_shown_the_whole_installation() {
    let it = Installation::new().await;
    let bounds = [
        ("clouds", json!(["c1"])),
        ("storages", json!(["s1"])),
        ("basePath", json!("/a")),
        ("clouds", json!([])),
    ];
    for (member, bound) in bounds {
        let mut body = json!({"permissions": ["*"]});
        body[member] = bound;
        let (_, value) = it.key(body).await;
        for path in ["/v1/audit", "/v1/stats"] {
            let answer = it.get(&value, path).await;
            let (status, code, _) = answer.refusal();
            assert_eq!((status, code), (403, "RIGHTS_EXCEEDED"), "{member}: {path}");
        }
    }
    let (_, value) = it.key(json!({"permissions": ["*"], "limit": 5, "expiry": NOW + 5})).await;
    for path in ["/v1/audit", "/v1/stats"] {
        assert_eq!(it.get(&value, path).await.status, 200, "{path}");
    }
}

#[actix_web::test]
async fn a_foreign_token_is_answered_like_an_absent_one() {
    let it = Installation::new().await;
    let (_, value) = it.key(json!({"permissions": ["*"], "clouds": ["c1"]})).await;
    let body = json!({"type": "imageUrl", "recoverable": true, "extra": {"cloudId": "c2"}});
    let foreign = text(&it.issue(&it.admin, body).await["id"]);
    let absent = format!("iu_{}", "0".repeat(22));
    let mut calls = attempts(&foreign);
    calls.push(("GET", at(&foreign), Value::Null));
    calls.push(("HEAD", at(&foreign), Value::Null));
    calls.push(("GET", format!("{}/usage", at(&foreign)), Value::Null));
    calls.push(("POST", "/v1/signed-urls".to_owned(), json!({"tokenId": foreign, "url": "https://h/c2/x"})));
    for (method, path, body) in calls {
        let of_foreign = it.call(&value, method, &path, body.clone()).await;
        let path = path.replace(&foreign, &absent);
        let body: Value = serde_json::from_str(&body.to_string().replace(&foreign, &absent)).unwrap();
        let mut of_absent = it.call(&value, method, &path, body).await;
        assert_eq!(of_foreign.status, 404, "{method} {path}");
        assert_eq!(of_absent.status, 404, "{method} {path}");
        if method != "HEAD" {
            of_absent.body["requestId"] = of_foreign.body["requestId"].clone();
        }
        assert_eq!(of_foreign.body, of_absent.body, "{method} {path}");
    }
    let list = it.get(&value, &format!("{TOKENS}?type=imageUrl")).await.body;
    assert_eq!(list["items"], json!([]));
}
