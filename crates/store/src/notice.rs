//! What of a token's life is to be told: what is noted of it, and the notifications that tell it.

use countermark_core::{Notify, Token, TokenEvent, TokenId, UnixSeconds};
use countermark_domain::event::{TokenFacts, token_body};
use countermark_domain::store::{NewNotification, StoreError};

use crate::row::{Reader, StoredRow};
use crate::vault::Vault;

/// What has been told of a token's limit, as `token_counters` keeps it. Uses can be given back, so that they do not say
/// it; a changed limit begins with nothing told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// That it is near.
    pub near: bool,
    /// That it is reached.
    pub reached: bool,
}

impl Told {
    /// After a change of the limit, which itself is told if it uses the token up: no use will tell it.
    pub(crate) fn by_change(token: &Token, uses_up: bool) -> Self {
        let is_told =
            uses_up && token.about.notify.as_ref().is_some_and(|it| it.wants(TokenEvent::LimitReached));
        Self { near: is_told, reached: is_told }
    }

    /// The uses at which a token with `used` uses has something to tell next.
    pub(crate) fn notice_at(self, token: &Token, used: u64) -> Option<u64> {
        let (limit, notify) = (token.terms.limit?, token.about.notify.as_ref()?);
        if !self.near && notify.wants(TokenEvent::LimitNear) {
            // A limit set to little more than the uses is told to be near by the next use.
            return Some(TokenEvent::near_at(limit).max(used.saturating_add(1)).min(limit));
        }
        Some(limit).filter(|_| !self.reached && notify.wants(TokenEvent::LimitReached))
    }
}

/// A granted use at which something is to be told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notice {
    pub token: TokenId,
    /// Uses so far, that one included.
    pub used: u64,
    /// Whether the limit has come near, which has not been told yet.
    pub is_near: bool,
    /// Whether it is reached, which has not been told yet.
    pub is_reached: bool,
}

/// The expiry whose approach is to be told.
pub(crate) fn expiring_at(token: &Token) -> Option<UnixSeconds> {
    let is_wanted = token.about.notify.as_ref().is_some_and(|notify| notify.wants(TokenEvent::Expiring));
    token.terms.expiry.filter(|_| is_wanted)
}

/// A token that asks to be told of events.
pub(crate) struct Subscription<'r> {
    pub facts: TokenFacts<'r>,
    pub notify: Notify,
}

impl<'r> Subscription<'r> {
    pub(crate) fn of(row: &'r dyn StoredRow) -> Result<Self, StoreError> {
        let reader = Reader::new(row, "access_tokens", "id");
        let counters = reader.of_table("token_counters");
        Ok(Self {
            facts: TokenFacts {
                id: reader.token_id("id")?,
                name: reader.optional("name")?,
                owner: reader.optional("owner")?,
                limit: counters.optional_unsigned("use_limit")?,
                used: counters.unsigned("used")?,
                expiry: counters.optional_instant("expiry")?,
                revoked_at: counters.optional_instant("revoked_at")?,
            },
            notify: reader.json("notify")?,
        })
    }

    /// Adds the notifications that tell its receivers of an event.
    pub(crate) fn tell(
        &self,
        vault: &Vault,
        event: TokenEvent,
        facts: &TokenFacts<'_>,
        now: UnixSeconds,
        new: &mut Vec<NewNotification>,
    ) {
        if !self.notify.wants(event) {
            return;
        }
        let body = token_body(event, now, facts);
        new.extend(self.notify.urls.iter().map(|url| NewNotification {
            id: vault.new_notification_id(now),
            address: url.clone(),
            event: event.event_type(),
            token: Some(facts.id),
            body: body.clone(),
        }));
    }
}
