//! What counts as a use, and that it is counted exactly.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countermark_core::DenyReason;
use countermark_domain::{
    Credential, DomainError, Draft, Facts, Idempotency, Patch, PurposeDraft, Question, TokenPatch,
};

use crate::installation::{Installation, ask_with, get, image_url, link, upload};

#[tokio::test(flavor = "multi_thread")]
async fn exactly_as_many_uses_are_granted_as_the_limit_allows() {
    let here = Arc::new(Installation::new().await);
    let issued = here.issue(image_url(Some(100))).await;
    let url: Arc<str> = link(&issued).into();
    let asking = (0..400).map(|_| {
        let (here, url) = (Arc::clone(&here), Arc::clone(&url));
        tokio::spawn(async move { here.ask(get(&url)).await.map(|answer| answer.used) })
    });
    let mut granted = Vec::new();
    for asked in asking.collect::<Vec<_>>() {
        match asked.await.unwrap() {
            Ok(used) => granted.push(used),
            Err(reason) => assert_eq!(reason, DenyReason::LimitReached),
        }
    }
    granted.sort_unstable();
    assert_eq!(granted, (1..=100).collect::<Vec<u64>>(), "each use is granted once, with its own number");
    assert_eq!(here.used(issued.token.terms.id).await, 100);
}

#[tokio::test]
async fn head_is_free_also_when_the_limit_is_reached() {
    let here = Installation::new().await;
    let url = link(&here.issue(image_url(Some(1))).await);
    let head = ask_with(Credential::Url(&url), Facts { method: Some("HEAD"), ..Facts::default() });
    assert!(here.ask(get(&url)).await.is_ok());
    assert_eq!(here.ask(get(&url)).await.unwrap_err(), DenyReason::LimitReached);
    assert_eq!(here.ask(head).await.unwrap().used, 1);
}

#[tokio::test]
async fn a_cost_is_taken_whole_or_not_at_all() {
    let here = Installation::new().await;
    let url = link(&here.issue(image_url(Some(5))).await);
    let of_three = Question { cost: 3, ..get(&url) };
    assert_eq!(here.ask(of_three).await.unwrap().used, 3);
    assert_eq!(here.ask(of_three).await.unwrap_err(), DenyReason::LimitReached);
    assert_eq!(here.ask(Question { cost: 2, ..get(&url) }).await.unwrap().used, 5);
    assert!(here.ask(Question { cost: 0, ..get(&url) }).await.is_ok(), "nothing is taken of nothing");
}

#[tokio::test]
async fn a_dry_run_tells_and_takes_nothing() {
    let here = Installation::new().await;
    let issued = here.issue(image_url(Some(1))).await;
    let url = link(&issued);
    let dry = Question { dry_run: true, ..get(&url) };
    assert!(here.ask(dry).await.is_ok() && here.ask(dry).await.is_ok());
    assert_eq!(here.used(issued.token.terms.id).await, 0);
    assert!(here.ask(get(&url)).await.is_ok());
    assert_eq!(here.ask(dry).await.unwrap_err(), DenyReason::LimitReached);
}

#[tokio::test]
async fn a_refusal_costs_nothing() {
    let here = Installation::new().await;
    let issued = here.issue(upload(Some(1))).await;
    let value = issued.value.unwrap();
    let put =
        |method| ask_with(Credential::Value(&value), Facts { method: Some(method), ..Facts::default() });
    assert_eq!(here.ask(put("GET")).await.unwrap_err(), DenyReason::MethodDenied);
    assert_eq!(here.ask(put("PUT")).await.unwrap().used, 1);
}

#[tokio::test]
async fn a_retry_with_the_same_key_takes_no_second_use() {
    let here = Installation::new().await;
    let issued = here.issue(image_url(Some(2))).await;
    let url = link(&issued);
    let caller = here.admin.id();
    let with = |key, request| Question {
        idempotency: Some(Idempotency { caller, route: "authorize", key, request: [request; 32] }),
        ..get(&url)
    };
    assert_eq!(here.ask(with("a", 1)).await.unwrap().used, 1);
    assert_eq!(here.ask(with("a", 1)).await.unwrap().used, 1);
    assert_eq!(here.ask(with("b", 1)).await.unwrap().used, 2);
    assert_eq!(here.ask(with("a", 1)).await.unwrap().used, 2, "also when the limit is reached by now");
    assert_eq!(here.ask(with("c", 1)).await.unwrap_err(), DenyReason::LimitReached);
    let mismatch = here.service.authorize(&with("a", 2)).await;
    assert!(matches!(mismatch, Err(DomainError::KeyMismatch)));
}

#[tokio::test]
async fn a_refused_use_leaves_its_key_free() {
    let here = Installation::new().await;
    let issued = here.issue(image_url(Some(0))).await;
    let url = link(&issued);
    let idempotency = Idempotency { caller: here.admin.id(), route: "authorize", key: "a", request: [1; 32] };
    let question = Question { idempotency: Some(idempotency), ..get(&url) };
    assert_eq!(here.ask(question).await.unwrap_err(), DenyReason::LimitReached);
    let patch =
        countermark_domain::TokenPatch { limit: countermark_domain::Patch::Set(1), ..Default::default() };
    here.service.update(&here.admin, issued.token.terms.id, None, patch).await.unwrap();
    assert_eq!(here.ask(question).await.unwrap().used, 1);
}

fn windowed(seconds: u32) -> Draft {
    let mut draft = image_url(Some(10));
    if let PurposeDraft::ImageUrl { count_window, .. } = &mut draft.purpose {
        *count_window = seconds;
    }
    draft
}

#[tokio::test]
async fn within_the_window_one_client_counts_once_for_one_target() {
    let here = Installation::new().await;
    let issued = here.issue(windowed(60)).await;
    let url = link(&issued);
    let from = |client| Question { facts: Facts { client: Some(client), ..Facts::default() }, ..get(&url) };
    for _ in 0..3 {
        assert_eq!(here.ask(from("192.0.2.1")).await.unwrap().used, 1);
    }
    assert_eq!(here.ask(from("192.0.2.2")).await.unwrap().used, 2, "another client is another use");
    assert_eq!(here.ask(get(&url)).await.unwrap().used, 3, "an unknown client always counts");
    here.clock.advance(59);
    assert_eq!(here.ask(from("192.0.2.1")).await.unwrap().used, 3);
    here.clock.advance(1);
    assert_eq!(here.ask(from("192.0.2.1")).await.unwrap().used, 4, "the window is over at its very second");
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_range_requests_within_the_window_are_one_use() {
    let here = Arc::new(Installation::new().await);
    let issued = here.issue(windowed(60)).await;
    let url: Arc<str> = link(&issued).into();
    let asking: Vec<_> = (0..50)
        .map(|_| {
            let (here, url) = (Arc::clone(&here), Arc::clone(&url));
            tokio::spawn(async move {
                let facts = Facts { client: Some("192.0.2.1"), ..Facts::default() };
                here.ask(Question { facts, ..get(&url) }).await.is_ok()
            })
        })
        .collect();
    for asked in asking {
        assert!(asked.await.unwrap());
    }
    assert_eq!(here.used(issued.token.terms.id).await, 1);
}

#[tokio::test]
async fn within_the_window_a_disabled_token_is_refused() {
    let here = Installation::new().await;
    let issued = here.issue(windowed(60)).await;
    let url = link(&issued);
    let question = Question { facts: Facts { client: Some("192.0.2.1"), ..Facts::default() }, ..get(&url) };
    assert!(here.ask(question).await.is_ok());
    let patch = countermark_domain::TokenPatch {
        enabled: countermark_domain::Patch::Set(false),
        ..Default::default()
    };
    here.service.update(&here.admin, issued.token.terms.id, None, patch).await.unwrap();
    assert_eq!(here.ask(question).await.unwrap_err(), DenyReason::Disabled);
}

#[tokio::test]
async fn uses_without_a_limit_are_statistics_that_a_flush_writes() {
    let here = Installation::new().await;
    let issued = here.issue(image_url(None)).await;
    let url = link(&issued);
    for _ in 0..5 {
        assert!(here.ask(get(&url)).await.is_ok());
    }
    assert_eq!(here.used(issued.token.terms.id).await, 0, "not written yet");
    here.service.flush().await.unwrap();
    here.service.flush().await.unwrap();
    assert_eq!(here.used(issued.token.terms.id).await, 5, "and written once only");
}

#[tokio::test]
async fn a_use_with_a_key_of_a_token_without_limit_is_counted_once() {
    let here = Installation::new().await;
    let issued = here.issue(image_url(None)).await;
    let url = link(&issued);
    let idempotency = Idempotency { caller: here.admin.id(), route: "authorize", key: "a", request: [1; 32] };
    let keyed = Question { idempotency: Some(idempotency), ..get(&url) };
    assert_eq!(here.ask(get(&url)).await.unwrap().used, 1);
    assert_eq!(here.ask(keyed).await.unwrap().used, 2);
    assert_eq!(here.ask(keyed).await.unwrap().used, 2);
    here.service.flush().await.unwrap();
    assert_eq!(here.used(issued.token.terms.id).await, 2);
}

#[tokio::test]
async fn a_new_limit_counts_the_uses_that_no_flush_has_written_yet() {
    let here = Installation::new().await;
    let issued = here.issue(image_url(None)).await;
    let (id, url) = (issued.token.terms.id, link(&issued));
    for _ in 0..5 {
        assert!(here.ask(get(&url)).await.is_ok());
    }
    let to = |limit| TokenPatch { limit: Patch::Set(limit), ..TokenPatch::default() };
    let below = here.service.update(&here.admin, id, None, to(4)).await;
    assert!(matches!(below, Err(DomainError::LimitBelowUsed)));
    here.service.update(&here.admin, id, None, to(6)).await.unwrap();
    assert_eq!(here.ask(get(&url)).await.unwrap().used, 6);
    assert_eq!(here.ask(get(&url)).await.unwrap_err(), DenyReason::LimitReached);
}

#[tokio::test]
async fn immense_costs_without_a_limit_stay_immense() {
    let here = Installation::new().await;
    let issued = here.issue(image_url(None)).await;
    let url = link(&issued);
    let immense = Question { cost: i64::MAX as u64, ..get(&url) };
    for _ in 0..4 {
        assert!(here.ask(immense).await.unwrap().used >= i64::MAX as u64);
    }
    here.service.flush().await.unwrap();
    assert_eq!(here.used(issued.token.terms.id).await, i64::MAX as u64);
}

#[tokio::test]
async fn a_dry_run_within_an_open_window_tells_that_nothing_would_be_taken() {
    let here = Installation::new().await;
    let mut draft = windowed(60);
    draft.limit = Some(1);
    let url = link(&here.issue(draft).await);
    let real = Question { facts: Facts { client: Some("192.0.2.1"), ..Facts::default() }, ..get(&url) };
    let dry = Question { dry_run: true, ..real };
    assert!(here.ask(real).await.is_ok() && here.ask(real).await.is_ok());
    assert!(here.ask(dry).await.is_ok());
    here.clock.advance(60);
    assert_eq!(here.ask(dry).await.unwrap_err(), DenyReason::LimitReached);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flush_ends_while_uses_go_on() {
    let here = Arc::new(Installation::new().await);
    let url: Arc<str> = link(&here.issue(image_url(None)).await).into();
    let ended = Arc::new(AtomicBool::new(false));
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let (here, url, ended) = (Arc::clone(&here), Arc::clone(&url), Arc::clone(&ended));
            tokio::spawn(async move {
                while !ended.load(Ordering::Relaxed) {
                    assert!(here.ask(get(&url)).await.is_ok());
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for _ in 0..5 {
        let flush = tokio::time::timeout(Duration::from_secs(10), here.service.flush());
        flush.await.expect("a flush takes what was noted before it, not what is noted meanwhile").unwrap();
    }
    ended.store(true, Ordering::Relaxed);
    for asked in asking {
        asked.await.unwrap();
    }
}

#[tokio::test]
async fn hourly_figures_hold_uses_and_refusals() {
    let here = Installation::new().await;
    let issued = here.issue(image_url(Some(2))).await;
    let url = link(&issued);
    for _ in 0..3 {
        let _ = here.ask(get(&url)).await;
    }
    here.service.flush().await.unwrap();
    let from = crate::installation::at(crate::installation::START - 3600);
    let to = from.plus(7200);
    let figures = here.service.usage(&here.admin, issued.token.terms.id, from, to).await.unwrap();
    assert_eq!(figures.iter().map(|hour| (hour.uses, hour.refusals)).collect::<Vec<_>>(), [(2, 1)]);
    let decisions = here.service.stats(from, to).await.unwrap();
    let codes: Vec<_> = decisions.iter().map(|hour| (hour.code.as_str(), hour.count)).collect();
    assert_eq!(codes, [("ALLOWED", 2), ("LIMIT_REACHED", 1)]);
}
