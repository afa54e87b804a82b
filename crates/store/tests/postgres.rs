//! PostgreSQL itself: its schema, its settings, its crashes.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod fixture;

use std::sync::Arc;
use std::time::Duration;

use countermark_core::{TokenId, TokenKind};
use countermark_domain::store::{Lookup, Store, StoreError, UseOutcome::Granted};
use countermark_store::{Facts, Location, Migrated, OpenError, PostgresUrl, Rotation, check, migrate};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use fixture::postgres::{FAST, Server, run, shared};
use fixture::{at, audit, credential_for, limited, master_key, one_use, open, postgres, postgres_on, token};

async fn new_location() -> Location {
    Location::Postgres(shared().new_schema().await.parse::<PostgresUrl>().unwrap().allow_lost_commits())
}

async fn used(store: &Arc<dyn Store>, id: TokenId) -> u64 {
    store.find(Lookup::Id(id)).await.unwrap().found.unwrap().usage.used
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_at_once_migrate_once_and_share_one_digest_key() {
    let location = new_location().await;
    let mut tasks = JoinSet::new();
    for _ in 0..6 {
        let location = location.clone();
        tasks.spawn(async move { open(&location, master_key(1)).await.unwrap().0.digest("value") });
    }
    let digests = tasks.join_all().await;
    assert!(digests.iter().all(|digest| *digest == digests[0]));
    assert_eq!(migrate(&location).await.unwrap(), Migrated { from: 6, to: 6 });
    let location = new_location().await;
    let (one, other) = tokio::join!(migrate(&location), migrate(&location));
    // A migration that ran a second time would fail; each of the two may have run some.
    assert_eq!((one.unwrap().to, other.unwrap().to), (6, 6));
}

#[tokio::test]
async fn a_newer_schema_and_tables_of_something_else_are_refused() {
    let it = postgres().await;
    it.sql("UPDATE schema_version SET migrations_run = 99").await;
    let error = open(&it.location, master_key(1)).await.err().unwrap();
    assert!(matches!(error, OpenError::NewerSchema { found: 99, known: 6 }), "{error}");
    let url = shared().new_schema().await;
    run(&url, "CREATE TABLE theirs (a INT)").await.unwrap();
    let foreign: Location = url.parse().unwrap();
    let error = migrate(&foreign).await.unwrap_err();
    assert!(matches!(error, OpenError::ForeignSchema(_)), "{error}");
}

#[tokio::test]
async fn what_there_is_to_know_is_told_without_the_master_key() {
    let it = postgres().await;
    it.insert(&limited(1, 5)).await;
    let facts: Facts = check(&it.location).await.unwrap();
    assert_eq!((facts.schema, facts.schema_known, facts.tokens), (6, 6, 1));
    assert_eq!((facts.problems.len(), facts.master_key_version), (0, Some(1)));
    assert!(facts.database_bytes > 0 && facts.engine_version.starts_with("PostgreSQL 1"));
    let empty = check(&new_location().await).await.unwrap();
    assert_eq!((empty.schema, empty.tokens, empty.master_key_version), (0, 0, None));
}

#[tokio::test]
async fn the_database_itself_refuses_to_go_over_a_limit_and_to_rewrite_the_audit_log() {
    let it = postgres().await;
    it.insert(&limited(1, 5)).await;
    for statement in [
        "UPDATE token_counters SET used = 6",
        "UPDATE token_counters SET used = -1",
        "UPDATE token_counters SET given_back = -1",
        "UPDATE audit_log SET action = 'nothing'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "INSERT INTO installation SELECT 2, 0, 1, '', NULL, '', 0, 0",
        "INSERT INTO token_values SELECT '\\x00', token, 2, 0, NULL, NULL, 1 FROM token_values",
    ] {
        assert!(it.try_sql(statement).await.is_err(), "{statement}");
    }
}

#[tokio::test]
async fn a_database_that_may_lose_commits_is_refused_unless_it_is_allowed() {
    let beside_a_standby = "synchronous_commit = local beside a synchronous standby";
    for (setting, lines) in [
        ("fsync = off", &["fsync = off"][..]),
        ("synchronous_commit = off", &["synchronous_commit = off"]),
        (beside_a_standby, &["synchronous_commit = local", "synchronous_standby_names = 'nobody'"]),
    ] {
        let server = Server::start(lines);
        let url: PostgresUrl = server.new_schema().await.parse().unwrap();
        match open(&Location::Postgres(url.clone()), master_key(1)).await.err() {
            Some(OpenError::NotDurable { setting: named }) => assert_eq!(named, setting),
            other => panic!("{setting}: {other:?}"),
        }
        let (store, _) = open(&Location::Postgres(url.allow_lost_commits()), master_key(1)).await.unwrap();
        store.ping().await.unwrap();
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_granted_outlives_a_crash_and_the_next_call_reconnects() {
    let server = Server::start(&[]);
    let location = Location::Postgres(server.new_schema().await.parse().unwrap());
    let (store, _) = open(&location, master_key(1)).await.unwrap();
    let token = limited(1, 1000);
    store.insert(&token, credential_for(&token), audit("token.issue"), None).await.unwrap();
    // Several connections, all of which will be dead.
    let mut tasks = JoinSet::new();
    for _ in 0..6 {
        let (store, token) = (store.clone(), token.clone());
        tasks.spawn(async move { store.take_uses(&[one_use(&token, 1)], at(1000)).await.unwrap().outcome });
    }
    assert_eq!(tasks.join_all().await.len(), 6);
    server.crash();
    let begin = std::time::Instant::now();
    let down = store.take_uses(&[one_use(&token, 1)], at(1000)).await;
    assert!(matches!(down, Err(StoreError::Unavailable(_))), "{down:?}");
    let down = store.find(Lookup::Id(token.terms.id)).await;
    assert!(matches!(down, Err(StoreError::Unavailable(_))), "{down:?}");
    assert!(begin.elapsed().as_secs() < 10, "nobody waits for ever");
    server.restart();
    assert_eq!(used(&store, token.terms.id).await, 6, "a read finds a living connection");
    server.crash();
    server.restart();
    let taken = store.take_uses(&[one_use(&token, 1)], at(1000)).await.unwrap().outcome;
    assert_eq!(taken, [Granted { used: 7 }], "so does a use");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_cut_off_under_way_no_use_is_granted_that_is_not_counted() {
    let server = Server::start(&FAST);
    let it = postgres_on(&server).await;
    let token = limited(1, 100_000);
    it.insert(&token).await;
    let (answered, mut answers) = tokio::sync::mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let (store, token, answered) = (it.another_node().await, token.clone(), answered.clone());
        tasks.spawn(async move {
            for _ in 0..150 {
                let is_granted = match store.take_uses(&[one_use(&token, 1)], at(1000)).await {
                    Ok(booked) => matches!(booked.outcome[0], Granted { .. }),
                    Err(StoreError::Unavailable(_)) => false,
                    Err(other) => panic!("{other}"),
                };
                answered.send(is_granted).unwrap();
            }
        });
    }
    drop(answered);
    let (mut all, mut granted) = (0, 0);
    while let Some(is_granted) = answers.recv().await {
        (all, granted) = (all + 1, granted + u64::from(is_granted));
        if all % 20 == 0 {
            it.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE application_name = 'countermark' AND pid <> pg_backend_pid()",
            )
            .await;
        }
    }
    let stored = it.used(token.terms.id).await;
    assert!((granted..=all).contains(&stored), "{granted} of {all} granted, {stored} counted");
    assert!((1..all).contains(&granted), "some were cut off, others not");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_counted_and_told_but_not_granted() {
    let server = Server::start(&[]);
    let url = server.new_schema().await;
    let alone = format!("{url}&options[synchronous_commit]=local");
    let (alone, _) = open(&alone.parse().unwrap(), master_key(1)).await.unwrap();
    let (used_up, new) = (limited(1, 10), limited(2, 10));
    alone.insert(&used_up, credential_for(&used_up), audit("token.issue"), None).await.unwrap();
    // Its renewals would be commits that wait, too.
    let rarely = url.parse::<PostgresUrl>().unwrap().with_lease(Duration::from_hours(24));
    let (store, changes) = open(&Location::Postgres(rarely), master_key(1)).await.unwrap();
    // From now on every commit waits for a standby that never comes, unless its session waits for the own disk only.
    let mut admin = url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
    for statement in ["ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()"] {
        sqlx::raw_sql(statement).execute(&mut admin).await.unwrap();
    }

    let uses = [one_use(&used_up, 3)];
    let (taken, ()) = tokio::join!(store.take_uses(&uses, at(1000)), cut_off_commit(&url));
    assert!(matches!(taken, Err(StoreError::Unavailable(_))), "{taken:?}");
    assert_eq!(used(&alone, used_up.terms.id).await, 3);

    let inserted = store.insert(&new, credential_for(&new), audit("token.issue"), None);
    let (inserted, ()) = tokio::join!(inserted, cut_off_commit(&url));
    assert!(matches!(inserted, Err(StoreError::Unavailable(_))), "{inserted:?}");
    // The node learns on another connection that the change stands.
    for _ in 0..100_000 {
        if !changes.0.lock().unwrap().is_empty() {
            break;
        }
        alone.is_bootstrapped().await.unwrap();
    }
    let told = changes.0.lock().unwrap().first().cloned().unwrap();
    assert_eq!((told.position.0, &told.tokens[..]), (2, &[new.terms.id][..]));
}

/// Waits for a commit that waits for its standby, and cuts it off.
async fn cut_off_commit(url: &str) {
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let mut connection = url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
    for _ in 0..100_000 {
        if sqlx::raw_sql(cut).execute(&mut connection).await.unwrap().rows_affected() > 0 {
            return;
        }
    }
    panic!("nothing has waited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_finds_all_connections_busy_is_answered_unavailable() {
    let it = postgres().await;
    let token = limited(1, 100);
    it.insert(&token).await;
    let url: PostgresUrl = it.url.parse().unwrap();
    let (hurried, _) = open(&Location::Postgres(url.allow_lost_commits()), master_key(1)).await.unwrap();
    let mut blocker = it.url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
    let lock = "BEGIN; SELECT 1 FROM token_counters FOR UPDATE";
    sqlx::raw_sql(lock).execute(&mut blocker).await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..40 {
        let (store, token) = (hurried.clone(), token.clone());
        tasks.spawn(async move { store.take_uses(&[one_use(&token, 1)], at(1000)).await });
    }
    let first = tasks.join_next().await.unwrap().unwrap();
    assert!(matches!(first, Err(StoreError::Unavailable(_))), "those that have a connection still wait");
    sqlx::raw_sql("ROLLBACK").execute(&mut blocker).await.unwrap();
    let granted = tasks.join_all().await.iter().filter(|result| result.is_ok()).count();
    assert_eq!(it.used(token.terms.id).await, granted as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_falls_silent_within_a_transaction_holds_nobody_up_for_ever() {
    let it = postgres().await;
    let token = limited(1, 100);
    it.insert(&token).await;
    let mut silent = it.url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
    let lock = "BEGIN; SELECT 1 FROM token_counters FOR UPDATE";
    sqlx::raw_sql(lock).execute(&mut silent).await.unwrap();
    let hurried = it.url.parse::<PostgresUrl>().unwrap().allow_lost_commits();
    let (hurried, _) = open(&Location::Postgres(hurried), master_key(1)).await.unwrap();
    let waited = hurried.take_uses(&[one_use(&token, 1)], at(1000)).await;
    assert!(matches!(waited, Err(StoreError::Unavailable(_))), "this lock is never let go: {waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_runs_seals_nothing_once_a_rotation_has_begun() {
    let it = postgres().await;
    let (old, new) = (token(TokenKind::Upload, 1), token(TokenKind::Upload, 2));
    it.insert(&old).await;
    let (from, to) = (master_key(1), master_key(2));
    let mut rotation =
        Rotation::begin(&it.location, &from, &to, fixture::fill_random()).await.unwrap().unwrap();
    for _ in 0..2 {
        let inserted = it.store.insert(&new, credential_for(&new), audit("token.issue"), None).await;
        assert!(matches!(inserted, Err(StoreError::Unavailable(_))), "{inserted:?}");
        let secret = Zeroizing::new("whsec".to_owned());
        let founded = it.store.found_notification_secret(&secret, at(1)).await;
        assert!(matches!(founded, Err(StoreError::Unavailable(_))), "{founded:?}");
        while rotation.step().await.unwrap() {}
    }
    rotation.close().await.unwrap();
    let revoked = it.store.revoke(old.terms.id, at(1000), None, audit("token.revoke")).await.unwrap();
    assert_eq!(revoked, Some(vec![old.terms.id]), "what seals nothing goes on");
    let (store, _) = open(&it.location, master_key(2)).await.unwrap();
    let revealed = store.reveal(old.terms.id, audit("token.reveal")).await.unwrap().unwrap();
    assert_eq!(*revealed.text, format!("value-of-{}", old.terms.id));
    assert!(store.find(Lookup::Id(new.terms.id)).await.unwrap().found.is_none());
}

#[test]
fn a_url_is_never_shown_and_tells_the_engine() {
    let location: Location = "postgres://user:hunter2@db.example/countermark".parse().unwrap();
    assert!(!format!("{location:?}").contains("hunter2"));
    assert!(matches!(location, Location::Postgres(_)));
    assert!(matches!("postgresql://db.example/c".parse(), Ok(Location::Postgres(_))));
    assert_eq!("sqlite://a/b.db".parse(), Ok(Location::Sqlite("a/b.db".into())));
    for wrong in ["", "a.db", "sqlite:", "sqlite:a?mode=ro", "mysql://a/b", "postgres://user:hunter2@[/x"] {
        let error = wrong.parse::<Location>().unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{wrong}");
    }
}
