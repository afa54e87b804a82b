//! One token as the hot path sees it: its terms, and counters that a flush collects.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countermark_core::{Tally, Terms, Token, UnixSeconds};

/// One token in the cache.
///
/// A decision that takes no exact use touches one counter only: several cores may decide about one token at once, and
/// each further shared write would make them wait for each other.
#[derive(Debug)]
pub struct Entry {
    /// The terms that decide.
    pub terms: Terms,
    /// What `ledger` amounts to, for those who must not wait for it.
    counted: AtomicU64,
    /// Uses that no guarded statement has taken, noted since the last flush.
    unwritten: AtomicU64,
    /// Uses that guarded statements have taken, noted since the last flush for the hourly figures.
    written: AtomicU64,
    refusals: AtomicU64,
    last_used_at: AtomicU64,
    is_queued: AtomicBool,
    ledger: Mutex<Ledger>,
}

/// Uses that are noted no longer.
#[derive(Clone, Copy, Debug)]
struct Ledger {
    /// The latest that the store has told.
    tally: Tally,
    /// Uses that a flush is about to tell the store.
    flushing: u64,
}

/// What a flush takes from an [`Entry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unflushed {
    pub(crate) unwritten: u64,
    pub(crate) written: u64,
    pub(crate) refusals: u64,
    pub(crate) last_used_at: UnixSeconds,
}

impl Entry {
    pub(crate) fn new(token: Token) -> Self {
        Self {
            counted: AtomicU64::new(token.usage.used),
            last_used_at: AtomicU64::new(token.usage.last_used_at.map_or(0, UnixSeconds::get)),
            ledger: Mutex::new(Ledger { tally: token.usage.tally(), flushing: 0 }),
            terms: token.terms,
            unwritten: AtomicU64::new(0),
            written: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            is_queued: AtomicBool::new(false),
        }
    }

    /// Uses so far, as far as this node knows.
    pub fn used(&self) -> u64 {
        self.counted.load(Ordering::Relaxed).saturating_add(self.unwritten.load(Ordering::Relaxed))
    }

    pub(super) fn tally(&self) -> Tally {
        self.ledger().tally
    }

    /// Takes over what the store has told, unless something later is known; so tallies may come in any order.
    pub(super) fn learn(&self, tally: Tally) {
        self.change_ledger(|ledger| ledger.learn(tally));
    }

    /// Notes granted uses for the next flush, `are_written` if the store has counted them already; whether this entry
    /// must now be queued for it.
    pub(crate) fn note_uses(&self, uses: u64, are_written: bool, now: UnixSeconds) -> bool {
        add(if are_written { &self.written } else { &self.unwritten }, uses);
        if self.last_used_at.load(Ordering::Relaxed) != now.get() {
            self.last_used_at.store(now.get(), Ordering::Relaxed);
        }
        self.must_be_queued()
    }

    /// Notes a refusal for the next flush; whether this entry must now be queued for it.
    pub(crate) fn note_refusal(&self) -> bool {
        self.refusals.fetch_add(1, Ordering::Relaxed);
        self.must_be_queued()
    }

    /// Takes what has been noted; what is noted from now on queues the entry anew. Ends with [`Entry::settle`] or
    /// [`Entry::put_back`].
    pub(crate) fn take_unflushed(&self) -> Unflushed {
        self.is_queued.store(false, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let unwritten = self.change_ledger(|ledger| {
            let unwritten = self.unwritten.swap(0, Ordering::AcqRel);
            ledger.flushing = ledger.flushing.saturating_add(unwritten);
            unwritten
        });
        Unflushed {
            unwritten,
            written: self.written.swap(0, Ordering::AcqRel),
            refusals: self.refusals.swap(0, Ordering::AcqRel),
            last_used_at: UnixSeconds::new(self.last_used_at.load(Ordering::Relaxed))
                .unwrap_or(UnixSeconds::MAX),
        }
    }

    /// The store has counted what a flush took, and has told `tally` after that; `None` if there is no such token any
    /// more.
    pub(crate) fn settle(&self, unflushed: Unflushed, tally: Option<Tally>) {
        self.change_ledger(|ledger| {
            ledger.flushing = ledger.flushing.saturating_sub(unflushed.unwritten);
            if let Some(tally) = tally {
                ledger.learn(tally);
            }
        });
    }

    /// Puts back what a failed flush took; whether this entry must now be queued.
    pub(crate) fn put_back(&self, unflushed: Unflushed) -> bool {
        self.change_ledger(|ledger| {
            ledger.flushing = ledger.flushing.saturating_sub(unflushed.unwritten);
            add(&self.unwritten, unflushed.unwritten);
        });
        add(&self.written, unflushed.written);
        self.refusals.fetch_add(unflushed.refusals, Ordering::Relaxed);
        self.must_be_queued()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change_ledger<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> T {
        let mut ledger = self.ledger();
        let result = change(&mut ledger);
        self.counted.store(ledger.tally.used.saturating_add(ledger.flushing), Ordering::Relaxed);
        result
    }

    /// Looks before it writes: most of the time the entry is queued already. The fence orders the note before the look:
    /// a flush that has not seen the note has not yet cleared the mark either, or has cleared it before the look.
    fn must_be_queued(&self) -> bool {
        fence(Ordering::SeqCst);
        !self.is_queued.load(Ordering::SeqCst) && !self.is_queued.swap(true, Ordering::SeqCst)
    }
}

impl Ledger {
    fn learn(&mut self, tally: Tally) {
        if tally.is_later_than(&self.tally) {
            self.tally = tally;
        }
    }
}

/// Saturating: a cost may be as large as 2⁶³ - 1.
fn add(counter: &AtomicU64, uses: u64) {
    let sum = |before: u64| Some(before.saturating_add(uses));
    // The closure always gives a value, so this never fails.
    let _ = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::api_key;

    const NOW: UnixSeconds = UnixSeconds::MAX;

    fn tally(used: u64, given_back: u64) -> Tally {
        Tally { used, given_back }
    }

    #[test]
    fn of_tallies_in_any_order_the_latest_stays() {
        // Taken, taken, given back, taken, given back twice.
        let life = [(0, 0), (1, 0), (2, 0), (1, 1), (2, 1), (0, 3)].map(|(used, back)| tally(used, back));
        for first in 0..life.len() {
            for second in 0..life.len() {
                let entry = Entry::new(api_key());
                entry.learn(life[first]);
                entry.learn(life[second]);
                assert_eq!(entry.tally(), life[first.max(second)], "{first}, then {second}");
            }
        }
    }

    #[test]
    fn what_a_flush_has_taken_counts_until_the_store_has_told_of_it() {
        let entry = Entry::new(api_key());
        assert!(entry.note_uses(3, false, NOW));
        let unflushed = entry.take_unflushed();
        entry.note_uses(1, false, NOW);
        assert_eq!(entry.used(), 4);
        entry.learn(tally(1, 0));
        assert_eq!(entry.used(), 5, "an upload has begun meanwhile");
        entry.settle(unflushed, Some(tally(4, 0)));
        assert_eq!(entry.used(), 5);
    }

    #[test]
    fn what_a_failed_flush_puts_back_is_neither_lost_nor_counted_twice() {
        let entry = Entry::new(api_key());
        entry.note_uses(3, false, NOW);
        let unflushed = entry.take_unflushed();
        entry.learn(tally(1, 0));
        assert!(entry.put_back(unflushed));
        assert_eq!(entry.used(), 4);
        let again = entry.take_unflushed();
        assert_eq!(again, unflushed);
        entry.settle(again, None);
        assert_eq!(entry.used(), 1, "of a token that is gone nothing is told");
    }
}
