//! Expiry at the very second, and time that never runs back.

use countermark_core::DenyReason;
use countermark_domain::{Draft, Expiry, Missing, NotReady};

use crate::installation::{Installation, START, at, get, image_url, link};

#[tokio::test]
async fn a_token_ends_at_the_very_second_of_its_expiry() {
    let here = Installation::new().await;
    let limited = Draft { expiry: Some(Expiry::After(10)), ..image_url(Some(10)) };
    let unlimited = Draft { expiry: Some(Expiry::After(10)), ..image_url(None) };
    let urls = [link(&here.issue(limited).await), link(&here.issue(unlimited).await)];
    here.clock.advance(9);
    for url in &urls {
        assert!(here.ask(get(url)).await.is_ok());
    }
    here.clock.advance(1);
    for url in &urls {
        assert_eq!(here.ask(get(url)).await.unwrap_err(), DenyReason::Expired);
    }
}

#[tokio::test]
async fn what_has_expired_stays_expired_when_the_clock_is_set_back() {
    let here = Installation::new().await;
    let url = link(&here.issue(Draft { expiry: Some(Expiry::At(at(START + 10))), ..image_url(None) }).await);
    here.clock.set(START + 10);
    assert_eq!(here.ask(get(&url)).await.unwrap_err(), DenyReason::Expired);
    here.clock.set(START);
    assert_eq!(here.ask(get(&url)).await.unwrap_err(), DenyReason::Expired);
    let here = here.restarted().await;
    assert_eq!(here.ask(get(&url)).await.unwrap_err(), DenyReason::Expired, "nor does a restart forget it");
}

#[tokio::test]
async fn a_clock_set_back_by_more_than_a_minute_makes_the_service_not_ready() {
    let here = Installation::new().await;
    here.clock.set(START + 1000);
    assert!(here.service.ready().await.is_ok());
    here.clock.set(START + 940);
    assert!(here.service.ready().await.is_ok(), "a minute is tolerated");
    here.clock.set(START + 939);
    assert!(
        matches!(here.service.ready().await, Err(NotReady { missing }) if matches!(missing[..], [Missing::Clock(61)]))
    );
    here.clock.set(START + 1000);
    assert!(here.service.ready().await.is_ok());
}

#[tokio::test]
async fn the_store_is_tried_once_a_second_however_many_ask_whether_it_is_ready() {
    let here = Installation::new().await;
    assert!(here.service.ready().await.is_ok());
    here.service.shut_down().await;
    assert!(here.service.ready().await.is_ok(), "within the second the last result holds");
    here.clock.advance(1);
    assert!(
        matches!(here.service.ready().await, Err(NotReady { missing }) if matches!(missing[..], [Missing::Database(_)]))
    );
    here.clock.set(START - 30);
    assert!(
        matches!(here.service.ready().await, Err(NotReady { missing }) if matches!(missing[..], [Missing::Database(_)])),
        "a clock set back holds nothing up"
    );
}

#[tokio::test]
async fn only_expired_tokens_that_are_marked_for_it_are_swept() {
    let here = Installation::new().await;
    let expiry = Some(Expiry::After(10));
    let swept = here.issue(Draft { expiry, auto_delete: true, ..image_url(None) }).await.token.terms.id;
    let kept = here.issue(Draft { expiry, ..image_url(None) }).await.token.terms.id;
    here.clock.advance(9);
    assert_eq!(here.service.sweep().await.unwrap(), 0);
    here.clock.advance(1);
    assert_eq!(here.service.sweep().await.unwrap(), 1);
    assert!(!here.service.exists(&here.admin, swept).await.unwrap());
    assert!(here.service.exists(&here.admin, kept).await.unwrap());
}
