//! The service over a store that hangs.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use countermark_domain::cache::Cache;
use countermark_domain::clock::{FixedClock, Timekeeper};
use countermark_domain::rng::SeededRng;
use countermark_domain::store::Position;
use countermark_domain::{Answer, BATCH, Credential, DomainError, Facts, NotReady, Question, Service};
use countermark_store::Settings;

use super::*;

/// The service over this database, and one token with its value.
async fn service(url: PostgresUrl) -> (Service, Token, String) {
    let cache = Arc::new(Cache::new(1000, Position::default()));
    let settings = Settings {
        master_key: master_key(1),
        fill_random: fixture::fill_random(),
        listener: Arc::clone(&cache) as _,
    };
    let store =
        countermark_store::open(&Location::Postgres(url.allow_lost_commits()), settings).await.unwrap();
    let token = limited(1, 10_000);
    insert(&store, &token).await;
    let time = Timekeeper::new(Box::new(FixedClock::at(1_800_000_000)), at(1000));
    let service = Service::new(store, cache, Arc::new(time), Arc::new(SeededRng::new(7)));
    let value = format!("value-of-{}", token.terms.id);
    (service, token, value)
}

async fn ask(service: &Service, value: &str) -> Result<Answer, DomainError> {
    let credential = Credential::Value(value);
    let facts = Facts { method: Some("POST"), ..Facts::default() };
    let answer = service
        .authorize(&Question { credential, facts, cost: 1, dry_run: false, idempotency: None })
        .await?;
    answer.verdict.as_ref().unwrap();
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_use_whose_caller_has_gone_before_its_batch_begins_is_not_taken() {
    let server = Server::start(&FAST);
    let url = server.new_schema().await;
    let patient = url.parse::<PostgresUrl>().unwrap().wait_at_most(Duration::from_secs(60));
    let (service, token, value) = service(patient).await;
    let service = Arc::new(service.with_use_wait(Duration::from_secs(60)));
    ask(&service, &value).await.unwrap();
    let (mut blocker, mut watcher) = (connect(&url).await, connect(&url).await);
    sqlx::raw_sql("BEGIN; LOCK token_counters IN EXCLUSIVE MODE").execute(&mut blocker).await.unwrap();
    let (one, its) = (Arc::clone(&service), value.clone());
    let begun = tokio::spawn(async move { ask(&one, &its).await });
    until(&mut watcher, "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'").await;
    for _ in 0..5 {
        let mut gone = pin!(ask(&service, &value));
        // Now it waits in the queue; then nobody waits for it any more.
        poll_fn(|context| {
            assert!(gone.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut blocker).await.unwrap();
    begun.await.unwrap().unwrap();
    ask(&service, &value).await.unwrap();
    service.shut_down().await;
    let used = node(&url).await.find(Lookup::Id(token.terms.id)).await.unwrap().found.unwrap().usage.used;
    assert_eq!(used, 3, "those before and after, and none of those that were gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_stands_still_all_uses_are_answered_in_their_own_time_and_the_service_ends() {
    let server = Server::start(&FAST);
    let (service, _, value) = service(server.new_schema().await.parse().unwrap()).await;
    let service = Arc::new(service);
    ask(&service, &value).await.unwrap();
    let frozen = Frozen::freeze(server.folder());
    // Several batches: were one answered after the other, the last would wait for all of them.
    let mut tasks = JoinSet::new();
    for _ in 0..BATCH * 3 {
        let (service, value) = (Arc::clone(&service), value.clone());
        tasks.spawn(async move {
            let begin = Instant::now();
            let answer = ask(&service, &value).await;
            assert!(matches!(answer, Err(DomainError::Store(StoreError::Unavailable(_)))));
            begin.elapsed()
        });
    }
    let begin = Instant::now();
    assert!(matches!(service.ready().await, Err(NotReady::Store(_))));
    assert!(begin.elapsed() < ANSWERED, "{:?}", begin.elapsed());
    let longest = tasks.join_all().await.into_iter().max().unwrap();
    assert!(longest < ANSWERED + Duration::from_secs(1), "{longest:?}");
    drop(frozen);
    let begin = Instant::now();
    while let Err(error) = ask(&service, &value).await {
        assert!(begin.elapsed() < HEALED, "still: {error}");
    }
    let _frozen = Frozen::freeze(server.folder());
    let (one, its) = (Arc::clone(&service), value.clone());
    let asking = tokio::spawn(async move { ask(&one, &its).await });
    let begin = Instant::now();
    service.shut_down().await;
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert!(asking.await.unwrap().is_err());
}
