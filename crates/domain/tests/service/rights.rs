//! Nobody reaches further than his own rights, by any road.

use countermark_core::{DenyReason, Permission, Placement};
use countermark_domain::store::StoreError;
use countermark_domain::{DomainError, Draft, Expiry, ExtraPatch, Patch, SigningOrder, TokenPatch};

use crate::installation::{Installation, api_key, api_key_in, at, get, image_url, link, upload};

#[tokio::test]
async fn a_key_that_only_writes_tokens_reaches_no_administrator_by_any_road() {
    let here = Installation::new().await;
    let writer = here.key(&["tokens:write", "tokens:read", "tokens:reveal", "sign"]).await;
    let administrator = here.issue(Draft { recoverable: true, ..api_key(&["*"]) }).await.token.terms.id;
    let own = here.issue_by(&writer, api_key(&["tokens:read"])).await.unwrap().token.terms.id;
    let service = &here.service;

    let issued = service.issue(&writer, api_key(&["*"]), None).await;
    assert!(matches!(issued, Err(DomainError::RightsExceeded("/permissions"))));
    let widened = TokenPatch {
        permissions: Patch::Set(vec![Permission::parse("*").unwrap()]),
        ..TokenPatch::default()
    };
    let patched = service.update(&writer, own, None, widened).await;
    assert!(matches!(patched, Err(DomainError::RightsExceeded("/permissions"))));
    let narrowed = TokenPatch { permissions: Patch::Set(Vec::new()), ..TokenPatch::default() };
    let patched = service.update(&writer, administrator, None, narrowed).await;
    assert!(matches!(patched, Err(DomainError::RightsExceeded(_))), "also if it would be narrow afterwards");
    let regenerated = service.regenerate(&writer, administrator, 0, None).await;
    assert!(matches!(regenerated, Err(DomainError::RightsExceeded(_))));
    for cascade in [false, true] {
        let revoked = service.revoke(&writer, administrator, cascade).await;
        assert!(matches!(revoked, Err(DomainError::RightsExceeded(_))));
    }
    assert!(matches!(service.purge(&writer, administrator).await, Err(DomainError::RightsExceeded(_))));
    assert!(matches!(service.reveal(&writer, administrator).await, Err(DomainError::RightsExceeded(_))));
}

#[tokio::test]
async fn no_key_changes_itself() {
    let here = Installation::new().await;
    let key = here.key(&["*"]).await;
    let service = &here.service;
    let patch = || TokenPatch { limit: Patch::Set(5), ..TokenPatch::default() };
    assert!(matches!(service.update(&key, key.id(), None, patch()).await, Err(DomainError::SelfChange)));
    assert!(matches!(service.regenerate(&key, key.id(), 0, None).await, Err(DomainError::SelfChange)));
    assert!(matches!(service.revoke(&key, key.id(), false).await, Err(DomainError::SelfChange)));
    assert!(matches!(service.purge(&key, key.id()).await, Err(DomainError::SelfChange)));
}

#[tokio::test]
async fn a_call_of_a_key_that_was_ended_meanwhile_does_nothing() {
    let here = Installation::new().await;
    let service = &here.service;
    let endings = [
        TokenPatch { enabled: Patch::Set(false), ..TokenPatch::default() },
        TokenPatch { permissions: Patch::Set(Vec::new()), ..TokenPatch::default() },
    ];
    for ending in endings.map(Some).into_iter().chain([None]) {
        let caller = here.key(&["*"]).await;
        let target = here.issue(Draft { recoverable: true, ..upload(None) }).await.token.terms.id;
        match ending {
            Some(patch) => drop(service.update(&here.admin, caller.id(), None, patch).await.unwrap()),
            None => service.revoke(&here.admin, caller.id(), true).await.unwrap(),
        }
        let refused = |done: Result<(), DomainError>| {
            assert!(matches!(done, Err(DomainError::Store(StoreError::ActorChanged))), "{done:?}");
        };
        refused(here.issue_by(&caller, api_key(&["*"])).await.map(drop));
        let patch = TokenPatch { name: Patch::Set("x".into()), ..TokenPatch::default() };
        refused(service.update(&caller, target, None, patch).await.map(drop));
        refused(service.regenerate(&caller, target, 0, None).await.map(drop));
        refused(service.reveal(&caller, target).await.map(drop));
        refused(service.revoke(&caller, target, false).await);
        refused(service.purge(&caller, target).await);
        let token = service.view(&here.admin, target).await.unwrap();
        assert_eq!((token.terms.revision, token.terms.revoked_at), (1, None));
    }
}

#[tokio::test]
async fn explain_tells_of_a_foreign_token_only_whoever_presents_it() {
    let here = Installation::new().await;
    let bound = here.key_of(api_key_in(&["*"], None, Some(&["c2"]))).await;
    let issued = here.issue(Draft { owner: Some("someone".into()), ..image_url(Some(7)) }).await;
    let good = link(&issued);
    let forged = good.replace("/i/cat.jpg", "/i/dog.jpg");
    let told = here.service.explain(&bound, &get(&forged)).await.unwrap();
    assert_eq!(told.verdict, Err(DenyReason::UnknownToken));
    assert!(told.token.is_none() && told.steps.is_empty());
    let told = here.service.explain(&bound, &get(&good)).await.unwrap();
    assert!(told.verdict.is_ok() && told.token.is_some());
    let told = here.service.explain(&here.admin, &get(&forged)).await.unwrap();
    assert_eq!(told.verdict, Err(DenyReason::BadSignature));
}

#[tokio::test]
async fn what_lies_in_other_clouds_looks_absent() {
    let here = Installation::new().await;
    let bound = here.key_of(api_key_in(&["*"], None, Some(&["c1"]))).await;
    let foreign = here.issue(api_key_in(&["read"], None, Some(&["c2"]))).await.token.terms.id;
    let service = &here.service;
    assert!(matches!(service.view(&bound, foreign).await, Err(DomainError::NotFound)));
    assert!(!service.exists(&bound, foreign).await.unwrap());
    assert!(matches!(service.revoke(&bound, foreign, false).await, Err(DomainError::NotFound)));
    assert!(matches!(service.regenerate(&bound, foreign, 0, None).await, Err(DomainError::NotFound)));
    assert!(matches!(service.usage(&bound, foreign, at(0), at(1)).await, Err(DomainError::NotFound)));
    let listed = service
        .list(&bound, countermark_domain::store::ListFilter { at_most: 50, ..Default::default() })
        .await;
    assert!(listed.unwrap().tokens.iter().all(|token| token.terms.id != foreign));
}

#[tokio::test]
async fn a_child_gets_the_bounds_of_its_parent() {
    let here = Installation::new().await;
    let bounds = Draft {
        expiry: Some(Expiry::After(1000)),
        limit: Some(7),
        ..api_key_in(&["*"], None, Some(&["c1"]))
    };
    let bound = here.key_of(bounds).await;
    let child = here.issue_by(&bound, upload(None)).await.unwrap().token;
    assert_eq!((child.terms.expiry, child.terms.limit), (bound.terms().expiry, Some(7)));
    let longer = Draft { expiry: Some(Expiry::After(1001)), ..upload(None) };
    assert!(matches!(here.issue_by(&bound, longer).await, Err(DomainError::RightsExceeded("/expiry"))));
    let more = Draft { limit: Some(8), ..upload(None) };
    assert!(matches!(here.issue_by(&bound, more).await, Err(DomainError::RightsExceeded("/limit"))));
    let unbound = TokenPatch { expiry: Patch::Clear, limit: Patch::Clear, ..TokenPatch::default() };
    let patched = here.service.update(&bound, child.terms.id, None, unbound).await.unwrap();
    assert_eq!((patched.terms.expiry, patched.terms.limit), (bound.terms().expiry, Some(7)));
    let elsewhere = ExtraPatch { cloud_id: Patch::Set("c2".into()), ..ExtraPatch::default() };
    let patched = here
        .service
        .update(&bound, child.terms.id, None, TokenPatch { extra: elsewhere, ..TokenPatch::default() })
        .await;
    assert!(matches!(patched, Err(DomainError::RightsExceeded("/extra/cloudId"))));
}

#[tokio::test]
async fn a_path_bound_key_cannot_manage_what_no_path_binds() {
    let here = Installation::new().await;
    let bound = here.key_of(api_key_in(&["*"], Some("/shop"), None)).await;
    assert!(matches!(
        here.issue_by(&bound, image_url(None)).await,
        Err(DomainError::RightsExceeded("/type"))
    ));
    let inside = here.issue_by(&bound, api_key_in(&["read"], Some("/shop/a"), None)).await;
    assert!(inside.is_ok());
    let outside = here.issue_by(&bound, api_key_in(&["read"], Some("/shop2"), None)).await;
    assert!(matches!(outside, Err(DomainError::RightsExceeded("/basePath"))));
}

#[tokio::test]
async fn signing_demands_a_token_within_the_callers_rights_that_would_allow_the_link() {
    let here = Installation::new().await;
    let bound = here.key_of(api_key_in(&["*"], None, Some(&["c1"]))).await;
    let foreign = here.issue(image_url(None)).await.token.terms.id;
    let own = here.issue_by(&bound, image_url(None)).await.unwrap().token.terms.id;
    let order = |token, url| SigningOrder { token, url, expiry: None, bucket: 0, placement: Placement::Path };
    let url = "https://img.example.com/c1/i/a";
    assert!(matches!(here.service.sign(&bound, order(foreign, url)).await, Err(DomainError::NotFound)));
    assert!(here.service.sign(&bound, order(own, url)).await.is_ok());
    let elsewhere = here.service.sign(&bound, order(own, "https://img.example.com/c2/i/a")).await;
    assert!(matches!(elsewhere, Err(DomainError::Unsignable(countermark_core::DenyReason::WrongCloud))));
    here.service.revoke(&bound, own, false).await.unwrap();
    let revoked = here.service.sign(&bound, order(own, url)).await;
    assert!(matches!(revoked, Err(DomainError::Unsignable(countermark_core::DenyReason::Revoked))));
}
