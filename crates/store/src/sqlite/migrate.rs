//! Forward-only migrations; each is one transaction together with the number that says that it has run.

use std::path::Path;

use countermark_domain::store::StoreError;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::unavailable;
use crate::{Migrated, OpenError};

/// Every migration in order; `PRAGMA user_version` counts those that have run.
pub(crate) const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/sqlite/0001_tokens.sql"),
    include_str!("../../migrations/sqlite/0002_uploads.sql"),
    include_str!("../../migrations/sqlite/0003_notifications.sql"),
    include_str!("../../migrations/sqlite/0004_dialects.sql"),
    include_str!("../../migrations/sqlite/0005_moves.sql"),
];

/// "CMrk": marks a file as ours in the header of the database.
const APPLICATION_ID: i64 = 0x434d_726b;

/// Runs what has not run yet.
pub(crate) async fn migrate(
    connection: &mut SqliteConnection,
    file: &Path,
    migrations: &'static [&'static str],
) -> Result<Migrated, OpenError> {
    let from = schema(connection, file).await?;
    let known = u32::try_from(migrations.len()).expect("migrations are few");
    if from > known {
        return Err(OpenError::NewerSchema { found: from, known });
    }
    for (number, text) in (1..).zip(migrations).skip(from as usize) {
        run(connection, number, text).await?;
    }
    Ok(Migrated { from, to: known })
}

/// The number of migrations that have run.
pub(crate) async fn schema(connection: &mut SqliteConnection, file: &Path) -> Result<u32, OpenError> {
    let application_id: i64 = read(connection, "PRAGMA application_id").await?;
    let schema: i64 = read(connection, "PRAGMA user_version").await?;
    let tables: i64 = read(connection, "SELECT count(*) FROM sqlite_schema").await?;
    let is_empty = application_id == 0 && schema == 0 && tables == 0;
    match u32::try_from(schema) {
        Ok(schema) if is_empty || application_id == APPLICATION_ID => Ok(schema),
        _ => Err(OpenError::ForeignDatabase(file.to_owned())),
    }
}

async fn read(connection: &mut SqliteConnection, query: &'static str) -> Result<i64, StoreError> {
    sqlx::query_scalar(query).fetch_one(connection).await.map_err(unavailable)
}

/// The numbers in the header belong to the transaction, so an interruption leaves nothing half done.
async fn run(connection: &mut SqliteConnection, number: u32, text: &'static str) -> Result<(), StoreError> {
    let script = format!(
        "BEGIN IMMEDIATE; {text}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number}; COMMIT"
    );
    // Put together from our own constants only.
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut *connection).await {
        // Fails if SQLite has already rolled back, or if BEGIN itself has failed: then there is nothing to undo.
        let _ = sqlx::raw_sql("ROLLBACK").execute(connection).await;
        return Err(unavailable(error));
    }
    tracing::info!(number, "migration done");
    Ok(())
}
