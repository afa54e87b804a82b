//! How the transaction of a Store method ends.

use countermark_domain::store::Change;

/// What is to become of what has been written.
pub(crate) enum Verdict<T> {
    /// Commit.
    Keep(T),
    /// Commit, and tell the listener before the caller.
    Announce(T, Change),
    /// Roll back whatever has been written.
    Undo(T),
}
