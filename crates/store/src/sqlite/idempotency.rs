//! Idempotency keys: the insertion of a key decides which request was first.

use std::collections::HashMap;

use countermark_core::UnixSeconds;
use countermark_domain::store::{IDEMPOTENCY_SECONDS, IdempotencyKey, KeptAnswer, Recalled, StoreError};
use sqlx::{SqliteConnection, SqlitePool};

use super::unavailable;
use crate::row::{Reader, hex, signed};
use crate::vault::{Vault, answer_cell};

/// Of these keys those that are remembered at `now`: the digest of the request by scope.
pub(crate) async fn live(
    connection: &mut SqliteConnection,
    keys: &[IdempotencyKey],
    now: UnixSeconds,
) -> Result<HashMap<[u8; 32], [u8; 32]>, StoreError> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let scopes: Vec<String> = keys.iter().map(|key| hex(&key.scope)).collect();
    let rows = sqlx::query(
        "SELECT scope, request FROM idempotency_keys
         WHERE scope IN (SELECT unhex(value) FROM json_each(?1)) AND created_at > ?2 - ?3",
    )
    .bind(serde_json::to_string(&scopes).expect("a list of strings serialises"))
    .bind(signed(now.get()))
    .bind(signed(IDEMPOTENCY_SECONDS))
    .fetch_all(connection)
    .await
    .map_err(unavailable)?;
    rows.iter()
        .map(|row| {
            let reader = Reader::new(row, "idempotency_keys", "scope");
            Ok((reader.digest("scope")?, reader.digest("request")?))
        })
        .collect()
}

/// Remembers the keys of uses that are granted in this transaction.
pub(crate) async fn remember_uses(
    connection: &mut SqliteConnection,
    keys: &[IdempotencyKey],
    now: UnixSeconds,
) -> Result<(), StoreError> {
    if keys.is_empty() {
        return Ok(());
    }
    let pairs: Vec<(String, String)> = keys.iter().map(|key| (hex(&key.scope), hex(&key.request))).collect();
    let done = sqlx::query(
        "INSERT INTO idempotency_keys (scope, request, created_at, answer, master_key_version)
         SELECT unhex(value ->> 0), unhex(value ->> 1), ?2, NULL, 0 FROM json_each(?1) WHERE true
         ON CONFLICT (scope) DO UPDATE
         SET request = excluded.request, created_at = excluded.created_at, answer = NULL, master_key_version = 0
         WHERE created_at <= excluded.created_at - ?3",
    )
    .bind(serde_json::to_string(&pairs).expect("a list of strings serialises"))
    .bind(signed(now.get()))
    .bind(signed(IDEMPOTENCY_SECONDS))
    .execute(connection)
    .await
    .map_err(unavailable)?;
    if done.rows_affected() == keys.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::Unavailable("an idempotency key was taken twice".into()))
    }
}

/// Keeps the answer of a management call; whether its key was free.
pub(crate) async fn keep(
    connection: &mut SqliteConnection,
    vault: &Vault,
    kept: &KeptAnswer,
    now: UnixSeconds,
) -> Result<bool, StoreError> {
    let row = hex(&kept.key.scope);
    let done = sqlx::query(
        "INSERT INTO idempotency_keys (scope, request, created_at, answer, master_key_version)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (scope) DO UPDATE
         SET request = excluded.request, created_at = excluded.created_at, answer = excluded.answer,
             master_key_version = excluded.master_key_version
         WHERE created_at <= excluded.created_at - ?6",
    )
    .bind(kept.key.scope.as_slice())
    .bind(kept.key.request.as_slice())
    .bind(signed(now.get()))
    .bind(vault.sealer.seal(answer_cell(&row), &kept.answer))
    .bind(vault.sealer.version())
    .bind(signed(IDEMPOTENCY_SECONDS))
    .execute(connection)
    .await
    .map_err(unavailable)?;
    Ok(done.rows_affected() == 1)
}

pub(crate) async fn recall(
    readers: &SqlitePool,
    vault: &Vault,
    key: IdempotencyKey,
    now: UnixSeconds,
) -> Result<Recalled, StoreError> {
    let row = sqlx::query(
        "SELECT scope, request, answer, master_key_version FROM idempotency_keys
         WHERE scope = ?1 AND created_at > ?2 - ?3",
    )
    .bind(key.scope.as_slice())
    .bind(signed(now.get()))
    .bind(signed(IDEMPOTENCY_SECONDS))
    .fetch_optional(readers)
    .await
    .map_err(unavailable)?;
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
