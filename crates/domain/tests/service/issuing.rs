//! Issuing, repeating and revealing.

use std::sync::Arc;

use countermark_core::TokenValue;
use countermark_domain::{DomainError, Draft, Idempotency, Issued, Outcome, Repeatable};

use crate::installation::{Installation, image_url, upload};

#[tokio::test]
async fn the_first_administrator_is_made_once() {
    let here = Installation::new().await;
    assert!(here.service.bootstrap(None).await.unwrap().is_none());
    let given = TokenValue::parse("cmk_uTRGX1EciFuTjXUPUT7sgVblNpni4P7T0V72OF").unwrap();
    assert!(
        here.service.bootstrap(Some(given)).await.unwrap().is_none(),
        "a configured key revives nothing either"
    );
    let refused =
        here.service.authenticate("cmk_uTRGX1EciFuTjXUPUT7sgVblNpni4P7T0V72OF", "tokens:read").await;
    assert!(matches!(refused, Err(DomainError::Unauthenticated(_))));
}

fn repeatable<'a>(
    here: &Installation,
    render: &'a (dyn Fn(&Issued) -> Vec<u8> + Sync),
    request: u8,
) -> Repeatable<'a> {
    let idempotency =
        Idempotency { caller: here.admin.id(), route: "issue", key: "k", request: [request; 32] };
    Repeatable { idempotency, render }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_issue_gets_the_stored_answer_and_makes_one_token() {
    let here = Arc::new(Installation::new().await);
    let render = |issued: &Issued| issued.value.as_deref().unwrap().clone().into_bytes();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let here = Arc::clone(&here);
            tokio::spawn(async move {
                let outcome =
                    here.service.issue(&here.admin, upload(None), Some(repeatable(&here, &render, 1))).await;
                match outcome.unwrap() {
                    Outcome::Done(issued) => render(&issued),
                    Outcome::Repeated(answer) => answer.to_vec(),
                }
            })
        })
        .collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "all calls get one answer");
    let other = here.service.issue(&here.admin, upload(None), Some(repeatable(&here, &render, 2))).await;
    assert!(matches!(other, Err(DomainError::KeyMismatch)));
}

#[tokio::test]
async fn only_what_is_recoverable_can_be_revealed() {
    let here = Installation::new().await;
    for draft in [image_url(None), upload(None)] {
        let hidden = here.issue(draft).await;
        let refused = here.service.reveal(&here.admin, hidden.token.terms.id).await;
        assert!(matches!(refused, Err(DomainError::NotRecoverable)));
    }
    let value = here.issue(Draft { recoverable: true, ..upload(None) }).await;
    let shown = here.service.reveal(&here.admin, value.token.terms.id).await.unwrap();
    assert_eq!(shown.text, value.value.unwrap());
    let secret = here.issue(Draft { recoverable: true, ..image_url(None) }).await;
    let shown = here.service.reveal(&here.admin, secret.token.terms.id).await.unwrap();
    let (version, secret) = secret.secret.unwrap();
    assert_eq!((shown.text.as_str(), shown.key_version), (secret.expose(), Some(version)));
}

#[tokio::test]
async fn a_stored_token_is_what_was_issued() {
    let here = Installation::new().await;
    let issued = here.issue(Draft { name: Some("shop".into()), ..upload(Some(3)) }).await;
    let here = here.restarted().await;
    let stored = here.service.view(&here.admin, issued.token.terms.id).await.unwrap();
    assert_eq!(format!("{stored:?}"), format!("{:?}", issued.token));
}
