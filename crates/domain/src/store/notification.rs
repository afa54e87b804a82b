//! The outbox: what is to be told to receivers, written in the transaction of what it tells.

use std::collections::HashMap;
use std::fmt;

use async_trait::async_trait;
use countermark_core::{NotificationId, TokenId, UnixSeconds};
use zeroize::Zeroizing;

use super::{AuditEntry, StoreError};

/// One event for one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNotification {
    /// Its public handle, sent as `webhook-id`.
    pub id: NotificationId,
    /// URL of the receiver.
    pub address: String,
    /// `upload.completed` and the like.
    pub event: &'static str,
    /// The token that it is about.
    pub token: Option<TokenId>,
    /// The JSON text that is sent, byte for byte.
    pub body: String,
}

impl NewNotification {
    /// Host and port of the address, in lower case, as `hooks.example:443`: however many addresses lead to one receiver,
    /// it is the same.
    pub fn receiver(&self) -> String {
        let address = self.address.to_ascii_lowercase();
        let (scheme, rest) = address.split_once("://").unwrap_or(("", &address));
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        // The colons of an IPv6 address are followed by its bracket.
        let port =
            authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let (host, port) = port.unwrap_or((authority, ""));
        let host = host.strip_suffix('.').unwrap_or(host);
        match (port.trim_start_matches('0'), scheme) {
            ("", "http") => format!("{host}:80"),
            ("", _) => format!("{host}:443"),
            (port, _) => format!("{host}:{port}"),
        }
    }
}

/// What has become of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationState {
    /// Its next attempt lies ahead or is under way.
    Pending,
    /// The receiver has taken it.
    Delivered,
    /// All attempts have failed.
    Dead,
    /// The receiver wants nothing about this token: it has answered 410.
    Disabled,
}

impl NotificationState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Delivered, Self::Dead, Self::Disabled];

    /// The wire name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Disabled => "disabled",
        }
    }

    /// The state with this wire name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// A notification as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Its public handle.
    pub id: NotificationId,
    /// URL of the receiver.
    pub address: String,
    /// `upload.completed` and the like.
    pub event: String,
    /// The token that it is about.
    pub token: Option<TokenId>,
    /// The JSON text that is sent.
    pub body: String,
    /// What has become of it.
    pub state: NotificationState,
    /// When it was written.
    pub created_at: UnixSeconds,
    /// Attempts that have ended.
    pub attempts: u64,
    /// When the next one is made; `None` unless it is pending.
    pub next_attempt_at: Option<UnixSeconds>,
    /// When it was delivered or given up.
    pub ended_at: Option<UnixSeconds>,
}

/// One attempt as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// From 1.
    pub number: u64,
    /// When it began.
    pub at: UnixSeconds,
    /// HTTP status of the answer; `None` if there was none.
    pub status: Option<u16>,
    /// Why there was none.
    pub reason: Option<String>,
    /// How long it took.
    pub millis: u64,
}

/// A claimed notification, to be attempted now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueNotification {
    /// Its public handle.
    pub id: NotificationId,
    /// URL of the receiver.
    pub address: String,
    /// [`NewNotification::receiver`].
    pub receiver: String,
    /// The JSON text that is sent.
    pub body: String,
    /// The token that it is about.
    pub token: Option<TokenId>,
    /// How often it has been replayed.
    pub round: u64,
    /// Attempts that failed since it was made or last replayed.
    pub failures: u32,
}

/// What follows from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it is delivered.
    Delivered,
    /// Another attempt at this instant.
    Retry(UnixSeconds),
    /// Nothing: it is given up.
    Dead,
    /// Nothing: it is given up, and so is whatever else waits for this address about this token.
    Disabled,
}

/// An attempt that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempted {
    /// Of which notification.
    pub id: NotificationId,
    /// [`DueNotification::round`] of the claim.
    pub round: u64,
    /// When it began.
    pub at: UnixSeconds,
    /// When it had ended.
    pub ended_at: UnixSeconds,
    /// How long it took.
    pub millis: u64,
    /// The HTTP status, or why there was no answer.
    pub outcome: Result<u16, &'static str>,
    /// What follows.
    pub next: Next,
}

/// Which notifications are read, newest first; every `None` shows all.
#[derive(Clone, Debug, Default)]
pub struct NotificationFilter {
    /// Only in this state.
    pub state: Option<NotificationState>,
    /// Only of this event.
    pub event: Option<String>,
    /// Only about this token.
    pub token: Option<TokenId>,
    /// Only those that come after this one.
    pub after: Option<NotificationId>,
    /// Most to answer.
    pub at_most: u32,
}

/// A secret by which receivers check signatures.
#[derive(Clone, PartialEq, Eq)]
pub struct NotificationSecret {
    /// From 1.
    pub version: u64,
    /// `whsec_` and base64.
    pub text: Zeroizing<String>,
    /// When it was made.
    pub created_at: UnixSeconds,
    /// First instant at which it no longer signs; `None` for the current one.
    pub valid_until: Option<UnixSeconds>,
}

impl fmt::Debug for NotificationSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotificationSecret").field("version", &self.version).finish_non_exhaustive()
    }
}

/// How much waits in the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outbox {
    /// Notifications that are pending.
    pub waiting: u64,
    /// When the first of them is or was due; while an attempt runs, when that counts as lost.
    pub first_due_at: Option<UnixSeconds>,
}

/// Which notifications are claimed.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What is due then.
    pub now: UnixSeconds,
    /// Nobody else is given them before; what is not recorded by then is due again.
    pub lease_until: UnixSeconds,
    /// Attempts under way at each receiver.
    pub under_way: HashMap<String, usize>,
    /// Most attempts at one receiver, those under way included.
    pub per_receiver: u32,
    /// Most to answer.
    pub at_most: u32,
}

/// Seconds for which a delivered notification is kept.
pub const DELIVERED_KEPT_SECONDS: u64 = 7 * 24 * 60 * 60;

/// Seconds for which one that was given up is kept.
pub const GIVEN_UP_KEPT_SECONDS: u64 = 30 * 24 * 60 * 60;

/// Where notifications wait until they are delivered. One method is one transaction.
///
/// Events of tokens are written by the methods of [`super::Store`] that cause them.
#[async_trait]
pub trait NotificationStore: Send + Sync + 'static {
    /// Puts a notification into the outbox that no other change causes.
    async fn enqueue_notification(&self, new: NewNotification, audit: AuditEntry) -> Result<(), StoreError>;

    /// Notifications that are due, the longest due first; fewer than are due where one receiver has very many, but none
    /// only if none can be had.
    async fn claim_notifications(&self, claim: Claim) -> Result<Vec<DueNotification>, StoreError>;

    /// Keeps what attempts came to. One that was delivered stays so, whatever a late record of another attempt says; of
    /// an attempt that began before a replay, nothing else follows.
    async fn record_attempts(&self, attempts: &[Attempted]) -> Result<(), StoreError>;

    /// Notifications, newest first.
    async fn notifications(&self, filter: &NotificationFilter) -> Result<Vec<Notification>, StoreError>;

    /// One notification with its attempts, oldest first.
    async fn find_notification(
        &self,
        id: NotificationId,
    ) -> Result<Option<(Notification, Vec<Attempt>)>, StoreError>;

    /// Makes a notification due at once, at the beginning of the schedule; whether there is one.
    async fn replay_notification(&self, id: NotificationId, audit: AuditEntry) -> Result<bool, StoreError>;

    /// All secrets, oldest first; empty before the first need.
    async fn notification_secrets(&self) -> Result<Vec<NotificationSecret>, StoreError>;

    /// Stores the first secret; does nothing if there is one.
    async fn found_notification_secret(
        &self,
        text: &Zeroizing<String>,
        now: UnixSeconds,
    ) -> Result<(), StoreError>;

    /// Stores a secret that replaces the current one; the former ones end at `overlap_until` if not earlier.
    async fn rotate_notification_secret(
        &self,
        text: &Zeroizing<String>,
        overlap_until: UnixSeconds,
        audit: AuditEntry,
    ) -> Result<NotificationSecret, StoreError>;

    /// Notes that the secrets are being shown.
    async fn note_revealed_secrets(&self, audit: AuditEntry) -> Result<(), StoreError>;

    /// Tells of at most `at_most` tokens that they expire before `horizon`, once for each expiry; of how many.
    async fn tell_expiring(
        &self,
        now: UnixSeconds,
        horizon: UnixSeconds,
        at_most: u32,
    ) -> Result<u64, StoreError>;

    /// Forgets at most `at_most` notifications that ended long ago; how many.
    async fn forget_notifications(&self, now: UnixSeconds, at_most: u32) -> Result<u64, StoreError>;

    /// How much waits.
    async fn outbox(&self) -> Result<Outbox, StoreError>;

    /// Returns once something may have been put into the outbox since the last return. One caller at a time.
    async fn notification_added(&self);
}
