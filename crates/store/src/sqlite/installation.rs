//! The one row of `installation`: whether a master key fits, and the key of the digests.

use std::path::Path;

use sqlx::SqliteConnection;

use super::unavailable;
use crate::OpenError;
use crate::marks::Marks;
use crate::row::Reader;
use crate::seal::{FillRandom, MasterKey};
use crate::vault::{Seals, Vault, check_value};

/// `None` before the first opening.
pub(crate) async fn seals(connection: &mut SqliteConnection) -> Result<Option<Seals>, OpenError> {
    let row = sqlx::query(Seals::QUERY).fetch_optional(connection).await.map_err(unavailable)?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Seals::read(&Reader::new(&row, "installation", "only_row"))?))
}

/// What it knows of copies; `None` before the first opening.
pub(crate) async fn marks(connection: &mut SqliteConnection) -> Result<Option<Marks>, OpenError> {
    let row = sqlx::query(Marks::QUERY).fetch_optional(connection).await.map_err(unavailable)?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Marks::read(&Reader::new(&row, "installation", "only_row"))?))
}

/// Refuses an installation that has been moved or is not yet whole.
pub(crate) async fn demand_open(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    match marks(connection).await? {
        Some(marks) => marks.demand_open(path.display()),
        None => Ok(()),
    }
}

/// The keys of the installation, made at the very first opening.
pub(crate) async fn vault(
    connection: &mut SqliteConnection,
    path: &Path,
    master_key: &MasterKey,
    fill_random: FillRandom,
) -> Result<Vault, OpenError> {
    demand_open(connection, path).await?;
    if let Some(seals) = seals(connection).await? {
        return Vault::unlock(&seals, master_key, fill_random);
    }
    let (vault, sealed_digest_key) = Vault::found(master_key, fill_random);
    sqlx::query(
        "INSERT INTO installation (only_row, bootstrapped_at, master_key_version, master_key_check, next_key_check,
                                   sealed_digest_key, change_position, highest_time_seen)
         VALUES (1, NULL, ?1, ?2, NULL, ?3, 0, 0)",
    )
    .bind(vault.sealer.version())
    .bind(check_value(&vault.sealer))
    .bind(sealed_digest_key)
    .execute(connection)
    .await
    .map_err(unavailable)?;
    Ok(vault)
}
