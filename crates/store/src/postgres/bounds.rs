//! How long anything may take while the database hangs. All of it follows from one number, the wait that the URL was
//! given; the comments count with its default.
//!
//! A node that answers nobody until the database does would take its callers down with it. So each call has an end, by
//! which it is answered [`Unavailable`](countermark_domain::store::StoreError::Unavailable); what the database has kept
//! by then stays kept.

use std::time::Duration;

/// How long a free connection, a lock, or the turn of a change is waited for, unless told otherwise.
pub(super) const WAIT: Duration = Duration::from_millis(900);

/// What a prompt call may take beside the wait: it is answered within 1.5 s, which leaves the caller half a second of two.
const WORK: Duration = Duration::from_millis(600);

/// What a long call may take while the database answers others: lists of everything, cascades over thousands of tokens.
const LONG_WORK: Duration = Duration::from_secs(30);

/// Between two questions whether the database still answers anything, while a long call is under way. With the wait for
/// the answer, a database that hangs is known to hang within 1.4 s.
pub(super) const PULSE_PAUSE: Duration = Duration::from_millis(500);

/// A turn is waited for within a transaction, which the database must not end meanwhile.
const SILENCE: Duration = Duration::from_secs(1);

/// How long open connections are waited for when the store is closed; the database frees the rest.
pub(super) const CLOSE: Duration = Duration::from_secs(2);

/// Connecting for the first time, when nobody waits for an answer yet.
pub(super) const OPEN: Duration = Duration::from_secs(10);

/// Calls that wait for a connection at the same time; one more is refused at once. With a use of a connection of a
/// millisecond, eight of them serve as many within the wait.
pub(super) const WAITING: u32 = 4096;

/// The bounds of one node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// For a free connection, a lock, or the turn of a change.
    pub wait: Duration,
}

impl Bounds {
    /// For a whole prompt call: 1.5 s.
    pub(super) fn prompt(self) -> Duration {
        self.wait + WORK
    }

    /// For a whole long call, as long as the database answers others: half a minute.
    pub(super) fn long(self) -> Duration {
        self.wait + LONG_WORK
    }

    /// For what costs a living database nothing: 0.36 s. Whoever waited for a dead connection can then still do with
    /// another one what it is asked.
    pub(super) fn trifle(self) -> Duration {
        self.wait * 2 / 5
    }

    /// For which the database bears with a transaction that says nothing: 1.9 s. Others wait for its locks meanwhile,
    /// and a lock that one dead node has waited for is let go after wait and silence together, 2.8 s.
    pub(super) fn silence(self) -> Duration {
        self.wait + SILENCE
    }
}
