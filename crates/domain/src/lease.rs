//! Read leases: until when a node may trust what it remembers, beside others on one database.
//!
//! Everything here counts on the machine's own clock since boot, which nobody sets and which goes on while the machine
//! sleeps; clocks of other machines are never compared. Pure, so that every order of events can be played through.
//!
//! Why it holds: a renewal and a change lock the same row, so one of them is committed first. If it is the renewal, it was
//! sent before the change was committed, and whoever made the change waits until the node has acknowledged it or the lease
//! has run out, counted from a moment after it began. If it is the change, the renewal succeeds only with the change
//! taken in.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::store::Position;

/// An instant on one machine's clock since boot, to the nanosecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(u64);

impl BootTime {
    /// After every instant that a clock shows.
    pub const FOREVER: Self = Self(u64::MAX);

    /// So long after the machine's start.
    pub fn since_boot(elapsed: Duration) -> Self {
        Self(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The instant so much later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(Self::since_boot(duration).0))
    }

    /// How long ago `earlier` is; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Whole milliseconds since the machine's start.
    pub(crate) fn millis(self) -> u64 {
        self.0 / 1_000_000
    }
}

/// A clock that nobody sets and that goes on while the machine sleeps.
pub trait BootClock: Send + Sync + 'static {
    /// The time since the machine's start.
    fn now(&self) -> BootTime;
}

/// The machine's clock since boot: its one home.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemBootClock;

impl BootClock for SystemBootClock {
    fn now(&self) -> BootTime {
        // Elsewhere the monotonic clock is what comes next to it.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let clock = rustix::time::ClockId::Boottime;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let clock = rustix::time::ClockId::Monotonic;
        let now = rustix::time::clock_gettime(clock);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        BootTime::since_boot(Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default()))
    }
}

/// The share of a lease that is never used: clocks of two machines may run so unequally fast.
const MARGIN_SHARE: u32 = 10;

/// Until when a lease of this `length` holds whose renewal was about to be sent at `sent`.
pub fn lease_end(sent: BootTime, length: Duration) -> BootTime {
    sent.plus(length - length / MARGIN_SHARE)
}

/// What a renewal has brought.
#[derive(Clone, Copy, Debug)]
pub struct Renewal {
    /// Until when the cache may be trusted; [`BootTime::FOREVER`] where nobody else writes.
    pub until: BootTime,
    /// The database's time, where it decides: milliseconds since 1970-01-01 UTC and when it was that.
    pub time: Option<(u64, BootTime)>,
}

/// The read lease of this node. It begins lapsed.
pub struct Lease {
    clock: Arc<dyn BootClock>,
    until: AtomicU64,
}

impl Lease {
    /// A lapsed lease, counted on `clock`.
    pub fn new(clock: Arc<dyn BootClock>) -> Self {
        Self { clock, until: AtomicU64::new(0) }
    }

    /// Sets its end; [`BootTime::default`] ends it at once.
    pub fn set(&self, until: BootTime) {
        self.until.store(until.0, Ordering::SeqCst);
    }

    /// Its end, which may be over.
    pub fn until(&self) -> BootTime {
        BootTime(self.until.load(Ordering::SeqCst))
    }

    /// Whether it holds now.
    pub fn holds(&self) -> bool {
        self.is_before(self.until())
    }

    /// Whether this end is still to come.
    pub(crate) fn is_before(&self, until: BootTime) -> bool {
        // Where it never ends no clock is read: this is on the way of every decision.
        until == BootTime::FOREVER || self.clock.now() < until
    }
}

/// A node as it is found in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Its id.
    pub node: String,
    /// How often it has renewed.
    pub renewals: u64,
    /// The last change that it had taken in when it last renewed.
    pub acknowledged: Position,
    /// The length of its lease.
    pub lease: Duration,
}

/// What a node knows of the leases of all nodes.
#[derive(Debug, Default)]
pub struct Roster {
    nodes: HashMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    sighting: Sighting,
    /// After the read that was the first to show this number of renewals: the renewal was sent earlier.
    since: BootTime,
}

impl Seen {
    fn lapses(&self) -> BootTime {
        self.since.plus(self.sighting.lease)
    }
}

impl Roster {
    /// Takes over what a read has found that was over at `read_at`: all nodes.
    pub fn take_in(&mut self, sightings: Vec<Sighting>, read_at: BootTime) {
        let mut known = std::mem::take(&mut self.nodes);
        for sighting in sightings {
            let since = match known.remove(&sighting.node) {
                Some(seen) if seen.sighting.renewals == sighting.renewals => seen.since,
                _ => read_at,
            };
            self.nodes.insert(sighting.node.clone(), Seen { sighting, since });
        }
    }

    /// Until when somebody may at most decide without a change that was committed before `committed_at`; `None` if
    /// nobody does at `now`. What it says rests on a read that began after the commit. The node `told` has been told of
    /// the change without having read it: the one that has made it.
    pub fn awaited(
        &self,
        position: Position,
        told: Option<&str>,
        committed_at: BootTime,
        now: BootTime,
    ) -> Option<BootTime> {
        let lapses = |seen: &Seen| seen.since.min(committed_at).plus(seen.sighting.lease);
        let is_behind = |seen: &&Seen| seen.sighting.acknowledged < position;
        let behind = self.nodes.values().filter(is_behind).filter(|seen| told != Some(&*seen.sighting.node));
        behind.map(lapses).filter(|lapses| now < *lapses).max()
    }

    /// Whose lease has run out at `now` without the change that was committed at `committed_at`, although it held then:
    /// each with its number of renewals.
    pub fn silent(&self, position: Position, committed_at: BootTime, now: BootTime) -> Vec<(String, u64)> {
        let is_silent = |seen: &&Seen| {
            let is_over = seen.since.min(committed_at).plus(seen.sighting.lease) <= now;
            seen.sighting.acknowledged < position && committed_at < seen.lapses() && is_over
        };
        let silent = self.nodes.values().filter(is_silent);
        silent.map(|seen| (seen.sighting.node.clone(), seen.sighting.renewals)).collect()
    }

    /// How many nodes hold a lease at `now`, as far as known.
    pub fn live(&self, now: BootTime) -> usize {
        self.nodes.values().filter(|seen| now < seen.lapses()).count()
    }

    /// The nodes whose lease has lapsed longer than `ago` before `now`, each with its number of renewals.
    pub fn lapsed(&self, ago: Duration, now: BootTime) -> Vec<(String, u64)> {
        let is_over = |seen: &&Seen| seen.lapses().plus(ago) < now;
        let lapsed = self.nodes.values().filter(is_over);
        lapsed.map(|seen| (seen.sighting.node.clone(), seen.sighting.renewals)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> BootTime {
        BootTime::since_boot(Duration::from_millis(millis))
    }

    fn sighting(renewals: u64, acknowledged: u64) -> Sighting {
        Sighting { node: "one".to_owned(), renewals, acknowledged: Position(acknowledged), lease: LEASE }
    }

    struct Fixed(AtomicU64);

    impl BootClock for Fixed {
        fn now(&self) -> BootTime {
            at(self.0.load(Ordering::SeqCst))
        }
    }

    #[test]
    fn a_lease_begins_lapsed_and_ends_with_its_last_instant() {
        let clock = Arc::new(Fixed(AtomicU64::new(5)));
        let lease = Lease::new(clock.clone());
        assert!(!lease.holds());
        lease.set(at(10));
        assert!(lease.holds());
        clock.0.store(10, Ordering::SeqCst);
        assert!(!lease.holds());
        lease.set(BootTime::FOREVER);
        assert!(lease.holds());
    }

    #[test]
    fn a_lease_ends_a_tenth_before_its_length_is_over() {
        assert_eq!(lease_end(at(500), LEASE), at(1400));
    }

    #[test]
    fn a_node_that_has_acknowledged_is_not_awaited() {
        let mut roster = Roster::default();
        roster.take_in(vec![sighting(3, 7)], at(100));
        assert_eq!(roster.awaited(Position(7), None, at(90), at(100)), None);
        assert_eq!(roster.awaited(Position(8), None, at(90), at(100)), Some(at(1090)));
    }

    #[test]
    fn a_node_is_awaited_a_lease_long_from_when_its_renewal_was_first_seen_or_from_the_commit() {
        let mut roster = Roster::default();
        roster.take_in(vec![sighting(3, 7)], at(100));
        roster.take_in(vec![sighting(3, 7)], at(900));
        assert_eq!(
            roster.awaited(Position(8), None, at(800), at(900)),
            Some(at(1100)),
            "seen before the commit"
        );
        assert_eq!(roster.awaited(Position(8), None, at(800), at(1100)), None, "its lease is over");
        roster.take_in(vec![sighting(4, 7)], at(1000));
        assert_eq!(
            roster.awaited(Position(8), None, at(950), at(1000)),
            Some(at(1950)),
            "renewed before the commit"
        );
    }

    #[test]
    fn only_a_node_whose_lease_ran_out_after_the_commit_has_been_awaited_in_vain() {
        let mut roster = Roster::default();
        roster.take_in(vec![sighting(3, 7)], at(100));
        assert!(roster.silent(Position(8), at(200), at(1099)).is_empty(), "it may still answer");
        assert_eq!(roster.silent(Position(8), at(200), at(1100)), [("one".to_owned(), 3)]);
        assert!(roster.silent(Position(7), at(200), at(1100)).is_empty(), "it has answered");
        assert!(roster.silent(Position(8), at(1100), at(9999)).is_empty(), "nobody has waited for it");
    }

    #[test]
    fn a_node_that_is_gone_is_not_awaited_and_counted_from_anew_when_it_comes_back() {
        let mut roster = Roster::default();
        roster.take_in(vec![sighting(3, 7)], at(100));
        assert_eq!(roster.live(at(200)), 1);
        roster.take_in(Vec::new(), at(200));
        assert_eq!((roster.live(at(200)), roster.awaited(Position(8), None, at(150), at(200))), (0, None));
        roster.take_in(vec![sighting(3, 7)], at(300));
        assert_eq!(roster.awaited(Position(8), None, at(290), at(300)), Some(at(1290)));
    }

    #[test]
    fn nodes_are_told_to_have_lapsed_only_after_the_time_that_is_given() {
        let mut roster = Roster::default();
        roster.take_in(vec![sighting(3, 7)], at(100));
        assert!(roster.lapsed(Duration::from_secs(60), at(61_100)).is_empty());
        assert_eq!(roster.lapsed(Duration::from_secs(60), at(61_101)), [("one".to_owned(), 3)]);
    }
}
