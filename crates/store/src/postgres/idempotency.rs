//! Idempotency keys: the insertion of a key decides which request was first.

use std::collections::HashMap;

use countermark_core::UnixSeconds;
use countermark_domain::store::{IDEMPOTENCY_SECONDS, IdempotencyKey, KeptAnswer, Recalled, StoreError};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::failure::Failure;
use super::transaction::Transaction;
use crate::row::{Reader, hex, signed};
use crate::vault::{Vault, answer_cell};

/// Of these keys those that are remembered at `now`: the digest of the request by scope. To be asked once the counters
/// are locked, so that what another node has remembered for the same tokens is seen.
pub(super) async fn live(
    transaction: &mut Transaction,
    keys: &[IdempotencyKey],
    now: UnixSeconds,
) -> Result<HashMap<[u8; 32], [u8; 32]>, Failure> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let scopes: Vec<Vec<u8>> = keys.iter().map(|key| key.scope.to_vec()).collect();
    let rows = sqlx::query(
        "SELECT scope, request FROM idempotency_keys WHERE scope = ANY ($1) AND created_at > $2 - $3",
    )
    .bind(scopes)
    .bind(signed(now.get()))
    .bind(signed(IDEMPOTENCY_SECONDS))
    .fetch_all(&mut **transaction)
    .await?;
    let read = |row: &PgRow| {
        let reader = Reader::new(row, "idempotency_keys", "scope");
        Ok((reader.digest("scope")?, reader.digest("request")?))
    };
    Ok(rows.iter().map(read).collect::<Result<_, StoreError>>()?)
}

/// Remembers the keys of uses that are granted in this transaction.
pub(super) async fn remember_uses(
    transaction: &mut Transaction,
    keys: &[IdempotencyKey],
    now: UnixSeconds,
) -> Result<(), Failure> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut pairs: Vec<_> = keys.iter().map(|key| (key.scope.to_vec(), key.request.to_vec())).collect();
    // In one order, so that two nodes never wait for each other in a circle.
    pairs.sort_unstable();
    let (scopes, requests): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let done = sqlx::query(
        "INSERT INTO idempotency_keys (scope, request, created_at, answer, master_key_version)
         SELECT new.scope, new.request, $3, NULL, 0 FROM unnest($1::bytea[], $2::bytea[]) AS new (scope, request)
         ON CONFLICT (scope) DO UPDATE
         SET request = excluded.request, created_at = excluded.created_at, answer = NULL, master_key_version = 0
         WHERE idempotency_keys.created_at <= excluded.created_at - $4",
    )
    .bind(scopes)
    .bind(requests)
    .bind(signed(now.get()))
    .bind(signed(IDEMPOTENCY_SECONDS))
    .execute(&mut **transaction)
    .await?;
    if done.rows_affected() == keys.len() as u64 {
        Ok(())
    } else {
        // Another transaction was quicker, for another token: played anew, the use is a repetition.
        Err(Failure::Conflict(StoreError::Unavailable("an idempotency key was taken twice".into())))
    }
}

/// Keeps the answer of a management call; whether its key was free.
pub(super) async fn keep(
    transaction: &mut Transaction,
    vault: &Vault,
    kept: &KeptAnswer,
    now: UnixSeconds,
) -> Result<bool, Failure> {
    let row = hex(&kept.key.scope);
    let done = sqlx::query(
        "INSERT INTO idempotency_keys (scope, request, created_at, answer, master_key_version)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (scope) DO UPDATE
         SET request = excluded.request, created_at = excluded.created_at, answer = excluded.answer,
             master_key_version = excluded.master_key_version
         WHERE idempotency_keys.created_at <= excluded.created_at - $6",
    )
    .bind(kept.key.scope.as_slice())
    .bind(kept.key.request.as_slice())
    .bind(signed(now.get()))
    .bind(vault.sealer.seal(answer_cell(&row), &kept.answer))
    .bind(i64::from(vault.sealer.version()))
    .bind(signed(IDEMPOTENCY_SECONDS))
    .execute(&mut **transaction)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn recall(
    connection: &mut PgConnection,
    vault: &Vault,
    key: IdempotencyKey,
    now: UnixSeconds,
) -> Result<Recalled, Failure> {
    let row = sqlx::query(
        "SELECT scope, request, answer, master_key_version FROM idempotency_keys
         WHERE scope = $1 AND created_at > $2 - $3",
    )
    .bind(key.scope.as_slice())
    .bind(signed(now.get()))
    .bind(signed(IDEMPOTENCY_SECONDS))
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(Recalled::Nothing) };
    let reader = Reader::new(&row, "idempotency_keys", "scope");
    if reader.digest("request")? != key.request {
        return Ok(Recalled::KeyMismatch);
    }
    let id = hex(&key.scope);
    let cell = answer_cell(&id);
    let answer: &[u8] = reader.column("answer")?;
    Ok(Recalled::Answer(vault.open(cell, reader.unsigned("master_key_version")?, answer)?))
}
