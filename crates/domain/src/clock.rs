//! Time, injected: where the instants of all decisions come from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use countermark_core::UnixSeconds;

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
pub struct Timekeeper {
    clock: Box<dyn Clock>,
    highest_millis: AtomicU64,
}

/// A step back of the clock beyond which the service is not ready.
pub const TOLERATED_STEP_BACK_SECONDS: u64 = 60;

impl Timekeeper {
    /// Starts from the highest time that was stored, which the clock may meanwhile have fallen behind.
    pub fn new(clock: Box<dyn Clock>, highest_stored: UnixSeconds) -> Self {
        Self { clock, highest_millis: AtomicU64::new(highest_stored.get() * 1000) }
    }

    /// The highest time seen so far.
    pub fn now(&self) -> UnixSeconds {
        UnixSeconds::new(self.now_millis() / 1000).unwrap_or(UnixSeconds::MAX)
    }

    /// The same in milliseconds.
    pub fn now_millis(&self) -> u64 {
        let now = self.clock.now_millis();
        let highest = self.highest_millis.load(Ordering::Relaxed);
        // Looked at first: within one millisecond many decisions only read.
        if now > highest { self.highest_millis.fetch_max(now, Ordering::Relaxed).max(now) } else { highest }
    }

    /// What the clock itself shows, which may be behind the time of decisions.
    pub fn clock_millis(&self) -> u64 {
        self.clock.now_millis()
    }

    /// By how many seconds the clock has been set back behind the highest time seen.
    pub fn seconds_behind(&self) -> u64 {
        let now = self.clock.now_millis();
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

    #[test]
    fn a_restart_does_not_forget_the_highest_time() {
        let stored = UnixSeconds::new(5000).unwrap();
        let time = Timekeeper::new(Box::new(FixedClock::at(1000)), stored);
        assert_eq!((time.now(), time.seconds_behind()), (stored, 4000));
    }
}
