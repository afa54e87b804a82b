//! Changing a token.

use std::sync::Arc;

use countermark_core::DenyReason;
use countermark_domain::{DomainError, Patch, TokenPatch, UploadPatch};

use crate::installation::{Installation, get, image_url, link, upload};

#[tokio::test(flavor = "multi_thread")]
async fn of_many_changes_to_one_revision_one_wins() {
    let here = Arc::new(Installation::new().await);
    let id = here.issue(image_url(Some(10))).await.token.terms.id;
    let calls: Vec<_> = (0..50)
        .map(|n| {
            let here = Arc::clone(&here);
            tokio::spawn(async move {
                let patch = TokenPatch { name: Patch::Set(format!("name {n}")), ..TokenPatch::default() };
                here.service.update(&here.admin, id, Some(1), patch).await
            })
        })
        .collect();
    let mut won = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(token) => {
                won += 1;
                assert_eq!(token.terms.revision, 2);
            }
            Err(error) => assert!(matches!(error, DomainError::RevisionMismatch)),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_demanded_revision_every_change_is_made() {
    let here = Arc::new(Installation::new().await);
    let id = here.issue(image_url(Some(10))).await.token.terms.id;
    let calls: Vec<_> = (0..20)
        .map(|n| {
            let here = Arc::clone(&here);
            tokio::spawn(async move {
                let label = [(format!("l{n}"), Some("x".to_owned()))].into();
                let patch = TokenPatch { labels: Patch::Set(label), ..TokenPatch::default() };
                here.service.update(&here.admin, id, None, patch).await.unwrap();
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    let token = here.service.view(&here.admin, id).await.unwrap();
    assert_eq!((token.about.labels.len(), token.terms.revision), (20, 21), "no change was lost");
}

#[tokio::test]
async fn a_limit_below_the_uses_taken_is_refused_and_changes_nothing() {
    let here = Installation::new().await;
    let issued = here.issue(image_url(Some(10))).await;
    let url = link(&issued);
    for _ in 0..3 {
        assert!(here.ask(get(&url)).await.is_ok());
    }
    let to = |limit| TokenPatch { limit: Patch::Set(limit), ..TokenPatch::default() };
    let refused = here.service.update(&here.admin, issued.token.terms.id, None, to(2)).await;
    assert!(matches!(refused, Err(DomainError::LimitBelowUsed)));
    here.service.update(&here.admin, issued.token.terms.id, None, to(3)).await.unwrap();
    assert_eq!(here.ask(get(&url)).await.unwrap_err(), DenyReason::LimitReached);
    here.service.update(&here.admin, issued.token.terms.id, None, to(4)).await.unwrap();
    assert_eq!(here.ask(get(&url)).await.unwrap().used, 4);
}

#[tokio::test]
async fn uses_do_not_change_the_revision() {
    let here = Installation::new().await;
    let issued = here.issue(image_url(Some(10))).await;
    let url = link(&issued);
    assert!(here.ask(get(&url)).await.is_ok());
    let token = here.service.view(&here.admin, issued.token.terms.id).await.unwrap();
    assert_eq!((token.usage.used, token.terms.revision), (1, 1));
}

#[tokio::test]
async fn a_revoked_token_is_not_changed_and_members_of_other_types_are_refused() {
    let here = Installation::new().await;
    let id = here.issue(upload(None)).await.token.terms.id;
    let foreign = TokenPatch { permissions: Patch::Set(Vec::new()), ..TokenPatch::default() };
    let refused = here.service.update(&here.admin, id, None, foreign).await;
    assert!(matches!(refused, Err(DomainError::Invalid { pointer: "/permissions", .. })));
    here.service.revoke(&here.admin, id, false).await.unwrap();
    let patch = TokenPatch { name: Patch::Set("x".into()), ..TokenPatch::default() };
    assert!(matches!(
        here.service.update(&here.admin, id, None, patch).await,
        Err(DomainError::TokenRevoked)
    ));
}

#[tokio::test]
async fn the_extra_of_an_upload_token_changes_member_by_member() {
    let here = Installation::new().await;
    let id = here.issue(upload(None)).await.token.terms.id;
    let with = |upload| TokenPatch {
        extra: countermark_domain::ExtraPatch { upload, ..Default::default() },
        ..TokenPatch::default()
    };
    let first = UploadPatch {
        max_bytes: Patch::Set(100),
        format: Patch::Set("webp".into()),
        ..UploadPatch::default()
    };
    here.service.update(&here.admin, id, None, with(first)).await.unwrap();
    let second = UploadPatch { format: Patch::Clear, ..UploadPatch::default() };
    let token = here.service.update(&here.admin, id, None, with(second)).await.unwrap();
    let countermark_core::Purpose::Upload(upload) = &token.terms.purpose else { panic!("an upload token") };
    assert_eq!((upload.extra.max_bytes, upload.extra.format.as_deref()), (Some(100), None));
    let crossed = UploadPatch { min_bytes: Patch::Set(101), ..UploadPatch::default() };
    let refused = here.service.update(&here.admin, id, None, with(crossed)).await;
    assert!(matches!(refused, Err(DomainError::Invalid { pointer: "/extra/minBytes", .. })));
}
