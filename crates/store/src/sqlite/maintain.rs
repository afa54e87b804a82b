//! What the command line does with a database besides serving it.

use std::path::Path;

use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::{files, installation, migrate, unavailable};
use crate::marks::MARKED_SCHEMA;
use crate::vault::Seals;
use crate::{Facts, Migrated, OpenError};

/// Brings the schema up to this version, under the lock of the database.
pub(crate) async fn migrate(path: &Path) -> Result<Migrated, OpenError> {
    let path = &files::create(path)?;
    let _lock = files::lock(path)?;
    let mut connection = files::writing(path).connect().await.map_err(unavailable)?;
    if migrate::schema(&mut connection, path).await? >= MARKED_SCHEMA {
        installation::demand_open(&mut connection, path).await?;
    }
    let result = migrate::migrate(&mut connection, path, migrate::MIGRATIONS).await;
    connection.close().await.map_err(unavailable)?;
    result
}

/// Writes a consistent copy of a database that may be in use to a new file.
pub(crate) async fn backup(path: &Path, target: &Path) -> Result<(), OpenError> {
    files::demand(path)?;
    let mut connection = files::looking(path).connect().await.map_err(unavailable)?;
    migrate::schema(&mut connection, path).await?;
    // SQLite writes into an empty file as into none; made by us, it is nobody else's to read.
    files::create_new(target)?;
    let done =
        sqlx::query("VACUUM INTO ?1").bind(target.display().to_string()).execute(&mut connection).await;
    if let Err(error) = done {
        let _ = std::fs::remove_file(target);
        return Err(unavailable(error).into());
    }
    connection.close().await.map_err(unavailable)?;
    std::fs::File::open(target)
        .and_then(|file| file.sync_all())
        .map_err(|source| OpenError::File { path: target.to_owned(), source })
}

/// What there is to know of a database without its master key; it may be in use.
pub(crate) async fn check(path: &Path) -> Result<Facts, OpenError> {
    files::demand(path)?;
    let path = &files::real(path)?;
    let mut connection = files::looking(path).connect().await.map_err(unavailable)?;
    let schema = migrate::schema(&mut connection, path).await?;
    let known = u32::try_from(migrate::MIGRATIONS.len()).expect("migrations are few");
    let seals = if schema == 0 { None } else { installation::seals(&mut connection).await? };
    let marks = if schema < MARKED_SCHEMA { None } else { installation::marks(&mut connection).await? };
    let tokens =
        if schema == 0 { 0 } else { number(&mut connection, "SELECT count(*) FROM token_counters").await? };
    let facts = Facts {
        schema,
        schema_known: known,
        problems: problems(&mut connection).await?,
        tokens,
        database_bytes: size(path),
        log_bytes: size(&files::beside(path, "-wal")),
        master_key_version: seals.as_ref().map(|seals| seals.version),
        is_rotation_unfinished: seals.is_some_and(|seals| seals.next_check.is_some()),
        epoch: marks.as_ref().map(|marks| marks.epoch),
        is_half_filled: marks.as_ref().is_some_and(|marks| marks.filling.is_some()),
        departure: marks.and_then(|marks| marks.departure),
        engine_version: text(&mut connection, "SELECT 'SQLite ' || sqlite_version()").await?,
    };
    connection.close().await.map_err(unavailable)?;
    Ok(facts)
}

/// What there is to know of the master key of an installation, which may be in use.
pub(crate) async fn seals(path: &Path) -> Result<Option<Seals>, OpenError> {
    files::demand(path)?;
    let mut connection = files::looking(&files::real(path)?).connect().await.map_err(unavailable)?;
    let seals = installation::seals(&mut connection).await?;
    connection.close().await.map_err(unavailable)?;
    Ok(seals)
}

/// What SQLite finds wrong with a database; empty = sound.
pub(crate) async fn problems(connection: &mut SqliteConnection) -> Result<Vec<String>, OpenError> {
    let lines: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(100)")
        .fetch_all(&mut *connection)
        .await
        .map_err(unavailable)?;
    let orphans = sqlx::query("PRAGMA foreign_key_check").fetch_all(connection).await.map_err(unavailable)?;
    let mut problems: Vec<String> = lines.into_iter().filter(|line| line != "ok").collect();
    if !orphans.is_empty() {
        problems.push(format!("{} rows refer to a row of another table that is not there", orphans.len()));
    }
    Ok(problems)
}

async fn number(connection: &mut SqliteConnection, query: &'static str) -> Result<u64, OpenError> {
    let number: i64 = sqlx::query_scalar(query).fetch_one(connection).await.map_err(unavailable)?;
    Ok(number.unsigned_abs())
}

async fn text(connection: &mut SqliteConnection, query: &'static str) -> Result<String, OpenError> {
    Ok(sqlx::query_scalar(query).fetch_one(connection).await.map_err(unavailable)?)
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |facts| facts.len())
}
