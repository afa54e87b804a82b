//! Whatever PostgreSQL does, a node answers in time and serves again soon after it: the server stopped, the network
//! swallowing everything, locks held by somebody else, connections that die without a word.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod fixture;
#[path = "hangs/nuisance.rs"]
mod nuisance;
#[path = "hangs/service.rs"]
mod service;
#[path = "hangs/uses.rs"]
mod uses;

use std::sync::Arc;
use std::time::{Duration, Instant};

use countermark_core::{Token, TokenKind};
use countermark_domain::store::{
    AuditFilter, Lookup, Statistics, Store, StoreError, TokenStatistic, UploadEnd,
};
use countermark_store::{Location, OpenError, PostgresUrl};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio::task::JoinSet;

use fixture::postgres::{FAST, Server, run};
use fixture::{at, audit, credential_for, limited, master_key, one_use, open, token};
use nuisance::{Frozen, Proxy};

/// What is promised to whoever calls: a store's call is answered after 1.5 s.
const ANSWERED: Duration = Duration::from_secs(2);

/// After the database is back.
const HEALED: Duration = Duration::from_secs(5);

/// Connections of a node, unless it is told otherwise.
const CONNECTIONS: usize = 8;

/// As in production: not as patient as the other tests.
async fn node(url: &str) -> Arc<dyn Store> {
    let url: PostgresUrl = url.parse().unwrap();
    open(&Location::Postgres(url.allow_lost_commits()), master_key(1)).await.unwrap().0
}

async fn insert(store: &Arc<dyn Store>, token: &Token) {
    store.insert(token, credential_for(token), audit("token.issue"), None).await.unwrap();
}

/// Uses all connections of a node at once.
async fn warm_up(store: &Arc<dyn Store>) {
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS * 2 {
        let store = Arc::clone(store);
        tasks.spawn(async move { store.is_bootstrapped().await.unwrap() });
    }
    tasks.join_all().await;
}

/// Asserts that a call is answered in time that the database is not available.
async fn is_refused<T>(what: &'static str, call: impl Future<Output = Result<T, StoreError>>) {
    let begin = Instant::now();
    let result = tokio::time::timeout(HEALED, call).await;
    let took = begin.elapsed();
    assert!(took < ANSWERED, "{what} has taken {took:?}");
    match result.unwrap() {
        Err(StoreError::Unavailable(_)) => {}
        Err(other) => panic!("{what}: {other}"),
        Ok(_) => panic!("{what} has been done"),
    }
}

/// Calls of every kind, at the same time.
async fn all_are_refused(store: &Arc<dyn Store>, known: &Token) {
    reads_are_refused(store, known).await;
    writes_are_refused(store, known).await;
}

async fn reads_are_refused(store: &Arc<dyn Store>, known: &Token) {
    let mut tasks = JoinSet::new();
    let id = known.terms.id;
    for _ in 0..CONNECTIONS {
        let store = Arc::clone(store);
        tasks.spawn(async move { is_refused("find", store.find(Lookup::Id(id))).await });
    }
    let one = Arc::clone(store);
    tasks.spawn(async move {
        is_refused("descent", one.descent(id)).await;
    });
    let one = Arc::clone(store);
    tasks.spawn(async move { is_refused("audit", one.audit(&AuditFilter::default())).await });
    let one = Arc::clone(store);
    tasks.spawn(async move { is_refused("outbox", one.outbox()).await });
    tasks.join_all().await;
}

async fn writes_are_refused(store: &Arc<dyn Store>, known: &Token) {
    let mut tasks = JoinSet::new();
    let id = known.terms.id;
    for _ in 0..3 {
        let (store, uses) = (Arc::clone(store), [one_use(known, 1)]);
        tasks.spawn(async move { is_refused("take_uses", store.take_uses(&uses, at(1000))).await });
    }
    let one = Arc::clone(store);
    tasks.spawn(async move { is_refused("ping", one.ping()).await });
    let (one, new) = (Arc::clone(store), token(TokenKind::Upload, 999));
    tasks.spawn(async move {
        is_refused("insert", one.insert(&new, credential_for(&new), audit("i"), None)).await;
    });
    let one = Arc::clone(store);
    tasks.spawn(async move { is_refused("revoke", one.revoke(id, at(1000), None, audit("r"))).await });
    let (one, mut changed) = (Arc::clone(store), known.clone());
    changed.terms.revision += 1;
    tasks.spawn(async move { is_refused("update", one.update(&changed, 1, audit("u"))).await });
    tasks.join_all().await;
}

/// Waits until uses are taken again.
async fn heals(store: &Arc<dyn Store>, token: &Token) {
    let begin = Instant::now();
    while let Err(error) = store.take_uses(&[one_use(token, 1)], at(1000)).await {
        assert!(begin.elapsed() < HEALED, "still: {error}");
    }
    assert!(begin.elapsed() < HEALED, "after {:?}", begin.elapsed());
}

async fn connect(url: &str) -> PgConnection {
    url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap()
}

/// Waits until the database says so of its sessions.
async fn until(connection: &mut PgConnection, condition: &'static str) {
    let begin = Instant::now();
    while !sqlx::query_scalar::<_, bool>(condition).fetch_one(&mut *connection).await.unwrap() {
        assert!(begin.elapsed() < Duration::from_secs(60), "never: {condition}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// That the places of all connections are free again: as many calls as there are wait in the database at once, and no
/// session is left beside theirs.
async fn all_places_are_free(url: &str, store: &Arc<dyn Store>, token: &Token) {
    let mut blocker = connect(url).await;
    sqlx::raw_sql("BEGIN; LOCK token_counters IN EXCLUSIVE MODE").execute(&mut blocker).await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        // Of a revision that it never had: nothing is changed.
        let (store, stale) = (Arc::clone(store), token.clone());
        // Until the lock is let go.
        tasks.spawn(async move { while store.update(&stale, 77, audit("u")).await.is_err() {} });
    }
    // Of this server this test is the only client.
    // Within one transaction the view would not change.
    let mut watcher = connect(url).await;
    // Beside them: as many for batches of uses at most, one that renews, one that listens.
    until(
        &mut watcher,
        "SELECT count(*) FILTER (WHERE wait_event_type = 'Lock') = 8 AND count(*) <= 18 FROM pg_stat_activity
         WHERE application_name = 'countermark'",
    )
    .await;
    sqlx::raw_sql("ROLLBACK").execute(&mut blocker).await.unwrap();
    tasks.join_all().await;
    let figures = store.connections().unwrap();
    assert!(figures.open <= 8 && figures.waiting == 0, "{figures:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_stands_still_every_call_is_answered_and_afterwards_the_node_serves() {
    let server = Server::start(&FAST);
    let url = server.new_schema().await;
    let (store, token) = (node(&url).await, limited(1, 1000));
    insert(&store, &token).await;
    warm_up(&store).await;
    let frozen = Frozen::freeze(server.folder());
    all_are_refused(&store, &token).await;
    // By now no connection is open, and none can be opened.
    all_are_refused(&store, &token).await;
    drop(frozen);
    heals(&store, &token).await;
    all_places_are_free(&url, &store, &token).await;
    assert!(store.find(Lookup::Id(token.terms.id)).await.unwrap().found.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_died_without_a_word_hold_nobody_up_for_long() {
    let server = Server::start(&FAST);
    let url = server.new_schema().await;
    let proxy = Proxy::start(server.folder()).await;
    let (store, token) = (node(&proxy.url(&url)).await, limited(1, 1000));
    insert(&store, &token).await;
    warm_up(&store).await;
    proxy.cut();
    all_are_refused(&store, &token).await;
    proxy.heal();
    heals(&store, &token).await;
    // The address leads to the database, but every connection that there was is dead.
    warm_up(&store).await;
    proxy.kill_silently();
    heals(&store, &token).await;
    proxy.bury_the_dead();
    all_places_are_free(&url, &store, &token).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_accepts_connections_and_says_nothing_is_unavailable() {
    let server = Server::start(&FAST);
    let url = server.new_schema().await;
    let proxy = Proxy::start(server.folder()).await;
    let (store, token) = (node(&proxy.url(&url)).await, limited(1, 1000));
    proxy.cut();
    all_are_refused(&store, &token).await;
    let begin = Instant::now();
    let other: Location = proxy.url(&url).parse().unwrap();
    assert!(open(&other, master_key(1)).await.is_err());
    assert!(begin.elapsed() < Duration::from_secs(15), "opening has an end, too");
    assert!(matches!(store.find(Lookup::Id(token.terms.id)).await, Err(StoreError::Unavailable(_))));
    proxy.heal();
    insert(&store, &token).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_that_somebody_else_holds_are_not_waited_for_longer_than_a_caller_waits() {
    let server = Server::start(&FAST);
    let url = server.new_schema().await;
    let (store, token) = (node(&url).await, limited(1, 1000));
    insert(&store, &token).await;
    let mut blocker = connect(&url).await;
    for table in ["token_counters", "installation"] {
        let lock = format!("BEGIN; SELECT * FROM {table} FOR UPDATE");
        sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut blocker).await.unwrap();
        is_refused("revoke", store.revoke(token.terms.id, at(1000), None, audit("r"))).await;
        if table == "installation" {
            is_refused("ping", store.ping()).await;
            let new = limited(2, 5);
            is_refused("insert", store.insert(&new, credential_for(&new), audit("i"), None)).await;
        } else {
            is_refused("take_uses", store.take_uses(&[one_use(&token, 1)], at(1000))).await;
        }
        assert!(store.find(Lookup::Id(token.terms.id)).await.unwrap().found.is_some(), "reads go on");
        sqlx::raw_sql("ROLLBACK").execute(&mut blocker).await.unwrap();
    }
    heals(&store, &token).await;
    all_places_are_free(&url, &store, &token).await;
}

/// Lets every row that is added to a table take so many seconds.
async fn slow_down(url: &str, table: &str, event: &str, seconds: &str) {
    let statements = format!(
        "CREATE OR REPLACE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql
         AS 'BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END';
         CREATE TRIGGER slowly AFTER {event} ON {table} FOR EACH ROW EXECUTE FUNCTION slowly()"
    );
    run(url, sqlx::AssertSqlSafe(statements)).await.unwrap();
}

fn statistics(token: &Token) -> Statistics {
    let one =
        TokenStatistic { token: token.terms.id, uses: 1, refusals: 0, unlimited_uses: 0, last_used_at: None };
    Statistics { tokens: vec![one], hour: at(3600), ..Statistics::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_call_goes_on_while_the_database_answers_others_and_ends_once_it_does_not() {
    let server = Server::start(&FAST);
    let url = server.new_schema().await;
    let (store, token) = (node(&url).await, limited(1, 1000));
    insert(&store, &token).await;
    slow_down(&url, "usage_hourly", "INSERT", "4").await;
    slow_down(&url, "audit_log", "INSERT", "4").await;
    is_refused("note", store.note(audit("a prompt call"))).await;
    store.add_statistics(&statistics(&token)).await.unwrap();
    let mut watcher = connect(&url).await;
    run(&url, "DELETE FROM usage_hourly").await.unwrap();
    let (one, more) = (Arc::clone(&store), statistics(&token));
    let slow = tokio::spawn(async move { one.add_statistics(&more).await });
    until(
        &mut watcher,
        "SELECT count(*) = 1 FROM pg_stat_activity
         WHERE wait_event = 'PgSleep' AND clock_timestamp() - query_start > interval '1 second'",
    )
    .await;
    let _frozen = Frozen::freeze(server.folder());
    is_refused("add_statistics", async { slow.await.unwrap() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_finds_no_free_connection_is_answered_and_only_so_many_wait() {
    let server = Server::start(&FAST);
    let url = server.new_schema().await;
    let (store, token) = (node(&url).await, limited(1, 1000));
    insert(&store, &token).await;
    slow_down(&url, "usage_hourly", "INSERT", "6").await;
    let mut slow = JoinSet::new();
    for hour in 1..=CONNECTIONS as u64 {
        let (store, mut more) = (Arc::clone(&store), statistics(&token));
        more.hour = at(3600 * hour);
        slow.spawn(async move { store.add_statistics(&more).await });
    }
    let mut watcher = connect(&url).await;
    until(&mut watcher, "SELECT count(*) = 8 FROM pg_stat_activity WHERE wait_event = 'PgSleep'").await;
    is_refused("find", store.find(Lookup::Id(token.terms.id))).await;
    let mut crowd = JoinSet::new();
    for _ in 0..4096 + 100 {
        let (store, id) = (Arc::clone(&store), token.terms.id);
        crowd.spawn(async move { store.find(Lookup::Id(id)).await.err().unwrap().to_string() });
    }
    let answers = crowd.join_all().await;
    let at_once = answers.iter().filter(|text| text.contains("too many calls")).count();
    assert!((1..=100).contains(&at_once), "{at_once}");
    let figures = store.connections().unwrap();
    assert_eq!((figures.open, figures.idle, figures.waiting), (8, 0, 0), "{figures:?}");
    assert!(figures.waits.count() > 4096 && figures.refused > 4096 && figures.waits.sum > 1_000_000_000);
    for done in slow.join_all().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_of_a_node_that_was_cut_off_are_free_soon() {
    let server = Server::start(&FAST);
    let url = server.new_schema().await;
    let proxy = Proxy::start(server.folder()).await;
    let (lost, other) = (node(&proxy.url(&url)).await, node(&url).await);
    slow_down(&url, "installation", "UPDATE OF change_position", "0.3").await;
    let mut watcher = connect(&url).await;
    let mut cut_off = JoinSet::new();
    for number in 1..=4 {
        let (lost, new) = (Arc::clone(&lost), limited(number, 5));
        cut_off.spawn(async move { lost.insert(&new, credential_for(&new), audit("i"), None).await });
    }
    until(&mut watcher, "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'").await;
    proxy.cut();
    let (begin, new) = (Instant::now(), limited(9, 5));
    while other.insert(&new, credential_for(&new), audit("i"), None).await.is_err() {
        assert!(begin.elapsed() < HEALED, "still locked");
    }
    assert!(cut_off.join_all().await.iter().all(Result::is_err));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_closed_in_time_while_the_server_stands_still() {
    let server = Server::start(&FAST);
    let url = server.new_schema().await;
    let (store, token) = (node(&url).await, limited(1, 1000));
    insert(&store, &token).await;
    warm_up(&store).await;
    let _frozen = Frozen::freeze(server.folder());
    let (one, id) = (Arc::clone(&store), token.terms.id);
    let finding = tokio::spawn(async move { one.find(Lookup::Id(id)).await });
    while store.connections().unwrap().idle == 8 {
        tokio::task::yield_now().await;
    }
    let begin = Instant::now();
    store.close().await;
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    assert!(finding.await.unwrap().is_err());
    is_refused("find", store.find(Lookup::Id(token.terms.id))).await;
    is_refused("end_upload", store.end_upload(some_upload(), UploadEnd::Abort, at(1000))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_commit_hangs_is_answered_in_time_and_told_once_it_is_known_to_stand() {
    // Every commit waits for a standby that never comes.
    let server = Server::start(&[]);
    let url = server.new_schema().await;
    let (known, new, next) = (limited(1, 5), limited(2, 5), limited(3, 5));
    // Its renewals would be commits that hang, too, and hold up the change before its own.
    let rarely = url.parse::<PostgresUrl>().unwrap().with_lease(Duration::from_hours(24));
    let (store, changes) = open(&Location::Postgres(rarely), master_key(1)).await.unwrap();
    insert(&store, &known).await;
    changes.0.lock().unwrap().clear();
    run(&url, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await.unwrap();
    run(&url, "SELECT pg_reload_conf()").await.unwrap();
    is_refused("insert", store.insert(&new, credential_for(&new), audit("i"), None)).await;
    is_refused("take_uses", store.take_uses(&[one_use(&known, 1)], at(1000))).await;
    assert!(changes.0.lock().unwrap().is_empty(), "nobody knows yet");
    let other = open(&url.parse().unwrap(), master_key(1)).await.err();
    assert!(matches!(other, Some(OpenError::Store(_))), "a node that starts is told, too: {other:?}");
    run(&url, "ALTER SYSTEM SET synchronous_standby_names = ''").await.unwrap();
    run(&url, "SELECT pg_reload_conf()").await.unwrap();
    let begin = Instant::now();
    while changes.0.lock().unwrap().is_empty() {
        assert!(begin.elapsed() < HEALED, "never told");
        tokio::task::yield_now().await;
    }
    insert(&store, &next).await;
    let mut told: Vec<_> = changes.0.lock().unwrap().iter().map(|change| change.tokens.clone()).collect();
    // It may come out of the log, too.
    told.dedup();
    assert_eq!(told, [[new.terms.id], [next.terms.id]], "in order");
    heals(&store, &known).await;
}

fn some_upload() -> countermark_core::UploadId {
    countermark_core::UploadId::from_parts(1_700_000_000_000, [1; 10])
}
