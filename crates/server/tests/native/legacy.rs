//! Links in the form of Shardimage's SDKs, through the routes.

use std::collections::BTreeMap;

use actix_web::test::TestRequest;
use countermark_core::{Counting, Dialect, SigningSecret};
use countermark_domain::{Draft, Outcome, PurposeDraft};
use countermark_server::config::Config;
use serde_json::{Value, json};

use crate::installation::{Answer, Installation};
use crate::legacy_signer::legacy_link;

const SECRET: &str = "secretString";

/// An installation that believes proxies on the loopback address, and the id of a legacy token with this limit.
async fn installation(limit: Option<u64>) -> (Installation, String) {
    let mut config = Config::default();
    config.gate.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let here = Installation::configured(&config).await;
    let admin = here.state.service.authenticate(&here.admin, "tokens:write").await.unwrap();
    let Outcome::Done(issued) = here.state.service.issue(&admin, draft(limit), None).await.unwrap() else {
        panic!("no idempotency key was given")
    };
    (here, issued.token.terms.id.to_string())
}

fn draft(limit: Option<u64>) -> Draft {
    Draft {
        name: None,
        description: None,
        owner: None,
        labels: BTreeMap::new(),
        enabled: true,
        not_before: None,
        expiry: None,
        limit,
        notify: None,
        auto_delete: false,
        recoverable: false,
        dialect: Dialect::Shardimage,
        purpose: PurposeDraft::ImageUrl {
            counting: Counting::Get,
            count_window: 0,
            cloud_id: Some("shop".to_owned()),
            hosts: Vec::new(),
            secret: Some(SigningSecret::short_foreign(SECRET.to_owned()).unwrap()),
            authentication: BTreeMap::new(),
            legacy_signatures: true,
        },
    }
}

fn link(id: &str) -> String {
    legacy_link("https://img.example.com/shop/w:200/i/dir%2Fcat.webp", id, SECRET)
}

async fn ask_gate(here: &Installation, url: &str) -> Answer {
    let target = url.strip_prefix("https://img.example.com").unwrap();
    let ask = TestRequest::with_uri("/v1/forward-auth/forwarded")
        .peer_addr("127.0.0.1:9".parse().unwrap())
        .insert_header(("x-forwarded-uri", target))
        .insert_header(("x-forwarded-method", "GET"))
        .insert_header(("x-forwarded-host", "IMG.example.com:8443"));
    here.send(ask).await
}

#[actix_web::test]
async fn the_gate_counts_legacy_links_and_refuses_changed_ones() {
    let (here, id) = installation(Some(2)).await;
    let url = link(&id);
    for remaining in ["1", "0"] {
        let answer = ask_gate(&here, &url).await;
        assert_eq!((answer.status, answer.header("x-countermark-token-id")), (204, id.as_str()));
        assert_eq!(answer.header("x-countermark-remaining"), remaining);
    }
    for (changed, status) in [
        (url.clone(), 429),
        (url.replace("/shop/", "/other/"), 403),
        (url.replace("w:200", "w:900"), 401),
        (format!("{url}?w=900"), 400),
        (url.replace("/i/", "/%2e%2e/i/"), 400),
        (url.replace("/i/", &format!("/s-token2:{id}/i/")), 400),
    ] {
        assert_eq!(ask_gate(&here, &changed).await.status, status, "{changed}");
    }
}

#[actix_web::test]
async fn a_legacy_link_may_be_cached_until_its_token_ends() {
    let (here, id) = installation(None).await;
    let answer = ask_gate(&here, &link(&id)).await;
    assert_eq!((answer.status, answer.header("x-countermark-cache-control")), (204, "max-age=3600"));
}

#[actix_web::test]
async fn authorize_and_explain_read_legacy_links() {
    let (here, id) = installation(None).await;
    let url = link(&id);
    let ask = |path: &'static str, url: String| {
        let here = &here;
        async move { here.call(&here.admin, "POST", path, json!({"credential": {"url": url}})).await.body }
    };
    let answer = ask("/v1/authorize", url.clone()).await;
    assert_eq!((&answer["code"], &answer["tokenId"]), (&json!("ALLOWED"), &json!(id)));
    let told = ask("/v1/explain", url.clone()).await;
    assert_eq!((&told["form"], &told["canonicalString"]), (&json!("s-token2"), &Value::Null));
    let told = ask("/v1/explain", url.replace("/w:200", "/w:201")).await;
    assert_eq!((&told["code"], &told["form"]), (&json!("BAD_SIGNATURE"), &json!("s-token2")));
    let told = ask("/v1/explain", format!("{url}?x")).await;
    assert_eq!((&told["code"], &told["form"]), (&json!("MALFORMED"), &Value::Null));
}

#[actix_web::test]
async fn the_native_api_shows_legacy_tokens_and_signs_nothing_with_them() {
    let (here, id) = installation(None).await;
    let record = here.get(&here.admin, &format!("/v1/access-tokens/{id}")).await.body;
    assert_eq!((&record["legacySignatures"], &record["dialect"]), (&json!(true), &json!("shardimage")));
    let order = json!({"tokenId": id, "url": "https://img.example.com/shop/w:200/i/cat.webp"});
    let answer = here.call(&here.admin, "POST", "/v1/signed-urls", order).await;
    assert_eq!(answer.refusal(), (409, "LINK_REFUSED", ""));
    let signed_already = json!({"tokenId": id, "url": link(&id)});
    assert!(here.call(&here.admin, "POST", "/v1/signed-urls", signed_already).await.status >= 400);
}
