//! The one row of `installation`: whether a master key fits, and the key of the digests.

use sqlx::PgConnection;

use super::failure::Failure;
use super::transaction::Transaction;
use super::unavailable;
use crate::OpenError;
use crate::marks::Marks;
use crate::row::{Reader, signed};
use crate::seal::{FillRandom, MasterKey};
use crate::vault::{Seals, Vault, check_value};

/// `None` before the first opening.
pub(super) async fn seals(connection: &mut PgConnection) -> Result<Option<Seals>, OpenError> {
    let row = sqlx::query(Seals::QUERY).fetch_optional(connection).await.map_err(unavailable)?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Seals::read(&Reader::new(&row, "installation", "only_row"))?))
}

/// What it knows of copies; `None` before the first opening.
pub(super) async fn marks(connection: &mut PgConnection) -> Result<Option<Marks>, OpenError> {
    let row = sqlx::query(Marks::QUERY).fetch_optional(connection).await.map_err(unavailable)?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Marks::read(&Reader::new(&row, "installation", "only_row"))?))
}

/// Refuses an installation that is not yet whole.
pub(super) async fn demand_open(connection: &mut PgConnection) -> Result<(), OpenError> {
    match marks(connection).await? {
        Some(marks) => marks.demand_open("the database"),
        None => Ok(()),
    }
}

/// The keys of the installation, made at the very first opening; of several nodes that open it at once, by one.
pub(super) async fn vault(
    connection: &mut PgConnection,
    master_key: &MasterKey,
    fill_random: FillRandom,
) -> Result<Vault, OpenError> {
    if seals(connection).await?.is_none() {
        let (vault, sealed_digest_key) = Vault::found(master_key, fill_random.clone());
        sqlx::query(
            "INSERT INTO installation (only_row, bootstrapped_at, master_key_version, master_key_check, next_key_check,
                                       sealed_digest_key, change_position, highest_time_seen)
             VALUES (1, NULL, $1, $2, NULL, $3, 0, 0)
             ON CONFLICT (only_row) DO NOTHING",
        )
        .bind(i64::from(vault.sealer.version()))
        .bind(check_value(&vault.sealer))
        .bind(sealed_digest_key)
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    }
    demand_open(connection).await?;
    match seals(connection).await? {
        Some(seals) => Vault::unlock(&seals, master_key, fill_random),
        None => Err(OpenError::NoInstallation),
    }
}

/// Refuses unless the master key of this node is the only one, and keeps it so until the end of the transaction. To be
/// called by what seals without taking a position; the one row also orders those who call it.
pub(super) async fn demand_key(transaction: &mut Transaction, vault: &Vault) -> Result<(), Failure> {
    let row = sqlx::query(
        "SELECT only_row, master_key_version, next_key_check IS NOT NULL AS is_rotating FROM installation FOR UPDATE",
    )
    .fetch_one(&mut **transaction)
    .await?;
    let reader = Reader::new(&row, "installation", "only_row");
    key_fits(&reader, vault)
}

/// Refuses unless a row with `master_key_version` and `is_rotating` says that the master key of this node is the only
/// one: what it would seal now, nobody might open later.
pub(super) fn key_fits(reader: &Reader<'_>, vault: &Vault) -> Result<(), Failure> {
    let is_only = reader.column::<i64>("master_key_version")? == signed(vault.sealer.version().into())
        && !reader.column::<bool>("is_rotating")?;
    if is_only {
        Ok(())
    } else {
        Err(unavailable("the master key has been or is being rotated; start this node anew").into())
    }
}
