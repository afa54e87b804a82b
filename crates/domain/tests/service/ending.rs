//! When a call that ends or narrows something has been answered, nothing more is allowed.

use std::sync::Arc;

use countermark_core::DenyReason;
use countermark_domain::{
    Credential, DomainError, Facts, NewPassword, Outcome, Patch, PurposeDraft, Question, TokenPatch,
};
use zeroize::Zeroizing;

use crate::installation::{Installation, api_key, ask_with, at, get, image_url, link, link_by, upload};

#[tokio::test]
async fn a_revoked_token_is_refused_from_the_cache_too() {
    let here = Installation::new().await;
    for limit in [None, Some(100)] {
        let issued = here.issue(image_url(limit)).await;
        let url = link(&issued);
        assert!(here.ask(get(&url)).await.is_ok(), "and is now cached");
        here.service.revoke(&here.admin, issued.token.terms.id, false).await.unwrap();
        assert_eq!(here.ask(get(&url)).await.unwrap_err(), DenyReason::Revoked);
        here.service
            .revoke(&here.admin, issued.token.terms.id, false)
            .await
            .expect("repeating it changes nothing");
    }
}

#[tokio::test]
async fn a_purged_token_is_unknown() {
    let here = Installation::new().await;
    let issued = here.issue(image_url(Some(5))).await;
    let url = link(&issued);
    assert!(here.ask(get(&url)).await.is_ok());
    here.service.purge(&here.admin, issued.token.terms.id).await.unwrap();
    assert_eq!(here.ask(get(&url)).await.unwrap_err(), DenyReason::UnknownToken);
    let again = here.service.purge(&here.admin, issued.token.terms.id).await;
    assert!(matches!(again, Err(DomainError::NotFound)));
}

#[tokio::test]
async fn children_end_with_their_parent_only_if_asked() {
    let here = Installation::new().await;
    let parent = here.key(&["tokens:*", "read"]).await;
    let child = here.issue_by(&parent, image_url(None)).await.unwrap();
    let child_key = here.issue_by(&parent, api_key(&["tokens:write", "read"])).await.unwrap();
    let child_caller = here.service.authenticate(&child_key.value.unwrap(), "tokens:write").await.unwrap();
    let grandchild = here.issue_by(&child_caller, image_url(Some(3))).await.unwrap();
    let (url, grand_url) = (link(&child), link(&grandchild));
    assert!(here.ask(get(&url)).await.is_ok() && here.ask(get(&grand_url)).await.is_ok());
    here.service.revoke(&here.admin, parent.id(), false).await.unwrap();
    assert!(here.ask(get(&url)).await.is_ok());
    here.service.revoke(&here.admin, parent.id(), true).await.unwrap();
    assert_eq!(here.ask(get(&url)).await.unwrap_err(), DenyReason::Revoked);
    assert_eq!(here.ask(get(&grand_url)).await.unwrap_err(), DenyReason::Revoked);
}

#[tokio::test]
async fn a_regenerated_value_ends_the_old_one_at_once_or_after_the_overlap() {
    let here = Installation::new().await;
    let issued = here.issue(upload(Some(10))).await;
    let id = issued.token.terms.id;
    let first = issued.value.unwrap();
    let put = |value| ask_with(Credential::Value(value), Facts { method: Some("PUT"), ..Facts::default() });
    assert!(here.ask(put(&first)).await.is_ok());
    let second = regenerated(&here, id, 0).await.value.unwrap();
    assert_eq!(here.ask(put(&first)).await.unwrap_err(), DenyReason::UnknownToken);
    assert_eq!(here.ask(put(&second)).await.unwrap().used, 2, "the uses stay");
    let third = regenerated(&here, id, 60).await.value.unwrap();
    assert!(here.ask(put(&second)).await.is_ok() && here.ask(put(&third)).await.is_ok());
    here.clock.advance(60);
    assert_eq!(here.ask(put(&second)).await.unwrap_err(), DenyReason::UnknownToken);
    assert!(here.ask(put(&third)).await.is_ok());
}

#[tokio::test]
async fn a_rotated_secret_verifies_only_within_its_overlap() {
    let here = Installation::new().await;
    let issued = here.issue(image_url(None)).await;
    let id = issued.token.terms.id;
    let old = link(&issued);
    let new = link_by(id, regenerated(&here, id, 100).await.secret.as_ref().unwrap());
    assert!(here.ask(get(&old)).await.is_ok() && here.ask(get(&new)).await.is_ok());
    here.clock.advance(100);
    assert_eq!(here.ask(get(&old)).await.unwrap_err(), DenyReason::BadSignature);
    assert!(here.ask(get(&new)).await.is_ok());
}

#[tokio::test]
async fn a_narrowing_holds_when_it_has_been_answered() {
    let here = Installation::new().await;
    let narrowings: [(TokenPatch, DenyReason); 3] = [
        (TokenPatch { enabled: Patch::Set(false), ..TokenPatch::default() }, DenyReason::Disabled),
        (TokenPatch { expiry: Patch::Set(at(1_800_000_000)), ..TokenPatch::default() }, DenyReason::Expired),
        (TokenPatch { limit: Patch::Set(1), ..TokenPatch::default() }, DenyReason::LimitReached),
    ];
    for (patch, reason) in narrowings {
        let issued = here.issue(image_url(Some(50))).await;
        let url = link(&issued);
        assert!(here.ask(get(&url)).await.is_ok());
        here.service.update(&here.admin, issued.token.terms.id, None, patch).await.unwrap();
        assert_eq!(here.ask(get(&url)).await.unwrap_err(), reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_waits_for_a_password_while_its_token_is_revoked_is_refused() {
    let here = Arc::new(Installation::new().await);
    let mut draft = image_url(None);
    if let PurposeDraft::ImageUrl { authentication, .. } = &mut draft.purpose {
        let password = Zeroizing::new("open sesame".to_owned());
        authentication.insert("alice".to_owned(), NewPassword::Plain(password));
    }
    let issued = here.issue(draft).await;
    let url: Arc<str> = link(&issued).into();
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let (here, url) = (Arc::clone(&here), Arc::clone(&url));
            tokio::spawn(async move {
                let facts = Facts { viewer: Some(("alice", "open sesame")), ..Facts::default() };
                here.ask(Question { facts, ..get(&url) }).await.map(|_| ())
            })
        })
        .collect();
    here.service.revoke(&here.admin, issued.token.terms.id, false).await.unwrap();
    let mut answers = Vec::new();
    for asked in asking {
        answers.push(asked.await.unwrap());
    }
    // Two hashes run at once, each far longer than a revocation: whoever queued behind them answers after it.
    assert_eq!(answers.last(), Some(&Err(DenyReason::Revoked)));
}

async fn regenerated(
    here: &Installation,
    id: countermark_core::TokenId,
    overlap: u64,
) -> countermark_domain::Issued {
    match here.service.regenerate(&here.admin, id, overlap, None).await.unwrap() {
        Outcome::Done(issued) => *issued,
        Outcome::Repeated(_) => panic!("no idempotency key was given"),
    }
}
