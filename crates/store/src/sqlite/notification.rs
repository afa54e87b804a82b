//! The outbox.

use async_trait::async_trait;
use countermark_core::UnixSeconds;
use countermark_domain::store::{NewNotification, NotificationStore, StoreError};
use sqlx::SqliteConnection;

use super::SqliteStore;

#[async_trait]
impl NotificationStore for SqliteStore {}

/// Puts notifications into the outbox, within the transaction of what they tell.
pub(super) async fn enqueue(
    _connection: &mut SqliteConnection,
    _new: &[NewNotification],
    _now: UnixSeconds,
) -> Result<(), StoreError> {
    Ok(())
}
