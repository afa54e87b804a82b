//! Forward-only migrations; each is one transaction together with the number that says that it has run.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::unavailable;
use crate::{Migrated, OpenError};

/// Every migration in order; the table `schema_version` counts those that have run.
pub(crate) const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/postgres/0001_tokens.sql"),
    include_str!("../../migrations/postgres/0002_uploads.sql"),
    include_str!("../../migrations/postgres/0003_notifications.sql"),
    include_str!("../../migrations/postgres/0004_dialects.sql"),
    include_str!("../../migrations/postgres/0005_moves.sql"),
    include_str!("../../migrations/postgres/0006_nodes.sql"),
];

/// "CMrk": the lock under which nodes that start at once migrate one after the other.
const LOCK: i64 = 0x434d_726b;

/// Runs what has not run yet.
pub(crate) async fn migrate(
    connection: &mut PgConnection,
    migrations: &'static [&'static str],
) -> Result<Migrated, OpenError> {
    let known = known(migrations);
    let mut from = None;
    loop {
        let mut transaction = connection.begin().await.map_err(unavailable)?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(LOCK)
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        let schema = schema(&mut transaction).await?;
        if schema > known {
            return Err(OpenError::NewerSchema { found: schema, known });
        }
        let from = *from.get_or_insert(schema);
        let Some(text) = migrations.get(schema as usize) else {
            return Ok(Migrated { from, to: known });
        };
        run(&mut transaction, schema + 1, text).await?;
        transaction.commit().await.map_err(unavailable)?;
    }
}

/// How many migrations this program knows.
pub(crate) fn known(migrations: &[&str]) -> u32 {
    u32::try_from(migrations.len()).expect("migrations are few")
}

/// The number of migrations that have run in the schema of this connection.
pub(crate) async fn schema(connection: &mut PgConnection) -> Result<u32, OpenError> {
    let (name, tables, is_ours): (Option<String>, i64, bool) = sqlx::query_as(
        "SELECT current_schema()::text, count(*), coalesce(bool_or(table_name = 'schema_version'), false)
         FROM information_schema.tables WHERE table_schema = current_schema()",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(unavailable)?;
    if tables == 0 {
        return Ok(0);
    }
    let foreign = || OpenError::ForeignSchema(name.unwrap_or_default());
    if !is_ours {
        return Err(foreign());
    }
    let number: Option<i64> = sqlx::query_scalar("SELECT migrations_run FROM schema_version")
        .fetch_optional(connection)
        .await
        .map_err(unavailable)?;
    number.and_then(|number| u32::try_from(number).ok()).ok_or_else(foreign)
}

async fn run(connection: &mut PgConnection, number: u32, text: &'static str) -> Result<(), OpenError> {
    if number == 1 {
        execute(connection, "CREATE TABLE schema_version (migrations_run BIGINT NOT NULL)").await?;
        execute(connection, "INSERT INTO schema_version VALUES (0)").await?;
    }
    execute(connection, text).await?;
    sqlx::query("UPDATE schema_version SET migrations_run = $1")
        .bind(i64::from(number))
        .execute(connection)
        .await
        .map_err(unavailable)?;
    tracing::info!(number, "migration done");
    Ok(())
}

async fn execute(connection: &mut PgConnection, script: &'static str) -> Result<(), OpenError> {
    sqlx::raw_sql(AssertSqlSafe(script)).execute(connection).await.map_err(unavailable)?;
    Ok(())
}
