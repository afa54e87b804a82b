//! What a node takes over from its store: changes and leases into the cache, the database's time into the time of
//! decisions.

use std::sync::Arc;

use crate::cache::Cache;
use crate::clock::Timekeeper;
use crate::lease::Renewal;
use crate::store::{Change, ChangeListener, Position};

/// The listener of a whole node.
pub struct Follower {
    cache: Arc<Cache>,
    time: Arc<Timekeeper>,
}

impl Follower {
    /// Tells both of what the store tells.
    pub fn new(cache: Arc<Cache>, time: Arc<Timekeeper>) -> Self {
        Self { cache, time }
    }
}

impl ChangeListener for Follower {
    fn changed(&self, change: &Change) {
        self.cache.changed(change);
    }

    fn lost_track(&self, position: Position) {
        self.cache.lost_track(position);
    }

    fn renewed(&self, renewal: Renewal) {
        if let Some((millis, at)) = renewal.time {
            self.time.follow(millis, at);
        }
        self.cache.renewed(renewal);
    }
}
