//! A PostgreSQL database as a SQLite file, copied from one snapshot while nodes run.

use std::path::Path;

use super::side::Side;
use super::{begin, compare, files, fill, finish};
use crate::OpenError;
use crate::marks::Filling;
use crate::postgres::{PostgresUrl, migrate};
use crate::sqlite;

/// Writes a copy to a new file. What an interrupted copy leaves can neither be opened nor restored.
pub(crate) async fn backup(url: &PostgresUrl, file: &Path) -> Result<(), OpenError> {
    let mut source = Side::connect(url).await?;
    let Side::Postgres(connection) = &mut source else { return Err(OpenError::WrongWay) };
    let (schema, known) = (migrate::schema(connection).await?, migrate::known(migrate::MIGRATIONS));
    match schema {
        0 => return Err(OpenError::NoInstallation),
        schema if schema > known => return Err(OpenError::NewerSchema { found: schema, known }),
        schema if schema < known => return Err(OpenError::OlderSchema { found: schema, known }),
        _ => {}
    }
    source.begin_snapshot().await?;
    match source.marks().await? {
        None => return Err(OpenError::NoInstallation),
        Some(marks) => marks.demand_open("the database")?,
    }
    sqlite::files::create_new(file)?;
    let done = write(&mut source, file).await;
    if done.is_err() {
        files::remove_all(file);
    }
    done?;
    source.close().await?;
    Ok(())
}

/// The name by which both sides of a copy know each other matters only to copies that can be continued.
const TRANSFER: [u8; 16] = [0; 16];

async fn write(source: &mut Side, file: &Path) -> Result<(), OpenError> {
    let mut target = Side::open(sqlite::files::looking(file)).await?;
    if let Side::Sqlite(connection) = &mut target {
        sqlite::migrate::migrate(connection, file, sqlite::migrate::MIGRATIONS).await?;
    }
    begin(source, &mut target, &TRANSFER, Filling::Backup).await?;
    fill(source, &mut target, &TRANSFER, &mut |_, _| {}).await?;
    compare(source, &mut target).await?;
    finish(&mut target, &TRANSFER).await?;
    target.close().await?;
    files::sync(file)
}
