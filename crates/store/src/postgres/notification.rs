//! The outbox.

use async_trait::async_trait;
use countermark_core::{NotificationId, UnixSeconds};
use countermark_domain::store::{
    Attempt, Attempted, AuditEntry, Claim, DELIVERED_KEPT_SECONDS, DueNotification, GIVEN_UP_KEPT_SECONDS,
    NewNotification, Notification, NotificationFilter, NotificationSecret, NotificationStore, Outbox, Store,
    StoreError,
};
use sqlx::{PgConnection, QueryBuilder};
use zeroize::Zeroizing;

use super::failure::Failure;
use super::transaction::Transaction;
use super::{PostgresStore, attempt, audit, notice, notification_secret as secret};
use crate::record;
use crate::row::{Reader, signed};
use crate::verdict::Verdict;

#[async_trait]
impl NotificationStore for PostgresStore {
    async fn enqueue_notification(&self, new: NewNotification, entry: AuditEntry) -> Result<(), StoreError> {
        self.write(async move |transaction| {
            audit::append(transaction, &entry).await?;
            enqueue(transaction, std::slice::from_ref(&new), entry.at).await?;
            Ok(Verdict::Keep(()))
        })
        .await
    }

    async fn claim_notifications(&self, claim: Claim) -> Result<Vec<DueNotification>, StoreError> {
        self.write_much(async move |transaction| attempt::claim(transaction, &claim).await).await
    }

    async fn record_attempts(&self, attempts: &[Attempted]) -> Result<(), StoreError> {
        let attempts = attempts.to_vec();
        self.write_much(async move |transaction| {
            for attempt in &attempts {
                attempt::record(transaction, attempt).await?;
            }
            Ok(Verdict::Keep(()))
        })
        .await
    }

    async fn notifications(&self, filter: &NotificationFilter) -> Result<Vec<Notification>, StoreError> {
        let filter = filter.clone();
        self.read_much(async move |connection| list(connection, &filter).await).await
    }

    async fn find_notification(
        &self,
        id: NotificationId,
    ) -> Result<Option<(Notification, Vec<Attempt>)>, StoreError> {
        self.read(async move |connection| find(connection, id).await).await
    }

    async fn replay_notification(&self, id: NotificationId, entry: AuditEntry) -> Result<bool, StoreError> {
        self.write(async move |transaction| replay(transaction, id, &entry).await).await
    }

    async fn notification_secrets(&self) -> Result<Vec<NotificationSecret>, StoreError> {
        let vault = self.vault.clone();
        self.read(async move |connection| secret::read(connection, &vault).await).await
    }

    async fn found_notification_secret(
        &self,
        text: &Zeroizing<String>,
        now: UnixSeconds,
    ) -> Result<(), StoreError> {
        let (vault, text) = (self.vault.clone(), text.clone());
        self.write(async move |transaction| secret::found(transaction, &vault, &text, now).await).await
    }

    async fn rotate_notification_secret(
        &self,
        text: &Zeroizing<String>,
        overlap_until: UnixSeconds,
        entry: AuditEntry,
    ) -> Result<NotificationSecret, StoreError> {
        let (vault, text) = (self.vault.clone(), text.clone());
        self.write(async move |transaction| {
            secret::rotate(transaction, &vault, &text, overlap_until, &entry).await
        })
        .await
    }

    async fn note_revealed_secrets(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.note(entry).await
    }

    async fn tell_expiring(
        &self,
        now: UnixSeconds,
        horizon: UnixSeconds,
        at_most: u32,
    ) -> Result<u64, StoreError> {
        let vault = self.vault.clone();
        self.write_much(async move |transaction| {
            let told = notice::tell_expiring(transaction, &vault, now, horizon, at_most).await?;
            Ok(if told == 0 { Verdict::Undo(0) } else { Verdict::Keep(told) })
        })
        .await
    }

    async fn forget_notifications(&self, now: UnixSeconds, at_most: u32) -> Result<u64, StoreError> {
        self.write_much(async move |transaction| forget(transaction, now, at_most).await).await
    }

    async fn outbox(&self) -> Result<Outbox, StoreError> {
        self.read_much(async |connection| outbox(connection).await).await
    }

    async fn notification_added(&self) {
        self.transactions.added.notified().await;
    }
}

/// Puts notifications into the outbox, within the transaction of what they tell.
pub(super) async fn enqueue(
    transaction: &mut Transaction,
    new: &[NewNotification],
    now: UnixSeconds,
) -> Result<(), Failure> {
    for one in new {
        sqlx::query(
            "INSERT INTO notifications (id, address, receiver, event, token, body, state, created_at, attempts,
                                        failures, round, next_attempt_at, ended_at)
             SELECT $1, $2, $7, $3, $4, $5, CASE WHEN is_off THEN 'disabled' ELSE 'pending' END, $6, 0, 0, 0,
                    CASE WHEN NOT is_off THEN $6 END, CASE WHEN is_off THEN $6 END
             FROM (SELECT EXISTS (SELECT 1 FROM disabled_addresses WHERE token = $4 AND address = $2) AS is_off) AS address",
        )
        .bind(one.id.to_string())
        .bind(&one.address)
        .bind(one.event)
        .bind(one.token.map(|id| id.to_string()))
        .bind(&one.body)
        .bind(signed(now.get()))
        .bind(one.receiver())
        .execute(&mut **transaction).await?;
        transaction.note_enqueued();
    }
    Ok(())
}

async fn replay(
    transaction: &mut Transaction,
    id: NotificationId,
    entry: &AuditEntry,
) -> Result<Verdict<bool>, Failure> {
    let done = sqlx::query(
        "UPDATE notifications
         SET state = 'pending', next_attempt_at = $2, ended_at = NULL, failures = 0, round = round + 1
         WHERE id = $1",
    )
    .bind(id.to_string())
    .bind(signed(entry.at.get()))
    .execute(&mut **transaction)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(Verdict::Undo(false));
    }
    audit::append(transaction, entry).await?;
    transaction.note_enqueued();
    Ok(Verdict::Keep(true))
}

async fn forget(
    transaction: &mut Transaction,
    now: UnixSeconds,
    at_most: u32,
) -> Result<Verdict<u64>, Failure> {
    let done = sqlx::query(
        "DELETE FROM notifications
         WHERE id IN (SELECT id FROM notifications
                      WHERE ended_at <= $1 - $2 AND (state = 'delivered' OR ended_at <= $1 - $3)
                      ORDER BY ended_at LIMIT $4)",
    )
    .bind(signed(now.get()))
    .bind(signed(DELIVERED_KEPT_SECONDS))
    .bind(signed(GIVEN_UP_KEPT_SECONDS))
    .bind(i64::from(at_most))
    .execute(&mut **transaction)
    .await?;
    let count = done.rows_affected();
    Ok(if count == 0 { Verdict::Undo(0) } else { Verdict::Keep(count) })
}

const COLUMNS: &str =
    "id, address, event, token, body, state, created_at, attempts, next_attempt_at, ended_at";

async fn list(
    connection: &mut PgConnection,
    filter: &NotificationFilter,
) -> Result<Vec<Notification>, Failure> {
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
    query.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(filter.at_most));
    let rows = query.build().fetch_all(connection).await?;
    Ok(rows.iter().map(|row| record::notification(row)).collect::<Result<_, _>>()?)
}

async fn find(
    connection: &mut PgConnection,
    id: NotificationId,
) -> Result<Option<(Notification, Vec<Attempt>)>, Failure> {
    // One statement, so that the attempts are those of the record.
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(
        ", (SELECT coalesce(json_agg(json_build_array(number, at, status, reason, millis) ORDER BY number), '[]')
            FROM notification_attempts WHERE notification = id)::text AS outcomes FROM notifications WHERE id = ",
    );
    query.push_bind(id.to_string());
    let row = query.build().fetch_optional(connection).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some((record::notification(&row)?, record::attempts(&row)?)))
}

async fn outbox(connection: &mut PgConnection) -> Result<Outbox, Failure> {
    let row = sqlx::query(
        "SELECT 'outbox' AS id, count(*) AS waiting, min(next_attempt_at) AS first_due_at
         FROM notifications WHERE state = 'pending'",
    )
    .fetch_one(connection)
    .await?;
    let reader = Reader::new(&row, "notifications", "id");
    Ok(Outbox {
        waiting: reader.unsigned("waiting")?,
        first_due_at: reader.optional_instant("first_due_at")?,
    })
}
