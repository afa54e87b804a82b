//! Why an installation cannot be opened or maintained.

use std::path::PathBuf;

use countermark_domain::store::StoreError;

use crate::marks::Departure;

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
    /// The database has not been brought up to this version.
    #[error("the database has schema {found}, this version needs {known}; run `countermark migrate` first")]
    OlderSchema {
        /// The schema's number in the database.
        found: u32,
        /// The one that this program needs.
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
    /// The installation is being or has been moved away.
    #[error("this installation {}, so it is not opened here any more; {}", .0.tale(), .0.advice())]
    Moved(Departure),
    /// A copy into this database has not come to its end.
    #[error(
        "{0} holds the beginning of a copy, which nobody can open; finish it with the command that began it, or empty \
         the database"
    )]
    HalfFilled(String),
    /// There is something already where a copy is to be written.
    #[error("{0} holds something already; nothing is overwritten")]
    NotEmpty(String),
    /// The file is no backup of an installation.
    #[error("{0} is no backup of Countermark's: {1}")]
    NotABackup(PathBuf, &'static str),
    /// A table of a copy is not what it was copied from; the copy cannot be opened.
    #[error(
        "the table {table} of the copy differs from the original ({copied} rows of {original}); the copy stays closed: \
         empty that database and begin anew"
    )]
    CopyDiffers {
        /// Which table.
        table: &'static str,
        /// Its rows where it was copied from.
        original: u64,
        /// Its rows in the copy.
        copied: u64,
    },
    /// A node has a database open that is being filled.
    #[error(
        "a node runs on the database that is being filled; stop every node there, then give the same command again"
    )]
    NodesRun,
    /// There is no move that could be cancelled.
    #[error("this installation is not being moved, and has not been; there is nothing to cancel")]
    NotMoved,
    /// The installation has gone somewhere else, and may have been used there.
    #[error(
        "this installation has been moved to {0} and may have been used there since; opened here again, it would grant \
         uses a second time and know of no later revocation. Stop the service there for good, then say --abandon-target"
    )]
    MoveComplete(Departure),
    /// A move goes from a SQLite file to PostgreSQL only.
    #[error(
        "an installation is moved from a SQLite file to PostgreSQL; to go the other way stop every node, then \
         `countermark backup` there and `countermark restore` here"
    )]
    WrongWay,
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
