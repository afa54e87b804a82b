//! The description of the tables against the schemas themselves.

use std::collections::BTreeSet;

use sqlx::{ConnectOptions, SqliteConnection};

use super::table::{Kind, MARKS, TABLES};
use crate::postgres::{migrate as postgres, server};
use crate::sqlite::migrate as sqlite;

/// Table, column, and whether it is of this kind.
type Columns = BTreeSet<(String, String, String)>;

fn described(name: impl Fn(Kind) -> &'static str) -> Columns {
    let columns = TABLES.iter().flat_map(|table| {
        table.columns.iter().map(|(column, kind)| (table.name.to_owned(), (*column).to_owned(), *kind))
    });
    columns.map(|(table, column, kind)| (table, column, name(kind).to_owned())).collect()
}

fn copied(mut columns: Columns) -> Columns {
    columns.retain(|(table, column, _)| {
        let is_mark = table == "installation" && MARKS.contains(&column.as_str());
        !is_mark && !["changes", "nodes", "schema_version"].contains(&table.as_str())
    });
    columns
}

#[tokio::test]
async fn every_column_of_sqlite_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut connection: SqliteConnection = options.connect().await.unwrap();
    sqlite::migrate(&mut connection, &path, sqlite::MIGRATIONS).await.unwrap();
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT t.name, c.name, c.type FROM sqlite_schema t, pragma_table_info(t.name) c
         WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let name = |kind| match kind {
        Kind::Text => "TEXT",
        Kind::Number | Kind::Flag => "INTEGER",
        Kind::Bytes => "BLOB",
    };
    assert_eq!(copied(rows.into_iter().collect()), described(name));
}

#[tokio::test]
async fn every_column_of_postgres_is_copied_as_what_it_is() {
    let url: crate::PostgresUrl = server::shared().new_schema().await.parse().unwrap();
    let mut connection = url.connect().await.unwrap();
    postgres::migrate(&mut connection, postgres::MIGRATIONS).await.unwrap();
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns
         WHERE table_schema = current_schema()",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let name = |kind| match kind {
        Kind::Text => "text",
        Kind::Number => "bigint",
        Kind::Flag => "boolean",
        Kind::Bytes => "bytea",
    };
    assert_eq!(copied(rows.into_iter().collect()), described(name));
}

#[tokio::test]
async fn the_key_of_each_table_is_its_primary_key_and_its_rows_fit_into_one_statement() {
    let url: crate::PostgresUrl = server::shared().new_schema().await.parse().unwrap();
    let mut connection = url.connect().await.unwrap();
    postgres::migrate(&mut connection, postgres::MIGRATIONS).await.unwrap();
    for table in TABLES {
        let key: Vec<String> = sqlx::query_scalar(
            "SELECT a.attname::text FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k (number, place), pg_attribute a
             WHERE i.indrelid = $1::regclass AND i.indisprimary AND a.attrelid = i.indrelid AND a.attnum = k.number
             ORDER BY k.place",
        )
        .bind(table.name)
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let described: Vec<&str> = table.columns[..table.key].iter().map(|(name, _)| *name).collect();
        assert_eq!(key, described, "{}", table.name);
        // SQLite takes 32,766 parameters, PostgreSQL 65,535.
        assert!(table.columns.len() * table.page as usize <= 32_766, "{}", table.name);
    }
}
