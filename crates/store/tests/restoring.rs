//! Backups of either engine, and bringing them back when time has gone on.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod fixture;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countermark_core::{Status, Token, TokenId, TokenKind};
use countermark_domain::store::{AuditFilter, ListFilter, Lookup, Store, UseOutcome};
use countermark_store::{
    CopyKeys, Disable, Location, MasterKey, OpenError, PostgresUrl, RestoreOrder, Restored, backup, check,
    restore,
};
use sqlx::{ConnectOptions, Connection};

use fixture::full::{dump, fill, number};
use fixture::postgres::{run, shared};
use fixture::{
    Fixture, at, audit, fill_random, id, limited, master_key, one_use, open, postgres, sqlite, token,
};

/// Runs a test for a backup of each engine restored into each engine.
macro_rules! from_each_into_each {
    ($($name:ident)*) => { $(
        mod $name {
            use super::{Into, fixture};

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite_to_sqlite() {
                super::$name(fixture::sqlite().await, Into::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite_to_postgres() {
                super::$name(fixture::sqlite().await, Into::Postgres).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres_to_sqlite() {
                super::$name(fixture::postgres().await, Into::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres_to_postgres() {
                super::$name(fixture::postgres().await, Into::Postgres).await;
            }
        }
    )* };
}

from_each_into_each! {
    an_old_backup_grants_no_spent_use_again
    only_tokens_that_could_still_be_used_under_a_limit_are_disabled
    a_restore_changes_nothing_but_what_it_disables_and_the_life_of_the_data
    the_operator_may_choose_to_disable_all_or_none
    each_restore_begins_a_life_whose_positions_lie_behind_all_former_ones
}

/// Where a backup goes.
#[derive(Clone, Copy)]
enum Into {
    Sqlite,
    Postgres,
}

/// An empty place of a test.
struct Place {
    location: Location,
    /// Of PostgreSQL.
    url: Option<String>,
}

impl Into {
    async fn new_place(self, it: &Fixture, name: &str) -> Place {
        match self {
            Self::Sqlite => Place { location: Location::Sqlite(it.directory.path().join(name)), url: None },
            Self::Postgres => {
                let url = shared().new_schema().await;
                let location = url.parse::<PostgresUrl>().unwrap().allow_lost_commits();
                Place { location: Location::Postgres(location), url: Some(url) }
            }
        }
    }
}

impl Place {
    async fn open(&self) -> Arc<dyn Store> {
        open(&self.location, master_key(1)).await.unwrap().0
    }

    async fn position(&self, it: &Fixture, name: &str) -> i64 {
        let copy = it.directory.path().join(name);
        backup(&self.location, &copy).await.unwrap();
        number(&copy, "SELECT change_position FROM installation").await
    }
}

fn order<'a>(file: &'a Path, target: &'a Location, workspace: &'a Path) -> RestoreOrder<'a> {
    RestoreOrder { file, target, replace: false, disable: Disable::Limited, now: at(3000), workspace }
}

async fn run_order(order: RestoreOrder<'_>, key: MasterKey) -> Result<Restored, OpenError> {
    restore(order, CopyKeys { master_key: &key, fill_random: fill_random() }, &mut |_, _| {}).await
}

async fn restored(it: &Fixture, file: &Path, place: &Place, disable: Disable) -> Restored {
    let order = RestoreOrder { disable, ..order(file, &place.location, it.directory.path()) };
    run_order(order, master_key(1)).await.unwrap()
}

async fn backup_of(it: &Fixture, name: &str) -> PathBuf {
    let file = it.directory.path().join(name);
    backup(&it.location, &file).await.unwrap();
    file
}

async fn find(store: &Arc<dyn Store>, id: TokenId) -> Token {
    store.find(Lookup::Id(id)).await.unwrap().found.unwrap()
}

async fn an_old_backup_grants_no_spent_use_again(it: Fixture, into: Into) {
    let token = limited(1, 5);
    it.insert(&token).await;
    it.take(&[one_use(&token, 2)]).await;
    let file = backup_of(&it, "old.db").await;
    let spent = it.take(&[one_use(&token, 3)]).await;
    assert!(matches!(spent[..], [UseOutcome::Granted { used: 5 }]));
    it.store.close().await;

    let place = into.new_place(&it, "new.db").await;
    assert_eq!(restored(&it, &file, &place, Disable::Limited).await.disabled, 1);
    let store = place.open().await;
    let found = find(&store, token.terms.id).await;
    assert_eq!((found.terms.enabled, found.terms.revision, found.usage.used), (false, 2, 2));
    for known in [&token, &found] {
        let taken = store.take_uses(&[one_use(known, 1)], at(3000)).await.unwrap().outcome;
        assert!(matches!(taken[..], [UseOutcome::Stale]), "{taken:?}");
    }
    let disabled =
        ListFilter { status: Some((Status::Disabled, at(3000))), at_most: 9, ..Default::default() };
    let listed = store.list(&disabled).await.unwrap();
    assert_eq!(listed.iter().map(|it| it.terms.id).collect::<Vec<_>>(), [token.terms.id]);
    let log = store.audit(&AuditFilter { at_most: 2, ..Default::default() }).await.unwrap();
    let told: Vec<_> =
        log.iter().map(|it| (it.action.as_str(), it.token, it.actor, it.members.len())).collect();
    assert_eq!(
        told,
        [("token.update", Some(token.terms.id), None, 1), ("installation.restore", None, None, 0)]
    );
    assert_eq!(log[0].members, ["enabled"]);
    store.close().await;
}

async fn only_tokens_that_could_still_be_used_under_a_limit_are_disabled(it: Fixture, into: Into) {
    let mut expired = limited(3, 5);
    expired.terms.expiry = Some(at(900));
    let mut off = limited(4, 5);
    off.terms.enabled = false;
    let mut ahead = limited(5, 5);
    ahead.terms.not_before = Some(at(9_000));
    let (fresh, unlimited) = (limited(1, 5), token(TokenKind::Upload, 2));
    let (used_up, held, revoked) = (limited(6, 5), limited(7, 5), limited(8, 5));
    for token in [&fresh, &unlimited, &expired, &off, &ahead, &used_up, &held, &revoked] {
        it.insert(token).await;
    }
    it.take(&[one_use(&used_up, 5), one_use(&held, 5)]).await;
    it.store.revoke(revoked.terms.id, at(1000), None, audit("token.revoke")).await.unwrap();
    // Its upload may have been completed since, or give its use back.
    it.sql(
        "INSERT INTO uploads SELECT 'upl_1', max(token), NULL, NULL, 'reserved', '{}', '{}', 900, 2000, NULL, NULL, NULL, NULL
         FROM token_counters WHERE used = 5;
         UPDATE installation SET highest_time_seen = 1000",
    )
    .await;
    let file = backup_of(&it, "old.db").await;
    it.store.close().await;
    let place = into.new_place(&it, "new.db").await;
    assert_eq!(restored(&it, &file, &place, Disable::Limited).await.disabled, 3);
    let store = place.open().await;
    for (token, enabled, revision) in [
        (&fresh, false, 2),
        (&ahead, false, 2),
        (&held, false, 2),
        (&unlimited, true, 1),
        (&expired, true, 1),
        (&off, false, 1),
        (&used_up, true, 1),
        (&revoked, true, 2),
    ] {
        let found = find(&store, token.terms.id).await;
        assert_eq!((found.terms.enabled, found.terms.revision), (enabled, revision), "{}", token.terms.id);
    }
    assert_eq!(
        find(&store, revoked.terms.id).await.terms.revoked_at,
        Some(at(1000)),
        "what was revoked stays so"
    );
    store.close().await;
}

async fn a_restore_changes_nothing_but_what_it_disables_and_the_life_of_the_data(it: Fixture, into: Into) {
    fill(&it).await;
    let file = backup_of(&it, "old.db").await;
    it.store.close().await;
    let place = into.new_place(&it, "new.db").await;
    let done = restored(&it, &file, &place, Disable::None).await;
    assert_eq!(
        (done.epoch, done.disabled, done.tokens, done.as_of, done.replaced),
        (2, 0, 6, at(1010), None)
    );
    let again = it.directory.path().join("again.db");
    backup(&place.location, &again).await.unwrap();
    let (before, after) = (dump(&file).await, dump(&again).await);
    let differing: Vec<_> = after.iter().filter(|row| !before.contains(row)).collect();
    assert_eq!(differing.len(), 2, "the installation, and one more entry in the audit log: {differing:?}");
    assert!(differing[0].starts_with("audit_log") && differing[1].starts_with("installation"));
    assert_eq!(after.len(), before.len() + 1);
    assert!(!it.directory.path().join("countermark.restoring").exists(), "nothing is left lying about");
}

async fn the_operator_may_choose_to_disable_all_or_none(it: Fixture, into: Into) {
    fill(&it).await;
    let file = backup_of(&it, "old.db").await;
    it.store.close().await;
    let all = into.new_place(&it, "all.db").await;
    // One of the six is revoked.
    assert_eq!(restored(&it, &file, &all, Disable::All).await.disabled, 5);
    let store = all.open().await;
    let tokens = store.list(&ListFilter { at_most: 9, ..Default::default() }).await.unwrap();
    assert!(tokens.iter().all(|token| !token.terms.enabled || token.terms.revoked_at.is_some()));
    store.close().await;
    let none = into.new_place(&it, "none.db").await;
    assert_eq!(restored(&it, &file, &none, Disable::None).await.disabled, 0);
    let store = none.open().await;
    assert!(find(&store, limited(2, 5).terms.id).await.terms.enabled);
    store.close().await;
}

async fn each_restore_begins_a_life_whose_positions_lie_behind_all_former_ones(it: Fixture, into: Into) {
    it.insert(&limited(1, 5)).await;
    let file = backup_of(&it, "old.db").await;
    it.store.close().await;
    let first = into.new_place(&it, "first.db").await;
    assert_eq!(restored(&it, &file, &first, Disable::Limited).await.epoch, 2);
    let position = first.position(&it, "position.db").await;
    assert!((2 << 40..3 << 40).contains(&position), "{position}");
    let second = backup_of_place(&it, &first, "second.db").await;
    let place = into.new_place(&it, "place.db").await;
    let done = restored(&it, &second, &place, Disable::Limited).await;
    assert_eq!((done.epoch, done.disabled), (3, 0), "what is disabled already is left alone");
    let store = place.open().await;
    let found = find(&store, limited(1, 5).terms.id).await;
    assert_eq!((found.terms.enabled, found.terms.revision), (false, 2), "never revived");
    store.close().await;
    assert!(place.position(&it, "position2.db").await >= 3 << 40);
}

async fn backup_of_place(it: &Fixture, place: &Place, name: &str) -> PathBuf {
    let file = it.directory.path().join(name);
    backup(&place.location, &file).await.unwrap();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_there_is_refused_or_moved_aside_and_its_life_counts() {
    let it = sqlite().await;
    it.insert(&limited(1, 5)).await;
    let file = backup_of(&it, "old.db").await;
    it.insert(&limited(2, 5)).await;
    let order = order(&file, &it.location, it.directory.path());
    let replacing = RestoreOrder { replace: true, ..order };
    let error = run_order(replacing, master_key(1)).await.unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    it.store.close().await;
    let error = run_order(order, master_key(1)).await.unwrap_err();
    assert!(matches!(error, OpenError::NotEmpty(_)), "{error}");
    for (epoch, aside) in [(2, "tokens.db.replaced-1"), (3, "tokens.db.replaced-2")] {
        let done = run_order(replacing, master_key(1)).await.unwrap();
        assert_eq!(done.epoch, epoch, "the same old backup, another life");
        assert_eq!(done.replaced.unwrap().file_name().unwrap(), aside);
    }
    let former = Location::Sqlite(it.directory.path().join("tokens.db.replaced-1"));
    let (store, _) = open(&former, master_key(1)).await.unwrap();
    assert!(
        store.find(Lookup::Id(limited(2, 5).terms.id)).await.unwrap().found.is_some(),
        "nothing is deleted"
    );
    store.close().await;
    let (store, _) = open(&it.location, master_key(1)).await.unwrap();
    assert!(store.find(Lookup::Id(limited(2, 5).terms.id)).await.unwrap().found.is_none());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_database_that_is_replaced_goes_with_it() {
    let it = sqlite().await;
    it.insert(&limited(1, 5)).await;
    let file = backup_of(&it, "old.db").await;
    it.store.close().await;
    // As a crash between the steps of a replacement leaves them.
    std::fs::rename(it.path(), it.directory.path().join("tokens.db.replaced-1")).unwrap();
    std::fs::write(it.directory.path().join("tokens.db-wal"), "a log").unwrap();
    let done = run_order(order(&file, &it.location, it.directory.path()), master_key(1)).await.unwrap();
    assert_eq!(done.epoch, 2);
    assert_eq!(std::fs::read(it.directory.path().join("tokens.db.replaced-1-wal")).unwrap(), b"a log");
    assert!(!it.directory.path().join("tokens.db-wal").exists());
    assert!(open(&it.location, master_key(1)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_into_a_database_that_holds_something_is_refused() {
    let it = postgres().await;
    it.insert(&limited(1, 5)).await;
    let file = backup_of(&it, "old.db").await;
    let order = RestoreOrder { replace: true, ..order(&file, &it.location, it.directory.path()) };
    let error = run_order(order, master_key(1)).await.unwrap_err();
    assert!(matches!(error, OpenError::NotEmpty(_)), "{error}");
    assert!(it.find(limited(1, 5).terms.id).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_restore_is_opened_by_nobody_and_can_be_run_again() {
    let it = sqlite().await;
    fill(&it).await;
    let file = backup_of(&it, "old.db").await;
    it.store.close().await;
    for stop_at in ["access_tokens", "audit_log", "notification_secrets"] {
        let place = Into::Postgres.new_place(&it, "").await;
        let (target, file, workspace) =
            (place.location.clone(), file.clone(), it.directory.path().to_owned());
        let cut = tokio::spawn(async move {
            let key = master_key(1);
            let keys = CopyKeys { master_key: &key, fill_random: fill_random() };
            restore(order(&file, &target, &workspace), keys, &mut |table, _| assert_ne!(table, stop_at)).await
        });
        cut.await.unwrap_err();
        let error = open(&place.location, master_key(1)).await.err().unwrap();
        assert!(matches!(error, OpenError::HalfFilled(_)), "{error}");
        let done = run_order(order(&backup_file(&it), &place.location, it.directory.path()), master_key(1))
            .await
            .unwrap();
        assert_eq!(done.disabled, 1);
        let store = place.open().await;
        assert_eq!(store.list(&ListFilter { at_most: 9, ..Default::default() }).await.unwrap().len(), 6);
        store.close().await;
        assert!(place.url.is_some());
    }
}

fn backup_file(it: &Fixture) -> PathBuf {
    it.directory.path().join("old.db")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_backup_or_needs_another_key_is_refused_and_nothing_appears() {
    let it = sqlite().await;
    it.insert(&limited(1, 5)).await;
    let good = backup_of(&it, "good.db").await;
    let file = |name: &str, content: &[u8]| {
        let path = it.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let bytes = std::fs::read(&good).unwrap();
    let mut torn = bytes.clone();
    torn[4096..].fill(0xa5);
    let files = [
        (file("empty", b""), "no SQLite database"),
        (file("text", b"-- PostgreSQL database dump\n"), "no SQLite database"),
        (file("short", &bytes[..4096]), "damaged"),
        (file("torn", &torn), "damaged"),
        (meddled(&it, &good, "none.db", "DELETE FROM installation").await, "no installation"),
        (meddled(&it, &good, "half.db", "UPDATE installation SET filling = 'backup'").await, "interrupted"),
        (meddled(&it, &good, "other.db", "PRAGMA application_id = 1").await, "something else"),
    ];
    let target = Location::Sqlite(it.directory.path().join("target.db"));
    for (path, why) in files {
        let error = run_order(order(&path, &target, it.directory.path()), master_key(1)).await.unwrap_err();
        assert!(
            matches!(error, OpenError::NotABackup(..)) && error.to_string().contains(why),
            "{path:?}: {error}"
        );
    }
    let absent = it.directory.path().join("absent.db");
    let error = run_order(order(&absent, &target, it.directory.path()), master_key(1)).await.unwrap_err();
    assert!(matches!(error, OpenError::Missing(_)), "{error}");
    let newer = meddled(&it, &good, "newer.db", "PRAGMA user_version = 99").await;
    let error = run_order(order(&newer, &target, it.directory.path()), master_key(1)).await.unwrap_err();
    assert!(matches!(error, OpenError::NewerSchema { found: 99, .. }), "{error}");
    let error = run_order(order(&good, &target, it.directory.path()), master_key(2)).await.unwrap_err();
    assert!(matches!(error, OpenError::WrongMasterKey), "{error}");
    let left = std::fs::metadata(it.directory.path().join("target.db")).unwrap().len();
    assert_eq!(left, 0, "only the empty file that a first opening begins with");
    assert!(!it.directory.path().join("target.db.restoring").exists());
    assert!(run_order(order(&good, &target, it.directory.path()), master_key(1)).await.is_ok());
}

/// A copy of a backup after this statement.
async fn meddled(it: &Fixture, good: &Path, name: &str, statement: &'static str) -> PathBuf {
    let path = it.directory.path().join(name);
    std::fs::copy(good, &path).unwrap();
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_an_older_schema_is_brought_up_to_date_and_stays_as_it_is() {
    let it = sqlite().await;
    it.insert(&limited(1, 5)).await;
    let good = backup_of(&it, "good.db").await;
    let older = meddled(
        &it,
        &good,
        "older.db",
        "ALTER TABLE installation DROP COLUMN filling; ALTER TABLE installation DROP COLUMN transfer;
         ALTER TABLE installation DROP COLUMN moved_at; ALTER TABLE installation DROP COLUMN moved_to;
         ALTER TABLE installation DROP COLUMN epoch; PRAGMA user_version = 4",
    )
    .await;
    let before = std::fs::read(&older).unwrap();
    for into in [Into::Sqlite, Into::Postgres] {
        let place = into.new_place(&it, "new.db").await;
        let done = restored(&it, &older, &place, Disable::Limited).await;
        assert_eq!((done.epoch, done.tokens), (2, 1));
        assert!(place.open().await.find(Lookup::Id(limited(1, 5).terms.id)).await.unwrap().found.is_some());
    }
    assert_eq!(std::fs::read(&older).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_postgres_under_way_is_one_moment_of_it() {
    let it = postgres().await;
    for number in 1..=20 {
        it.insert(&limited(number, 50)).await;
    }
    let running = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4u64 {
        let (store, running) = (it.store.clone(), running.clone());
        writers.spawn(async move {
            let mut number = 1_000 * (writer + 1);
            while running.load(std::sync::atomic::Ordering::Relaxed) {
                let token = limited(number, 50);
                let credential = fixture::credential_for(&token);
                store.insert(&token, credential, audit("token.issue"), None).await.unwrap();
                let uses: Vec<_> = (1..=20).map(|number| one_use(&limited(number, 50), 1)).collect();
                store.take_uses(&uses, at(1000)).await.unwrap();
                number += 1;
            }
        });
    }
    for copy in 0..5 {
        let file = backup_of(&it, &format!("copy{copy}.db")).await;
        assert_eq!(number(&file, "SELECT count(*) FROM token_counters WHERE used > use_limit").await, 0);
        // A batch takes one use of each of the twenty, in one transaction.
        assert_eq!(
            number(
                &file,
                "SELECT count(DISTINCT used) FROM token_counters WHERE use_limit = 50 AND used > 0"
            )
            .await
            .max(1),
            1
        );
        for query in [
            "SELECT count(*) FROM access_tokens",
            "SELECT count(*) FROM token_values",
            "SELECT count(*) FROM audit_log WHERE action = 'token.issue'",
            "SELECT change_position FROM installation",
        ] {
            let counters = number(&file, "SELECT count(*) FROM token_counters").await;
            assert_eq!(number(&file, query).await, counters, "{query}");
        }
        assert!(check(&Location::Sqlite(file)).await.unwrap().problems.is_empty());
    }
    running.store(false, std::sync::atomic::Ordering::Relaxed);
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    assert!(run(&it.url, "SELECT 1").await.is_ok());
    assert!(it.find(id(TokenKind::Upload, 4_000)).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_postgres_overwrites_nothing_and_opens_like_one_of_sqlite() {
    let it = postgres().await;
    let token = limited(1, 5);
    it.insert(&token).await;
    it.take(&[one_use(&token, 3)]).await;
    let file = backup_of(&it, "copy.db").await;
    assert!(matches!(backup(&it.location, &file).await, Err(OpenError::File { .. })));
    let facts = check(&Location::Sqlite(file.clone())).await.unwrap();
    assert_eq!((facts.problems.len(), facts.tokens, facts.epoch), (0, 1, Some(1)));
    let (store, _) = open(&Location::Sqlite(file), master_key(1)).await.unwrap();
    assert_eq!(find(&store, token.terms.id).await.usage.used, 3);
}
