//! The schema, its numbers and its promises; and copies of a database.

mod fixture;

use countermark_core::TokenKind;
use countermark_store::{Location, Migrated, OpenError, backup, check, migrate, rotate_master_key};
use sqlx::{ConnectOptions, Connection};

use fixture::{limited, master_key, one_use, open, sqlite, token};

async fn connect(path: &std::path::Path) -> sqlx::SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    options.connect().await.expect("a file in a fresh directory opens")
}

#[tokio::test]
async fn migrating_twice_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let location = Location::Sqlite(directory.path().join("tokens.db"));
    assert_eq!(migrate(&location).await.unwrap(), Migrated { from: 0, to: 5 });
    assert_eq!(migrate(&location).await.unwrap(), Migrated { from: 5, to: 5 });
    assert!(open(&location, master_key(1)).await.is_ok());
}

/// The migrations that made schema 3, byte by byte as they were released.
const UP_TO_3: [&str; 3] = [
    include_str!("../migrations/sqlite/0001_tokens.sql"),
    include_str!("../migrations/sqlite/0002_uploads.sql"),
    include_str!("../migrations/sqlite/0003_notifications.sql"),
];

async fn schema_of(connection: &mut sqlx::SqliteConnection) -> Vec<String> {
    let query = "SELECT ifnull(sql, name) FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY 1";
    sqlx::query_scalar(query).fetch_all(connection).await.expect("a database of our own")
}

/// Puts a database of today back to schema 3, and makes sure that this is what the first three migrations make.
async fn put_back_to_3(path: &std::path::Path) {
    let mut connection = connect(path).await;
    sqlx::raw_sql(
        "DROP INDEX access_tokens_unique_names; DROP INDEX access_tokens_by_dialect;
         ALTER TABLE installation DROP COLUMN epoch; ALTER TABLE installation DROP COLUMN moved_to;
         ALTER TABLE installation DROP COLUMN moved_at; ALTER TABLE installation DROP COLUMN transfer;
         ALTER TABLE installation DROP COLUMN filling;
         PRAGMA user_version = 3",
    )
    .execute(&mut connection)
    .await
    .expect("a database of our own");
    let mut reference = connect(&path.with_extension("reference")).await;
    for migration in UP_TO_3 {
        sqlx::raw_sql(migration).execute(&mut reference).await.expect("a database of our own");
    }
    assert_eq!(schema_of(&mut connection).await, schema_of(&mut reference).await);
    connection.close().await.expect("a database of our own");
}

#[tokio::test]
async fn tokens_of_schema_3_are_all_kept_and_their_names_stay_free() {
    let it = sqlite().await;
    let mut tokens = vec![limited(1, 5), token(TokenKind::ImageUrl, 2)];
    for number in [3, 4] {
        let mut key = token(TokenKind::ApiKey, number);
        key.about.name = Some("the same name".into());
        tokens.push(key);
    }
    for token in &tokens {
        it.insert(token).await;
    }
    it.take(&[one_use(&tokens[0], 3)]).await;
    let mut before = Vec::new();
    for token in &tokens {
        before.push(format!("{:?}", it.find(token.terms.id).await));
    }
    it.store.close().await;
    put_back_to_3(&it.path()).await;
    // As schema 3 wrote them.
    it.sql(r#"UPDATE access_tokens SET terms = '{"permissions":[]}' WHERE substr(id, 1, 3) = 'ak_'"#).await;

    assert_eq!(migrate(&it.location).await.unwrap(), Migrated { from: 3, to: 5 });
    assert!(check(&it.location).await.unwrap().problems.is_empty());
    let (store, _) = open(&it.location, master_key(1)).await.unwrap();
    for (token, before) in tokens.iter().zip(before) {
        let lookup = countermark_domain::store::Lookup::Id(token.terms.id);
        let found = store.find(lookup).await.unwrap().found;
        assert_eq!(found.as_ref().unwrap().terms.dialect, countermark_core::Dialect::Native);
        assert_eq!(format!("{found:?}"), before);
    }
    let digest = store.digest(&format!("value-of-{}", tokens[0].terms.id));
    let lookup = countermark_domain::store::Lookup::Value(digest);
    assert!(store.find(lookup).await.unwrap().found.is_some(), "values are found as before");
    let mut key = token(TokenKind::ApiKey, 9);
    (key.about.name, key.terms.dialect) =
        (Some("the same name".into()), countermark_core::Dialect::Contentive);
    for outcome in ["Done", "NameTaken"] {
        let credential = fixture::value(outcome);
        let inserted = store.insert(&key, credential, fixture::audit("token.issue"), None).await.unwrap();
        assert_eq!(format!("{inserted:?}"), outcome);
        key.terms.id = fixture::id(TokenKind::ApiKey, 10);
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let it = sqlite().await;
    it.store.close().await;
    it.sql("PRAGMA user_version = 99").await;
    let error = open(&it.location, master_key(1)).await.err().unwrap();
    assert!(matches!(error, OpenError::NewerSchema { found: 99, known: 5 }), "{error}");
}

#[tokio::test]
async fn a_database_of_something_else_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.db");
    let mut connection = connect(&path).await;
    sqlx::raw_sql("CREATE TABLE theirs (a)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let error = open(&Location::Sqlite(path), master_key(1)).await.err().unwrap();
    assert!(matches!(error, OpenError::ForeignDatabase(_)), "{error}");
}

#[tokio::test]
async fn the_database_itself_refuses_to_go_over_a_limit_and_to_rewrite_the_audit_log() {
    let it = sqlite().await;
    it.insert(&limited(1, 5)).await;
    it.store.close().await;
    let mut connection = connect(&it.path()).await;
    for statement in [
        "UPDATE token_counters SET used = 6",
        "UPDATE token_counters SET used = -1",
        "UPDATE token_counters SET given_back = -1",
        "UPDATE token_counters SET revision = 'x'",
        "UPDATE audit_log SET action = 'nothing'",
        "DELETE FROM audit_log",
        "INSERT INTO installation SELECT 2, 0, 1, x'', NULL, x'', 0, 0",
        "INSERT INTO token_values SELECT x'00', token, 2, 0, NULL, NULL, 1 FROM token_values",
    ] {
        assert!(sqlx::query(statement).execute(&mut connection).await.is_err(), "{statement}");
    }
}

#[tokio::test]
async fn a_backup_of_a_store_in_use_is_whole_and_opens() {
    let it = sqlite().await;
    let limited = limited(1, 5);
    it.insert(&limited).await;
    it.insert(&token(TokenKind::ImageUrl, 2)).await;
    it.take(&[one_use(&limited, 3)]).await;
    let copy = it.directory.path().join("copy.db");
    backup(&it.location, &copy).await.unwrap();
    assert!(
        matches!(backup(&it.location, &copy).await, Err(OpenError::File { .. })),
        "nothing is overwritten"
    );
    let location = Location::Sqlite(copy);
    let facts = check(&location).await.unwrap();
    assert_eq!((facts.problems.len(), facts.tokens, facts.schema), (0, 2, facts.schema_known));
    let (store, _) = open(&location, master_key(1)).await.unwrap();
    let found = store.find(countermark_domain::store::Lookup::Id(limited.terms.id)).await.unwrap();
    assert_eq!(found.found.unwrap().usage.used, 3);
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let location = Location::Sqlite(directory.path().join("absent.db"));
    assert!(matches!(check(&location).await, Err(OpenError::Missing(_))));
    assert!(matches!(backup(&location, &directory.path().join("copy.db")).await, Err(OpenError::Missing(_))));
    assert!(!directory.path().join("absent.db").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn a_symbolic_link_leads_to_the_same_lock() {
    let directory = tempfile::tempdir().unwrap();
    let real = directory.path().join("real");
    std::fs::create_dir(&real).unwrap();
    let path = real.join("tokens.db");
    let (of_file, of_folder) = (directory.path().join("link.db"), directory.path().join("folder"));
    std::os::unix::fs::symlink(&path, &of_file).unwrap();
    std::os::unix::fs::symlink(&real, &of_folder).unwrap();
    let links = [of_file, of_folder.join("tokens.db")].map(Location::Sqlite);
    // The first time the link leads nowhere yet.
    let (store, _) = open(&links[0], master_key(1)).await.unwrap();
    let (old, new) = (master_key(1), master_key(2));
    for other in links.iter().chain([&Location::Sqlite(path.clone())]) {
        let opened = open(other, master_key(1)).await.err().unwrap();
        let migrated = migrate(other).await.unwrap_err();
        let rotated = rotate_master_key(other, &old, &new, fixture::fill_random()).await.unwrap_err();
        for error in [opened, migrated, rotated] {
            assert!(matches!(error, OpenError::InUse(_)), "{other:?}: {error}");
        }
    }
    store.close().await;
    drop(store);
    assert!(open(&links[1], master_key(1)).await.is_ok());
    assert!(!directory.path().join("link.db.lock").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn a_database_with_a_second_name_is_refused() {
    let it = sqlite().await;
    it.store.close().await;
    let second = it.directory.path().join("second.db");
    std::fs::hard_link(it.path(), &second).unwrap();
    for location in [&it.location, &Location::Sqlite(second)] {
        let opened = open(location, master_key(1)).await.err().unwrap();
        let migrated = migrate(location).await.unwrap_err();
        for error in [opened, migrated] {
            assert!(matches!(error, OpenError::Linked(_)), "{location:?}: {error}");
        }
    }
}
