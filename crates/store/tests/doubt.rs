//! A commit that never arrives, and whose answer is missed: the next change of another node has its number.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod fixture;
#[path = "doubt/relay.rs"]
mod relay;

use std::time::{Duration, Instant};

use countermark_core::TokenId;
use countermark_domain::store::{Position, StoreError};
use countermark_store::{Location, PostgresUrl};

use fixture::{Recorder, audit, credential_for, limited, master_key, open, postgres};
use relay::{Lets, Relay};

/// Within which the node renews nothing by itself: whatever it learns it is told by the database's waking it up.
const LEASE: Duration = Duration::from_secs(3600);

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_has_the_number_of_another_one_that_was_lost_is_told_all_the_same() {
    let it = postgres().await;
    let relay = Relay::start(&it.url).await;
    let url: PostgresUrl = relay.url().parse().unwrap();
    let location = Location::Postgres(url.allow_lost_commits().with_lease(LEASE));
    let (store, told) = open(&location, master_key(1)).await.unwrap();
    let [known, lost, next] = [limited(1, 5), limited(2, 5), limited(3, 5)];
    // Answered once the node has been woken up: from now on it listens.
    it.insert(&known).await;
    assert!(position_told(&told, known.terms.id).is_some());

    relay.let_through(Lets::AllButTheNextCommit);
    let failed = store.insert(&lost, credential_for(&lost), audit("token.issue"), None).await;
    assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
    // Nothing of the node's gets through now. The other change waits for the node until it knows of it.
    let other = (it.store.clone(), next.clone());
    let waiting = tokio::spawn(async move {
        let (store, token) = other;
        store.insert(&token, credential_for(&token), audit("token.issue"), None).await
    });
    until("the other change is committed", async || it.find(next.terms.id).await.is_some()).await;
    relay.let_through(Lets::AllThatDoesNotListen);
    until("the doubt is settled", async || position_told(&told, lost.terms.id).is_some()).await;
    assert_eq!(position_told(&told, next.terms.id), None, "nothing has woken the node up yet");

    relay.let_through(Lets::All);
    until("the other change is told", async || position_told(&told, next.terms.id).is_some()).await;
    assert_eq!(
        position_told(&told, next.terms.id),
        position_told(&told, lost.terms.id),
        "one number for both"
    );
    waiting.await.unwrap().unwrap();
    assert!(it.find(lost.terms.id).await.is_none(), "its commit has not arrived");
    store.close().await;
}

/// The number of the change of this token, if the node has been told of it.
fn position_told(told: &Recorder, id: TokenId) -> Option<Position> {
    let told = told.0.lock().unwrap();
    told.iter().find(|change| change.tokens == [id]).map(|change| change.position)
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let begin = Instant::now();
    while !is_so().await {
        assert!(begin.elapsed() < Duration::from_secs(20), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
