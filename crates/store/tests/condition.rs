//! What a store tells of its node among others, and what readiness makes of that.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod fixture;
#[expect(dead_code, reason = "other tests use the rest of it")]
#[path = "hangs/nuisance.rs"]
mod nuisance;

use std::sync::Arc;
use std::time::{Duration, Instant};

use countermark_core::UnixSeconds;
use countermark_domain::cache::Cache;
use countermark_domain::clock::{SystemClock, Timekeeper};
use countermark_domain::follower::Follower;
use countermark_domain::rng::SystemRng;
use countermark_domain::store::{Condition, Learning, Position, Sharing, Store};
use countermark_domain::{NotReady, Service};
use countermark_store::{Location, PostgresUrl, Settings};

use fixture::postgres::{FAST, Server};
use fixture::{limited, master_key, open, postgres, sqlite};
use nuisance::Frozen;

/// Longer than anything here takes that works.
const PATIENCE: Duration = Duration::from_secs(20);

fn sharing(store: &dyn Store) -> Sharing {
    match store.condition() {
        Condition::Shared(sharing) => *sharing,
        Condition::Alone => panic!("PostgreSQL is for many nodes"),
    }
}

/// Waits until `is_so`, however the machine is loaded.
async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let begin = Instant::now();
    while !is_so().await {
        assert!(begin.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_store_on_sqlite_is_alone() {
    let it = sqlite().await;
    assert_eq!(it.store.condition(), Condition::Alone);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_knows_itself_and_how_many_others_live() {
    let it = postgres().await;
    let own = sharing(&*it.store);
    assert!(
        own.node.starts_with("nod_") && own.name.ends_with(&format!(":{}", std::process::id())),
        "{own:?}"
    );
    assert_eq!((own.lease, own.lapsed_for), (Duration::from_secs(1), None), "{own:?}");
    until("it is woken up", async || sharing(&*it.store).learning == Learning::WokenUp).await;
    let others = [it.another_node().await, it.another_node().await];
    until("it sees both", async || sharing(&*it.store).live_neighbours == 2).await;
    until("they see it", async || sharing(&*others[0]).live_neighbours == 2).await;
    others[1].close().await;
    until("it sees one", async || sharing(&*it.store).live_neighbours == 1).await;
    assert!(sharing(&*others[1]).lapsed_for.is_some(), "whoever has left holds no lease");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_another_node_tells_how_late_it_was_taken_in() {
    let it = postgres().await;
    let other = it.another_node().await;
    assert_eq!(sharing(&*other).invalidation_lag, None);
    it.insert(&limited(1, 5)).await;
    let (seen, own) = (sharing(&*other), sharing(&*it.store));
    assert_eq!(seen.applied, Position(1), "the change was answered, so it was taken in");
    assert!(seen.invalidation_lag.unwrap() < PATIENCE, "{seen:?}");
    assert_eq!((own.waits.count(), seen.waits.count()), (1, 0), "only who changes something waits");
    assert!(own.waits.highest < 10_000_000 && own.waits.quantile(990).unwrap() <= own.waits.highest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_waits_for_a_node_that_is_gone_is_measured_with_its_lease() {
    let it = postgres().await;
    it.sql(
        "INSERT INTO nodes (id, name, started_at, lease_millis, renewals, acknowledged, renewed_at)
         VALUES ('nod_gone', 'gone:1', 0, 400, 1, 0, 0)",
    )
    .await;
    it.insert(&limited(1, 5)).await;
    let waits = sharing(&*it.store).waits;
    assert_eq!(waits.count(), 1);
    // Nobody had seen it before the commit, from which its lease is then counted.
    assert!(waits.highest >= 400_000 && waits.quantile(500).unwrap() > 300_000, "{waits:?}");
    until("it counts no more", async || sharing(&*it.store).live_neighbours == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_found_in_the_database_with_what_they_know() {
    let it = postgres().await;
    let other = it.another_node().await;
    it.insert(&limited(1, 5)).await;
    let facts = countermark_store::check(&it.location).await.unwrap();
    let mut ids: Vec<_> = facts.nodes.iter().map(|node| node.id.clone()).collect();
    let mut expected = vec![sharing(&*it.store).node, sharing(&*other).node];
    ids.sort_unstable();
    expected.sort_unstable();
    assert_eq!((ids, facts.position), (expected, 1));
    let other = facts.nodes.iter().find(|node| node.id == sharing(&*other).node).unwrap();
    assert_eq!((other.acknowledged, other.lease), (1, Duration::from_secs(1)), "the change was answered");
    assert!(other.renewed_ago < PATIENCE && other.renewed_at > 1_700_000_000, "{other:?}");
    assert!(countermark_store::check(&sqlite().await.location).await.unwrap().nodes.is_empty());
}

/// A whole node on this database.
async fn service(url: &PostgresUrl) -> Service {
    let cache = Arc::new(Cache::new(100, Position(0)));
    let time = Arc::new(Timekeeper::new(Box::new(SystemClock), UnixSeconds::default()));
    let listener = Arc::new(Follower::new(cache.clone(), time.clone()));
    let fill_random = fixture::fill_random();
    let settings = Settings { master_key: master_key(1), fill_random, listener };
    let store = countermark_store::open(&Location::Postgres(url.clone()), settings).await.unwrap();
    Service::new(store, cache, time, Arc::new(SystemRng))
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_hangs_readiness_is_answered_in_time_and_says_what_is_missing() {
    let server = Server::start(&FAST);
    let url: PostgresUrl = server.new_schema().await.parse().unwrap();
    let lease = Duration::from_millis(500);
    let service = service(&url.allow_lost_commits().with_lease(lease)).await;
    service.ready().await.unwrap();
    assert!(!service.is_bootstrapped().await.unwrap());
    let connections = service.connections().unwrap();
    assert!(connections.open >= 1 && connections.waits.count() >= 1, "{connections:?}");

    let frozen = Frozen::freeze(server.folder());
    until("it notices", async || service.ready().await.is_err()).await;
    let parts = |not_ready: &NotReady| -> Vec<&str> {
        not_ready.missing.iter().map(countermark_domain::Missing::part).collect()
    };
    until("its lease is missed", async || {
        let begin = Instant::now();
        let not_ready = service.ready().await.unwrap_err();
        assert!(begin.elapsed() < Duration::from_millis(1500), "{:?}", begin.elapsed());
        parts(&not_ready) == ["database", "lease"]
    })
    .await;
    let condition = service.condition();
    let sharing = condition.sharing().unwrap();
    assert!(sharing.lapsed_for.unwrap() > lease && sharing.lease_age > lease * 2, "{sharing:?}");

    drop(frozen);
    until("it is ready again", async || service.ready().await.is_ok()).await;
    until("its lease holds", async || service.condition().sharing().unwrap().lapsed_for.is_none()).await;
    service.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_not_woken_up_any_more_looks_by_itself_until_it_is() {
    let it = postgres().await;
    let (store, _) = open(&it.location, master_key(1)).await.unwrap();
    until("it is woken up", async || sharing(&*store).learning == Learning::WokenUp).await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE application_name = 'countermark' AND query LIKE 'LISTEN%' AND pid <> pg_backend_pid()";
    until("it looks by itself", async || {
        it.sql(end).await;
        sharing(&*store).learning == Learning::Looking
    })
    .await;
    until("it is woken up again", async || sharing(&*store).learning == Learning::WokenUp).await;
}
