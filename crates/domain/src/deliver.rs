//! Delivering what waits in the outbox.

use async_trait::async_trait;
use countermark_core::{NotificationId, UnixSeconds};

/// One attempt at one receiver, ready to be sent.
pub struct Parcel {
    /// `webhook-id`, the same for all attempts.
    pub id: NotificationId,
    /// URL of the receiver; may hold secrets.
    pub address: String,
    /// The JSON text, sent byte for byte.
    pub body: String,
    /// `webhook-timestamp`, new for each attempt.
    pub timestamp: UnixSeconds,
    /// `webhook-signature`.
    pub signature: String,
}

/// What one attempt came to.
pub enum Delivery {
    /// The receiver has answered.
    Answered {
        /// HTTP status.
        status: u16,
        /// Seconds that `Retry-After` asks for.
        retry_after: Option<u64>,
    },
    /// There was no answer.
    Failed {
        /// Why, in a few words without address or secret.
        reason: &'static str,
    },
}

/// Sends parcels. Must end within its own time-out; bodies of answers are never kept.
#[async_trait]
pub trait Courier: Send + Sync + 'static {
    /// Makes one attempt.
    async fn deliver(&self, parcel: &Parcel) -> Delivery;
}
