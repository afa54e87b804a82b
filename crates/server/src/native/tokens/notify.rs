//! The `notify` of a request and of a record: which events of a token are told, and to whom.

use countermark_core::{Notify, TokenEvent};
use countermark_domain::NotifyPatch;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extra::{inner, patch};
use super::member::{NotificationUrl, Parsed};
use crate::json::{self, Choice, List};

/// Which events of a token are told, and to whom. At the issue and where nothing was told before, both are needed.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AccessTokenNotifyRequest, example = json!({
    "urls": ["https://hooks.example.com/countermark"], "events": ["limitReached", "revoked"]
}))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NotifyRequest {
    /// Addresses of the receivers.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 10)]
    urls: json::Patch<List<Parsed<NotificationUrl>, { Notify::MAX_URLS }>>,
    /// What they are told of.
    #[serde(default)]
    #[schema(value_type = Option<Vec<AccessTokenEvent>>, min_items = 1, max_items = 4)]
    events: json::Patch<List<Choice<TokenEvent>, 4>>,
}

impl NotifyRequest {
    /// The changes to make.
    pub fn patch(self) -> NotifyPatch {
        NotifyPatch {
            urls: patch(self.urls, |urls| inner(urls).into_iter().map(|url| url.0).collect()),
            events: patch(self.events, |events| events.0.into_iter().map(|event| event.0).collect()),
        }
    }
}

/// Which events of a token are told, and to whom.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessTokenNotify, example = json!({
    "urls": ["https://hooks.example.com/countermark"], "events": ["limitReached", "revoked"]
}))]
pub struct NotifyRecord<'a> {
    /// Addresses of the receivers.
    urls: &'a [String],
    /// What they are told of.
    #[schema(value_type = Vec<AccessTokenEvent>)]
    events: &'a [TokenEvent],
}

impl<'a> NotifyRecord<'a> {
    /// The record of what is told.
    pub fn of(notify: &'a Notify) -> Self {
        Self { urls: &notify.urls, events: &notify.events }
    }
}

/// An event in a token's life: four fifths of the limit are used, all of it is, the expiry is near, it was revoked.
#[derive(ToSchema)]
#[schema(as = AccessTokenEvent, rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
pub enum AccessTokenEvent {
    LimitNear,
    LimitReached,
    Expiring,
    Revoked,
}
