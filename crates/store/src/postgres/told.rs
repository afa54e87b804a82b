//! Telling the listener of each change once, whether this node has made it or another one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use countermark_domain::store::{Change, ChangeListener, Position};

/// How many changes back it is remembered that they were told. A change is told again only if it comes out of the log so
/// much later, which does no harm.
const REMEMBERED: u64 = 10_000;

/// The listener, and what it knows already.
pub(super) struct Told {
    pub listener: Arc<dyn ChangeListener>,
    /// Told out of turn: this node's own changes are told at once, before those of others that come before them.
    positions: Mutex<BTreeSet<Position>>,
}

impl Told {
    pub(super) fn new(listener: Arc<dyn ChangeListener>) -> Self {
        Self { listener, positions: Mutex::default() }
    }

    /// Tells that all before this position is to be forgotten. A database that has gone back in time gives the numbers
    /// after it to other changes, which have not been told.
    pub(super) fn lose_track(&self, position: Position) {
        let mut positions = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        positions.clear();
        self.listener.lost_track(position);
    }

    /// Tells of a change that may not have been committed. Then another change has its number, and is still to be told.
    pub(super) fn tell_in_doubt(&self, change: &Change) {
        self.listener.changed(change);
    }

    /// Tells of a committed change unless it has been told; whether it has done so now.
    pub(super) fn tell(&self, change: &Change) -> bool {
        let mut positions = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        if !positions.insert(change.position) {
            return false;
        }
        let first = positions.first().copied().unwrap_or_default();
        if first.0 + REMEMBERED < change.position.0 {
            positions.remove(&first);
        }
        // Before the lock is given back: whoever finds that it was told can rely on it.
        self.listener.changed(change);
        true
    }
}
