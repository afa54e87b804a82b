//! The files of a database and the connections to it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::OpenError;

/// Connections that only read.
const READERS: u32 = 4;

/// How long a reader is waited for before the store counts as unavailable.
const READER_WAIT: Duration = Duration::from_secs(2);

/// How long SQLite waits for a lock; the lock file leaves nobody to wait for but a backup.
const BUSY: Duration = Duration::from_secs(2);

/// The write-ahead log is cut back to this many bytes whenever it starts anew.
const LOG_BYTES: &str = "67108864";

/// Pages in the write-ahead log that are moved into the database at once: 32 MiB, since each move waits for the disk.
const CHECKPOINT_PAGES: &str = "8000";

/// Rows that SQLite's thread hands over before it waits for the reader: a whole batch.
const ROW_BUFFER: usize = 1024;

/// Takes the lock of a database, given by its real path, for as long as the file is held.
pub(crate) fn lock(database: &Path) -> Result<File, OpenError> {
    let path = beside(database, ".lock");
    let file = private().create(true).truncate(false).open(&path);
    let file = file.map_err(|source| OpenError::File { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(database.to_owned())),
        Err(TryLockError::Error(source)) => Err(OpenError::File { path, source }),
    }
}

/// Makes sure that the file is there and, if it is new, readable by its owner only; its one real path, behind all
/// symbolic links.
///
/// # Errors
/// [`OpenError::Linked`] for a file with several names; [`OpenError::File`].
pub(crate) fn create(path: &Path) -> Result<PathBuf, OpenError> {
    match real(path) {
        // Not opened while it is there: closing it would end the locks that SQLite holds on it in this process.
        Err(OpenError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
            let made = private().create(true).truncate(false).open(path);
            made.map(drop).map_err(|source| OpenError::File { path: path.to_owned(), source })?;
            real(path)
        }
        found => found,
    }
}

/// The one real path of a database, whatever symbolic links lead to it: all that stands beside it is named after this.
///
/// # Errors
/// [`OpenError::Linked`] for a file with several names, each of which would have its own lock and log;
/// [`OpenError::File`].
pub(crate) fn real(path: &Path) -> Result<PathBuf, OpenError> {
    let failed = |source| OpenError::File { path: path.to_owned(), source };
    let real = path.canonicalize().map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let facts = real.metadata().map_err(failed)?;
        if facts.is_file() && facts.nlink() > 1 {
            return Err(OpenError::Linked(real));
        }
    }
    Ok(real)
}

/// Makes a file that must not be there yet, readable by its owner only.
pub(crate) fn create_new(path: &Path) -> Result<(), OpenError> {
    let made = private().create_new(true).open(path);
    made.map(drop).map_err(|source| OpenError::File { path: path.to_owned(), source })
}

/// # Errors
/// [`OpenError::Missing`] if there is no such file.
pub(crate) fn demand(path: &Path) -> Result<(), OpenError> {
    if path.is_file() { Ok(()) } else { Err(OpenError::Missing(path.to_owned())) }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

/// The path of a file that belongs to the database, such as its `-wal`.
pub(crate) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// How the one writing connection is opened: every commit is synced before it returns.
pub(crate) fn writing(path: &Path) -> SqliteConnectOptions {
    plain(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("journal_size_limit", LOG_BYTES)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("cache_size", "-16000")
}

/// A connection that changes nothing; it may write to the database's own side files if no server is running.
pub(crate) fn looking(path: &Path) -> SqliteConnectOptions {
    plain(path)
}

pub(crate) fn readers(path: &Path) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(READER_WAIT)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(plain(path).read_only(true))
}

fn plain(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .row_buffer_size(ROW_BUFFER)
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging()
}
