//! The files of a restored SQLite database: made beside their place, put there in one step, and nothing is deleted that
//! was there before.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use sqlx::{ConnectOptions, Connection};

use crate::OpenError;
use crate::marks::MARKED_SCHEMA;
use crate::sqlite::files::{beside, create_new, demand, looking};
use crate::sqlite::{installation, migrate, unavailable};

/// What SQLite keeps beside a database.
const COMPANIONS: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// With what every SQLite database begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Removes a database of our own making that is not complete.
pub(super) fn remove_all(file: &Path) {
    for suffix in COMPANIONS {
        let _ = std::fs::remove_file(beside(file, suffix));
    }
}

/// Waits until the file is on the disk.
pub(super) fn sync(path: &Path) -> Result<(), OpenError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|source| failed(path, source))
}

/// Copies a backup to a new file, as one transaction sees it, and brings its schema up to date. The backup stays as it is.
///
/// # Errors
/// [`OpenError::Missing`], [`OpenError::NotABackup`], [`OpenError::NewerSchema`].
pub(super) async fn copy_backup(backup: &Path, copy: &Path) -> Result<(), OpenError> {
    demand(backup)?;
    let mut begin = [0; 16];
    let read = File::open(backup).and_then(|mut file| file.read_exact(&mut begin));
    match read {
        Ok(()) if begin == *MAGIC => {}
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(failed(backup, error)),
        _ => return Err(OpenError::NotABackup(backup.to_owned(), "it is no SQLite database")),
    }
    remove_all(copy);
    create_new(copy)?;
    // A backup has no log beside it, and may lie where nothing can be written. A database that has one is read with it.
    let is_alone = !beside(backup, "-wal").exists();
    let source = looking(backup).read_only(true).immutable(is_alone);
    let damaged = |_| OpenError::NotABackup(backup.to_owned(), "it is damaged");
    let mut source = source.connect().await.map_err(damaged)?;
    match migrate::schema(&mut source, backup).await {
        Ok(0) | Err(OpenError::ForeignDatabase(_)) => {
            return Err(OpenError::NotABackup(backup.to_owned(), "it is a database of something else"));
        }
        Ok(_) => {}
        Err(_) => return Err(OpenError::NotABackup(backup.to_owned(), "it is damaged")),
    }
    sqlx::query("VACUUM INTO ?1")
        .bind(copy.display().to_string())
        .execute(&mut source)
        .await
        .map_err(unavailable)?;
    source.close().await.map_err(unavailable)?;
    let mut copied = looking(copy).connect().await.map_err(unavailable)?;
    migrate::migrate(&mut copied, copy, migrate::MIGRATIONS).await?;
    copied.close().await.map_err(unavailable)?;
    Ok(())
}

/// The highest epoch among the database and those that were moved aside before; 0 if none can be read.
pub(super) async fn highest_epoch(database: &Path) -> u64 {
    let mut highest = epoch(database).await.unwrap_or(0);
    for number in 1.. {
        let former = aside(database, number);
        if !former.exists() {
            break;
        }
        highest = highest.max(epoch(&former).await.unwrap_or(0));
    }
    highest
}

/// What cannot be read tells nothing: it may be why a backup is restored.
async fn epoch(database: &Path) -> Option<u64> {
    if !holds_anything(database) {
        return None;
    }
    let mut connection = looking(database).connect().await.ok()?;
    let marks = match migrate::schema(&mut connection, database).await {
        Ok(schema) if schema >= MARKED_SCHEMA => installation::marks(&mut connection).await,
        _ => Ok(None),
    };
    // Before the files are moved: SQLite knows them by their names.
    connection.close().await.ok()?;
    marks.ok()?.map(|marks| marks.epoch)
}

/// Whether there is more than the empty file that a first opening begins with.
pub(super) fn holds_anything(database: &Path) -> bool {
    std::fs::metadata(database).is_ok_and(|facts| facts.len() > 0)
}

/// Puts the new database in the place of the old one, which is moved aside with all that belongs to it; where to.
pub(super) fn replace(new: &Path, database: &Path) -> Result<Option<PathBuf>, OpenError> {
    sync(new)?;
    let former = if holds_anything(database) {
        let number = (1..).find(|number| !aside(database, *number).exists()).expect("numbers do not end");
        let former = aside(database, number);
        rename(database, &former)?;
        Some(former)
    } else {
        // What an interrupted replacement has left behind belongs to the last one that was moved aside.
        let number = (1..).take_while(|number| aside(database, *number).exists()).last();
        number.map(|number| aside(database, number))
    };
    // Beside the new database they would count as its own.
    for suffix in &COMPANIONS[1..] {
        let companion = beside(database, suffix);
        let place = former.clone().unwrap_or_else(|| beside(database, ".stray"));
        if companion.exists() {
            rename(&companion, &beside(&place, suffix))?;
        }
    }
    rename(new, database)?;
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sync(folder)?;
    Ok(former.filter(|former| former.exists()))
}

/// The place of a database that was replaced.
fn aside(database: &Path, number: u32) -> PathBuf {
    beside(database, &format!(".replaced-{number}"))
}

fn rename(from: &Path, to: &Path) -> Result<(), OpenError> {
    std::fs::rename(from, to).map_err(|source| failed(from, source))
}

fn failed(path: &Path, source: std::io::Error) -> OpenError {
    OpenError::File { path: path.to_owned(), source }
}
