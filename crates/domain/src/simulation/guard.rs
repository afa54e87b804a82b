//! The guards of the protocol. Each can be taken away, to see that a schedule then breaks a promise.

/// What keeps one race from happening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// A renewal takes in every change up to the position that it has locked.
    TakesInAll,
    /// Whoever finds a gap in the log forgets everything.
    ForgetsAtGaps,
    /// A renewal reads the position under a lock.
    LocksPosition,
    /// A lease is counted from before its renewal was sent.
    CountsFromSending,
    /// What was read before a change that has been applied is not kept.
    StampsFills,
    /// A newer record takes the place of an older one.
    KeepsNewer,
    /// A waiter counts on its own clock since boot, not by what wall clocks say.
    CountsItself,
    /// The number of renewals never repeats under one id.
    NewIdAtStart,
    /// A lease ends before its length is over.
    Margin,
    /// The lease is looked at again just before the answer.
    LooksAgain,
    /// Changes are applied before they are acknowledged.
    AppliesFirst,
    /// A waiter reads the table of nodes after the commit.
    ReadsNodesAfterCommit,
    /// A waiter that has not made the change itself waits for its own node, too.
    AwaitsItself,
    /// Who does not renew is awaited for a lease at most.
    LetsLapse,
}
