//! Attempts at deliveries: claiming what is due, keeping what came of it.

use countermark_core::UnixSeconds;
use countermark_domain::store::{Attempted, Claim, DueNotification, Next, NotificationState};

use super::failure::Failure;
use super::transaction::Transaction;
use crate::record::due_notification;
use crate::row::{Reader, signed};
use crate::verdict::Verdict;

/// Looks at the longest due only, so that a long queue holds nobody up. What another node is claiming at this moment is
/// that node's: its rows are passed over.
pub(super) const CLAIM_LONGEST_DUE: &str = "
    WITH under_way AS (SELECT * FROM unnest($3::text[], $4::bigint[]) AS it (receiver, attempts)),
         longest AS (SELECT id, receiver, next_attempt_at FROM notifications
                     WHERE state = 'pending' AND next_attempt_at <= $1 ORDER BY next_attempt_at LIMIT 256
                     FOR UPDATE SKIP LOCKED),
         placed AS (SELECT id, receiver, next_attempt_at,
                           row_number() OVER (PARTITION BY receiver ORDER BY next_attempt_at) AS place
                    FROM longest)
    UPDATE notifications SET next_attempt_at = $2
    WHERE id IN (SELECT id FROM placed LEFT JOIN under_way USING (receiver)
                 WHERE place + coalesce(attempts, 0) <= $6 ORDER BY next_attempt_at LIMIT $5)
    RETURNING id, address, receiver, body, token, round, failures";

/// Goes from receiver to receiver, past all that waits for each, and takes the longest due of each that is not busy.
/// What it costs grows with the number of receivers, so it is run only where [`CLAIM_LONGEST_DUE`] finds nothing.
pub(super) const CLAIM_OF_EACH_RECEIVER: &str = "
    WITH RECURSIVE
        under_way AS (SELECT * FROM unnest($3::text[], $4::bigint[]) AS it (receiver, attempts)),
        receivers (receiver) AS (
            SELECT min(receiver) FROM notifications WHERE state = 'pending'
            UNION ALL
            SELECT (SELECT min(receiver) FROM notifications WHERE state = 'pending' AND receiver > last.receiver)
            FROM receivers last WHERE last.receiver IS NOT NULL),
        free AS (SELECT receiver FROM receivers LEFT JOIN under_way USING (receiver)
                 WHERE receiver IS NOT NULL AND coalesce(attempts, 0) < $6),
        longest AS (SELECT first.id FROM free CROSS JOIN LATERAL (
                        SELECT id FROM notifications
                        WHERE state = 'pending' AND receiver = free.receiver AND next_attempt_at <= $1
                        ORDER BY next_attempt_at LIMIT 1
                        FOR UPDATE SKIP LOCKED) AS first
                    LIMIT $5)
    UPDATE notifications SET next_attempt_at = $2
    WHERE id IN (SELECT id FROM longest)
    RETURNING id, address, receiver, body, token, round, failures";

pub(super) async fn claim(
    transaction: &mut Transaction,
    claim: &Claim,
) -> Result<Verdict<Vec<DueNotification>>, Failure> {
    let (receivers, attempts): (Vec<String>, Vec<i64>) = claim
        .under_way
        .iter()
        .map(|(receiver, attempts)| (receiver.clone(), signed(*attempts as u64)))
        .unzip();
    for statement in [CLAIM_LONGEST_DUE, CLAIM_OF_EACH_RECEIVER] {
        let rows = sqlx::query(statement)
            .bind(signed(claim.now.get()))
            .bind(signed(claim.lease_until.get()))
            .bind(&receivers)
            .bind(&attempts)
            .bind(i64::from(claim.at_most))
            .bind(i64::from(claim.per_receiver))
            .fetch_all(&mut **transaction)
            .await?;
        if !rows.is_empty() {
            let claimed = rows.iter().map(|row| due_notification(row)).collect::<Result<_, _>>()?;
            return Ok(Verdict::Keep(claimed));
        }
    }
    Ok(Verdict::Undo(Vec::new()))
}

pub(super) async fn record(transaction: &mut Transaction, attempt: &Attempted) -> Result<(), Failure> {
    let id = attempt.id.to_string();
    // First of all, for its lock: two nodes may record attempts at the same notification.
    let row =
        sqlx::query("UPDATE notifications SET attempts = attempts + 1 WHERE id = $1 RETURNING id, attempts")
            .bind(&id)
            .fetch_optional(&mut **transaction)
            .await?;
    let Some(row) = row else { return Ok(()) };
    sqlx::query(
        "INSERT INTO notification_attempts (notification, number, at, status, reason, millis)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&id)
    .bind(signed(Reader::new(&row, "notifications", "id").unsigned("attempts")?))
    .bind(signed(attempt.at.get()))
    .bind(attempt.outcome.ok().map(i64::from))
    .bind(attempt.outcome.err())
    .bind(signed(attempt.millis))
    .execute(&mut **transaction)
    .await?;
    follow(transaction, &id, attempt).await?;
    match attempt.next {
        Next::Disabled => disable_address(transaction, &id, attempt).await,
        Next::Delivered => enable_address(transaction, &id, attempt.at).await,
        Next::Retry(_) | Next::Dead => Ok(()),
    }
}

/// Sets what follows from an attempt; nothing does once another attempt has ended it or a replay has begun it anew, unless
/// this one was taken.
async fn follow(transaction: &mut Transaction, id: &str, attempt: &Attempted) -> Result<(), Failure> {
    let (state, next_attempt_at) = match attempt.next {
        Next::Delivered => (NotificationState::Delivered, None),
        Next::Retry(at) => (NotificationState::Pending, Some(signed(at.get()))),
        Next::Dead => (NotificationState::Dead, None),
        Next::Disabled => (NotificationState::Disabled, None),
    };
    let is_delivered = state == NotificationState::Delivered;
    sqlx::query(
        "UPDATE notifications
         SET state = $2, next_attempt_at = $3, ended_at = $4, failures = failures + CASE WHEN $5 THEN 0 ELSE 1 END
         WHERE id = $1 AND ($5 OR (state = 'pending' AND round = $6))",
    )
    .bind(id)
    .bind(state.name())
    .bind(next_attempt_at)
    .bind(next_attempt_at.is_none().then(|| signed(attempt.ended_at.get())))
    .bind(is_delivered)
    .bind(signed(attempt.round))
    .execute(&mut **transaction).await?;
    Ok(())
}

async fn disable_address(
    transaction: &mut Transaction,
    id: &str,
    attempt: &Attempted,
) -> Result<(), Failure> {
    for statement in [
        // The token may be gone by now.
        "INSERT INTO disabled_addresses (token, address, disabled_at)
         SELECT t.id, n.address, $2 FROM notifications n JOIN access_tokens t ON t.id = n.token
         WHERE n.id = $1 AND n.round = $3
         ON CONFLICT (token, address) DO UPDATE
         SET disabled_at = greatest(disabled_addresses.disabled_at, excluded.disabled_at)",
        "UPDATE notifications SET state = 'disabled', next_attempt_at = NULL, ended_at = $2
         WHERE state = 'pending'
           AND (token, address) = (SELECT token, address FROM notifications WHERE id = $1 AND round = $3)",
    ] {
        sqlx::query(statement)
            .bind(id)
            .bind(signed(attempt.ended_at.get()))
            .bind(signed(attempt.round))
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

/// An attempt that began before the receiver wanted nothing more says nothing about it.
async fn enable_address(transaction: &mut Transaction, id: &str, began: UnixSeconds) -> Result<(), Failure> {
    sqlx::query(
        "DELETE FROM disabled_addresses
         WHERE (token, address) = (SELECT token, address FROM notifications WHERE id = $1) AND disabled_at < $2",
    )
    .bind(id)
    .bind(signed(began.get()))
    .execute(&mut **transaction).await?;
    Ok(())
}
