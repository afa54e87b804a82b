//! What is known of tokens without asking the store.
//!
//! A fill is dropped if any change has been applied since the snapshot it was read from: otherwise a slow reader could
//! put back a record that a revocation has just taken out, and it would stay.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, PoisonError, RwLock};

use countermark_core::{Terms, Token, TokenId, UnixSeconds, ValueDigest};
use quick_cache::sync;

use crate::store::{Change, ChangeListener, Lookup, Position};

/// One token as the hot path sees it: its terms, and counters that a flush collects.
///
/// A decision that takes no exact use touches one counter only: several cores may decide about one token at once, and
/// each further shared write would make them wait for each other.
#[derive(Debug)]
pub struct Entry {
    /// The terms that decide.
    pub terms: Terms,
    /// Uses that the store has counted, or that a flush is about to tell it.
    counted: AtomicU64,
    /// Uses that no guarded statement has taken, noted since the last flush.
    unwritten: AtomicU64,
    /// Uses that guarded statements have taken, noted since the last flush for the hourly figures.
    written: AtomicU64,
    refusals: AtomicU64,
    last_used_at: AtomicU64,
    is_queued: AtomicBool,
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

    /// Takes over what the store has counted under a limit; without one its figure lacks what is still to be flushed.
    pub(crate) fn set_used(&self, used: u64) {
        if self.terms.limit.is_some() {
            self.counted.store(used, Ordering::Relaxed);
        }
    }

    /// Notes granted uses for the next flush, `are_written` if the store has counted them already; whether this entry
    /// must now be queued for it.
    pub(crate) fn note_uses(&self, uses: u64, are_written: bool, now: UnixSeconds) -> bool {
        if are_written {
            add(&self.written, uses);
            if self.terms.limit.is_none() {
                add(&self.counted, uses);
            }
        } else {
            add(&self.unwritten, uses);
        }
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

    /// Takes what has been noted; what is noted from now on queues the entry anew.
    pub(crate) fn take_unflushed(&self) -> Unflushed {
        self.is_queued.store(false, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let unwritten = self.unwritten.swap(0, Ordering::AcqRel);
        add(&self.counted, unwritten);
        Unflushed {
            unwritten,
            written: self.written.swap(0, Ordering::AcqRel),
            refusals: self.refusals.swap(0, Ordering::AcqRel),
            last_used_at: UnixSeconds::new(self.last_used_at.load(Ordering::Relaxed))
                .unwrap_or(UnixSeconds::MAX),
        }
    }

    /// Puts back what a failed flush took; whether this entry must now be queued.
    pub(crate) fn put_back(&self, unflushed: Unflushed) -> bool {
        let less = |before: u64| Some(before.saturating_sub(unflushed.unwritten));
        // The closure always gives a value, so this never fails.
        let _ = self.counted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        add(&self.unwritten, unflushed.unwritten);
        add(&self.written, unflushed.written);
        self.refusals.fetch_add(unflushed.refusals, Ordering::Relaxed);
        self.must_be_queued()
    }

    /// Looks before it writes: most of the time the entry is queued already. The fence orders the note before the look:
    /// a flush that has not seen the note has not yet cleared the mark either, or has cleared it before the look.
    fn must_be_queued(&self) -> bool {
        fence(Ordering::SeqCst);
        !self.is_queued.load(Ordering::SeqCst) && !self.is_queued.swap(true, Ordering::SeqCst)
    }
}

/// Saturating: a cost may be as large as 2⁶³ - 1.
fn add(counter: &AtomicU64, uses: u64) {
    let sum = |before: u64| Some(before.saturating_add(uses));
    // The closure always gives a value, so this never fails.
    let _ = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
}

/// What the cache knows under a key.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    Token(Arc<Entry>),
    /// There is no such token.
    Absent,
    /// The store must be asked.
    Unknown,
}

/// Bounded; absent tokens have a room of their own, so that a flood of unknown credentials cannot push out known ones.
pub struct Cache {
    tokens: sync::Cache<TokenId, Arc<Entry>>,
    values: sync::Cache<ValueDigest, TokenId>,
    absent: sync::Cache<Lookup, ()>,
    /// The last change applied. Fills hold it for reading while they insert, so that a change finds all of them.
    applied: RwLock<Position>,
}

const ABSENT_CAPACITY: usize = 10_000;

impl Cache {
    /// A cache of at most `capacity` tokens, current up to `position`.
    pub fn new(capacity: usize, position: Position) -> Self {
        Self {
            tokens: sync::Cache::new(capacity),
            values: sync::Cache::new(capacity),
            absent: sync::Cache::new(ABSENT_CAPACITY),
            applied: RwLock::new(position),
        }
    }

    pub(crate) fn look_up(&self, by: Lookup) -> Known {
        let id = match by {
            Lookup::Id(id) => Some(id),
            Lookup::Value(digest) => self.values.get(&digest),
        };
        if let Some(entry) = id.and_then(|id| self.tokens.get(&id)) {
            return Known::Token(entry);
        }
        match self.absent.get(&by) {
            Some(()) => Known::Absent,
            None => Known::Unknown,
        }
    }

    /// Keeps what a read found, unless a change has been applied since its snapshot: then `None`. Of readers at the same
    /// time all get the entry of the first: in it alone uses are counted.
    pub(crate) fn fill(
        &self,
        by: Lookup,
        position: Position,
        found: Option<Arc<Entry>>,
    ) -> Option<Option<Arc<Entry>>> {
        let applied = self.applied.read().unwrap_or_else(PoisonError::into_inner);
        if position < *applied {
            return None;
        }
        let Some(entry) = found else {
            self.absent.insert(by, ());
            return Some(None);
        };
        if let Lookup::Value(digest) = by {
            self.values.insert(digest, entry.terms.id);
        }
        // A held entry is no older: a change takes it out while no fill is under way.
        let held =
            self.tokens.get_or_insert_with(&entry.terms.id, || Ok::<_, Infallible>(Arc::clone(&entry)));
        let Ok(held) = held;
        Some(Some(held))
    }

    /// Whether this very entry is what a look-up would find now: no change has taken it out.
    pub(crate) fn holds(&self, entry: &Arc<Entry>) -> bool {
        self.tokens.get(&entry.terms.id).is_some_and(|held| Arc::ptr_eq(&held, entry))
    }

    /// Forgets one token, which the next look-up reads anew.
    pub(crate) fn forget(&self, id: TokenId) {
        self.tokens.remove(&id);
    }

    /// How many tokens it holds.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl ChangeListener for Cache {
    fn changed(&self, change: &Change) {
        let mut applied = self.applied.write().unwrap_or_else(PoisonError::into_inner);
        *applied = change.position.max(*applied);
        for id in &change.tokens {
            self.tokens.remove(id);
            self.absent.remove(&Lookup::Id(*id));
        }
        for digest in &change.values {
            self.values.remove(digest);
            self.absent.remove(&Lookup::Value(*digest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::api_key;

    const DIGEST: ValueDigest = ValueDigest([7; 32]);

    fn change(position: u64, id: TokenId) -> Change {
        Change { position: Position(position), tokens: vec![id], values: vec![DIGEST] }
    }

    #[test]
    fn a_fill_older_than_an_applied_change_is_dropped() {
        let cache = Cache::new(10, Position(1));
        let entry = Arc::new(Entry::new(api_key()));
        let id = entry.terms.id;
        cache.changed(&change(2, id));
        cache.fill(Lookup::Id(id), Position(1), Some(Arc::clone(&entry)));
        assert!(matches!(cache.look_up(Lookup::Id(id)), Known::Unknown));
        cache.fill(Lookup::Id(id), Position(2), Some(Arc::clone(&entry)));
        assert!(matches!(cache.look_up(Lookup::Id(id)), Known::Token(_)));
    }

    #[test]
    fn a_negative_fill_older_than_an_applied_change_is_dropped() {
        let cache = Cache::new(10, Position(1));
        cache.changed(&change(2, api_key().terms.id));
        cache.fill(Lookup::Value(DIGEST), Position(1), None);
        assert!(matches!(cache.look_up(Lookup::Value(DIGEST)), Known::Unknown));
        cache.fill(Lookup::Value(DIGEST), Position(2), None);
        assert!(matches!(cache.look_up(Lookup::Value(DIGEST)), Known::Absent));
    }

    #[test]
    fn readers_at_the_same_time_share_one_entry() {
        let cache = Cache::new(10, Position(1));
        let [one, other] = [api_key(), api_key()].map(|token| Arc::new(Entry::new(token)));
        let by = Lookup::Id(one.terms.id);
        let first = cache.fill(by, Position(1), Some(Arc::clone(&one))).unwrap().unwrap();
        let second = cache.fill(by, Position(1), Some(other)).unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &one) && Arc::ptr_eq(&second, &one));
    }

    #[test]
    fn a_change_takes_out_what_it_touches_and_nothing_else() {
        let cache = Cache::new(10, Position(1));
        let entry = Arc::new(Entry::new(api_key()));
        cache.fill(Lookup::Value(DIGEST), Position(1), Some(Arc::clone(&entry)));
        let other = Lookup::Value(ValueDigest([8; 32]));
        cache.fill(other, Position(1), None);
        cache.changed(&change(2, entry.terms.id));
        assert!(matches!(cache.look_up(Lookup::Value(DIGEST)), Known::Unknown));
        assert!(matches!(cache.look_up(other), Known::Absent));
    }

    #[test]
    fn a_flood_of_absent_tokens_leaves_the_known_ones() {
        let cache = Cache::new(10, Position(1));
        let entry = Arc::new(Entry::new(api_key()));
        cache.fill(Lookup::Id(entry.terms.id), Position(1), Some(Arc::clone(&entry)));
        for n in 0..50_000u32 {
            let mut digest = [0; 32];
            digest[..4].copy_from_slice(&n.to_be_bytes());
            cache.fill(Lookup::Value(ValueDigest(digest)), Position(1), None);
        }
        assert!(matches!(cache.look_up(Lookup::Id(entry.terms.id)), Known::Token(_)));
        assert!(cache.absent.len() <= ABSENT_CAPACITY);
    }
}
