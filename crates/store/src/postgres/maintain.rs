//! What the command line does with a database besides serving it.

use sqlx::{Connection, PgConnection};

use super::connect::PostgresUrl;
use super::{installation, migrate, unavailable};
use crate::marks::MARKED_SCHEMA;
use crate::vault::Seals;
use crate::{Facts, Migrated, OpenError};

/// Brings the schema up to this version; several may try at once.
pub(crate) async fn migrate(url: &PostgresUrl) -> Result<Migrated, OpenError> {
    let mut connection = url.connect().await?;
    if migrate::schema(&mut connection).await? >= MARKED_SCHEMA {
        installation::demand_open(&mut connection).await?;
    }
    let result = migrate::migrate(&mut connection, migrate::MIGRATIONS).await;
    connection.close().await.map_err(unavailable)?;
    result
}

/// What there is to know of a database without its master key; it may be in use.
pub(crate) async fn check(url: &PostgresUrl) -> Result<Facts, OpenError> {
    let mut connection = url.connect().await?;
    let schema = migrate::schema(&mut connection).await?;
    let seals = if schema == 0 { None } else { installation::seals(&mut connection).await? };
    let marks = if schema < MARKED_SCHEMA { None } else { installation::marks(&mut connection).await? };
    let tokens =
        if schema == 0 { 0 } else { number(&mut connection, "SELECT count(*) FROM token_counters").await? };
    let facts = Facts {
        schema,
        schema_known: migrate::known(migrate::MIGRATIONS),
        problems: problems(&mut connection).await?,
        tokens,
        database_bytes: number(&mut connection, BYTES).await?,
        // The log belongs to all databases of the server.
        log_bytes: 0,
        master_key_version: seals.as_ref().map(|seals| seals.version),
        is_rotation_unfinished: seals.is_some_and(|seals| seals.next_check.is_some()),
        epoch: marks.as_ref().map(|marks| marks.epoch),
        is_half_filled: marks.as_ref().is_some_and(|marks| marks.filling.is_some()),
        departure: marks.and_then(|marks| marks.departure),
        engine_version: version(&mut connection).await?,
    };
    connection.close().await.map_err(unavailable)?;
    Ok(facts)
}

/// What there is to know of the master key of an installation, which may be in use.
pub(crate) async fn seals(url: &PostgresUrl) -> Result<Option<Seals>, OpenError> {
    let mut connection = url.connect().await?;
    let seals = installation::seals(&mut connection).await?;
    connection.close().await.map_err(unavailable)?;
    Ok(seals)
}

/// Of our own tables with their indexes.
const BYTES: &str = "
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relkind = 'r'";

/// Indexes that a failed build has left behind: they hold no promise.
async fn problems(connection: &mut PgConnection) -> Result<Vec<String>, OpenError> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
         JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = current_schema() AND NOT i.indisvalid ORDER BY 1",
    )
    .fetch_all(connection)
    .await
    .map_err(unavailable)?;
    Ok(names.into_iter().map(|name| format!("the index {name} is not valid")).collect())
}

async fn number(connection: &mut PgConnection, query: &'static str) -> Result<u64, OpenError> {
    let number: i64 = sqlx::query_scalar(query).fetch_one(connection).await.map_err(unavailable)?;
    Ok(number.unsigned_abs())
}

async fn version(connection: &mut PgConnection) -> Result<String, OpenError> {
    let query = sqlx::query_scalar("SELECT 'PostgreSQL ' || current_setting('server_version')");
    Ok(query.fetch_one(connection).await.map_err(unavailable)?)
}
