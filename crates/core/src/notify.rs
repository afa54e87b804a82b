//! What of a token's life is told to receivers that asked for it.

use serde::{Deserialize, Serialize};

/// Which events of a token are told, and to whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Notify {
    /// Addresses of the receivers, 1 to [`Notify::MAX_URLS`].
    pub urls: Vec<String>,
    /// The events, at least one.
    pub events: Vec<TokenEvent>,
}

/// An event in the life of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TokenEvent {
    /// A use has brought the uses to four fifths of the limit.
    LimitNear,
    /// The last use has been taken.
    LimitReached,
    /// The expiry is near.
    Expiring,
    /// The token was revoked, or removed while it was not.
    Revoked,
}

impl Notify {
    /// Most receivers of one token.
    pub const MAX_URLS: usize = 10;

    /// Whether this event is to be told.
    pub fn wants(&self, event: TokenEvent) -> bool {
        self.events.contains(&event)
    }
}

impl TokenEvent {
    /// Every event.
    pub const ALL: [Self; 4] = [Self::LimitNear, Self::LimitReached, Self::Expiring, Self::Revoked];

    /// The name by which a token asks for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LimitNear => "limitNear",
            Self::LimitReached => "limitReached",
            Self::Expiring => "expiring",
            Self::Revoked => "revoked",
        }
    }

    /// The `type` that receivers see.
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::LimitNear => "token.limit_near",
            Self::LimitReached => "token.limit_reached",
            Self::Expiring => "token.expiring",
            Self::Revoked => "token.revoked",
        }
    }

    /// The uses at which a limit is near: four fifths of it, rounded up.
    pub const fn near_at(limit: u64) -> u64 {
        limit - limit / 5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_near_at_four_fifths_rounded_up() {
        for (limit, near) in [(0, 0), (1, 1), (2, 2), (4, 4), (5, 4), (6, 5), (9, 8), (10, 8), (100, 80)] {
            assert_eq!(TokenEvent::near_at(limit), near, "{limit}");
        }
        assert_eq!(TokenEvent::near_at(u64::MAX), u64::MAX / 5 * 4);
    }
}
