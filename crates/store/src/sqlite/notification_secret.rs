//! The secrets by which receivers check signatures, sealed.

use countermark_core::UnixSeconds;
use countermark_domain::store::{AuditEntry, NotificationSecret, StoreError};
use sqlx::{SqliteConnection, SqlitePool};
use zeroize::Zeroizing;

use super::{audit, unavailable};
use crate::record;
use crate::row::{Reader, signed};
use crate::vault::{Vault, notification_secret_cell};
use crate::verdict::Verdict;

pub(super) async fn read(readers: &SqlitePool, vault: &Vault) -> Result<Vec<NotificationSecret>, StoreError> {
    let rows = sqlx::query(
        "SELECT version, created_at, valid_until, sealed, master_key_version FROM notification_secrets
         ORDER BY version",
    )
    .fetch_all(readers)
    .await
    .map_err(unavailable)?;
    rows.iter().map(|row| record::notification_secret(row, vault)).collect()
}

pub(super) async fn found(
    connection: &mut SqliteConnection,
    vault: &Vault,
    text: &str,
    now: UnixSeconds,
) -> Result<Verdict<()>, StoreError> {
    if latest(connection).await? > 0 {
        return Ok(Verdict::Undo(()));
    }
    insert(connection, vault, 1, text, now).await?;
    Ok(Verdict::Keep(()))
}

pub(super) async fn rotate(
    connection: &mut SqliteConnection,
    vault: &Vault,
    text: &Zeroizing<String>,
    overlap_until: UnixSeconds,
    entry: &AuditEntry,
) -> Result<Verdict<NotificationSecret>, StoreError> {
    audit::append(connection, entry).await?;
    let version = latest(connection).await? + 1;
    sqlx::query("UPDATE notification_secrets SET valid_until = min(ifnull(valid_until, ?1), ?1)")
        .bind(signed(overlap_until.get()))
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    forget_former(connection, entry.at).await?;
    insert(connection, vault, version, text, entry.at).await?;
    let (text, created_at) = (text.clone(), entry.at);
    Ok(Verdict::Keep(NotificationSecret { version, text, created_at, valid_until: None }))
}

/// Each version that is valid adds a signature to every notification: few may be.
const FORMER_AT_MOST: u64 = 2;

/// Most former versions that are kept, ended ones included.
const SHOWN_AT_MOST: u64 = 20;

/// For how many seconds a secret is shown that no longer signs.
const ENDED_SECONDS: u64 = 30 * 24 * 60 * 60;

/// Ends all former versions but the newest, and deletes those that ended long ago.
async fn forget_former(connection: &mut SqliteConnection, now: UnixSeconds) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE notification_secrets SET valid_until = ?1
         WHERE valid_until > ?1
           AND version NOT IN (SELECT version FROM notification_secrets ORDER BY version DESC LIMIT ?2)",
    )
    .bind(signed(now.get()))
    .bind(signed(FORMER_AT_MOST))
    .execute(&mut *connection)
    .await
    .map_err(unavailable)?;
    // The rows also bound what is shown, should many be made in a short time.
    sqlx::query(
        "DELETE FROM notification_secrets
         WHERE valid_until <= ?1 - ?2
            OR version NOT IN (SELECT version FROM notification_secrets ORDER BY version DESC LIMIT ?3)",
    )
    .bind(signed(now.get()))
    .bind(signed(ENDED_SECONDS))
    .bind(signed(SHOWN_AT_MOST))
    .execute(connection)
    .await
    .map_err(unavailable)?;
    Ok(())
}

/// The highest version; 0 = there is none.
async fn latest(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT ifnull(max(version), 0) AS version FROM notification_secrets")
        .fetch_one(connection)
        .await
        .map_err(unavailable)?;
    Reader::new(&row, "notification_secrets", "version").unsigned("version")
}

async fn insert(
    connection: &mut SqliteConnection,
    vault: &Vault,
    version: u64,
    text: &str,
    now: UnixSeconds,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO notification_secrets (version, created_at, valid_until, sealed, master_key_version)
         VALUES (?1, ?2, NULL, ?3, ?4)",
    )
    .bind(signed(version))
    .bind(signed(now.get()))
    .bind(vault.sealer.seal(notification_secret_cell(&version.to_string()), text.as_bytes()))
    .bind(vault.sealer.version())
    .execute(connection)
    .await
    .map_err(unavailable)?;
    Ok(())
}
