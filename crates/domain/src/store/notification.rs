//! The outbox: what is to be told to receivers, written in the transaction of what it tells.

use async_trait::async_trait;
use countermark_core::{NotificationId, TokenId};

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

/// Where notifications wait until they are delivered. One method is one transaction.
#[async_trait]
pub trait NotificationStore: Send + Sync + 'static {}
