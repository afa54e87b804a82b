//! Time, injected: where the instants of all decisions come from.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use countermark_core::UnixSeconds;

use crate::lease::{BootClock, BootTime, SystemBootClock};

/// A source of the current time.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01 UTC.
    fn now_millis(&self) -> u64;
}

/// The machine's clock: the one home of the current time.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one home of the current time")]
    fn now_millis(&self) -> u64 {
        u64::try_from(chrono::Utc::now().timestamp_millis()).unwrap_or(0)
    }
}

/// A clock that stands still until it is set, for exact tests; clones show the same time.
#[derive(Clone, Debug)]
pub struct FixedClock(Arc<AtomicU64>);

impl FixedClock {
    /// A clock that stands at `seconds` since the epoch.
    pub fn at(seconds: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seconds * 1000)))
    }

    /// Sets the clock, also backwards.
    pub fn set(&self, seconds: u64) {
        self.0.store(seconds * 1000, Ordering::SeqCst);
    }

    /// Advances the clock.
    pub fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now_millis(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// The time of decisions: it never runs back, so that what has once expired stays expired.
///
/// Beside other nodes it is the time of the database, so that all decide by one clock; between two looks at it, it runs on
/// the machine's clock since boot, which nobody sets.
pub struct Timekeeper {
    clock: Box<dyn Clock>,
    boot: Box<dyn BootClock>,
    highest_millis: AtomicU64,
    /// What the database's time is ahead of the time since boot, in milliseconds; [`NO_DATABASE`] for the clock's time.
    database_ahead: AtomicI64,
}

const NO_DATABASE: i64 = i64::MIN;

/// A step back of the clock beyond which the service is not ready.
pub const TOLERATED_STEP_BACK_SECONDS: u64 = 60;

impl Timekeeper {
    /// Starts from the highest time that was stored, which the clock may meanwhile have fallen behind.
    pub fn new(clock: Box<dyn Clock>, highest_stored: UnixSeconds) -> Self {
        Self::counted_on(clock, Box::new(SystemBootClock), highest_stored)
    }

    /// The same with another clock since boot.
    pub fn counted_on(clock: Box<dyn Clock>, boot: Box<dyn BootClock>, highest_stored: UnixSeconds) -> Self {
        let highest_millis = AtomicU64::new(highest_stored.get() * 1000);
        Self { clock, boot, highest_millis, database_ahead: AtomicI64::new(NO_DATABASE) }
    }

    /// Goes by the database's time from now on, which was `millis` since 1970-01-01 UTC at the instant `at`.
    pub fn follow(&self, millis: u64, at: BootTime) {
        let ahead = i64::try_from(millis).unwrap_or(i64::MAX).saturating_sub_unsigned(at.millis());
        self.database_ahead.store(ahead, Ordering::Relaxed);
    }

    /// Counts on from `stored` if it is later than every time seen so far.
    pub fn raise(&self, stored: UnixSeconds) {
        self.highest_millis.fetch_max(stored.get() * 1000, Ordering::Relaxed);
    }

    /// The highest time seen so far.
    pub fn now(&self) -> UnixSeconds {
        UnixSeconds::new(self.now_millis() / 1000).unwrap_or(UnixSeconds::MAX)
    }

    /// The same in milliseconds.
    pub fn now_millis(&self) -> u64 {
        let now = self.clock_millis();
        let highest = self.highest_millis.load(Ordering::Relaxed);
        // Looked at first: within one millisecond many decisions only read.
        if now > highest { self.highest_millis.fetch_max(now, Ordering::Relaxed).max(now) } else { highest }
    }

    /// What the clock itself shows, or the database's, which may be behind the time of decisions.
    pub fn clock_millis(&self) -> u64 {
        match self.database_ahead.load(Ordering::Relaxed) {
            NO_DATABASE => self.clock.now_millis(),
            ahead => self.boot.now().millis().saturating_add_signed(ahead),
        }
    }

    /// By how many seconds the clock has been set back behind the highest time seen.
    pub fn seconds_behind(&self) -> u64 {
        let now = self.clock_millis();
        self.highest_millis.fetch_max(now, Ordering::Relaxed).saturating_sub(now) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_runs_back() {
        let clock = FixedClock::at(1000);
        let time = Timekeeper::new(Box::new(clock.clone()), UnixSeconds::default());
        assert_eq!(time.now().get(), 1000);
        clock.set(400);
        assert_eq!(time.now().get(), 1000);
        assert_eq!(time.seconds_behind(), 600);
        clock.set(1001);
        assert_eq!((time.now().get(), time.seconds_behind()), (1001, 0));
    }

    #[derive(Clone)]
    struct FixedBoot(Arc<AtomicU64>);

    impl BootClock for FixedBoot {
        fn now(&self) -> BootTime {
            BootTime::since_boot(std::time::Duration::from_millis(self.0.load(Ordering::SeqCst)))
        }
    }

    #[test]
    fn beside_other_nodes_the_database_s_time_decides_whatever_the_clock_shows() {
        let clock = FixedClock::at(900_000);
        let boot = FixedBoot(Arc::new(AtomicU64::new(7_000)));
        let time =
            Timekeeper::counted_on(Box::new(clock.clone()), Box::new(boot.clone()), UnixSeconds::default());
        time.follow(5_000_000, boot.now());
        boot.0.store(9_500, Ordering::SeqCst);
        clock.set(1);
        assert_eq!((time.now_millis(), time.seconds_behind()), (5_002_500, 0));
        time.follow(4_000_000, boot.now());
        assert_eq!(
            (time.now_millis(), time.seconds_behind()),
            (5_002_500, 1002),
            "it does not run back either"
        );
    }

    #[test]
    fn a_restart_does_not_forget_the_highest_time() {
        let stored = UnixSeconds::new(5000).unwrap();
        let time = Timekeeper::new(Box::new(FixedClock::at(1000)), stored);
        assert_eq!((time.now(), time.seconds_behind()), (stored, 4000));
    }
}
