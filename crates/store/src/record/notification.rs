//! Notifications, their attempts and secrets.

use countermark_core::UnixSeconds;
use countermark_domain::store::{
    Attempt, DueNotification, Notification, NotificationSecret, NotificationState, StoreError,
};

use crate::row::{Reader, StoredRow};
use crate::vault::{Vault, notification_secret_cell};

/// The notification in a row of `notifications`.
pub(crate) fn notification(row: &dyn StoredRow) -> Result<Notification, StoreError> {
    let reader = Reader::new(row, "notifications", "id");
    let state: &str = reader.column("state")?;
    Ok(Notification {
        id: reader.parsed("id")?,
        address: reader.column("address")?,
        event: reader.column("event")?,
        token: reader.optional_token_id("token")?,
        body: reader.column("body")?,
        state: NotificationState::from_name(state).ok_or_else(|| reader.corrupt("state"))?,
        created_at: reader.instant("created_at")?,
        attempts: reader.unsigned("attempts")?,
        next_attempt_at: reader.optional_instant("next_attempt_at")?,
        ended_at: reader.optional_instant("ended_at")?,
    })
}

/// An attempt as the query hands it over: number, beginning, status, reason, milliseconds.
type AttemptColumns = (u64, UnixSeconds, Option<u16>, Option<String>, u64);

/// The attempts in the column `outcomes`, a JSON array.
pub(crate) fn attempts(row: &dyn StoredRow) -> Result<Vec<Attempt>, StoreError> {
    let outcomes: Vec<AttemptColumns> = Reader::new(row, "notification_attempts", "id").json("outcomes")?;
    Ok(outcomes
        .into_iter()
        .map(|(number, at, status, reason, millis)| Attempt { number, at, status, reason, millis })
        .collect())
}

/// The claimed notification in a row of `notifications`.
pub(crate) fn due_notification(row: &dyn StoredRow) -> Result<DueNotification, StoreError> {
    let reader = Reader::new(row, "notifications", "id");
    Ok(DueNotification {
        id: reader.parsed("id")?,
        address: reader.column("address")?,
        receiver: reader.column("receiver")?,
        body: reader.column("body")?,
        token: reader.optional_token_id("token")?,
        round: reader.unsigned("round")?,
        failures: u32::try_from(reader.unsigned("failures")?).map_err(|_| reader.corrupt("failures"))?,
    })
}

/// The secret in a row of `notification_secrets`, opened.
pub(crate) fn notification_secret(
    row: &dyn StoredRow,
    vault: &Vault,
) -> Result<NotificationSecret, StoreError> {
    let reader = Reader::new(row, "notification_secrets", "version");
    let version = reader.unsigned("version")?;
    let (name, sealed) = (version.to_string(), reader.column::<&[u8]>("sealed")?);
    let key_version = reader.unsigned("master_key_version")?;
    Ok(NotificationSecret {
        version,
        text: vault.open_text(notification_secret_cell(&name), key_version, sealed)?,
        created_at: reader.instant("created_at")?,
        valid_until: reader.optional_instant("valid_until")?,
    })
}
