//! What only an engine for many nodes promises: several stores, as of several nodes, on one database.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod fixture;

use std::sync::Arc;

use countermark_core::{TokenId, TokenKind};
use countermark_domain::store::{
    Changed, Claim, Inserted, KeptAnswer, Lookup, NewNotification, Statistics, Store, StoreError,
    TokenStatistic,
    UseOutcome::{Exhausted, Granted, KeyMismatch, Repeated},
};
use countermark_store::{Facts, Location, Migrated, OpenError, PostgresUrl, Rotation, check, migrate};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use fixture::postgres::{FAST, Server, run, shared};
use fixture::{
    Fixture, Recorder, at, audit, credential_for, key, keyed_use, limited, master_key, one_use, open,
    postgres, postgres_on, token, value,
};

/// A further node on the same database.
async fn node(it: &Fixture) -> (Arc<dyn Store>, Arc<Recorder>) {
    open(&it.location, master_key(1)).await.unwrap()
}

async fn new_location() -> Location {
    Location::Postgres(shared().new_schema().await.parse::<PostgresUrl>().unwrap().allow_lost_commits())
}

async fn used(store: &Arc<dyn Store>, id: TokenId) -> u64 {
    store.find(Lookup::Id(id)).await.unwrap().found.unwrap().usage.used
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_contend_for_one_token_grant_exactly_its_limit() {
    let it = postgres().await;
    let token = limited(1, 400);
    it.insert(&token).await;
    let stores = [it.store.clone(), node(&it).await.0, node(&it).await.0];
    let mut tasks = JoinSet::new();
    for store in &stores {
        for size in [1, 2, 3, 5, 8] {
            let (store, token) = (Arc::clone(store), token.clone());
            tasks.spawn(async move {
                let mut granted = Vec::new();
                for _ in 0..10 {
                    let uses = vec![one_use(&token, 1); size];
                    for outcome in store.take_uses(&uses, at(1000)).await.unwrap().outcome {
                        match outcome {
                            Granted { used } => granted.push(used),
                            other => assert_eq!(other, Exhausted { used: 400 }),
                        }
                    }
                }
                granted
            });
        }
    }
    let mut granted: Vec<u64> = tasks.join_all().await.into_iter().flatten().collect();
    granted.sort_unstable();
    assert_eq!(granted, (1..=400).collect::<Vec<_>>(), "each use once, none over, none under");
    for store in &stores {
        assert_eq!(used(store, token.terms.id).await, 400, "every node sees it at once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_name_the_same_tokens_in_any_order_all_end() {
    let it = postgres().await;
    let tokens: Vec<_> = (0..20).map(|number| limited(number, 1000)).collect();
    for token in &tokens {
        it.insert(token).await;
    }
    let mut tasks = JoinSet::new();
    for index in 0..12 {
        let (store, mut uses) = (it.another_node().await, Vec::new());
        uses.extend(tokens.iter().map(|token| one_use(token, 1)));
        uses.rotate_left(index);
        if index % 2 == 0 {
            uses.reverse();
        }
        tasks.spawn(async move {
            for _ in 0..5 {
                let outcomes = store.take_uses(&uses, at(1000)).await.unwrap().outcome;
                assert!(outcomes.iter().all(|outcome| matches!(outcome, Granted { .. })));
            }
        });
    }
    tasks.join_all().await;
    for token in &tokens {
        assert_eq!(it.used(token.terms.id).await, 60);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_idempotency_key_takes_one_use_on_all_nodes_together() {
    let it = postgres().await;
    let tokens = [limited(1, 100), limited(2, 100)];
    for token in &tokens {
        it.insert(token).await;
    }
    let nodes = [it.store.clone(), it.another_node().await, it.another_node().await];
    for scope in 1..20 {
        let mut tasks = JoinSet::new();
        // The same key for different tokens never meets in practice, but must do no harm.
        for index in 0..12 {
            let (store, token) = (nodes[index % 3].clone(), tokens[index % 2].clone());
            tasks.spawn(async move {
                let uses = [keyed_use(&token, 1, scope, u8::from(index >= 6))];
                store.take_uses(&uses, at(1000)).await.unwrap().outcome[0]
            });
        }
        let outcomes = tasks.join_all().await;
        let granted = outcomes.iter().filter(|outcome| matches!(outcome, Granted { .. })).count();
        assert_eq!(granted, 1, "{outcomes:?}");
        let is_fit = |outcome: &_| matches!(outcome, Granted { .. } | Repeated { .. } | KeyMismatch);
        assert!(outcomes.iter().all(is_fit), "{outcomes:?}");
        let used = it.used(tokens[0].terms.id).await + it.used(tokens[1].terms.id).await;
        assert_eq!(used, u64::from(scope));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_all_nodes_are_numbered_without_gaps_and_each_node_tells_its_own_in_order() {
    let it = postgres().await;
    let mut tasks = JoinSet::new();
    let mut nodes = vec![(it.store.clone(), it.changes.clone()), node(&it).await, node(&it).await];
    for (index, (store, _)) in (0u64..).zip(&nodes) {
        for number in 0..10 {
            let store = Arc::clone(store);
            tasks.spawn(async move {
                let token = limited(index * 100 + number, 5);
                let credential = credential_for(&token);
                let done = store.insert(&token, credential, audit("token.issue"), None).await.unwrap();
                assert!(matches!(done, Inserted::Done));
            });
        }
    }
    tasks.join_all().await;
    let mut all = Vec::new();
    for (_, changes) in nodes.drain(..) {
        let told: Vec<u64> = changes.0.lock().unwrap().iter().map(|change| change.position.0).collect();
        assert!(told.is_sorted(), "{told:?}");
        assert_eq!(told.len(), 10);
        all.extend(told);
    }
    all.sort_unstable();
    assert_eq!(all, (1..=30).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_nodes_one_makes_what_is_made_once() {
    let it = postgres().await;
    let mut token = limited(1, 5);
    it.insert(&token).await;
    token.terms.revision = 2;
    let mut tasks = JoinSet::new();
    for number in 0..8u64 {
        let (store, token) = (it.another_node().await, token.clone());
        tasks.spawn(async move {
            let admin = fixture::token(TokenKind::ApiKey, 100 + number);
            let first = value(&format!("first {number}"));
            let bootstrapped = store.bootstrap(&admin, first, audit("bootstrap")).await.unwrap();
            let updated = store.update(&token, 1, audit("token.update")).await.unwrap() == Changed::Done;
            let new = fixture::token(TokenKind::Upload, 200 + number);
            let kept = KeptAnswer { key: key(9, 9), answer: Zeroizing::new(vec![1]) };
            let inserted = store.insert(&new, credential_for(&new), audit("i"), Some(kept)).await.unwrap();
            store.found_notification_secret(&Zeroizing::new(format!("s{number}")), at(1)).await.unwrap();
            [bootstrapped, updated, matches!(inserted, Inserted::Done)]
        });
    }
    let made = tasks.join_all().await;
    for index in 0..3 {
        assert_eq!(made.iter().filter(|made| made[index]).count(), 1, "{index}");
    }
    assert_eq!(it.store.notification_secrets().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_family_issues_no_child_that_outlives_it() {
    let it = postgres().await;
    let stores = [it.store.clone(), it.another_node().await];
    for round in 0..10u64 {
        let parent = token(TokenKind::ApiKey, round * 100);
        it.insert(&parent).await;
        let mut tasks = JoinSet::new();
        for number in 1..6 {
            let (store, mut issuer) = (stores[number as usize % 2].clone(), parent.clone());
            tasks.spawn(async move {
                let mut issued = Vec::new();
                // A child, its child, and so on.
                for depth in 0..4 {
                    let mut child = token(TokenKind::ApiKey, round * 100 + number * 10 + depth);
                    child.about.created_by = Some(issuer.terms.id);
                    let mut entry = audit("token.issue");
                    (entry.actor, entry.actor_revision) = (Some(issuer.terms.id), Some(1));
                    match store.insert(&child, credential_for(&child), entry, None).await {
                        Ok(Inserted::Done) => issued.push(child.terms.id),
                        Err(StoreError::ActorChanged) => break,
                        other => panic!("{other:?}"),
                    }
                    issuer = child;
                }
                issued
            });
        }
        // Until something has been issued.
        while it.store.descent(parent.terms.id).await.unwrap().len() < 3 {}
        let judged = [(parent.terms.id, 1)];
        let revoked = stores[1].revoke(parent.terms.id, at(1000), Some(&judged), audit("token.revoke"));
        revoked.await.unwrap().unwrap();
        for child in tasks.join_all().await.into_iter().flatten() {
            assert!(it.find(child).await.unwrap().terms.revoked_at.is_some(), "round {round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_is_claimed_by_one_node() {
    let it = postgres().await;
    for number in 0..40u8 {
        let new = NewNotification {
            id: countermark_core::NotificationId::from_parts(1_700_000_000_000, [number; 10]),
            address: format!("https://r{}.example/", number % 20),
            event: "test.ping",
            token: None,
            body: "{}".into(),
        };
        it.store.enqueue_notification(new, audit("notification.test")).await.unwrap();
    }
    let mut tasks = JoinSet::new();
    for _ in 0..6 {
        let store = it.another_node().await;
        tasks.spawn(async move {
            let claim = Claim {
                now: at(1000),
                lease_until: at(1060),
                under_way: Default::default(),
                per_receiver: 8,
                at_most: 7,
            };
            let mut claimed = Vec::new();
            for _ in 0..12 {
                let more = store.claim_notifications(claim.clone()).await.unwrap();
                claimed.extend(more.into_iter().map(|one| one.id));
            }
            claimed
        });
    }
    let mut claimed: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    claimed.sort_unstable();
    assert!(claimed.is_sorted_by(|one, next| one < next), "none twice");
    assert_eq!(claimed.len(), 40, "all of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_of_all_nodes_are_added_up() {
    let it = postgres().await;
    let tokens: Vec<_> = (0..8).map(|number| token(TokenKind::Upload, number)).collect();
    for token in &tokens {
        it.insert(token).await;
    }
    let mut tasks = JoinSet::new();
    for index in 0..8 {
        let (store, tokens) = (it.another_node().await, tokens.clone());
        tasks.spawn(async move {
            let mut statistics = Statistics { hour: at(3600), ..Statistics::default() };
            statistics.decisions = vec![("REVOKED", 1), ("ALLOWED", 2)];
            statistics.tokens.extend(tokens.iter().map(|token| TokenStatistic {
                token: token.terms.id,
                uses: 1,
                refusals: 2,
                unlimited_uses: 1,
                last_used_at: Some(at(3600)),
            }));
            statistics.tokens.rotate_left(index);
            for _ in 0..5 {
                store.add_statistics(&statistics).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    for token in &tokens {
        let usage = it.store.usage(token.terms.id, at(0), at(7200)).await.unwrap();
        assert_eq!((usage[0].uses, usage[0].refusals, it.used(token.terms.id).await), (40, 80, 40));
    }
    let decisions = it.store.decisions(at(0), at(7200)).await.unwrap();
    assert_eq!(decisions.iter().map(|one| one.count).collect::<Vec<_>>(), [80, 40]);
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
    assert_eq!(migrate(&location).await.unwrap(), Migrated { from: 4, to: 4 });
    let location = new_location().await;
    let (one, other) = tokio::join!(migrate(&location), migrate(&location));
    // A migration that ran a second time would fail; each of the two may have run some.
    assert_eq!((one.unwrap().to, other.unwrap().to), (4, 4));
}

#[tokio::test]
async fn a_newer_schema_and_tables_of_something_else_are_refused() {
    let it = postgres().await;
    it.sql("UPDATE schema_version SET migrations_run = 99").await;
    let error = open(&it.location, master_key(1)).await.err().unwrap();
    assert!(matches!(error, OpenError::NewerSchema { found: 99, known: 4 }), "{error}");
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
    assert_eq!((facts.schema, facts.schema_known, facts.tokens), (4, 4, 1));
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
    for setting in ["fsync", "synchronous_commit"] {
        let server = Server::start(&[&format!("{setting} = off")]);
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
    // Every commit waits for a standby that never comes, unless its session waits for the own disk only.
    let server = Server::start(&["synchronous_standby_names = 'nobody'"]);
    let url = server.new_schema().await;
    let alone = format!("{url}&options[synchronous_commit]=local");
    let (alone, _) = open(&alone.parse().unwrap(), master_key(1)).await.unwrap();
    let (used_up, new) = (limited(1, 10), limited(2, 10));
    alone.insert(&used_up, credential_for(&used_up), audit("token.issue"), None).await.unwrap();
    let (store, changes) = open(&url.parse().unwrap(), master_key(1)).await.unwrap();

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
    let mut blocker = it.url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
    let lock = "BEGIN; SELECT 1 FROM token_counters FOR UPDATE";
    sqlx::raw_sql(lock).execute(&mut blocker).await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..40 {
        let (store, token) = (it.store.clone(), token.clone());
        tasks.spawn(async move { store.take_uses(&[one_use(&token, 1)], at(1000)).await });
    }
    let first = tasks.join_next().await.unwrap().unwrap();
    assert!(matches!(first, Err(StoreError::Unavailable(_))), "those that have a connection still wait");
    sqlx::raw_sql("ROLLBACK").execute(&mut blocker).await.unwrap();
    let granted = tasks.join_all().await.iter().filter(|result| result.is_ok()).count();
    assert_eq!(it.used(token.terms.id).await, granted as u64);
    assert!(granted > 0);
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
