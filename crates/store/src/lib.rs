//! Where Countermark keeps its tokens. SQL is spoken here only; everything else knows [`Store`] alone.

mod counter;
mod error;
mod marks;
mod notice;
mod postgres;
mod record;
mod rotation;
mod row;
mod seal;
mod sqlite;
mod transfer;
mod vault;
mod verdict;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use countermark_domain::store::{ChangeListener, Store};

pub use error::{InvalidLocation, OpenError};
pub use marks::Departure;
pub use postgres::PostgresUrl;
pub use rotation::Rotation;
pub use seal::{FillRandom, MasterKey};
pub use transfer::{
    Cancelled, CopyKeys, Disable, Moved, Progress, RestoreOrder, Restored, cancel_move, move_to, restore,
};

/// Where a database is; its kind chooses the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Location {
    /// A SQLite file; `-wal`, `-shm` and `.lock` files stand beside it.
    Sqlite(PathBuf),
    /// A PostgreSQL database, which several nodes may have open.
    Postgres(PostgresUrl),
}

impl FromStr for Location {
    type Err = InvalidLocation;

    /// From a URL: `sqlite:path` or `postgres://user@host/database`.
    fn from_str(url: &str) -> Result<Self, InvalidLocation> {
        let Some(path) = url.strip_prefix("sqlite:") else { return url.parse().map(Self::Postgres) };
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.contains('?') {
            return Err(InvalidLocation);
        }
        Ok(Self::Sqlite(path.into()))
    }
}

/// Which schema a database had and has now; 0 = empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// Number of migrations that had run before.
    pub from: u32,
    /// Number of migrations that have run now.
    pub to: u32,
}

/// What a store needs to work.
pub struct Settings {
    /// Seals everything recoverable.
    pub master_key: MasterKey,
    /// Source of nonces and of the digest key.
    pub fill_random: FillRandom,
    /// Told of every configuration change.
    pub listener: Arc<dyn ChangeListener>,
}

/// What there is to know of a database without its master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Migrations that have run; 0 = empty.
    pub schema: u32,
    /// Migrations that this program knows.
    pub schema_known: u32,
    /// What the engine finds wrong; empty = sound.
    pub problems: Vec<String>,
    /// Stored tokens, whatever their status.
    pub tokens: u64,
    /// Size of the database.
    pub database_bytes: u64,
    /// Size of its write-ahead log, if it has one of its own.
    pub log_bytes: u64,
    /// Rises by one with each rotation of the master key; `None` before the first start.
    pub master_key_version: Option<u32>,
    /// Whether a rotation of the master key was interrupted.
    pub is_rotation_unfinished: bool,
    /// Name and version of the engine.
    pub engine_version: String,
    /// Which life of the data this is: 1 at first, raised by each restore from a backup; `None` before the first start.
    pub epoch: Option<u64>,
    /// Where the installation is being or has been moved to; it cannot be opened here then.
    pub departure: Option<Departure>,
    /// Whether a copy into this database has not come to its end; it cannot be opened then.
    pub is_half_filled: bool,
}

/// Opens an installation, or makes one where there is nothing; runs the migrations that are missing.
///
/// # Errors
/// Any [`OpenError`]; the database is then as it was, but for migrations that had already finished.
pub async fn open(location: &Location, settings: Settings) -> Result<Arc<dyn Store>, OpenError> {
    match location {
        Location::Sqlite(path) => Ok(Arc::new(sqlite::SqliteStore::open(path, settings).await?)),
        Location::Postgres(url) => Ok(Arc::new(postgres::PostgresStore::open(url, settings).await?)),
    }
}

/// Brings the schema up to this version without opening the installation.
///
/// # Errors
/// [`OpenError::InUse`], [`OpenError::NewerSchema`], [`OpenError::ForeignSchema`], and what the database says.
pub async fn migrate(location: &Location) -> Result<Migrated, OpenError> {
    match location {
        Location::Sqlite(path) => sqlite::maintain::migrate(path).await,
        Location::Postgres(url) => postgres::maintain::migrate(url).await,
    }
}

/// Writes a consistent copy, without the master key, to a file that must not be there yet: of either engine a SQLite
/// database. The installation may be in
/// use meanwhile.
///
/// # Errors
/// [`OpenError::Missing`], [`OpenError::NoInstallation`], [`OpenError::HalfFilled`], [`OpenError::File`], and what the
/// database says.
pub async fn backup(location: &Location, target: &Path) -> Result<(), OpenError> {
    match location {
        Location::Sqlite(path) => sqlite::maintain::backup(path, target).await,
        Location::Postgres(url) => transfer::backup(url, target).await,
    }
}

/// Examines a database; it may be in use.
///
/// # Errors
/// [`OpenError::Missing`], [`OpenError::ForeignDatabase`] and what the database says.
pub async fn check(location: &Location) -> Result<Facts, OpenError> {
    match location {
        Location::Sqlite(path) => sqlite::maintain::check(path).await,
        Location::Postgres(url) => postgres::maintain::check(url).await,
    }
}

/// Whether this is the master key of an installation, which may be in use.
///
/// # Errors
/// [`OpenError::WrongMasterKey`], [`OpenError::Missing`], [`OpenError::NoInstallation`], and what the database says.
pub async fn check_master_key(location: &Location, master_key: &MasterKey) -> Result<(), OpenError> {
    let seals = match location {
        Location::Sqlite(path) => sqlite::maintain::seals(path).await?,
        Location::Postgres(url) => postgres::maintain::seals(url).await?,
    };
    vault::demand_fit(&seals.ok_or(OpenError::NoInstallation)?, master_key)
}

/// Seals everything anew under `new`. Interrupted anywhere, the same call finishes it; repeated after that it does
/// nothing.
///
/// # Errors
/// [`OpenError::InUse`] while an installation in a file runs, [`OpenError::WrongMasterKey`], and what the database says.
pub async fn rotate_master_key(
    location: &Location,
    old: &MasterKey,
    new: &MasterKey,
    fill_random: FillRandom,
) -> Result<(), OpenError> {
    let Some(mut rotation) = Rotation::begin(location, old, new, fill_random).await? else {
        return Ok(());
    };
    while rotation.step().await? {}
    Ok(rotation.close().await?)
}
