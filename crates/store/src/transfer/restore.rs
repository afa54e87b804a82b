//! Bringing a backup back, into either engine. The data are then older than what has happened: a new life of them begins.

use std::path::{Path, PathBuf};

use countermark_core::UnixSeconds;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::disable::{begin_life, disable, instant};
use super::side::Side;
use super::target::{State, Target};
use super::{CopyKeys, Disable, Progress, begin, compare, files, fill, finish, new_transfer};
use crate::marks::Filling;
use crate::postgres::PostgresUrl;
use crate::row::signed;
use crate::seal::FillRandom;
use crate::sqlite::files::{beside, create, lock, looking};
use crate::sqlite::{installation, maintain, unavailable};
use crate::vault::demand_fit;
use crate::{Location, OpenError};

/// What is restored, and how.
#[derive(Clone, Copy, Debug)]
pub struct RestoreOrder<'a> {
    /// The backup; it stays as it is.
    pub file: &'a Path,
    /// Where it goes: nothing may be there, unless `replace`.
    pub target: &'a Location,
    /// Whether a SQLite database that is there is moved aside. Never for PostgreSQL.
    pub replace: bool,
    /// What becomes of tokens whose uses may be older than the truth.
    pub disable: Disable,
    /// Of the entries in the audit log.
    pub now: UnixSeconds,
    /// A folder for a copy of the backup while it goes into PostgreSQL.
    pub workspace: &'a Path,
}

/// What a restore has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The life of the data that has begun.
    pub epoch: u64,
    /// All tokens.
    pub tokens: u64,
    /// Those that were disabled.
    pub disabled: u64,
    /// The highest time that the backup has seen: it is not older than that.
    pub as_of: UnixSeconds,
    /// Where the database is that was there before.
    pub replaced: Option<PathBuf>,
}

/// Restores a backup. Interrupted anywhere, it can be run again; until it has ended there is nothing that could be opened.
///
/// # Errors
/// [`OpenError::NotABackup`], [`OpenError::Missing`], [`OpenError::NewerSchema`], [`OpenError::WrongMasterKey`],
/// [`OpenError::NotEmpty`], [`OpenError::InUse`], [`OpenError::CopyDiffers`], and what the databases say.
pub async fn restore(
    order: RestoreOrder<'_>,
    keys: CopyKeys<'_>,
    progress: Progress<'_>,
) -> Result<Restored, OpenError> {
    match order.target {
        Location::Sqlite(path) => into_file(&order, path, &keys).await,
        Location::Postgres(url) => into_postgres(&order, url, &keys, progress).await,
    }
}

async fn into_file(
    order: &RestoreOrder<'_>,
    path: &Path,
    keys: &CopyKeys<'_>,
) -> Result<Restored, OpenError> {
    let path = &create(path)?;
    let _lock = lock(path)?;
    if files::holds_anything(path) && !order.replace {
        return Err(OpenError::NotEmpty(path.display().to_string()));
    }
    let copy = beside(path, ".restoring");
    let former = files::highest_epoch(path).await;
    let prepared = prepare(order, &copy, former, keys).await;
    let mut restored = prepared.inspect_err(|_| files::remove_all(&copy))?;
    restored.replaced = files::replace(&copy, path)?;
    Ok(restored)
}

async fn into_postgres(
    order: &RestoreOrder<'_>,
    url: &PostgresUrl,
    keys: &CopyKeys<'_>,
    progress: Progress<'_>,
) -> Result<Restored, OpenError> {
    let mut target = Target::open(url).await?;
    match target.state {
        State::Empty | State::Begun(Filling::Restore, _) => {}
        State::Begun(..) => return Err(OpenError::HalfFilled(target.place)),
        State::Whole(_) => return Err(OpenError::NotEmpty(target.place)),
    }
    let copy = order.workspace.join("countermark.restoring");
    let _lock = lock(&copy)?;
    let restored = async {
        let restored = prepare(order, &copy, 0, keys).await?;
        if target.state != State::Empty {
            target.clear().await?;
        }
        let transfer = new_transfer(&keys.fill_random);
        let mut source = Side::open(looking(&copy)).await?;
        source.begin_snapshot().await?;
        begin(&mut source, &mut target.side, &transfer, Filling::Restore).await?;
        fill(&mut source, &mut target.side, &transfer, progress).await?;
        compare(&mut source, &mut target.side).await?;
        finish(&mut target.side, &transfer).await?;
        source.close().await?;
        Ok(restored)
    };
    let restored = restored.await;
    files::remove_all(&copy);
    target.side.close().await?;
    restored
}

/// Makes a copy of the backup as it is to be from now on: in its new life, with the tokens disabled.
async fn prepare(
    order: &RestoreOrder<'_>,
    copy: &Path,
    former_epoch: u64,
    keys: &CopyKeys<'_>,
) -> Result<Restored, OpenError> {
    files::copy_backup(order.file, copy).await?;
    let mut connection = looking(copy).connect().await.map_err(unavailable)?;
    demand_backup(&mut connection, order.file, keys).await?;
    let restored = begin_anew(&mut connection, order, former_epoch, &keys.fill_random).await?;
    connection.close().await.map_err(unavailable)?;
    Ok(restored)
}

async fn demand_backup(
    connection: &mut SqliteConnection,
    file: &Path,
    keys: &CopyKeys<'_>,
) -> Result<(), OpenError> {
    let not_one = |why| Err(OpenError::NotABackup(file.to_owned(), why));
    let seals = installation::seals(connection).await?;
    let (Some(seals), Some(marks)) = (seals, installation::marks(connection).await?) else {
        return not_one("it holds no installation");
    };
    if marks.filling.is_some() {
        return not_one("it is the beginning of one that was interrupted");
    }
    demand_fit(&seals, keys.master_key)?;
    if maintain::problems(connection).await?.is_empty() { Ok(()) } else { not_one("it is damaged") }
}

async fn begin_anew(
    connection: &mut SqliteConnection,
    order: &RestoreOrder<'_>,
    former_epoch: u64,
    fill_random: &FillRandom,
) -> Result<Restored, OpenError> {
    let marks = installation::marks(connection).await?.ok_or(OpenError::NoInstallation)?;
    let epoch = marks.epoch.max(former_epoch) + 1;
    let run = async |connection: &mut SqliteConnection, statement: &'static str| {
        sqlx::raw_sql(statement).execute(connection).await.map(drop).map_err(unavailable)
    };
    run(connection, "BEGIN IMMEDIATE").await?;
    let as_of = instant(connection, UnixSeconds::new(0).expect("0 is an instant")).await?;
    let at = as_of.max(order.now);
    sqlx::query("INSERT INTO audit_log (at, action, members) VALUES (?1, 'installation.restore', '[]')")
        .bind(signed(at.get()))
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    let disabled = disable(connection, order.disable, at).await?;
    begin_life(connection, epoch, fill_random).await?;
    run(connection, "UPDATE installation SET moved_to = NULL, moved_at = NULL, transfer = NULL").await?;
    let tokens: i64 = sqlx::query_scalar("SELECT count(*) FROM token_counters")
        .fetch_one(&mut *connection)
        .await
        .map_err(unavailable)?;
    run(connection, "COMMIT").await?;
    Ok(Restored { epoch, tokens: tokens.unsigned_abs(), disabled, as_of, replaced: None })
}
