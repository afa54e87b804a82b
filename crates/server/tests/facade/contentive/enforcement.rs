//! What the token of an API user opens, by the same decision as for every other token.

use serde_json::{Value, json};

use super::{active, create, decide, path, put, regenerate};
use crate::installation::Installation;

#[actix_web::test]
async fn s4_11_s4_12_s4_14_scopes_are_exact_and_the_status_is_asked_at_every_use() {
    let it = Installation::new().await;
    let body = json!({"name": "one", "status": "active", "scopes": ["blog:read", "media:create"]});
    let user = create(&it, body).await;
    for (scope, code) in [
        ("blog:read", "ALLOWED"),
        ("media:create", "ALLOWED"),
        ("blog:write", "PERMISSION_DENIED"),
        ("blog:rea", "PERMISSION_DENIED"),
        ("blog:read2", "PERMISSION_DENIED"),
        ("blog", "PERMISSION_DENIED"),
        ("*", "PERMISSION_DENIED"),
    ] {
        assert_eq!(decide(&it, &user["token"], scope).await, code, "{scope}");
    }
    let all = active(&it, "all", "*").await;
    assert_eq!(decide(&it, &all["token"], "anything:at-all").await, "ALLOWED");
    let none = create(&it, json!({"name": "none", "status": "active"})).await;
    assert_eq!(decide(&it, &none["token"], "blog:read").await, "PERMISSION_DENIED");

    put(&it, &user, json!({"scopes": ["blog:write"]})).await;
    assert_eq!(decide(&it, &user["token"], "blog:read").await, "PERMISSION_DENIED");
    assert_eq!(decide(&it, &user["token"], "blog:write").await, "ALLOWED");
    put(&it, &user, json!({"status": "inactive"})).await;
    assert_eq!(decide(&it, &user["token"], "blog:write").await, "DISABLED");
    put(&it, &user, json!({"status": "active"})).await;
    assert_eq!(decide(&it, &user["token"], "blog:write").await, "ALLOWED");
}

#[actix_web::test]
async fn s4_16_s4_17_the_former_token_is_refused_at_the_very_next_ask() {
    let it = Installation::new().await;
    for round in 0..10 {
        let user = active(&it, &format!("user {round}"), "a").await;
        assert_eq!(decide(&it, &user["token"], "a").await, "ALLOWED");
        let renewed = regenerate(&it, &user).await.body;
        assert_eq!(decide(&it, &user["token"], "a").await, "UNKNOWN_TOKEN");
        assert_eq!(decide(&it, &renewed["token"], "a").await, "ALLOWED");
        it.call(&it.admin, "DELETE", &path(&user), Value::Null).await;
        assert_eq!(decide(&it, &renewed["token"], "a").await, "UNKNOWN_TOKEN");
    }
}

#[actix_web::test]
async fn a_token_is_only_what_was_issued_whatever_its_claims_and_its_signature_say() {
    let it = Installation::new().await;
    let user = active(&it, "forged", "a").await;
    let jwt = user["token"].as_str().unwrap();
    let (signed, mac) = jwt.rsplit_once('.').unwrap();
    for forged in
        [format!("{signed}."), signed.to_owned(), format!("{signed}.{mac}x"), format!(".{signed}.{mac}")]
    {
        assert_eq!(decide(&it, &json!(forged), "a").await, "UNKNOWN_TOKEN");
    }
    // The right key and the right claims, but never issued.
    let own = it.state.service.contentive_jwt(&super::part(&user["token"], 1));
    assert_eq!(decide(&it, &json!(*own), "a").await, "UNKNOWN_TOKEN");
}
