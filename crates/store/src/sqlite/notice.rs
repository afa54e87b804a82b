//! Events of tokens: what is to be told is put into the outbox by the transaction that makes it true.

use std::collections::HashMap;

use countermark_core::{Notify, TokenEvent, TokenId, UnixSeconds};
use countermark_domain::event::TokenFacts;
use countermark_domain::store::StoreError;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::notification::enqueue;
use super::unavailable;
use crate::notice::{Notice, Subscription};
use crate::row::{Reader, signed};
use crate::vault::Vault;

/// Tells what uses have come to, and notes what their tokens are to tell next.
pub(super) async fn tell_uses(
    connection: &mut SqliteConnection,
    vault: &Vault,
    notices: &[Notice],
    now: UnixSeconds,
) -> Result<(), StoreError> {
    if notices.is_empty() {
        return Ok(());
    }
    let ids: Vec<TokenId> = notices.iter().map(|notice| notice.token).collect();
    let rows = subscribed(connection, &ids).await?;
    let subscriptions: HashMap<TokenId, Subscription<'_>> =
        rows.iter().map(|row| Subscription::of(row).map(|it| (it.facts.id, it))).collect::<Result<_, _>>()?;
    let mut new = Vec::new();
    for notice in notices {
        let Some(subscription) = subscriptions.get(&notice.token) else { continue };
        let facts = TokenFacts { used: notice.used, ..subscription.facts.clone() };
        if notice.is_near {
            subscription.tell(vault, TokenEvent::LimitNear, &facts, now, &mut new);
        }
        if notice.is_reached {
            subscription.tell(vault, TokenEvent::LimitReached, &facts, now, &mut new);
        }
        note_told(connection, &subscription.notify, notice).await?;
    }
    enqueue(connection, &new, now).await
}

async fn note_told(
    connection: &mut SqliteConnection,
    notify: &Notify,
    notice: &Notice,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE token_counters
         SET near_told = near_told OR ?2, reached_told = reached_told OR ?3,
             notice_at = iif(?4 AND NOT reached_told, use_limit, NULL)
         WHERE token = ?1",
    )
    .bind(notice.token.to_string())
    .bind(notice.is_near && notify.wants(TokenEvent::LimitNear))
    .bind(notice.is_reached && notify.wants(TokenEvent::LimitReached))
    .bind(!notice.is_reached && notify.wants(TokenEvent::LimitReached))
    .execute(connection)
    .await
    .map_err(unavailable)?;
    Ok(())
}

/// Tells of each of these tokens, as far as it asks for it.
pub(super) async fn tell(
    connection: &mut SqliteConnection,
    vault: &Vault,
    event: TokenEvent,
    tokens: &[TokenId],
    now: UnixSeconds,
) -> Result<(), StoreError> {
    let mut new = Vec::new();
    for row in &subscribed(connection, tokens).await? {
        let subscription = Subscription::of(row)?;
        subscription.tell(vault, event, &subscription.facts, now, &mut new);
    }
    enqueue(connection, &new, now).await
}

/// Tells of tokens that expire before `horizon` and have not yet; of how many.
pub(super) async fn tell_expiring(
    connection: &mut SqliteConnection,
    vault: &Vault,
    now: UnixSeconds,
    horizon: UnixSeconds,
    at_most: u32,
) -> Result<u64, StoreError> {
    let rows =
        sqlx::query("SELECT id FROM access_tokens WHERE expiring_at > ?1 AND expiring_at <= ?2 ORDER BY expiring_at LIMIT ?3")
            .bind(signed(now.get()))
            .bind(signed(horizon.get()))
            .bind(at_most)
            .fetch_all(&mut *connection)
            .await
            .map_err(unavailable)?;
    let tokens: Vec<TokenId> = rows
        .iter()
        .map(|row| Reader::new(row, "access_tokens", "id").token_id("id"))
        .collect::<Result<_, _>>()?;
    tell(connection, vault, TokenEvent::Expiring, &tokens, now).await?;
    sqlx::query(
        "UPDATE access_tokens SET expiring_told = expiring_at, expiring_at = NULL
         WHERE id IN (SELECT value FROM json_each(?1))",
    )
    .bind(serde_json::to_string(&tokens).expect("ids are strings"))
    .execute(connection)
    .await
    .map_err(unavailable)?;
    Ok(tokens.len() as u64)
}

/// The rows of those of `tokens` that ask to be told of anything.
async fn subscribed(
    connection: &mut SqliteConnection,
    tokens: &[TokenId],
) -> Result<Vec<SqliteRow>, StoreError> {
    sqlx::query(
        "SELECT t.id, t.name, t.owner, t.notify, c.use_limit, c.used, c.expiry, c.revoked_at
         FROM json_each(?1) wanted JOIN access_tokens t ON t.id = wanted.value JOIN token_counters c ON c.token = t.id
         WHERE t.notify IS NOT NULL",
    )
    .bind(serde_json::to_string(tokens).expect("ids are strings"))
    .fetch_all(connection)
    .await
    .map_err(unavailable)
}
