//! A batch of uses played through in its order on what a transaction has read: which of them are granted, and what is to
//! be taken for them.

use std::collections::{BTreeMap, HashMap};

use countermark_core::{Tally, TokenEvent, TokenId};
use countermark_domain::store::{IdempotencyKey, UseOutcome, UseRequest};

use crate::notice::{Notice, Told};

/// The greatest integer of both engines; `used` stays there instead of overflowing.
const MOST: u64 = i64::MAX as u64;

/// What the guarded statement will see of one token, and what is to be taken of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter {
    pub revision: u64,
    pub limit: Option<u64>,
    /// What has been set aside included.
    pub used: u64,
    pub given_back: u64,
    /// Enabled, not revoked and not expired.
    pub is_usable: bool,
    /// What has been set aside.
    pub taken: u64,
    /// The uses at which something is to be told.
    pub notice_at: Option<u64>,
    pub told: Told,
}

/// What a batch has come to, and what its granted uses leave to be done.
#[derive(Default)]
pub(crate) struct Played {
    pub outcomes: Vec<UseOutcome>,
    pub is_any_granted: bool,
    pub keys: Vec<IdempotencyKey>,
    pub notices: Vec<Notice>,
}

impl Counter {
    /// What the use just granted has to tell. Whether anybody wants to know is looked up once it is known that
    /// somebody may; most tokens have no `notice_at` at all.
    pub(crate) fn notice(&mut self, token: TokenId) -> Option<Notice> {
        if self.used < self.notice_at? {
            return None;
        }
        let limit = self.limit?;
        let is_near = !self.told.near && self.used >= TokenEvent::near_at(limit);
        let is_reached = !self.told.reached && self.used >= limit;
        self.told = Told { near: self.told.near || is_near, reached: self.told.reached || is_reached };
        self.notice_at = Some(limit).filter(|_| !self.told.reached);
        Some(Notice { token, used: self.used, is_near, is_reached })
    }

    /// How it stands with what has been set aside.
    pub(crate) const fn tally(&self) -> Tally {
        Tally { used: self.used, given_back: self.given_back }
    }

    /// Whether the decision made on this revision still holds.
    pub(crate) fn is_as_decided(&self, revision: u64) -> bool {
        self.is_usable && self.revision == revision
    }

    /// Whether so many uses are left.
    pub(crate) fn has_room_for(&self, cost: u64) -> bool {
        self.limit.is_none_or(|limit| self.used.saturating_add(cost) <= limit)
    }

    /// Sets uses aside for the guarded statement, all or none; whether there are enough.
    pub(crate) fn set_aside(&mut self, cost: u64) -> bool {
        if !self.has_room_for(cost) {
            return false;
        }
        self.used = self.used.saturating_add(cost).min(MOST);
        self.taken = self.taken.saturating_add(cost).min(MOST);
        true
    }
}

/// Plays uses through in their order; `known` are the idempotency keys that are remembered, the digest of the request
/// by scope.
pub(crate) fn play(
    uses: &[UseRequest],
    counters: &mut HashMap<TokenId, Counter>,
    mut known: HashMap<[u8; 32], [u8; 32]>,
) -> Played {
    let mut played = Played::default();
    for one in uses {
        let outcome = play_one(one, counters, &mut known, &mut played);
        played.is_any_granted |= matches!(outcome, UseOutcome::Granted { .. });
        played.outcomes.push(outcome);
    }
    played
}

fn play_one(
    one: &UseRequest,
    counters: &mut HashMap<TokenId, Counter>,
    known: &mut HashMap<[u8; 32], [u8; 32]>,
    played: &mut Played,
) -> UseOutcome {
    let Some(counter) = counters.get_mut(&one.token) else { return UseOutcome::Stale };
    if !counter.is_as_decided(one.revision) {
        return UseOutcome::Stale;
    }
    match one.idempotency.and_then(|key| known.get(&key.scope).map(|request| *request == key.request)) {
        Some(true) => return UseOutcome::Repeated { used: counter.used },
        Some(false) => return UseOutcome::KeyMismatch,
        None => {}
    }
    if !counter.set_aside(one.cost) {
        return UseOutcome::Exhausted { used: counter.used };
    }
    if let Some(key) = one.idempotency {
        known.insert(key.scope, key.request);
        played.keys.push(key);
    }
    played.notices.extend(counter.notice(one.token));
    UseOutcome::Granted { used: counter.used }
}

/// What has been set aside, with the revision on which: in the order of the table, so that neighbours are found on the
/// page at hand, and so that several nodes never wait for each other in a circle.
pub(crate) fn set_aside(counters: &HashMap<TokenId, Counter>) -> BTreeMap<TokenId, (u64, u64)> {
    let taken = counters.iter().filter(|(_, counter)| counter.taken > 0);
    taken.map(|(token, counter)| (*token, (counter.revision, counter.taken))).collect()
}

/// How the counters stand with what has been set aside.
pub(crate) fn tallies(counters: &HashMap<TokenId, Counter>) -> Vec<(TokenId, Tally)> {
    counters.iter().map(|(token, counter)| (*token, counter.tally())).collect()
}
