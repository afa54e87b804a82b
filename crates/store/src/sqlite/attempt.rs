//! Attempts at deliveries: claiming what is due, keeping what came of it.

use countermark_core::UnixSeconds;
use countermark_domain::store::{Attempted, Claim, DueNotification, Next, NotificationState, StoreError};
use sqlx::SqliteConnection;

use super::unavailable;
use crate::record::due_notification;
use crate::row::signed;
use crate::verdict::Verdict;

/// Looks at the longest due only, in their index alone, which SQLite would pass over for that of the states: the writing
/// thread is not to be held up by a long queue.
pub(super) const CLAIM_LONGEST_DUE: &str = "
    WITH under_way (receiver, attempts) AS MATERIALIZED (SELECT value ->> 0, value ->> 1 FROM json_each(?3)),
         longest AS (SELECT rowid AS row, receiver, next_attempt_at
                     FROM notifications INDEXED BY notifications_due
                     WHERE state = 'pending' AND next_attempt_at <= ?1 ORDER BY next_attempt_at LIMIT 256),
         placed AS (SELECT row, receiver, next_attempt_at,
                           row_number() OVER (PARTITION BY receiver ORDER BY next_attempt_at) AS place
                    FROM longest)
    UPDATE notifications SET next_attempt_at = ?2
    WHERE rowid IN (SELECT row FROM placed LEFT JOIN under_way USING (receiver)
                    WHERE place + coalesce(attempts, 0) <= ?5 ORDER BY next_attempt_at LIMIT ?4)
    RETURNING id, address, receiver, body, token, round, failures";

/// Goes from receiver to receiver, past all that waits for each, and takes the longest due of each that is not busy.
/// What it costs grows with the number of receivers, so it is run only where [`CLAIM_LONGEST_DUE`] finds nothing.
pub(super) const CLAIM_OF_EACH_RECEIVER: &str = "
    WITH RECURSIVE
        under_way (receiver, attempts) AS MATERIALIZED (SELECT value ->> 0, value ->> 1 FROM json_each(?3)),
        receivers (receiver) AS (
            SELECT min(receiver) FROM notifications INDEXED BY notifications_by_receiver WHERE state = 'pending'
            UNION ALL
            SELECT (SELECT min(receiver) FROM notifications INDEXED BY notifications_by_receiver
                    WHERE state = 'pending' AND receiver > last.receiver)
            FROM receivers last WHERE last.receiver IS NOT NULL)
    UPDATE notifications SET next_attempt_at = ?2
    WHERE rowid IN (SELECT (SELECT rowid FROM notifications INDEXED BY notifications_by_receiver
                            WHERE state = 'pending' AND receiver = of.receiver AND next_attempt_at <= ?1
                            ORDER BY next_attempt_at LIMIT 1) AS row
                    FROM receivers of LEFT JOIN under_way USING (receiver)
                    WHERE coalesce(attempts, 0) < ?5 AND row IS NOT NULL LIMIT ?4)
    RETURNING id, address, receiver, body, token, round, failures";

pub(super) async fn claim(
    connection: &mut SqliteConnection,
    claim: &Claim,
) -> Result<Verdict<Vec<DueNotification>>, StoreError> {
    let under_way: Vec<(&String, &usize)> = claim.under_way.iter().collect();
    let under_way = serde_json::to_string(&under_way).expect("pairs of a text and a number serialise");
    for statement in [CLAIM_LONGEST_DUE, CLAIM_OF_EACH_RECEIVER] {
        let rows = sqlx::query(statement)
            .bind(signed(claim.now.get()))
            .bind(signed(claim.lease_until.get()))
            .bind(&under_way)
            .bind(claim.at_most)
            .bind(claim.per_receiver)
            .fetch_all(&mut *connection)
            .await
            .map_err(unavailable)?;
        if !rows.is_empty() {
            return rows.iter().map(|row| due_notification(row)).collect::<Result<_, _>>().map(Verdict::Keep);
        }
    }
    Ok(Verdict::Undo(Vec::new()))
}

pub(super) async fn record(connection: &mut SqliteConnection, attempt: &Attempted) -> Result<(), StoreError> {
    let id = attempt.id.to_string();
    sqlx::query(
        "INSERT INTO notification_attempts (notification, number, at, status, reason, millis)
         SELECT id, attempts + 1, ?2, ?3, ?4, ?5 FROM notifications WHERE id = ?1",
    )
    .bind(&id)
    .bind(signed(attempt.at.get()))
    .bind(attempt.outcome.ok())
    .bind(attempt.outcome.err())
    .bind(signed(attempt.millis))
    .execute(&mut *connection)
    .await
    .map_err(unavailable)?;
    sqlx::query("UPDATE notifications SET attempts = attempts + 1 WHERE id = ?1")
        .bind(&id)
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    follow(connection, &id, attempt).await?;
    match attempt.next {
        Next::Disabled => disable_address(connection, &id, attempt).await,
        Next::Delivered => enable_address(connection, &id, attempt.at).await,
        Next::Retry(_) | Next::Dead => Ok(()),
    }
}

/// Sets what follows from an attempt; nothing does once another attempt has ended it or a replay has begun it anew, unless
/// this one was taken.
async fn follow(connection: &mut SqliteConnection, id: &str, attempt: &Attempted) -> Result<(), StoreError> {
    let (state, next_attempt_at) = match attempt.next {
        Next::Delivered => (NotificationState::Delivered, None),
        Next::Retry(at) => (NotificationState::Pending, Some(signed(at.get()))),
        Next::Dead => (NotificationState::Dead, None),
        Next::Disabled => (NotificationState::Disabled, None),
    };
    let is_delivered = state == NotificationState::Delivered;
    sqlx::query(
        "UPDATE notifications
         SET state = ?2, next_attempt_at = ?3, ended_at = ?4, failures = failures + NOT ?5
         WHERE id = ?1 AND (?5 OR (state = 'pending' AND round = ?6))",
    )
    .bind(id)
    .bind(state.name())
    .bind(next_attempt_at)
    .bind(next_attempt_at.is_none().then(|| signed(attempt.ended_at.get())))
    .bind(is_delivered)
    .bind(signed(attempt.round))
    .execute(&mut *connection)
    .await
    .map_err(unavailable)?;
    Ok(())
}

async fn disable_address(
    connection: &mut SqliteConnection,
    id: &str,
    attempt: &Attempted,
) -> Result<(), StoreError> {
    for statement in [
        // The token may be gone by now.
        "INSERT INTO disabled_addresses (token, address, disabled_at)
         SELECT t.id, n.address, ?2 FROM notifications n JOIN access_tokens t ON t.id = n.token
         WHERE n.id = ?1 AND n.round = ?3
         ON CONFLICT DO UPDATE SET disabled_at = max(disabled_at, excluded.disabled_at)",
        "UPDATE notifications SET state = 'disabled', next_attempt_at = NULL, ended_at = ?2
         WHERE state = 'pending'
           AND (token, address) = (SELECT token, address FROM notifications WHERE id = ?1 AND round = ?3)",
    ] {
        sqlx::query(statement)
            .bind(id)
            .bind(signed(attempt.ended_at.get()))
            .bind(signed(attempt.round))
            .execute(&mut *connection)
            .await
            .map_err(unavailable)?;
    }
    Ok(())
}

/// An attempt that began before the receiver wanted nothing more says nothing about it.
async fn enable_address(
    connection: &mut SqliteConnection,
    id: &str,
    began: UnixSeconds,
) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM disabled_addresses
         WHERE (token, address) = (SELECT token, address FROM notifications WHERE id = ?1) AND disabled_at < ?2",
    )
    .bind(id)
    .bind(signed(began.get()))
    .execute(connection)
    .await
    .map_err(unavailable)?;
    Ok(())
}
