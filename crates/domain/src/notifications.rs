//! Management of notifications: what was told, telling it again, and the secrets that sign.

use countermark_core::{NotificationId, UnixSeconds};
use serde::Serialize;

use crate::caller::Caller;
use crate::error::DomainError;
use crate::event;
use crate::service::Service;
use crate::store::{
    Attempt, NewNotification, Notification, NotificationFilter, NotificationSecret, Outbox, StoreError,
};
use crate::webhook;

/// Tokens of which one transaction tells that they expire.
const TOLD_AT_ONCE: u32 = 500;

/// Notifications that one transaction forgets, and how many transactions one call makes at most.
const FORGOTTEN_AT_ONCE: (u32, u32) = (1_000, 20);

impl Service {
    /// Notifications, newest first.
    ///
    /// # Errors
    /// Store errors.
    pub async fn notifications(&self, filter: &NotificationFilter) -> Result<Vec<Notification>, DomainError> {
        Ok(self.store.notifications(filter).await?)
    }

    /// One notification with its attempts, oldest first.
    ///
    /// # Errors
    /// [`DomainError::NotFound`] and store errors.
    pub async fn view_notification(
        &self,
        id: NotificationId,
    ) -> Result<(Notification, Vec<Attempt>), DomainError> {
        self.store.find_notification(id).await?.ok_or(DomainError::NotFound)
    }

    /// Delivers a notification again, whatever has become of it, from the beginning of the schedule.
    ///
    /// # Errors
    /// [`DomainError::NotFound`] and store errors.
    pub async fn replay_notification(
        &self,
        caller: &Caller,
        id: NotificationId,
    ) -> Result<(Notification, Vec<Attempt>), DomainError> {
        let (notification, _) = self.view_notification(id).await?;
        let audit = self.audit(caller, "notification.replay", notification.token);
        if !self.store.replay_notification(id, audit).await? {
            return Err(DomainError::NotFound);
        }
        self.view_notification(id).await
    }

    /// Sends a `test.ping` to an address.
    ///
    /// # Errors
    /// Store errors.
    pub async fn send_test_notification(
        &self,
        caller: &Caller,
        address: String,
    ) -> Result<Notification, DomainError> {
        #[derive(Serialize)]
        struct Data {
            message: &'static str,
        }
        let mut random = [0; 10];
        self.rng.fill(&mut random);
        let id = NotificationId::from_parts(self.time.now_millis(), random);
        let data = Data { message: "Countermark can reach this address." };
        let body = event::body("test.ping", self.now(), &data);
        let new = NewNotification { id, address, event: "test.ping", token: None, body };
        self.store.enqueue_notification(new, self.audit(caller, "notification.test", None)).await?;
        Ok(self.view_notification(id).await?.0)
    }

    /// The secrets that sign notifications or did, oldest first, without noting that they are shown.
    ///
    /// # Errors
    /// Store errors.
    pub async fn notification_secrets(&self) -> Result<Vec<NotificationSecret>, DomainError> {
        Ok(self.webhook_secrets().await?)
    }

    /// As [`Service::notification_secrets`], to be shown to this caller; audited.
    ///
    /// # Errors
    /// Store errors.
    pub async fn reveal_notification_secrets(
        &self,
        caller: &Caller,
    ) -> Result<Vec<NotificationSecret>, DomainError> {
        self.store.note_revealed_secrets(self.audit(caller, "notification.secret.reveal", None)).await?;
        self.notification_secrets().await
    }

    /// Makes the next secret; those before it sign for `overlap_seconds` more.
    ///
    /// # Errors
    /// Store errors.
    pub async fn rotate_notification_secret(
        &self,
        caller: &Caller,
        overlap_seconds: u64,
    ) -> Result<NotificationSecret, DomainError> {
        let audit = self.audit(caller, "notification.secret.rotate", None);
        let overlap_until = audit.at.plus(overlap_seconds);
        let text = webhook::generate(&*self.rng);
        Ok(self.store.rotate_notification_secret(&text, overlap_until, audit).await?)
    }

    /// Tells of tokens whose expiry is near; of how many.
    ///
    /// # Errors
    /// Whatever the store says.
    pub async fn tell_expiring(&self) -> Result<u64, StoreError> {
        let now = self.now();
        let horizon = now.plus(self.expiring_before_seconds);
        let mut told = 0;
        loop {
            let more = self.store.tell_expiring(now, horizon, TOLD_AT_ONCE).await?;
            told += more;
            if more < u64::from(TOLD_AT_ONCE) {
                return Ok(told);
            }
        }
    }

    /// Forgets notifications that ended long ago; how many.
    ///
    /// # Errors
    /// Whatever the store says.
    pub async fn forget_notifications(&self) -> Result<u64, StoreError> {
        let (at_once, times) = FORGOTTEN_AT_ONCE;
        let mut forgotten = 0;
        for _ in 0..times {
            let more = self.store.forget_notifications(self.now(), at_once).await?;
            forgotten += more;
            if more < u64::from(at_once) {
                break;
            }
        }
        Ok(forgotten)
    }

    /// How much waits, and for how many seconds the longest due has been; 0 if nothing is due.
    ///
    /// # Errors
    /// Whatever the store says.
    pub async fn outbox(&self) -> Result<(u64, u64), StoreError> {
        let Outbox { waiting, first_due_at } = self.store.outbox().await?;
        let age = |due_at: UnixSeconds| self.now().get().saturating_sub(due_at.get());
        Ok((waiting, first_due_at.map_or(0, age)))
    }

    /// All secrets; the first one is made at the first need.
    pub(crate) async fn webhook_secrets(&self) -> Result<Vec<NotificationSecret>, StoreError> {
        let secrets = self.store.notification_secrets().await?;
        if !secrets.is_empty() {
            return Ok(secrets);
        }
        let first = webhook::generate(&*self.rng);
        self.store.found_notification_secret(&first, self.now()).await?;
        self.store.notification_secrets().await
    }
}
