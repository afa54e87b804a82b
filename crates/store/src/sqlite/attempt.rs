//! Attempts at deliveries: claiming what is due, keeping what came of it.

use countermark_core::UnixSeconds;
use countermark_domain::store::{Attempted, DueNotification, Next, NotificationState, StoreError};
use sqlx::SqliteConnection;

use super::row::{Reader, signed};
use super::unavailable;
use super::writer::Verdict;

/// Looks at the longest due only, in their index alone, which SQLite would pass over for that of the states: the writing
/// thread is not to be held up by a long queue for one busy receiver.
pub(super) const CLAIM: &str = "
    UPDATE notifications SET next_attempt_at = ?2
    WHERE rowid IN (SELECT rowid
                    FROM (SELECT rowid, address FROM notifications INDEXED BY notifications_due
                          WHERE state = 'pending' AND next_attempt_at <= ?1 ORDER BY next_attempt_at LIMIT 4096)
                    WHERE address NOT IN (SELECT value FROM json_each(?3)) LIMIT ?4)
    RETURNING id, address, body, token, failures";

pub(super) async fn claim(
    connection: &mut SqliteConnection,
    now: UnixSeconds,
    lease_until: UnixSeconds,
    busy: &str,
    at_most: u32,
) -> Result<Verdict<Vec<DueNotification>>, StoreError> {
    let rows = sqlx::query(CLAIM)
        .bind(signed(now.get()))
        .bind(signed(lease_until.get()))
        .bind(busy)
        .bind(at_most)
        .fetch_all(connection)
        .await
        .map_err(unavailable)?;
    let read = |row| {
        let reader = Reader::new(row, "notifications", "id");
        Ok(DueNotification {
            id: reader.parsed("id")?,
            address: reader.column("address")?,
            body: reader.column("body")?,
            token: reader.optional_token_id("token")?,
            failures: u32::try_from(reader.unsigned("failures")?).map_err(|_| reader.corrupt("failures"))?,
        })
    };
    let due: Vec<DueNotification> = rows.iter().map(read).collect::<Result<_, _>>()?;
    Ok(if due.is_empty() { Verdict::Undo(due) } else { Verdict::Keep(due) })
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
        Next::Disabled => disable_address(connection, &id, attempt.ended_at).await,
        Next::Delivered => enable_address(connection, &id).await,
        Next::Retry(_) | Next::Dead => Ok(()),
    }
}

/// Sets what follows from an attempt; nothing does once another attempt has ended it, unless this one was taken.
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
         WHERE id = ?1 AND (state = 'pending' OR ?5)",
    )
    .bind(id)
    .bind(state.name())
    .bind(next_attempt_at)
    .bind(next_attempt_at.is_none().then(|| signed(attempt.ended_at.get())))
    .bind(is_delivered)
    .execute(&mut *connection)
    .await
    .map_err(unavailable)?;
    Ok(())
}

async fn disable_address(
    connection: &mut SqliteConnection,
    id: &str,
    now: UnixSeconds,
) -> Result<(), StoreError> {
    for statement in [
        // The token may be gone by now.
        "INSERT OR IGNORE INTO disabled_addresses (token, address, disabled_at)
         SELECT t.id, n.address, ?2 FROM notifications n JOIN access_tokens t ON t.id = n.token WHERE n.id = ?1",
        "UPDATE notifications SET state = 'disabled', next_attempt_at = NULL, ended_at = ?2
         WHERE state = 'pending' AND (token, address) = (SELECT token, address FROM notifications WHERE id = ?1)",
    ] {
        sqlx::query(statement)
            .bind(id)
            .bind(signed(now.get()))
            .execute(&mut *connection)
            .await
            .map_err(unavailable)?;
    }
    Ok(())
}

async fn enable_address(connection: &mut SqliteConnection, id: &str) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM disabled_addresses
         WHERE (token, address) = (SELECT token, address FROM notifications WHERE id = ?1)",
    )
    .bind(id)
    .execute(connection)
    .await
    .map_err(unavailable)?;
    Ok(())
}
