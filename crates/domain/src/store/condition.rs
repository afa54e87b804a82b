//! How a node stands among others, for people and machines that watch it.

use std::time::Duration;

use super::Position;
use crate::histogram::Distribution;

/// What a store knows of its node and the others without asking anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nobody else writes, so that there is nobody to wait for and no lease.
    Alone,
    /// Others may have the same database open.
    Shared(Box<Sharing>),
}

/// The node beside others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// The id under which the others find it; new with every start.
    pub node: String,
    /// Host name and process, for people.
    pub name: String,
    /// How long its lease is. This is also the longest that a change waits for nodes which do not answer.
    pub lease: Duration,
    /// How long ago the last renewal that succeeded was sent.
    pub lease_age: Duration,
    /// For how long the lease has not held; `None` while it does.
    pub lapsed_for: Option<Duration>,
    /// The last change that it has taken in.
    pub applied: Position,
    /// Others that held a lease when they were last looked at, about a lease ago.
    pub live_neighbours: usize,
    /// How it learns of changes.
    pub learning: Learning,
    /// How long after it was written, by the database's clock, the last change of another node was taken in; `None` before
    /// the first.
    pub invalidation_lag: Option<Duration>,
    /// For how many microseconds changes have waited until every node knew of them, since the opening.
    pub waits: Distribution,
}

/// How a node learns that there is a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learning {
    /// The database wakes it up.
    WokenUp,
    /// It looks a few times a lease.
    Looking,
}

impl Condition {
    /// The node beside others, if there may be any.
    pub fn sharing(&self) -> Option<&Sharing> {
        match self {
            Self::Alone => None,
            Self::Shared(sharing) => Some(sharing),
        }
    }

    /// Nodes that decide, this one included, as far as known.
    pub fn live_nodes(&self) -> usize {
        self.sharing().map_or(0, |sharing| sharing.live_neighbours) + 1
    }
}
