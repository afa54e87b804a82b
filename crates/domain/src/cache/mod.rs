//! What is known of tokens without asking the store.
//!
//! A fill is dropped if any change has been applied since the snapshot it was read from: otherwise a slow reader could
//! put back a record that a revocation has just taken out, and it would stay.
//!
//! Uses are no changes; whoever learns from the store how they stand books it here, in any order, and the later tally
//! wins. A fill consults what has been booked since its read began, so that a slow reader puts back no old figure either.

mod entry;
mod read;
mod recent;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use countermark_core::{Tally, TokenId, ValueDigest};
use quick_cache::sync;

pub use entry::Entry;
pub(crate) use entry::Unflushed;
pub(crate) use read::Basis;
pub(crate) use recent::ReadBegin;
use recent::Recent;

use crate::lease::{BootTime, Lease, Renewal, SystemBootClock};
use crate::store::{Change, ChangeListener, Lookup, Position};

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
    /// Fills hold it while they insert, and bookings note here before they look for the entry: either the fill finds the
    /// tally, or the booking finds the entry.
    recent: Mutex<Recent>,
    /// Beside other nodes what is kept may only be used while it holds.
    lease: Lease,
}

const ABSENT_CAPACITY: usize = 10_000;

impl Cache {
    /// A cache of at most `capacity` tokens, current up to `position`. It answers nothing before it is told of a lease.
    pub fn new(capacity: usize, position: Position) -> Self {
        Self::with_lease(capacity, position, Lease::new(Arc::new(SystemBootClock)))
    }

    /// The same under a lease that is counted on another clock.
    pub fn with_lease(capacity: usize, position: Position, lease: Lease) -> Self {
        Self {
            tokens: sync::Cache::new(capacity),
            values: sync::Cache::new(capacity),
            absent: sync::Cache::new(ABSENT_CAPACITY),
            applied: RwLock::new(position),
            recent: Mutex::default(),
            lease,
        }
    }

    /// What is known; nothing is while no lease holds.
    pub(crate) fn look_up(&self, by: Lookup) -> Known {
        if !self.lease.holds() {
            return Known::Unknown;
        }
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

    /// To be called before a read whose result is to be kept.
    pub(crate) fn begin_read(&self) -> ReadBegin {
        self.recent().begin_read()
    }

    /// Keeps what a read found, unless a change has been applied since its snapshot, or more has been booked since its
    /// begin than is remembered, or a newer record is held: then `None`. Of readers at the same time all get the entry of
    /// the first: in it alone uses are counted.
    pub(crate) fn fill(
        &self,
        by: Lookup,
        begin: ReadBegin,
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
        let recent = self.recent();
        if !recent.covers(begin) {
            return None;
        }
        let id = entry.terms.id;
        if let Lookup::Value(digest) = by {
            self.values.insert(digest, id);
        }
        // An older one may be held beside other nodes: their changes are told later than they can be read.
        self.tokens.remove_if(&id, |held| held.terms.revision < entry.terms.revision);
        let held = self.tokens.get_or_insert_with(&id, || Ok::<_, Infallible>(Arc::clone(&entry)));
        let Ok(held) = held;
        if held.terms.revision > entry.terms.revision {
            return None;
        }
        for tally in recent.of(id).chain([entry.tally()]) {
            held.learn(tally);
        }
        Some(Some(held))
    }

    /// Takes over how the store has told that uses stand.
    pub(crate) fn book(&self, tallies: &[(TokenId, Tally)]) {
        let mut recent = self.recent();
        for (token, tally) in tallies {
            recent.note(*token, *tally);
        }
        drop(recent);
        for (token, tally) in tallies {
            if let Some(entry) = self.tokens.peek(token) {
                entry.learn(*tally);
            }
        }
    }

    /// Until when what is looked up now may be answered without another look.
    pub(crate) fn trusted_until(&self) -> BootTime {
        self.lease.until()
    }

    /// Whether this end of a lease is still to come.
    pub(crate) fn is_before(&self, until: BootTime) -> bool {
        self.lease.is_before(until)
    }

    /// Whether a lease holds now.
    pub fn is_trusted(&self) -> bool {
        self.lease.holds()
    }

    /// Whether this very entry is what a look-up would find now: no change has taken it out.
    pub(crate) fn holds(&self, entry: &Arc<Entry>) -> bool {
        self.tokens.get(&entry.terms.id).is_some_and(|held| Arc::ptr_eq(&held, entry))
    }

    /// Forgets this very entry, so that the next look-up reads the token anew.
    pub(crate) fn forget(&self, entry: &Arc<Entry>) {
        self.tokens.remove_if(&entry.terms.id, |held| Arc::ptr_eq(held, entry));
    }

    /// How many tokens it holds.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn lost_track(&self, position: Position) {
        let mut applied = self.applied.write().unwrap_or_else(PoisonError::into_inner);
        *applied = position;
        self.tokens.clear();
        self.values.clear();
        self.absent.clear();
    }

    fn renewed(&self, renewal: Renewal) {
        self.lease.set(renewal.until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::api_key;

    const DIGEST: ValueDigest = ValueDigest([7; 32]);

    /// The cache of a node that is alone.
    fn trusted() -> Cache {
        let cache = Cache::new(10, Position(1));
        cache.renewed(Renewal { until: BootTime::FOREVER, time: None });
        cache
    }

    fn change(position: u64, id: TokenId) -> Change {
        Change { position: Position(position), tokens: vec![id], values: vec![DIGEST] }
    }

    #[test]
    fn a_fill_older_than_an_applied_change_is_dropped() {
        let cache = trusted();
        let entry = Arc::new(Entry::new(api_key()));
        let id = entry.terms.id;
        cache.changed(&change(2, id));
        cache.fill(Lookup::Id(id), cache.begin_read(), Position(1), Some(Arc::clone(&entry)));
        assert!(matches!(cache.look_up(Lookup::Id(id)), Known::Unknown));
        cache.fill(Lookup::Id(id), cache.begin_read(), Position(2), Some(Arc::clone(&entry)));
        assert!(matches!(cache.look_up(Lookup::Id(id)), Known::Token(_)));
    }

    #[test]
    fn a_negative_fill_older_than_an_applied_change_is_dropped() {
        let cache = trusted();
        cache.changed(&change(2, api_key().terms.id));
        cache.fill(Lookup::Value(DIGEST), cache.begin_read(), Position(1), None);
        assert!(matches!(cache.look_up(Lookup::Value(DIGEST)), Known::Unknown));
        cache.fill(Lookup::Value(DIGEST), cache.begin_read(), Position(2), None);
        assert!(matches!(cache.look_up(Lookup::Value(DIGEST)), Known::Absent));
    }

    #[test]
    fn readers_at_the_same_time_share_one_entry() {
        let cache = trusted();
        let [one, other] = [api_key(), api_key()].map(|token| Arc::new(Entry::new(token)));
        let by = Lookup::Id(one.terms.id);
        let first = cache.fill(by, cache.begin_read(), Position(1), Some(Arc::clone(&one))).unwrap().unwrap();
        let second = cache.fill(by, cache.begin_read(), Position(1), Some(other)).unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &one) && Arc::ptr_eq(&second, &one));
    }

    #[test]
    fn a_change_takes_out_what_it_touches_and_nothing_else() {
        let cache = trusted();
        let entry = Arc::new(Entry::new(api_key()));
        cache.fill(Lookup::Value(DIGEST), cache.begin_read(), Position(1), Some(Arc::clone(&entry)));
        let other = Lookup::Value(ValueDigest([8; 32]));
        cache.fill(other, cache.begin_read(), Position(1), None);
        cache.changed(&change(2, entry.terms.id));
        assert!(matches!(cache.look_up(Lookup::Value(DIGEST)), Known::Unknown));
        assert!(matches!(cache.look_up(other), Known::Absent));
    }

    fn entry(used: u64, given_back: u64) -> Arc<Entry> {
        let mut token = api_key();
        (token.usage.used, token.usage.given_back) = (used, given_back);
        Arc::new(Entry::new(token))
    }

    fn known_used(cache: &Cache, id: TokenId) -> u64 {
        match cache.look_up(Lookup::Id(id)) {
            Known::Token(entry) => entry.used(),
            known => panic!("{known:?}"),
        }
    }

    #[test]
    fn a_fill_brings_no_figure_older_than_what_was_booked_while_it_read() {
        let id = api_key().terms.id;
        let (before, after) = ((1, 0), Tally { used: 0, given_back: 1 });
        let cache = trusted();
        let begin = cache.begin_read();
        cache.book(&[(id, after)]);
        cache.fill(Lookup::Id(id), begin, Position(1), Some(entry(before.0, before.1))).unwrap();
        assert_eq!(known_used(&cache, id), 0, "booked before the fill");

        let cache = trusted();
        let begin = cache.begin_read();
        cache.fill(Lookup::Id(id), begin, Position(1), Some(entry(before.0, before.1))).unwrap();
        cache.book(&[(id, after)]);
        assert_eq!(known_used(&cache, id), 0, "booked after it");

        cache.tokens.remove(&id);
        cache.fill(Lookup::Id(id), begin, Position(1), Some(entry(before.0, before.1))).unwrap();
        assert_eq!(known_used(&cache, id), 0, "booked in an entry that had to make room");
    }

    #[test]
    fn a_held_entry_learns_what_a_later_read_has_found() {
        let id = api_key().terms.id;
        let cache = trusted();
        for found in [entry(1, 0), entry(2, 0), entry(1, 0)] {
            cache.fill(Lookup::Id(id), cache.begin_read(), Position(1), Some(found)).unwrap();
        }
        assert_eq!(known_used(&cache, id), 2);
    }

    #[test]
    fn a_fill_whose_read_took_longer_than_bookings_are_remembered_is_dropped() {
        let id = api_key().terms.id;
        let cache = trusted();
        let mut begin = cache.begin_read();
        cache.book(&[(id, Tally { used: 2, given_back: 0 })]);
        let mut kept = 0;
        for n in 0..20_000u64 {
            let other = TokenId::from_parts(countermark_core::TokenKind::Upload, n, [0; 10]);
            cache.book(&[(other, Tally::default())]);
            if n % 100 == 0 {
                cache.tokens.remove(&id);
                if cache.fill(Lookup::Id(id), begin, Position(1), Some(entry(1, 0))).is_some() {
                    assert_eq!(known_used(&cache, id), 2, "after {n}");
                    kept = n;
                }
            }
        }
        assert!((4_000..8_200).contains(&kept), "{kept}");
        begin = cache.begin_read();
        assert!(cache.fill(Lookup::Id(id), begin, Position(1), Some(entry(2, 0))).is_some());
        let recent = cache.recent();
        assert_eq!(recent.of(id).count(), 0, "what no read needs any more is forgotten");
    }

    #[test]
    fn only_the_very_entry_is_forgotten() {
        let cache = trusted();
        let (held, other) = (entry(0, 0), entry(0, 0));
        let by = Lookup::Id(held.terms.id);
        cache.fill(by, cache.begin_read(), Position(1), Some(Arc::clone(&held)));
        cache.forget(&other);
        assert!(cache.holds(&held));
        cache.forget(&held);
        assert!(matches!(cache.look_up(by), Known::Unknown));
    }

    #[test]
    fn a_flood_of_absent_tokens_leaves_the_known_ones() {
        let cache = trusted();
        let entry = Arc::new(Entry::new(api_key()));
        cache.fill(Lookup::Id(entry.terms.id), cache.begin_read(), Position(1), Some(Arc::clone(&entry)));
        for n in 0..50_000u32 {
            let mut digest = [0; 32];
            digest[..4].copy_from_slice(&n.to_be_bytes());
            cache.fill(Lookup::Value(ValueDigest(digest)), cache.begin_read(), Position(1), None);
        }
        assert!(matches!(cache.look_up(Lookup::Id(entry.terms.id)), Known::Token(_)));
        assert!(cache.absent.len() <= ABSENT_CAPACITY);
    }

    #[test]
    fn nothing_is_known_while_no_lease_holds() {
        let cache = Cache::new(10, Position(1));
        let entry = entry(0, 0);
        let by = Lookup::Id(entry.terms.id);
        assert!(
            cache.fill(by, cache.begin_read(), Position(1), Some(entry)).is_some(),
            "what was just read counts"
        );
        assert!(matches!(cache.look_up(by), Known::Unknown));
        cache.renewed(Renewal { until: BootTime::FOREVER, time: None });
        assert!(matches!(cache.look_up(by), Known::Token(_)));
        cache.renewed(Renewal { until: BootTime::default(), time: None });
        assert!(matches!(cache.look_up(by), Known::Unknown));
    }

    #[test]
    fn a_newer_record_takes_the_place_of_an_older_one_whose_change_is_not_told_yet() {
        let cache = trusted();
        let (older, newer) = (entry(0, 0), Arc::new(Entry::new(revised(api_key()))));
        let by = Lookup::Id(older.terms.id);
        cache.fill(by, cache.begin_read(), Position(1), Some(Arc::clone(&older)));
        let kept =
            cache.fill(by, cache.begin_read(), Position(2), Some(Arc::clone(&newer))).unwrap().unwrap();
        assert!(Arc::ptr_eq(&kept, &newer));
        assert!(
            cache.fill(by, cache.begin_read(), Position(1), Some(older)).is_none(),
            "read before, kept after it"
        );
        assert!(cache.holds(&newer));
    }

    fn revised(mut token: countermark_core::Token) -> countermark_core::Token {
        token.terms.revision += 1;
        token
    }

    #[test]
    fn whoever_has_lost_track_forgets_everything() {
        let cache = trusted();
        let held = entry(0, 0);
        let by = Lookup::Id(held.terms.id);
        cache.fill(by, cache.begin_read(), Position(1), Some(Arc::clone(&held)));
        let absent = Lookup::Value(ValueDigest([8; 32]));
        cache.fill(absent, cache.begin_read(), Position(1), None);
        cache.lost_track(Position(9));
        assert!(
            matches!(cache.look_up(by), Known::Unknown) && matches!(cache.look_up(absent), Known::Unknown)
        );
        assert!(cache.fill(by, cache.begin_read(), Position(8), Some(held)).is_none(), "read before that");
    }
}
