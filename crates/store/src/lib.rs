//! Where Countermark keeps its tokens. SQL is spoken here only; everything else knows [`Store`] alone.

mod counter;
mod error;
mod notice;
mod record;
mod row;
mod seal;
mod sqlite;
mod vault;
mod verdict;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countermark_domain::store::{ChangeListener, Store};

pub use error::OpenError;
pub use seal::{FillRandom, MasterKey};
pub use sqlite::migrate::Migrated;
pub use sqlite::rotate::Rotation;

/// Where a database is; its kind chooses the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Location {
    /// A SQLite file; `-wal`, `-shm` and `.lock` files stand beside it.
    Sqlite(PathBuf),
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
    /// Size of its write-ahead log.
    pub log_bytes: u64,
    /// Rises by one with each rotation of the master key; `None` before the first start.
    pub master_key_version: Option<u32>,
    /// Whether a rotation of the master key was interrupted.
    pub is_rotation_unfinished: bool,
    /// Name and version of the engine.
    pub engine_version: String,
}

/// Opens an installation, or makes one where there is nothing; runs the migrations that are missing.
///
/// # Errors
/// Any [`OpenError`]; the database is then as it was, but for migrations that had already finished.
pub async fn open(location: &Location, settings: Settings) -> Result<Arc<dyn Store>, OpenError> {
    match location {
        Location::Sqlite(path) => Ok(Arc::new(sqlite::SqliteStore::open(path, settings).await?)),
    }
}

/// Brings the schema up to this version without opening the installation.
///
/// # Errors
/// [`OpenError::InUse`], [`OpenError::NewerSchema`], and what the database says.
pub async fn migrate(location: &Location) -> Result<Migrated, OpenError> {
    match location {
        Location::Sqlite(path) => sqlite::maintain::migrate(path).await,
    }
}

/// Writes a consistent copy, without the master key, to a file that must not be there yet. The installation may be in
/// use meanwhile.
///
/// # Errors
/// [`OpenError::Missing`], [`OpenError::File`] and what the database says.
pub async fn backup(location: &Location, target: &Path) -> Result<(), OpenError> {
    match location {
        Location::Sqlite(path) => sqlite::maintain::backup(path, target).await,
    }
}

/// Examines a database; it may be in use.
///
/// # Errors
/// [`OpenError::Missing`], [`OpenError::ForeignDatabase`] and what the database says.
pub async fn check(location: &Location) -> Result<Facts, OpenError> {
    match location {
        Location::Sqlite(path) => sqlite::maintain::check(path).await,
    }
}

/// Seals everything anew under `new`. Interrupted anywhere, the same call finishes it; repeated after that it does
/// nothing.
///
/// # Errors
/// [`OpenError::InUse`] while the installation runs, [`OpenError::WrongMasterKey`], and what the database says.
pub async fn rotate_master_key(
    location: &Location,
    old: &MasterKey,
    new: &MasterKey,
    fill_random: FillRandom,
) -> Result<(), OpenError> {
    match location {
        Location::Sqlite(path) => {
            let Some(mut rotation) = Rotation::begin(path, old, new, fill_random).await? else {
                return Ok(());
            };
            while rotation.step().await? {}
            Ok(rotation.close().await?)
        }
    }
}
