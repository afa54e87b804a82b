//! Reading through the cache, and whether what was read still holds. The store is asked by a function, so that every order of
//! its answers can be played through.

use std::sync::Arc;

use countermark_core::Token;

use super::{Cache, Entry, Known};
use crate::lease::BootTime;
use crate::store::{Lookup, Snapshot, StoreError};

/// How often a record is read again because some change has overtaken it.
const READS: usize = 64;

/// What the store answers.
type Found = Result<Snapshot<Option<Token>>, StoreError>;

/// What a decision rests on.
#[derive(Clone, Copy)]
pub(crate) struct Basis<'a> {
    pub(crate) entry: &'a Arc<Entry>,
    /// The end of the lease as it was before the look-up; long past where there was none and the store was asked.
    pub(crate) trusted_until: BootTime,
}

impl Cache {
    /// One token, from memory or else by `find`. A record that a change has overtaken while it was read is read again:
    /// whoever asks after a revocation was answered must not be told what was before it.
    pub(crate) async fn read<F: Future<Output = Found>>(
        &self,
        by: Lookup,
        find: impl Fn(Lookup) -> F,
    ) -> Result<Option<Arc<Entry>>, StoreError> {
        for _ in 0..READS {
            match self.look_up(by) {
                Known::Token(entry) => return Ok(Some(entry)),
                Known::Absent => return Ok(None),
                Known::Unknown => {
                    let begin = self.begin_read();
                    let snapshot = find(by).await?;
                    let entry = snapshot.found.map(|token| Arc::new(Entry::new(token)));
                    if let Some(entry) = self.fill(by, begin, snapshot.position, entry) {
                        return Ok(entry);
                    }
                }
            }
        }
        Err(StoreError::Unavailable("tokens change faster than they can be read".to_owned()))
    }

    /// Whether the record still is what was decided on. The lease under which it was looked up is enough for whoever has
    /// not waited; a lease that has begun since tells only what the cache holds now.
    pub(crate) async fn is_current<F: Future<Output = Found>>(
        &self,
        basis: Basis<'_>,
        has_waited: bool,
        find: impl Fn(Lookup) -> F,
    ) -> Result<bool, StoreError> {
        if !has_waited && self.is_before(basis.trusted_until) {
            return Ok(true);
        }
        if self.is_trusted() {
            return Ok(self.holds(basis.entry));
        }
        let terms = &basis.entry.terms;
        let found = find(Lookup::Id(terms.id)).await?.found;
        Ok(found.is_some_and(|token| token.terms.revision == terms.revision))
    }
}
