//! The outbox.

use async_trait::async_trait;
use countermark_core::{NotificationId, UnixSeconds};
use countermark_domain::store::{
    Attempt, Attempted, AuditEntry, Claim, DELIVERED_KEPT_SECONDS, DueNotification, GIVEN_UP_KEPT_SECONDS,
    NewNotification, Notification, NotificationFilter, NotificationSecret, NotificationStore, Outbox,
    StoreError,
};
use sqlx::{QueryBuilder, SqliteConnection, SqlitePool};
use zeroize::Zeroizing;

use super::{SqliteStore, attempt, audit, notice, notification_secret as secret, unavailable};
use crate::record;
use crate::row::{Reader, signed};
use crate::verdict::Verdict;

#[async_trait]
impl NotificationStore for SqliteStore {
    async fn enqueue_notification(&self, new: NewNotification, entry: AuditEntry) -> Result<(), StoreError> {
        self.writer
            .run(async move |connection| {
                audit::append(connection, &entry).await?;
                enqueue(connection, &[new], entry.at).await?;
                Ok(Verdict::Keep(()))
            })
            .await
    }

    async fn claim_notifications(&self, claim: Claim) -> Result<Vec<DueNotification>, StoreError> {
        self.writer.run(async move |connection| attempt::claim(connection, &claim).await).await
    }

    async fn record_attempts(&self, attempts: &[Attempted]) -> Result<(), StoreError> {
        let attempts = attempts.to_vec();
        self.writer
            .run(async move |connection| {
                for attempt in &attempts {
                    attempt::record(connection, attempt).await?;
                }
                Ok(Verdict::Keep(()))
            })
            .await
    }

    async fn notifications(&self, filter: &NotificationFilter) -> Result<Vec<Notification>, StoreError> {
        list(&self.readers, filter).await
    }

    async fn find_notification(
        &self,
        id: NotificationId,
    ) -> Result<Option<(Notification, Vec<Attempt>)>, StoreError> {
        find(&self.readers, id).await
    }

    async fn replay_notification(&self, id: NotificationId, entry: AuditEntry) -> Result<bool, StoreError> {
        let is_there = self.writer.run(async move |connection| replay(connection, id, &entry).await).await?;
        if is_there {
            self.added.notify_one();
        }
        Ok(is_there)
    }

    async fn notification_secrets(&self) -> Result<Vec<NotificationSecret>, StoreError> {
        secret::read(&self.readers, &self.vault).await
    }

    async fn found_notification_secret(
        &self,
        text: &Zeroizing<String>,
        now: UnixSeconds,
    ) -> Result<(), StoreError> {
        let (vault, text) = (self.vault.clone(), text.clone());
        self.writer.run(async move |connection| secret::found(connection, &vault, &text, now).await).await
    }

    async fn rotate_notification_secret(
        &self,
        text: &Zeroizing<String>,
        overlap_until: UnixSeconds,
        entry: AuditEntry,
    ) -> Result<NotificationSecret, StoreError> {
        let (vault, text) = (self.vault.clone(), text.clone());
        self.writer
            .run(async move |connection| {
                secret::rotate(connection, &vault, &text, overlap_until, &entry).await
            })
            .await
    }

    async fn note_revealed_secrets(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.writer
            .run(async move |connection| audit::append(connection, &entry).await.map(Verdict::Keep))
            .await
    }

    async fn tell_expiring(
        &self,
        now: UnixSeconds,
        horizon: UnixSeconds,
        at_most: u32,
    ) -> Result<u64, StoreError> {
        let vault = self.vault.clone();
        self.writer
            .run(async move |connection| {
                let told = notice::tell_expiring(connection, &vault, now, horizon, at_most).await?;
                Ok(if told == 0 { Verdict::Undo(0) } else { Verdict::Keep(told) })
            })
            .await
    }

    async fn forget_notifications(&self, now: UnixSeconds, at_most: u32) -> Result<u64, StoreError> {
        self.writer.run(async move |connection| forget(connection, now, at_most).await).await
    }

    async fn outbox(&self) -> Result<Outbox, StoreError> {
        let row = sqlx::query(
            "SELECT 'outbox' AS id, count(*) AS waiting, min(next_attempt_at) AS first_due_at
             FROM notifications INDEXED BY notifications_due WHERE state = 'pending'",
        )
        .fetch_one(&self.readers)
        .await
        .map_err(unavailable)?;
        let reader = Reader::new(&row, "notifications", "id");
        Ok(Outbox {
            waiting: reader.unsigned("waiting")?,
            first_due_at: reader.optional_instant("first_due_at")?,
        })
    }

    async fn notification_added(&self) {
        self.added.notified().await;
    }
}

/// Puts notifications into the outbox, within the transaction of what they tell.
pub(super) async fn enqueue(
    connection: &mut SqliteConnection,
    new: &[NewNotification],
    now: UnixSeconds,
) -> Result<(), StoreError> {
    for one in new {
        sqlx::query(
            "INSERT INTO notifications (id, address, receiver, event, token, body, state, created_at, attempts,
                                        failures, round, next_attempt_at, ended_at)
             SELECT ?1, ?2, ?7, ?3, ?4, ?5, iif(is_off, 'disabled', 'pending'), ?6, 0, 0, 0,
                    iif(is_off, NULL, ?6), iif(is_off, ?6, NULL)
             FROM (SELECT EXISTS (SELECT 1 FROM disabled_addresses WHERE token = ?4 AND address = ?2) AS is_off)",
        )
        .bind(one.id.to_string())
        .bind(&one.address)
        .bind(one.event)
        .bind(one.token.map(|id| id.to_string()))
        .bind(&one.body)
        .bind(signed(now.get()))
        .bind(one.receiver())
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    }
    Ok(())
}

async fn replay(
    connection: &mut SqliteConnection,
    id: NotificationId,
    entry: &AuditEntry,
) -> Result<Verdict<bool>, StoreError> {
    let done = sqlx::query(
        "UPDATE notifications
         SET state = 'pending', next_attempt_at = ?2, ended_at = NULL, failures = 0, round = round + 1
         WHERE id = ?1",
    )
    .bind(id.to_string())
    .bind(signed(entry.at.get()))
    .execute(&mut *connection)
    .await
    .map_err(unavailable)?;
    if done.rows_affected() == 0 {
        return Ok(Verdict::Undo(false));
    }
    audit::append(connection, entry).await?;
    Ok(Verdict::Keep(true))
}

async fn forget(
    connection: &mut SqliteConnection,
    now: UnixSeconds,
    at_most: u32,
) -> Result<Verdict<u64>, StoreError> {
    let done = sqlx::query(
        "DELETE FROM notifications
         WHERE id IN (SELECT id FROM notifications INDEXED BY notifications_to_forget
                      WHERE ended_at <= ?1 - ?2 AND (state = 'delivered' OR ended_at <= ?1 - ?3)
                      ORDER BY ended_at LIMIT ?4)",
    )
    .bind(signed(now.get()))
    .bind(signed(DELIVERED_KEPT_SECONDS))
    .bind(signed(GIVEN_UP_KEPT_SECONDS))
    .bind(at_most)
    .execute(connection)
    .await
    .map_err(unavailable)?;
    let count = done.rows_affected();
    Ok(if count == 0 { Verdict::Undo(0) } else { Verdict::Keep(count) })
}

const COLUMNS: &str =
    "id, address, event, token, body, state, created_at, attempts, next_attempt_at, ended_at";

async fn list(readers: &SqlitePool, filter: &NotificationFilter) -> Result<Vec<Notification>, StoreError> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(" FROM notifications WHERE true");
    if let Some(state) = filter.state {
        query.push(" AND state = ").push_bind(state.name());
    }
    if let Some(event) = &filter.event {
        query.push(" AND event = ").push_bind(event.clone());
    }
    if let Some(token) = filter.token {
        query.push(" AND token = ").push_bind(token.to_string());
    }
    if let Some(after) = filter.after {
        query.push(" AND id < ").push_bind(after.to_string());
    }
    query.push(" ORDER BY id DESC LIMIT ").push_bind(filter.at_most);
    let rows = query.build().fetch_all(readers).await.map_err(unavailable)?;
    rows.iter().map(|row| record::notification(row)).collect()
}

async fn find(
    readers: &SqlitePool,
    id: NotificationId,
) -> Result<Option<(Notification, Vec<Attempt>)>, StoreError> {
    // One statement, so that the attempts are those of the record.
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(
        ", (SELECT json_group_array(json_array(number, at, status, reason, millis) ORDER BY number)
            FROM notification_attempts WHERE notification = id) AS outcomes FROM notifications WHERE id = ",
    );
    query.push_bind(id.to_string());
    let row = query.build().fetch_optional(readers).await.map_err(unavailable)?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some((record::notification(&row)?, record::attempts(&row)?)))
}
