//! How this node stands, for whoever asks without asking the database; and what its log says of that, once for each event.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countermark_domain::histogram::Distribution;
use countermark_domain::lease::{BootTime, Roster, Sighting};
use countermark_domain::store::{Learning, Position, Sharing};

/// What the node notes of itself, and what it sees of the others.
pub(super) struct Vitals {
    node: Arc<str>,
    name: String,
    lease: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When the last renewal that succeeded was sent; `None` before the first.
    renewed: Option<BootTime>,
    /// The end of its lease.
    until: BootTime,
    is_told_lapsed: bool,
    is_leaving: bool,
    applied: Position,
    invalidation_lag: Option<Duration>,
    is_woken_up: bool,
    has_been_woken_up: bool,
    /// For showing only: nobody is waited for by it.
    neighbours: Roster,
}

impl Vitals {
    pub(super) fn new(node: Arc<str>, name: String, lease: Duration) -> Self {
        Self { node, name, lease, state: Mutex::default() }
    }

    /// Notes a lease until `until`, whose renewal was sent at `sent`.
    pub(super) fn renewed(&self, sent: BootTime, until: BootTime) {
        let mut state = self.state();
        // Nothing may have run meanwhile, not even what would have noticed.
        state.tell_lapsed(sent, &self.node, &"no renewal was tried in time");
        if std::mem::take(&mut state.is_told_lapsed) {
            tracing::info!(node = &*self.node, "the read lease holds again");
        }
        (state.renewed, state.until) = (Some(sent), until);
    }

    /// Notes that a renewal has failed; the log tells of it only once the lease has lapsed.
    pub(super) fn not_renewed(&self, now: BootTime, why: &impl Debug) {
        self.state().tell_lapsed(now, &self.node, why);
    }

    /// Notes up to where changes have been taken in; where there were any of other nodes, also when the last of these was
    /// written and when it was taken in, by the database's clock in milliseconds.
    pub(super) fn took_in(&self, applied: Position, late: Option<(u64, u64)>) {
        let mut state = self.state();
        state.applied = applied;
        if let Some((written, taken)) = late {
            state.invalidation_lag = Some(Duration::from_millis(taken.saturating_sub(written)));
        }
    }

    /// Notes whom a read that was over at `read_at` has found beside this node.
    pub(super) fn saw(&self, neighbours: Vec<Sighting>, read_at: BootTime) {
        self.state().neighbours.take_in(neighbours, read_at);
    }

    /// Notes that the node leaves by itself: its lease ends without a word.
    pub(super) fn leave(&self) {
        let mut state = self.state();
        (state.is_leaving, state.until) = (true, BootTime::default());
    }

    /// Notes that the database wakes the node up, until what it gives back is dropped.
    pub(super) fn woken_up(self: &Arc<Self>) -> WokenUp {
        let mut state = self.state();
        if std::mem::replace(&mut state.has_been_woken_up, true) {
            tracing::info!(node = &*self.node, "the database wakes this node up again");
        }
        state.is_woken_up = true;
        WokenUp(Arc::clone(self))
    }

    /// How it stands at `now`, with how long changes have waited for the others.
    pub(super) fn sharing(&self, now: BootTime, waits: Distribution) -> Sharing {
        let state = self.state();
        Sharing {
            node: self.node.to_string(),
            name: self.name.clone(),
            lease: self.lease,
            lease_age: now.since(state.renewed.unwrap_or(now)),
            lapsed_for: (now >= state.until).then(|| now.since(state.until)),
            applied: state.applied,
            live_neighbours: state.neighbours.live(now),
            learning: if state.is_woken_up { Learning::WokenUp } else { Learning::Looking },
            invalidation_lag: state.invalidation_lag,
            waits,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tell_lapsed(&mut self, now: BootTime, node: &str, why: &impl Debug) {
        let has_lapsed = self.renewed.is_some() && now >= self.until && !self.is_leaving;
        if has_lapsed && !std::mem::replace(&mut self.is_told_lapsed, true) {
            tracing::warn!(
                node,
                ?why,
                "the read lease has lapsed: until it is renewed each look-up reads the database"
            );
        }
    }
}

/// While it lives, the database wakes the node up.
pub(super) struct WokenUp(Arc<Vitals>);

impl Drop for WokenUp {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_woken_up = false;
        if !state.is_leaving {
            let node = &*self.0.node;
            tracing::info!(
                node,
                "the database does not wake this node up any more; it looks for changes by itself"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use countermark_domain::histogram::{Histogram, MICROS};

    use super::*;

    const LEASE: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> BootTime {
        BootTime::since_boot(Duration::from_millis(millis))
    }

    fn vitals() -> Arc<Vitals> {
        Arc::new(Vitals::new("nod_1".into(), "host:1".into(), LEASE))
    }

    fn sharing(vitals: &Vitals, millis: u64) -> Sharing {
        vitals.sharing(at(millis), Histogram::new(MICROS).distribution())
    }

    #[test]
    fn a_lease_ages_from_when_its_renewal_was_sent_and_lapses_at_its_end() {
        let vitals = vitals();
        vitals.renewed(at(500), at(1400));
        let seen = sharing(&vitals, 1399);
        assert_eq!((seen.lease_age, seen.lapsed_for), (Duration::from_millis(899), None));
        assert_eq!((seen.lease, &*seen.name), (LEASE, "host:1"));
        assert_eq!(sharing(&vitals, 1400).lapsed_for, Some(Duration::ZERO));
        vitals.not_renewed(at(1400), &"it failed");
        let seen = sharing(&vitals, 3000);
        assert_eq!(seen.lapsed_for, Some(Duration::from_millis(1600)));
        assert_eq!(seen.lease_age, Duration::from_millis(2500));
        vitals.renewed(at(3100), at(4000));
        assert_eq!(sharing(&vitals, 3200).lapsed_for, None);
        vitals.leave();
        assert!(sharing(&vitals, 3200).lapsed_for.is_some());
    }

    #[test]
    fn a_lapse_is_told_once_however_often_a_renewal_fails_and_also_if_nothing_ran_meanwhile() {
        let vitals = vitals();
        let is_told = || vitals.state().is_told_lapsed;
        vitals.not_renewed(at(100), &"it failed");
        assert!(!is_told(), "there was none before the first renewal");
        vitals.renewed(at(500), at(1400));
        vitals.not_renewed(at(1399), &"it failed");
        assert!(!is_told(), "it still holds");
        vitals.not_renewed(at(1400), &"it failed");
        assert!(is_told());
        vitals.renewed(at(9000), at(9900));
        assert!(!is_told(), "from now on the next one is told again");
        vitals.leave();
        vitals.not_renewed(at(99_000), &"it failed");
        assert!(!is_told(), "whoever leaves has not lost it");
    }

    #[test]
    fn a_neighbour_lives_as_long_as_its_renewals_go_on() {
        let vitals = vitals();
        let sighting =
            |renewals| Sighting { node: "nod_2".into(), renewals, acknowledged: Position(1), lease: LEASE };
        vitals.saw(vec![sighting(1)], at(100));
        assert_eq!(sharing(&vitals, 1099).live_neighbours, 1);
        vitals.saw(vec![sighting(1)], at(1000));
        assert_eq!(sharing(&vitals, 1100).live_neighbours, 0);
        vitals.saw(vec![sighting(2)], at(2000));
        assert_eq!(sharing(&vitals, 2100).live_neighbours, 1);
    }

    #[test]
    fn how_changes_are_learned_ends_with_the_connection_that_tells_of_them() {
        let vitals = vitals();
        assert_eq!(sharing(&vitals, 0).learning, Learning::Looking);
        let woken_up = vitals.woken_up();
        assert_eq!(sharing(&vitals, 0).learning, Learning::WokenUp);
        drop(woken_up);
        assert_eq!(sharing(&vitals, 0).learning, Learning::Looking);
        assert_eq!(sharing(&vitals, 0).invalidation_lag, None);
        vitals.took_in(Position(3), Some((5_000, 6_000)));
        vitals.took_in(Position(4), None);
        let seen = sharing(&vitals, 0);
        assert_eq!((seen.applied, seen.invalidation_lag), (Position(4), Some(LEASE)));
    }
}
