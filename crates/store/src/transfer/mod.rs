//! Copying a whole installation from one database to another, of either engine: how it is moved, backed up and restored.
//!
//! Rows go as they are, sealed ones too, so no master key is at work here. The copy begins with the row of `installation`, which
//! says that the database is being filled: nobody opens it. It ends when both sides have been read once more and every table
//! is the same. The keys of rows are their order; so a copy that was interrupted goes on behind the last key that is there.

mod backup;
mod disable;
mod files;
mod relocate;
mod restore;
mod side;
mod table;
#[cfg(test)]
mod table_tests;
mod target;

use sha2::{Digest, Sha256};

pub(crate) use backup::backup;
pub use disable::Disable;
pub use relocate::{Cancelled, Moved, cancel_move, move_to};
pub use restore::{RestoreOrder, Restored, restore};

use crate::OpenError;
use crate::marks::Filling;
use crate::seal::{FillRandom, MasterKey};
use side::{Row, Side, Value};
use table::{INSTALLATION, TABLES, Table};

/// Told of each batch of rows that has been written: the table and the rows so far.
pub type Progress<'a> = &'a mut (dyn FnMut(&'static str, u64) + Send);

/// What a copy needs beside the two databases.
pub struct CopyKeys<'a> {
    /// Must fit the installation; what is sealed stays sealed.
    pub master_key: &'a MasterKey,
    /// Source of the name of the copy.
    pub fill_random: FillRandom,
}

/// Begins a copy in a database whose schema is up to date: it must hold no installation.
async fn begin(
    source: &mut Side,
    target: &mut Side,
    transfer: &[u8],
    filling: Filling,
) -> Result<(), OpenError> {
    let row = side::installation(source).await?.ok_or(OpenError::NoInstallation)?;
    target.begin().await?;
    target.insert(&INSTALLATION, &[row]).await?;
    target.begin_filling(transfer, filling).await?;
    target.commit().await?;
    Ok(())
}

/// Copies what is not there yet; each batch is one transaction.
async fn fill(
    source: &mut Side,
    target: &mut Side,
    transfer: &[u8],
    progress: Progress<'_>,
) -> Result<(), OpenError> {
    target.forget_nodes().await?;
    for table in TABLES {
        let mut last = target.last_key(table).await?;
        let mut rows_of_table = 0;
        loop {
            let rows = source.page(table, last.as_deref()).await?;
            let Some(newest) = rows.last() else { break };
            let key = newest[..table.key].to_vec();
            target.begin().await?;
            target.demand_filling(transfer).await?;
            target.insert(table, &rows).await?;
            target.commit().await?;
            rows_of_table += rows.len() as u64;
            last = Some(key);
            progress(table.name, rows_of_table);
        }
        if ["access_tokens", "notifications"].contains(&table.name) {
            target.gather_statistics().await?;
        }
    }
    Ok(())
}

/// Lets the target be opened, now that it is known to be the same as the source.
async fn finish(target: &mut Side, transfer: &[u8]) -> Result<(), OpenError> {
    target.begin().await?;
    target.demand_filling(transfer).await?;
    target.end_filling().await?;
    target.commit().await?;
    Ok(())
}

/// Whether every table holds the same rows on both sides; how many there are.
///
/// # Errors
/// [`OpenError::CopyDiffers`] with the first table that does not.
async fn compare(source: &mut Side, target: &mut Side) -> Result<u64, OpenError> {
    let mut rows = 0;
    for table in TABLES {
        let (original, digest) = read_through(source, table).await?;
        let (copied, digest_of_copy) = read_through(target, table).await?;
        if (original, digest) != (copied, digest_of_copy) {
            return Err(OpenError::CopyDiffers { table: table.name, original, copied });
        }
        rows += original;
    }
    Ok(rows)
}

/// How many rows a table holds, and a digest of all of them in the order of their keys.
async fn read_through(side: &mut Side, table: &'static Table) -> Result<(u64, [u8; 32]), OpenError> {
    let (mut rows, mut digest, mut last) = (0, Sha256::new(), None::<Row>);
    loop {
        let page = side.page(table, last.as_deref()).await?;
        let Some(newest) = page.last() else { return Ok((rows, digest.finalize().into())) };
        last = Some(newest[..table.key].to_vec());
        page.iter().flatten().for_each(|value| digest_value(&mut digest, value));
        rows += page.len() as u64;
    }
}

/// Each value begins with its kind and its length, so no two rows read the same.
fn digest_value(digest: &mut Sha256, value: &Value) {
    let mut put = |kind: u8, bytes: &[u8]| {
        digest.update([kind]);
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    match value {
        Value::Text(None) | Value::Number(None) | Value::Flag(None) | Value::Bytes(None) => put(0, &[]),
        Value::Text(Some(text)) => put(1, text.as_bytes()),
        Value::Number(Some(number)) => put(2, &number.to_be_bytes()),
        Value::Flag(Some(flag)) => put(3, &[u8::from(*flag)]),
        Value::Bytes(Some(bytes)) => put(4, bytes),
    }
}

/// A name for a copy.
fn new_transfer(fill_random: &FillRandom) -> [u8; 16] {
    let mut transfer = [0; 16];
    fill_random(&mut transfer);
    transfer
}
