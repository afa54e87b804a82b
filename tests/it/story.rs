//! The newcomer's way through the service: issue, sign, ask, watch the rest fall to zero, revoke, look again.

use countermark_tests::{TestServer, upload_question, url_question};
use serde_json::json;

#[test]
fn a_newcomer_issues_signs_uses_up_and_revokes() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let answer = admin.call(
        "POST",
        "/v1/access-tokens",
        Some(&json!({"type": "imageUrl", "name": "first", "owner": "shop", "limit": 3, "ttl": 3600})),
    );
    assert_eq!(answer.status, 201, "{}", answer.text());
    let token = answer.json();
    let id = token["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("iu_") && id.len() == 25, "{id}");
    assert!(answer.header("location").unwrap().ends_with(&format!("/v1/access-tokens/{id}")));
    assert_eq!(token["keyVersion"], 1);
    assert!(token["extra"]["secret"].as_str().unwrap().starts_with("cms_"), "shown once");
    assert_eq!(
        (&token["used"], &token["remaining"], &token["status"]),
        (&json!(0), &json!(3), &json!("active"))
    );

    let url = admin.sign(&id, "https://img.example.com/mycloud/w:200/i/cat.jpg");
    assert!(url.contains(&format!("/s-cm1:{id}.1,")), "{url}");
    for remaining in [2, 1, 0] {
        let answer = admin.try_authorize(&url_question(&url)).unwrap().json();
        assert_eq!(
            (&answer["code"], &answer["remaining"]),
            (&json!("ALLOWED"), &json!(remaining)),
            "{answer}"
        );
        assert_eq!((&answer["tokenId"], &answer["owner"]), (&json!(id), &json!("shop")));
    }
    let refused = admin.try_authorize(&url_question(&url)).unwrap().json();
    assert_eq!((&refused["allowed"], &refused["code"]), (&json!(false), &json!("LIMIT_REACHED")));
    let view = admin.view(&id);
    assert_eq!((&view["status"], &view["used"]), (&json!("exhausted"), &json!(3)));
    assert!(view["extra"].get("secret").is_none(), "never shown again: {view}");

    assert_eq!(admin.revoke(&id).status, 204);
    assert_eq!(admin.revoke(&id).status, 204, "the same call again does no harm");
    assert_eq!(admin.authorize(&url_question(&url)), "REVOKED");
    assert_eq!(admin.view(&id)["status"], "revoked");
}

#[test]
fn head_and_dry_runs_and_cost_nothing_take_no_use() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let (id, url) = admin.issue_link(Some(1));
    for question in [
        json!({"credential": {"url": url}, "request": {"method": "HEAD"}}),
        json!({"credential": {"url": url}, "dryRun": true}),
        json!({"credential": {"url": url}, "cost": 0}),
    ] {
        assert_eq!(admin.authorize(&question), "ALLOWED", "{question}");
        assert_eq!(admin.used(&id), 0, "{question}");
    }
    assert_eq!(admin.authorize(&url_question(&url)), "ALLOWED");
    assert_eq!(admin.used(&id), 1);
}

#[test]
fn a_changed_link_is_refused_and_costs_nothing() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let (id, url) = admin.issue_link(Some(5));
    let other = url.replace("cat.jpg", "dog.jpg");
    assert_eq!(admin.authorize(&url_question(&other)), "BAD_SIGNATURE");
    assert_eq!(admin.used(&id), 0);
}

#[test]
fn a_regenerated_upload_value_replaces_the_old_one_and_keeps_the_uses() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let (id, value) = admin.issue_upload(Some(5));
    assert_eq!(admin.authorize(&upload_question(&value)), "ALLOWED");
    let answer = admin.call("POST", &format!("/v1/access-tokens/{id}/regenerate"), Some(&json!({})));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let new = answer.json()["value"].as_str().unwrap().to_owned();
    assert_eq!(admin.authorize(&upload_question(&value)), "UNKNOWN_TOKEN");
    assert_eq!(admin.authorize(&upload_question(&new)), "ALLOWED");
    assert_eq!(admin.used(&id), 2);
}

#[test]
fn everything_is_still_there_after_a_restart() {
    let mut server = TestServer::start();
    let mut admin = server.admin();
    let (id, url) = admin.issue_link(Some(2));
    assert_eq!(admin.authorize(&url_question(&url)), "ALLOWED");
    let before = admin.view(&id);
    assert_eq!(server.stop().code(), Some(0));
    server.restart();
    let mut admin = server.admin();
    assert_eq!(admin.view(&id), before);
    assert_eq!(admin.authorize(&url_question(&url)), "ALLOWED");
    assert_eq!(admin.authorize(&url_question(&url)), "LIMIT_REACHED");
}

#[test]
fn a_key_without_a_permission_is_told_which_one_it_lacks() {
    let server = TestServer::start();
    let (_, key) = server.admin().issue_key(&["tokens:read"]);
    let mut reader = server.caller(&key);
    assert_eq!(reader.call("GET", "/v1/access-tokens", None).status, 200);
    let refused = reader.call("POST", "/v1/access-tokens", Some(&json!({"type": "upload"})));
    assert_eq!((refused.status, refused.code().as_str()), (403, "PERMISSION_REQUIRED"));
    assert!(refused.text().contains("tokens:write"), "{}", refused.text());
}

#[test]
fn a_writer_without_more_cannot_reach_an_administrators_rights() {
    let server = TestServer::start();
    let mut admin = server.admin();
    let (own, key) = admin.issue_key(&["tokens:write", "tokens:read"]);
    let administrator = admin.issue(&json!({"type": "apiKey", "permissions": ["*"]}));
    let administrator = administrator["id"].as_str().unwrap();
    let mut writer = server.caller(&key);
    let widest = json!({"type": "apiKey", "permissions": ["*"]});
    let attempts = [
        writer.call("POST", "/v1/access-tokens", Some(&widest)),
        writer.patch(&own, &json!({"permissions": ["*"]})),
        writer.patch(administrator, &json!({"name": "mine"})),
        writer.revoke(administrator),
        writer.call("POST", &format!("/v1/access-tokens/{administrator}/regenerate"), Some(&json!({}))),
        writer.call("DELETE", &format!("/v1/access-tokens/{administrator}?purge=true"), None),
    ];
    for attempt in attempts {
        assert!(matches!(attempt.status, 403 | 404), "{}", attempt.text());
    }
    assert_eq!(admin.view(administrator)["status"], "active");
    assert_eq!(admin.view(&own)["permissions"], json!(["tokens:read", "tokens:write"]));
}
