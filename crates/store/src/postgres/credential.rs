//! The secret halves of tokens: values by digest, secrets sealed.

use countermark_core::{KeyVersion, TokenId, TokenKind, UnixSeconds, ValueDigest};
use countermark_domain::store::{AuditEntry, NewCredential, Revealed, StoreError};
use sqlx::PgConnection;

use super::audit;
use super::failure::Failure;
use super::transaction::Transaction;
use crate::row::{Reader, signed};
use crate::vault::{Vault, secret_cell, secret_row, value_cell, value_row};
use crate::verdict::Verdict;

/// What became of a new credential.
pub(super) enum Stored {
    /// A value, found by this digest.
    Value(ValueDigest),
    /// A signing secret.
    Secret,
    /// Another token has the value.
    Taken,
}

/// Stores the credential that is the current one from now on.
pub(super) async fn store(
    transaction: &mut Transaction,
    vault: &Vault,
    id: TokenId,
    credential: &NewCredential,
    at: UnixSeconds,
) -> Result<Stored, Failure> {
    match credential {
        NewCredential::Value { value, recoverable } => {
            let digest = vault.digester.digest(value);
            let row = value_row(&id.to_string(), &digest.0);
            let sealed = recoverable.then(|| vault.sealer.seal(value_cell(&row), value.as_bytes()));
            let is_new = store_value(transaction, vault, id, digest, sealed, at).await?;
            Ok(if is_new { Stored::Value(digest) } else { Stored::Taken })
        }
        NewCredential::Secret(secret) => {
            let version = next_version(transaction, id).await?;
            let row = secret_row(id, version);
            let sealed = vault.sealer.seal(secret_cell(&row), secret.expose().as_bytes());
            store_secret(transaction, vault, id, version, sealed, at).await?;
            Ok(Stored::Secret)
        }
    }
}

async fn store_value(
    transaction: &mut Transaction,
    vault: &Vault,
    id: TokenId,
    digest: ValueDigest,
    sealed: Option<Vec<u8>>,
    at: UnixSeconds,
) -> Result<bool, Failure> {
    let done = sqlx::query(
        "INSERT INTO token_values (digest, token, number, created_at, valid_until, sealed, master_key_version)
         SELECT $1, $2, 1 + coalesce(max(number), 0), $3, NULL, $4, $5 FROM token_values WHERE token = $2
         ON CONFLICT (digest) DO NOTHING",
    )
    .bind(digest.0.to_vec())
    .bind(id.to_string())
    .bind(signed(at.get()))
    .bind(sealed)
    .bind(i64::from(vault.sealer.version()))
    .execute(&mut **transaction).await?;
    Ok(done.rows_affected() == 1)
}

async fn next_version(transaction: &mut Transaction, id: TokenId) -> Result<u16, Failure> {
    let highest: i64 =
        sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM signing_secrets WHERE token = $1")
            .bind(id.to_string())
            .fetch_one(&mut **transaction)
            .await?;
    u16::try_from(highest + 1).map_err(|_| {
        StoreError::Unavailable(format!("token {id} has used up its 65535 secret versions")).into()
    })
}

async fn store_secret(
    transaction: &mut Transaction,
    vault: &Vault,
    id: TokenId,
    version: u16,
    sealed: Vec<u8>,
    at: UnixSeconds,
) -> Result<(), Failure> {
    sqlx::query(
        "INSERT INTO signing_secrets (token, version, created_at, verify_until, sealed, master_key_version)
         VALUES ($1, $2, $3, NULL, $4, $5)",
    )
    .bind(id.to_string())
    .bind(i64::from(version))
    .bind(signed(at.get()))
    .bind(sealed)
    .bind(i64::from(vault.sealer.version()))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Lets every credential of a token end at `until`, if it does not end earlier.
pub(super) async fn end_former(
    transaction: &mut Transaction,
    id: TokenId,
    until: UnixSeconds,
) -> Result<(), Failure> {
    for statement in [
        "UPDATE token_values SET valid_until = least(valid_until, $2) WHERE token = $1",
        "UPDATE signing_secrets SET verify_until = least(verify_until, $2) WHERE token = $1",
    ] {
        sqlx::query(statement)
            .bind(id.to_string())
            .bind(signed(until.get()))
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

/// Opens the current credential and notes in the same transaction that it was shown.
pub(super) async fn reveal(
    transaction: &mut Transaction,
    vault: &Vault,
    id: TokenId,
    entry: &AuditEntry,
) -> Result<Verdict<Option<Revealed>>, Failure> {
    let revealed = open_current(transaction, vault, id).await?;
    if revealed.is_none() {
        return Ok(Verdict::Undo(None));
    }
    audit::append(transaction, entry).await?;
    Ok(Verdict::Keep(revealed))
}

/// Opens the current credentials of many tokens, each as it is when its turn comes.
pub(super) async fn open(
    connection: &mut PgConnection,
    vault: &Vault,
    ids: &[TokenId],
) -> Result<Vec<Option<Revealed>>, Failure> {
    let mut opened = Vec::with_capacity(ids.len());
    for id in ids {
        opened.push(open_current(connection, vault, *id).await?);
    }
    Ok(opened)
}

async fn open_current(
    connection: &mut PgConnection,
    vault: &Vault,
    id: TokenId,
) -> Result<Option<Revealed>, Failure> {
    match id.kind() {
        TokenKind::ImageUrl => open_secret(connection, vault, id).await,
        TokenKind::Upload | TokenKind::ApiKey => open_value(connection, vault, id).await,
    }
}

async fn open_secret(
    connection: &mut PgConnection,
    vault: &Vault,
    id: TokenId,
) -> Result<Option<Revealed>, Failure> {
    let row = sqlx::query(
        "SELECT token, version, sealed, master_key_version FROM signing_secrets
         WHERE token = $1 ORDER BY version DESC LIMIT 1",
    )
    .bind(id.to_string())
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let reader = Reader::new(&row, "signing_secrets", "token");
    let version = u16::try_from(reader.unsigned("version")?).map_err(|_| reader.corrupt("version"))?;
    let sealed: &[u8] = reader.column("sealed")?;
    let name = secret_row(id, version);
    let text = vault.open_text(secret_cell(&name), reader.unsigned("master_key_version")?, sealed)?;
    let key_version = Some(KeyVersion::new(version).ok_or_else(|| reader.corrupt("version"))?);
    Ok(Some(Revealed { text, key_version }))
}

async fn open_value(
    connection: &mut PgConnection,
    vault: &Vault,
    id: TokenId,
) -> Result<Option<Revealed>, Failure> {
    let row = sqlx::query(
        "SELECT digest, sealed, master_key_version FROM token_values
         WHERE token = $1 ORDER BY number DESC LIMIT 1",
    )
    .bind(id.to_string())
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let reader = Reader::new(&row, "token_values", "digest");
    let Some(sealed) = reader.optional::<&[u8]>("sealed")? else { return Ok(None) };
    let name = value_row(&id.to_string(), &reader.digest("digest")?);
    let text = vault.open_text(value_cell(&name), reader.unsigned("master_key_version")?, sealed)?;
    Ok(Some(Revealed { text, key_version: None }))
}
