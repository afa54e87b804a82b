//! Events of tokens: what is to be told is put into the outbox by the transaction that makes it true.

use std::collections::HashMap;

use countermark_core::{Notify, TokenEvent, TokenId, UnixSeconds};
use countermark_domain::event::TokenFacts;
use sqlx::postgres::PgRow;

use super::failure::Failure;
use super::notification::enqueue;
use super::take;
use super::transaction::Transaction;
use crate::notice::{Notice, Subscription};
use crate::row::{Reader, signed};
use crate::vault::Vault;

/// Tells what uses have come to, and notes what their tokens are to tell next.
pub(super) async fn tell_uses(
    transaction: &mut Transaction,
    vault: &Vault,
    notices: &[Notice],
    now: UnixSeconds,
) -> Result<(), Failure> {
    if notices.is_empty() {
        return Ok(());
    }
    let ids: Vec<TokenId> = notices.iter().map(|notice| notice.token).collect();
    let rows = subscribed(transaction, &ids).await?;
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
        note_told(transaction, &subscription.notify, notice).await?;
    }
    enqueue(transaction, &new, now).await
}

async fn note_told(transaction: &mut Transaction, notify: &Notify, notice: &Notice) -> Result<(), Failure> {
    sqlx::query(
        "UPDATE token_counters
         SET near_told = near_told OR $2, reached_told = reached_told OR $3,
             notice_at = CASE WHEN $4 AND NOT reached_told THEN use_limit END
         WHERE token = $1",
    )
    .bind(notice.token.to_string())
    .bind(notice.is_near && notify.wants(TokenEvent::LimitNear))
    .bind(notice.is_reached && notify.wants(TokenEvent::LimitReached))
    .bind(!notice.is_reached && notify.wants(TokenEvent::LimitReached))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Tells of each of these tokens, as far as it asks for it.
pub(super) async fn tell(
    transaction: &mut Transaction,
    vault: &Vault,
    event: TokenEvent,
    tokens: &[TokenId],
    now: UnixSeconds,
) -> Result<(), Failure> {
    let mut new = Vec::new();
    for row in &subscribed(transaction, tokens).await? {
        let subscription = Subscription::of(row)?;
        subscription.tell(vault, event, &subscription.facts, now, &mut new);
    }
    enqueue(transaction, &new, now).await
}

/// Tells of tokens that expire before `horizon` and have not yet; of how many. Those that another node is telling of are
/// left to it.
pub(super) async fn tell_expiring(
    transaction: &mut Transaction,
    vault: &Vault,
    now: UnixSeconds,
    horizon: UnixSeconds,
    at_most: u32,
) -> Result<u64, Failure> {
    let rows = sqlx::query(
        "SELECT id FROM access_tokens WHERE expiring_at > $1 AND expiring_at <= $2 ORDER BY expiring_at LIMIT $3
         FOR UPDATE SKIP LOCKED",
    )
    .bind(signed(now.get()))
    .bind(signed(horizon.get()))
    .bind(i64::from(at_most))
    .fetch_all(&mut **transaction)
    .await?;
    let tokens: Vec<TokenId> = rows
        .iter()
        .map(|row| Reader::new(row, "access_tokens", "id").token_id("id"))
        .collect::<Result<_, _>>()?;
    tell(transaction, vault, TokenEvent::Expiring, &tokens, now).await?;
    sqlx::query(
        "UPDATE access_tokens SET expiring_told = expiring_at, expiring_at = NULL WHERE id = ANY ($1)",
    )
    .bind(take::texts(&tokens))
    .execute(&mut **transaction)
    .await?;
    Ok(tokens.len() as u64)
}

/// The rows of those of `tokens` that ask to be told of anything.
async fn subscribed(transaction: &mut Transaction, tokens: &[TokenId]) -> Result<Vec<PgRow>, Failure> {
    let rows = sqlx::query(
        "SELECT t.id, t.name, t.owner, t.notify, c.use_limit, c.used, c.expiry, c.revoked_at
         FROM access_tokens t JOIN token_counters c ON c.token = t.id
         WHERE t.id = ANY ($1) AND t.notify IS NOT NULL",
    )
    .bind(take::texts(tokens))
    .fetch_all(&mut **transaction)
    .await?;
    Ok(rows)
}
