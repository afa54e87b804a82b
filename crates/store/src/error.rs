//! Why an installation cannot be opened or maintained.

use std::path::PathBuf;

use countermark_domain::store::StoreError;

/// Why an installation cannot be opened or maintained; the text is for the person at the console.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{0} is in use by another process; stop it first, or go through its HTTP interface")]
    InUse(PathBuf),
    /// The given master key is not the one under which the database is sealed.
    #[error("the master key does not fit this database; give the key that it was made or last rotated with")]
    WrongMasterKey,
    /// A rotation of the master key was interrupted.
    #[error("a rotation of the master key was interrupted; finish it with `countermark keys rotate`")]
    RotationUnfinished,
    /// A newer version has written the database.
    #[error("the database has schema {found}, this version knows up to {known}; run the newer version")]
    NewerSchema {
        /// The schema's number in the database.
        found: u32,
        /// The highest that this program knows.
        known: u32,
    },
    /// The file is a database of something else.
    #[error("{0} is a database, but none of Countermark's")]
    ForeignDatabase(PathBuf),
    /// There is no database at the place where one must be.
    #[error("there is no database at {0}")]
    Missing(PathBuf),
    /// The file has several names (hard links); the lock beside one of them would not guard the others.
    #[error("{0} has more than one name (hard links), so its lock guards nothing; remove the other names")]
    Linked(PathBuf),
    /// The schema of a PostgreSQL database holds tables of something else.
    #[error(
        "the schema {0} holds tables, but none of Countermark's; give it a schema or database of its own"
    )]
    ForeignSchema(String),
    /// The database may forget what it has said to be committed.
    #[error(
        "the database runs with {setting}: after a crash or a fail-over it would grant uses again that it had \
         granted before; set it to on"
    )]
    NotDurable {
        /// The setting of PostgreSQL and its value.
        setting: &'static str,
    },
    /// There is no installation in the database.
    #[error("there is no installation in this database")]
    NoInstallation,
    /// This program makes no backup of a PostgreSQL database.
    #[error("a PostgreSQL database is backed up by its own tools, such as pg_dump")]
    NoBackup,
    /// A file could not be made, read or written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The database answered with an error.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The place of a database cannot be read. It is not quoted: a password may stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected sqlite:path or postgres://user@host/database")]
pub struct InvalidLocation;
