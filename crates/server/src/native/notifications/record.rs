//! A notification as the API shows it.

use std::borrow::Cow;

use countermark_core::{NotificationId, TokenId, UnixSeconds};
use countermark_domain::store::{Attempt, Notification};
use serde::Serialize;
use utoipa::ToSchema;

/// A notification.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notification, example = json!({
    "id": "ntf_034YCGMODo7rNXJe1rD0Im", "type": "token.limit_reached", "tokenId": "iu_034YCGMODo7rNXJe1rD0Im",
    "address": "https://hooks.example.com/countermark", "state": "pending", "createdAt": 1_800_000_000,
    "attempts": 1, "nextAttemptAt": 1_800_000_005, "endedAt": null
}))]
#[serde(rename_all = "camelCase")]
pub struct NotificationRecord<'a> {
    /// Public handle; the `webhook-id` of all its attempts.
    #[schema(value_type = String, example = "ntf_034YCGMODo7rNXJe1rD0Im")]
    id: NotificationId,
    /// What it tells.
    #[serde(rename = "type")]
    #[schema(example = "token.limit_reached")]
    event: &'a str,
    /// The token that it is about.
    #[schema(value_type = Option<String>)]
    token_id: Option<TokenId>,
    /// The receiver. Its query, in which secrets may stand, is shown to `tokens:reveal` only, else as `?…`.
    #[schema(value_type = String)]
    address: Cow<'a, str>,
    /// What has become of it.
    #[schema(value_type = NotificationStateName)]
    state: &'static str,
    /// When it was written, Unix seconds.
    #[schema(value_type = u64)]
    created_at: UnixSeconds,
    /// Attempts that have ended.
    attempts: u64,
    /// When the next one is made; null unless it is pending.
    #[schema(value_type = Option<u64>)]
    next_attempt_at: Option<UnixSeconds>,
    /// When it was delivered or given up.
    #[schema(value_type = Option<u64>)]
    ended_at: Option<UnixSeconds>,
}

/// What has become of a notification: it waits for its next attempt, the receiver took it, all attempts failed, or the
/// receiver wants nothing about this token.
#[derive(ToSchema)]
#[schema(as = NotificationState, rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
pub enum NotificationStateName {
    Pending,
    Delivered,
    Dead,
    Disabled,
}

/// A notification with what is sent and what its attempts came to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NotificationDetails, example = json!({
    "id": "ntf_034YCGMODo7rNXJe1rD0Im", "type": "token.limit_reached", "tokenId": "iu_034YCGMODo7rNXJe1rD0Im",
    "address": "https://hooks.example.com/countermark", "state": "delivered", "createdAt": 1_800_000_000,
    "attempts": 2, "nextAttemptAt": null, "endedAt": 1_800_000_005,
    "body": "{\"type\":\"token.limit_reached\",\"timestamp\":\"2027-01-15T08:00:00Z\",\"data\":{\"tokenId\":\"iu_034YCGMODo7rNXJe1rD0Im\",\"type\":\"imageUrl\",\"owner\":\"shop\",\"limit\":100,\"used\":100,\"remaining\":0,\"expiry\":null}}",
    "deliveries": [
        {"number": 1, "at": 1_800_000_000, "status": null, "reason": "timed out", "durationMillis": 15_000},
        {"number": 2, "at": 1_800_000_005, "status": 204, "reason": null, "durationMillis": 31}
    ]
}))]
#[serde(rename_all = "camelCase")]
pub struct NotificationDetails<'a> {
    /// The notification itself.
    #[serde(flatten)]
    record: NotificationRecord<'a>,
    /// The JSON text that is sent, byte for byte.
    body: &'a str,
    /// Its attempts, oldest first. Answers of receivers are not kept.
    deliveries: Vec<AttemptRecord<'a>>,
}

/// One attempt.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NotificationAttempt)]
#[serde(rename_all = "camelCase")]
pub struct AttemptRecord<'a> {
    /// From 1.
    number: u64,
    /// When it began, Unix seconds.
    #[schema(value_type = u64)]
    at: UnixSeconds,
    /// HTTP status of the answer; null if there was none.
    status: Option<u16>,
    /// Why there was none.
    reason: Option<&'a str>,
    /// How long it took, in milliseconds.
    duration_millis: u64,
}

impl<'a> NotificationRecord<'a> {
    /// The record, with the query of its address if `reveals`.
    pub fn of(notification: &'a Notification, reveals: bool) -> Self {
        Self {
            id: notification.id,
            event: &notification.event,
            token_id: notification.token,
            address: if reveals { (&*notification.address).into() } else { shown(&notification.address) },
            state: notification.state.name(),
            created_at: notification.created_at,
            attempts: notification.attempts,
            next_attempt_at: notification.next_attempt_at,
            ended_at: notification.ended_at,
        }
    }
}

impl<'a> NotificationDetails<'a> {
    /// The record with its attempts.
    pub fn of(notification: &'a Notification, attempts: &'a [Attempt], reveals: bool) -> Self {
        let delivery = |attempt: &'a Attempt| AttemptRecord {
            number: attempt.number,
            at: attempt.at,
            status: attempt.status,
            reason: attempt.reason.as_deref(),
            duration_millis: attempt.millis,
        };
        Self {
            record: NotificationRecord::of(notification, reveals),
            body: &notification.body,
            deliveries: attempts.iter().map(delivery).collect(),
        }
    }
}

/// The address without what stands behind its question mark. User info and fragments are refused where addresses are
/// taken.
fn shown(address: &str) -> Cow<'_, str> {
    match address.split_once('?') {
        Some((before, _)) => format!("{before}?…").into(),
        None => address.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_of_an_address_is_not_shown() {
        assert_eq!(shown("https://a.example/x?key=canary&b=?c"), "https://a.example/x?…");
        assert_eq!(shown("https://a.example/x"), "https://a.example/x");
    }
}
