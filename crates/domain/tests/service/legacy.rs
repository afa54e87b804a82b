//! Tokens with legacy signatures, as the dialect of Shardimage will issue them.

use countermark_core::{DenyReason, Dialect, Placement, SignatureForm, SigningSecret, TokenId};
use countermark_domain::{
    Credential, DomainError, Draft, Facts, Issued, Outcome, PurposeDraft, SigningOrder,
};

use crate::installation::{Installation, START, ask_with, at, get, image_url, link_by};
use crate::legacy_signer::legacy_link;

const SECRET: &str = "secretString";
const UNSIGNED: &str = "https://img.example.com/c1/o-download/w:200/i/dir%2Fcat.webp";

fn legacy(limit: Option<u64>, cloud: Option<&str>) -> Draft {
    let mut draft = image_url(limit);
    draft.dialect = Dialect::Shardimage;
    if let PurposeDraft::ImageUrl { legacy_signatures, cloud_id, secret, .. } = &mut draft.purpose {
        *legacy_signatures = true;
        *cloud_id = cloud.map(str::to_owned);
        *secret = Some(SigningSecret::short_foreign(SECRET.to_owned()).unwrap());
    }
    draft
}

fn signed(id: TokenId) -> String {
    legacy_link(UNSIGNED, &id.to_string(), SECRET)
}

async fn regenerated(here: &Installation, id: TokenId, overlap: u64) -> Issued {
    match here.service.regenerate(&here.admin, id, overlap, None).await.unwrap() {
        Outcome::Done(issued) => *issued,
        Outcome::Repeated(_) => panic!("no idempotency key was given"),
    }
}

#[tokio::test]
async fn a_legacy_link_is_counted_up_to_its_limit_and_read_back_from_the_database() {
    let here = Installation::new().await;
    let id = here.issue(legacy(Some(2), Some("c1"))).await.token.terms.id;
    let url = signed(id);
    assert_eq!(here.ask(get(&url)).await.unwrap().used, 1);
    let here = here.restarted().await;
    let target = url.strip_prefix("https://img.example.com").unwrap();
    let at_gate = ask_with(Credential::Target { host: "IMG.example.com:8443", target }, Facts::default());
    assert_eq!(here.ask(at_gate).await.unwrap().used, 2);
    assert_eq!(here.ask(get(&url)).await.unwrap_err(), DenyReason::LimitReached);
    assert_eq!(here.used(id).await, 2);
}

#[tokio::test]
async fn a_changed_legacy_link_is_refused() {
    let here = Installation::new().await;
    let url = signed(here.issue(legacy(None, Some("c1"))).await.token.terms.id);
    let other_token = signed(here.issue(legacy(None, Some("c1"))).await.token.terms.id);
    let signature = |url: &str| url.split([',', '/']).nth(5).unwrap().to_owned();
    for (changed, reason) in [
        (url.replace("/c1/", "/c2/"), DenyReason::WrongCloud),
        (url.replace("img.", "cdn."), DenyReason::BadSignature),
        (url.replace("w:200", "w:900"), DenyReason::BadSignature),
        (url.replace(&signature(&url), &signature(&other_token)), DenyReason::BadSignature),
        (format!("{url}?"), DenyReason::Malformed),
        (format!("{url}?w=900"), DenyReason::Malformed),
        (url.replace("/i/", "/../i/"), DenyReason::Malformed),
    ] {
        assert_eq!(here.ask(get(&changed)).await.unwrap_err(), reason, "{changed}");
    }
    assert!(here.ask(get(&url)).await.is_ok());
}

#[tokio::test]
async fn legacy_signatures_demand_a_cloud() {
    let here = Installation::new().await;
    let refused = here.issue_by(&here.admin, legacy(None, None)).await;
    assert!(matches!(refused, Err(DomainError::Invalid { pointer: "/extra/cloudId", .. })));
}

#[tokio::test]
async fn a_replaced_secret_of_a_legacy_token_verifies_only_within_its_overlap() {
    let here = Installation::new().await;
    let id = here.issue(legacy(None, Some("c1"))).await.token.terms.id;
    let old = signed(id);
    assert_eq!(here.ask(get(&old)).await.unwrap().link_ends, None);
    let (_, secret) = regenerated(&here, id, 100).await.secret.unwrap();
    let new = legacy_link(UNSIGNED, &id.to_string(), secret.expose());
    assert_eq!(here.ask(get(&old)).await.unwrap().link_ends, Some(at(START + 100)));
    assert_eq!(here.ask(get(&new)).await.unwrap().link_ends, None);
    here.clock.advance(100);
    assert_eq!(here.ask(get(&old)).await.unwrap_err(), DenyReason::BadSignature);
    let here = here.restarted().await;
    assert!(here.ask(get(&new)).await.is_ok());
    let told = here.service.explain(&here.admin, &get(&old)).await.unwrap();
    assert_eq!(told.differs, ["the signature was made with secret version 1, which is retired"]);
}

#[tokio::test]
async fn no_token_verifies_both_forms() {
    let here = Installation::new().await;
    let issued = here.issue(legacy(None, Some("c1"))).await;
    let (id, own) = (issued.token.terms.id, issued.secret.unwrap());
    let ours = link_by(id, &own);
    assert_eq!(here.ask(get(&ours)).await.unwrap_err(), DenyReason::BadSignature);
    let told = here.service.explain(&here.admin, &get(&ours)).await.unwrap();
    assert_eq!(told.differs, ["the token verifies s-token2 URLs only"]);

    let issued = here.issue(image_url(None)).await;
    let theirs = legacy_link(UNSIGNED, &issued.token.terms.id.to_string(), issued.secret.unwrap().1.expose());
    assert_eq!(here.ask(get(&theirs)).await.unwrap_err(), DenyReason::BadSignature);
    let told = here.service.explain(&here.admin, &get(&theirs)).await.unwrap();
    assert_eq!(told.differs, ["the token verifies cm1 URLs only"]);
}

#[tokio::test]
async fn nothing_is_signed_with_a_legacy_secret() {
    let here = Installation::new().await;
    let token = here.issue(legacy(None, Some("c1"))).await.token.terms.id;
    for placement in [Placement::Path, Placement::Query] {
        let order = SigningOrder { token, url: UNSIGNED, expiry: None, bucket: 0, placement };
        let refused = here.service.sign(&here.admin, order).await;
        assert!(matches!(refused, Err(DomainError::Unsignable(DenyReason::BadSignature))));
    }
}

#[tokio::test]
async fn an_explanation_tells_the_form_and_never_a_signature() {
    let here = Installation::new().await;
    let mut draft = legacy(None, Some("c1"));
    if let PurposeDraft::ImageUrl { hosts, .. } = &mut draft.purpose {
        *hosts = ["img.example.com", "cdn.example.com"]
            .map(|host| countermark_core::Host::parse(host).unwrap())
            .into();
    }
    let url = signed(here.issue(draft).await.token.terms.id);
    let told = here.service.explain(&here.admin, &get(&url)).await.unwrap();
    assert_eq!((told.verdict, told.form, told.canonical_string), (Ok(()), Some(SignatureForm::Token2), None));
    let elsewhere = url.replace("img.", "cdn.");
    let told = here.service.explain(&here.admin, &get(&elsewhere)).await.unwrap();
    assert_eq!(told.differs, ["the signature was made for the host img.example.com"]);
    let other = url.replace("w:200", "w:900");
    let told = here.service.explain(&here.admin, &get(&other)).await.unwrap();
    let right = legacy_link(
        &UNSIGNED.replace("w:200", "w:900"),
        &told.token.as_ref().unwrap().terms.id.to_string(),
        SECRET,
    );
    let right = right.split([',', '/']).nth(5).unwrap();
    assert_eq!(right.len(), 32);
    let shown = format!("{told:?}");
    assert!(shown.contains("img.example.com") && !shown.contains(right) && !shown.contains(SECRET));
}
