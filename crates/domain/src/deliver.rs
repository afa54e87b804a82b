//! Delivering notifications: what is handed to the courier and what comes back.

use async_trait::async_trait;
use countermark_core::{NotificationId, UnixSeconds};

/// One attempt at one receiver, ready to be sent.
pub struct Parcel {
    /// Sent as `webhook-id`; the same at every attempt.
    pub id: NotificationId,
    /// URL of the receiver.
    pub address: String,
    /// The JSON text, byte for byte as it was signed.
    pub body: String,
    /// When this attempt was made, sent as `webhook-timestamp`.
    pub timestamp: UnixSeconds,
    /// The value of `webhook-signature`.
    pub signature: String,
}

/// What one attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The receiver answered, with whatever status.
    Answered {
        /// The HTTP status; redirects are not followed.
        status: u16,
        /// Seconds after which the receiver wants to be asked again.
        retry_after: Option<u64>,
    },
    /// There was no answer.
    Failed {
        /// Why, in a few stable words that hold neither the address nor the body.
        reason: &'static str,
    },
}

/// Sends parcels. Must end within its own time-out; bodies of answers are never kept.
#[async_trait]
pub trait Courier: Send + Sync + 'static {
    /// Makes one attempt.
    async fn deliver(&self, parcel: &Parcel) -> Delivery;
}
