//! Moving an installation from SQLite to PostgreSQL, interrupted wherever it can be.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod fixture;

use std::panic::AssertUnwindSafe;
use std::sync::Mutex;

use countermark_core::{TokenKind, UnixSeconds};
use countermark_domain::store::{Lookup, UseOutcome};
use countermark_store::{
    CopyKeys, Departure, Disable, Location, Moved, OpenError, PostgresUrl, backup, cancel_move, check,
    migrate, move_to, rotate_master_key,
};

use fixture::full::{dump, fill, number};
use fixture::postgres::{FAST, Server, run, shared};
use fixture::{
    Fixture, at, audit, fill_random, limited, master_key, one_use, open, postgres, sqlite, token, value,
};

/// An empty schema.
struct Target {
    url: String,
    location: Location,
}

async fn empty_schema(server: &Server) -> Target {
    let url = server.new_schema().await;
    let location = Location::Postgres(url.parse::<PostgresUrl>().unwrap().allow_lost_commits());
    Target { url, location }
}

async fn move_of(
    source: &Location,
    target: &Location,
    progress: impl FnMut(&'static str, u64) + Send,
) -> Result<Moved, OpenError> {
    let key = master_key(1);
    let mut progress = progress;
    move_to(
        source,
        target,
        CopyKeys { master_key: &key, fill_random: fill_random() },
        at(2000),
        &mut progress,
    )
    .await
}

/// A SQLite installation with something in every table, closed.
async fn full_source() -> Fixture {
    let it = sqlite().await;
    fill(&it).await;
    it.store.close().await;
    it
}

/// Waits within a callback, which cannot be asynchronous.
fn now<T>(work: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(work))
}

async fn refusal(location: &Location) -> OpenError {
    open(location, master_key(1)).await.err().unwrap()
}

/// What a PostgreSQL database holds, told by a backup of it.
async fn dump_of(location: &Location, it: &Fixture, name: &str) -> Vec<String> {
    let file = it.directory.path().join(name);
    backup(location, &file).await.unwrap();
    dump(&file).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_installation_is_the_same_in_every_table_and_so_is_its_backup() {
    let it = full_source().await;
    let before = dump(&it.path()).await;
    let target = empty_schema(shared()).await;
    let moved = move_of(&it.location, &target.location, |_, _| {}).await.unwrap();
    assert!(!moved.was_complete && moved.to.starts_with("PostgreSQL at /"), "{moved:?}");
    assert_eq!(moved.rows, before.len() as u64);
    assert_eq!(dump_of(&target.location, &it, "copy.db").await, before);
    assert_eq!(dump(&it.path()).await, before, "the source is as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_values_and_uses_are_found_at_the_target_as_they_were() {
    let it = sqlite().await;
    fill(&it).await;
    let ids = [
        token(TokenKind::ApiKey, 1),
        limited(2, 5),
        limited(3, 5),
        limited(4, 5),
        token(TokenKind::ImageUrl, 5),
    ]
    .map(|token| token.terms.id);
    let mut before = Vec::new();
    for id in ids {
        before.push((
            format!("{:?}", it.find(id).await.unwrap()),
            format!("{:?}", it.store.open(&[id]).await.unwrap()),
        ));
    }
    it.store.close().await;
    let target = empty_schema(shared()).await;
    move_of(&it.location, &target.location, |_, _| {}).await.unwrap();
    let (store, _) = open(&target.location, master_key(1)).await.unwrap();
    for (id, before) in ids.into_iter().zip(before) {
        let found = store.find(Lookup::Id(id)).await.unwrap().found.unwrap();
        assert_eq!((format!("{found:?}"), format!("{:?}", store.open(&[id]).await.unwrap())), before);
    }
    let by_value = store.find(Lookup::Value(store.digest("administrator"))).await.unwrap().found.unwrap();
    assert_eq!(by_value.terms.id, ids[0]);
    let taken = store.take_uses(&[one_use(&limited(2, 5), 3)], at(1020)).await.unwrap().outcome;
    assert!(matches!(taken[..], [UseOutcome::Granted { used: 5 }]), "{taken:?}");
    let taken = store.take_uses(&[one_use(&limited(2, 5), 1)], at(1020)).await.unwrap().outcome;
    assert!(matches!(taken[..], [UseOutcome::Exhausted { used: 5 }]), "{taken:?}");
    let last = last_number(&store).await;
    store.note(audit("token.reveal")).await.unwrap();
    assert_eq!(last_number(&store).await, last + 1, "numbers of the audit log go on");
}

async fn last_number(store: &std::sync::Arc<dyn countermark_domain::store::Store>) -> u64 {
    let filter = countermark_domain::store::AuditFilter { at_most: 1, ..Default::default() };
    store.audit(&filter).await.unwrap()[0].number
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_installation_is_opened_by_nothing_that_writes_and_says_where_it_went() {
    let it = full_source().await;
    let target = empty_schema(shared()).await;
    move_of(&it.location, &target.location, |_, _| {}).await.unwrap();
    let (old, new) = (master_key(1), master_key(2));
    let rotated = rotate_master_key(&it.location, &old, &new, fill_random()).await.unwrap_err();
    for error in [refusal(&it.location).await, migrate(&it.location).await.unwrap_err(), rotated] {
        assert!(matches!(error, OpenError::Moved(_)), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("has been moved to PostgreSQL at /") && text.contains("migrate --cancel"),
            "{text}"
        );
    }
    let facts = check(&it.location).await.unwrap();
    assert_eq!(facts.departure.unwrap().at, Some(at(2000)));
    assert!(!facts.is_half_filled);
    let again =
        move_of(&it.location, &target.location, |_, _| panic!("nothing is copied again")).await.unwrap();
    assert!(again.was_complete);
    let elsewhere = empty_schema(shared()).await;
    let error = move_of(&it.location, &elsewhere.location, |_, _| {}).await.unwrap_err();
    assert!(matches!(error, OpenError::Moved(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_anywhere_a_move_goes_on_and_meanwhile_nobody_opens_either_side() {
    let it = full_source().await;
    // Several batches in one table.
    it.sql(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
         INSERT INTO audit_log (at, action, members) SELECT i, 'token.issue', '[]' FROM n",
    )
    .await;
    let before = dump(&it.path()).await;
    let target = empty_schema(shared()).await;
    let mut interruptions = 0;
    loop {
        let (from, to) = (it.location.clone(), target.location.clone());
        // Each run is cut off by the second batch that it has written.
        let batches = Mutex::new(0);
        let ended = tokio::spawn(async move {
            move_of(&from, &to, |_, _| {
                let mut batches = batches.lock().unwrap();
                *batches += 1;
                assert!(*batches < 2, "cut off");
            })
            .await
        });
        match ended.await {
            Ok(moved) => break assert!(!moved.unwrap().was_complete),
            Err(_) => interruptions += 1,
        }
        assert!(matches!(refusal(&target.location).await, OpenError::HalfFilled(_)));
        assert!(matches!(migrate(&target.location).await, Err(OpenError::HalfFilled(_))));
        let copy = it.directory.path().join("half.db");
        assert!(matches!(backup(&target.location, &copy).await, Err(OpenError::HalfFilled(_))));
        let error = refusal(&it.location).await;
        assert!(error.to_string().contains("is being moved"), "{error}");
        assert!(check(&target.location).await.unwrap().is_half_filled);
    }
    assert!(interruptions >= 7, "{interruptions}");
    assert_eq!(dump_of(&target.location, &it, "copy.db").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_goes_on_between_the_mark_and_the_first_row_and_before_the_last_word() {
    let it = full_source().await;
    let target = empty_schema(shared()).await;
    let (from, to) = (it.location.clone(), target.location.clone());
    tokio::spawn(async move { move_of(&from, &to, |_, _| panic!("cut off")).await }).await.unwrap_err();
    // As if the first row had not been written.
    run(&target.url, "DELETE FROM token_counters; DELETE FROM access_tokens; DELETE FROM installation")
        .await
        .unwrap();
    assert!(!move_of(&it.location, &target.location, |_, _| {}).await.unwrap().was_complete);
    // As if the word that lets it be opened had not been said.
    run(&target.url, "UPDATE installation SET filling = 'move'").await.unwrap();
    assert!(matches!(refusal(&target.location).await, OpenError::HalfFilled(_)));
    assert!(!move_of(&it.location, &target.location, |_, _| {}).await.unwrap().was_complete);
    assert!(open(&target.location, master_key(1)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_in_the_middle_costs_nothing_but_time() {
    let server = Server::start(&FAST[1..]);
    let it = full_source().await;
    let before = dump(&it.path()).await;
    let target = empty_schema(&server).await;
    let ended = move_of(&it.location, &target.location, |table, _| {
        if table == "token_values" {
            server.crash();
        }
    });
    assert!(matches!(ended.await, Err(OpenError::Store(_))));
    server.restart();
    move_of(&it.location, &target.location, |_, _| {}).await.unwrap();
    assert_eq!(dump_of(&target.location, &it, "copy.db").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_differs_keeps_the_target_closed() {
    for (tamper, differing) in [
        ("UPDATE token_counters SET used = used + 1 WHERE use_limit = 5 AND used = 2", "token_counters"),
        ("DELETE FROM signing_secrets", "signing_secrets"),
        ("UPDATE token_values SET sealed = NULL WHERE number = 1", "token_values"),
        ("INSERT INTO decisions_hourly VALUES (7200, 'ALLOWED', 1)", "decisions_hourly"),
        ("UPDATE notifications SET body = body || ' '", "notifications"),
    ] {
        let it = full_source().await;
        let target = empty_schema(shared()).await;
        let url = target.url.clone();
        let ended = move_of(&it.location, &target.location, |table, _| {
            if table == "notification_secrets" {
                assert!(now(run(&url, tamper)).unwrap() > 0, "{tamper}");
            }
        });
        match ended.await {
            Err(OpenError::CopyDiffers { table, .. }) => assert_eq!(table, differing),
            other => panic!("{tamper}: {other:?}"),
        }
        assert!(matches!(refusal(&target.location).await, OpenError::HalfFilled(_)));
        assert_eq!(check(&it.location).await.unwrap().departure.unwrap().at, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_holds_anything_else_is_left_alone_and_the_source_can_be_opened() {
    let it = full_source().await;
    let taken = postgres().await;
    taken.insert(&limited(1, 5)).await;
    let error = move_of(&it.location, &taken.location, |_, _| {}).await.unwrap_err();
    assert!(matches!(error, OpenError::NotEmpty(_)), "{error}");
    assert!(taken.find(limited(1, 5).terms.id).await.is_some());
    let foreign = empty_schema(shared()).await;
    run(&foreign.url, "CREATE TABLE theirs (a INT)").await.unwrap();
    let error = move_of(&it.location, &foreign.location, |_, _| {}).await.unwrap_err();
    assert!(matches!(error, OpenError::ForeignSchema(_)), "{error}");
    let newer = empty_schema(shared()).await;
    migrate(&newer.location).await.unwrap();
    run(&newer.url, "UPDATE schema_version SET migrations_run = 99").await.unwrap();
    let error = move_of(&it.location, &newer.location, |_, _| {}).await.unwrap_err();
    assert!(matches!(error, OpenError::NewerSchema { .. }), "{error}");
    assert!(open(&it.location, master_key(1)).await.is_ok(), "the source is not marked by a refused move");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_must_be_stopped_and_its_master_key_must_fit() {
    let it = sqlite().await;
    fill(&it).await;
    let target = empty_schema(shared()).await;
    let error = move_of(&it.location, &target.location, |_, _| {}).await.unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    it.store.close().await;
    let wrong = master_key(9);
    let keys = CopyKeys { master_key: &wrong, fill_random: fill_random() };
    let error = move_to(&it.location, &target.location, keys, at(1), &mut |_, _| {}).await.unwrap_err();
    assert!(matches!(error, OpenError::WrongMasterKey), "{error}");
    let error = move_of(&target.location, &it.location, |_, _| {}).await.unwrap_err();
    assert!(matches!(error, OpenError::WrongWay), "{error}");
    assert!(open(&it.location, master_key(1)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_runs_on_the_target_is_noticed_before_it_can_be_opened() {
    let it = full_source().await;
    let target = empty_schema(shared()).await;
    let renew = "INSERT INTO nodes VALUES ('nod_1', 'a host', 0, 1000, 1, 1, 0) ON CONFLICT (id) DO NOTHING";
    let ended = move_of(&it.location, &target.location, |_, _| {
        now(run(&target.url, renew)).unwrap();
    });
    let error = ended.await.unwrap_err();
    assert!(matches!(error, OpenError::NodesRun), "{error}");
    assert!(matches!(refusal(&target.location).await, OpenError::HalfFilled(_)));
    move_of(&it.location, &target.location, |_, _| {}).await.unwrap();
    assert!(open(&target.location, master_key(1)).await.is_ok());
}

async fn cancel(location: &Location, abandon: Option<Disable>) -> Result<(Departure, u64), OpenError> {
    let cancelled = cancel_move(location, abandon, UnixSeconds::new(2000).unwrap(), &fill_random()).await?;
    Ok((cancelled.departure, cancelled.disabled))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_under_way_is_cancelled_at_will_and_its_beginning_is_not_taken_up_again() {
    let it = full_source().await;
    assert!(matches!(cancel(&it.location, None).await, Err(OpenError::NotMoved)));
    let before = dump(&it.path()).await;
    let target = empty_schema(shared()).await;
    let (from, to) = (it.location.clone(), target.location.clone());
    let cut = tokio::spawn(async move { move_of(&from, &to, |_, _| panic!("cut off")).await });
    cut.await.unwrap_err();
    assert_eq!(cancel(&it.location, None).await.unwrap().1, 0);
    assert_eq!(dump(&it.path()).await, before);
    let (store, _) = open(&it.location, master_key(1)).await.unwrap();
    store.insert(&token(TokenKind::ApiKey, 77), value("later"), audit("token.issue"), None).await.unwrap();
    store.close().await;
    let error = move_of(&it.location, &target.location, |_, _| {}).await.unwrap_err();
    assert!(matches!(error, OpenError::HalfFilled(_)), "{error}");
    assert!(matches!(refusal(&target.location).await, OpenError::HalfFilled(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn coming_back_from_a_complete_move_is_said_aloud_and_ends_what_may_have_been_used_there() {
    let it = full_source().await;
    let target = empty_schema(shared()).await;
    move_of(&it.location, &target.location, |_, _| {}).await.unwrap();
    let error = cancel(&it.location, None).await.unwrap_err();
    assert!(matches!(error, OpenError::MoveComplete(_)), "{error}");
    assert!(
        matches!(refusal(&it.location).await, OpenError::Moved(_)),
        "a refused cancelling changes nothing"
    );
    assert_eq!(cancel(&it.location, Some(Disable::Limited)).await.unwrap().1, 1);
    let (store, _) = open(&it.location, master_key(1)).await.unwrap();
    let found = store.find(Lookup::Id(limited(2, 5).terms.id)).await.unwrap().found.unwrap();
    assert!(!found.terms.enabled);
    store.close().await;
    assert_eq!(check(&it.location).await.unwrap().epoch, Some(2));
    assert!(number(&it.path(), "SELECT change_position FROM installation").await >= 2 << 40);
    let error = move_of(&it.location, &target.location, |_, _| {}).await.unwrap_err();
    assert!(matches!(error, OpenError::NotEmpty(_)), "{error}");
}

/// Not a promise but a measurement: `cargo test --release -p countermark-store --test moving -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn a_hundred_thousand_tokens() {
    let it = full_source().await;
    it.sql(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
         INSERT INTO access_tokens (id, labels, terms, auto_delete, recoverable, preview, dialect, created_at, updated_at)
         SELECT printf('up_%022d', i), '{\"a\":\"b\"}', '{}', 0, 1, 'cmu_abcd', 'native', 1000, 1000 FROM n;
         INSERT INTO token_counters (token, revision, enabled, use_limit, used) SELECT id, 1, 1, 10, 3 FROM access_tokens
             WHERE created_at = 1000 AND preview = 'cmu_abcd';
         INSERT INTO token_values SELECT randomblob(32), token, 1, 1000, NULL, randomblob(100), 1 FROM token_counters
             WHERE use_limit = 10;
         INSERT INTO audit_log (at, action, token, members) SELECT 1000, 'token.issue', token, '[]' FROM token_counters",
    )
    .await;
    let target = empty_schema(shared()).await;
    let memory = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        status
            .lines()
            .filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    println!("before: {}", memory());
    let begin = std::time::Instant::now();
    let moved = AssertUnwindSafe(move_of(&it.location, &target.location, |_, _| {})).await.unwrap();
    println!("moved {} rows in {:?}; {}", moved.rows, begin.elapsed(), memory());
    let begin = std::time::Instant::now();
    backup(&target.location, &it.directory.path().join("copy.db")).await.unwrap();
    println!("backed up in {:?}; {}", begin.elapsed(), memory());
}
