//! Figures that may lag behind: granted uses and refusals per token and hour, decisions per code.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use countermark_core::{DenyReason, Tally, TokenId, UnixSeconds};

use crate::cache::{Cache, Entry, Unflushed};
use crate::store::{Statistics, Store, StoreError, TokenStatistic};

/// Collects figures in memory until a flush writes them, a few seconds late.
#[derive(Default)]
pub(crate) struct Collector {
    queued: Mutex<Vec<Arc<Entry>>>,
    /// `ALLOWED`, then the refusals in their order; totals since the start.
    decisions: [AtomicU64; DenyReason::ALL.len() + 1],
    /// The totals that the last flush has written.
    flushed: Mutex<Vec<(&'static str, u64)>>,
}

/// Entries of one flush transaction; the rest goes into the next.
const FLUSH_BATCH: usize = 2_000;

impl Collector {
    pub(crate) fn note_allowed(&self, entry: &Arc<Entry>, uses: u64, are_written: bool, now: UnixSeconds) {
        self.decisions[0].fetch_add(1, Ordering::Relaxed);
        if uses > 0 && entry.note_uses(uses, are_written, now) {
            self.queue(entry);
        }
    }

    pub(crate) fn note_refused(&self, entry: Option<&Arc<Entry>>, reason: DenyReason) {
        self.decisions[reason as usize + 1].fetch_add(1, Ordering::Relaxed);
        if let Some(entry) = entry
            && entry.note_refusal()
        {
            self.queue(entry);
        }
    }

    /// `ALLOWED` and every refusal with the number of such decisions since the start.
    pub(crate) fn totals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let codes = std::iter::once("ALLOWED").chain(DenyReason::ALL.iter().map(|reason| reason.code()));
        codes.zip(self.decisions.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// Writes what has been collected; what a failing store refuses is kept for the next time.
    pub(crate) async fn flush(
        &self,
        store: &dyn Store,
        cache: &Cache,
        now: UnixSeconds,
    ) -> Result<(), StoreError> {
        let hour = UnixSeconds::new(now.get() / 3600 * 3600).unwrap_or_default();
        // What is queued while this runs waits for the next flush: under load it would otherwise never end.
        let queued = self.queued.lock().unwrap_or_else(PoisonError::into_inner).len();
        for _ in 0..queued.div_ceil(FLUSH_BATCH).max(1) {
            let batch = self.take_batch();
            let totals: Vec<_> = self.totals().collect();
            let decisions = self.since_last_flush(&totals);
            if batch.is_empty() && decisions.is_empty() {
                break;
            }
            let tokens = batch.iter().map(|(entry, figures)| statistic(entry, *figures)).collect();
            let tallies = match store.add_statistics(&Statistics { tokens, decisions, hour }).await {
                Ok(booked) => booked.tallies,
                Err(error) => {
                    self.put_back(batch);
                    return Err(error);
                }
            };
            settle(&batch, &tallies);
            cache.book(&tallies);
            *self.flushed.lock().unwrap_or_else(PoisonError::into_inner) = totals;
        }
        Ok(())
    }

    fn queue(&self, entry: &Arc<Entry>) {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(entry));
    }

    fn take_batch(&self) -> Vec<(Arc<Entry>, Unflushed)> {
        let mut queued = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
        let start = queued.len().saturating_sub(FLUSH_BATCH);
        queued
            .drain(start..)
            .map(|entry| {
                let figures = entry.take_unflushed();
                (entry, figures)
            })
            .collect()
    }

    fn since_last_flush(&self, totals: &[(&'static str, u64)]) -> Vec<(&'static str, u64)> {
        let flushed = self.flushed.lock().unwrap_or_else(PoisonError::into_inner);
        let before = flushed.iter().map(|(_, count)| *count).chain(std::iter::repeat(0));
        totals
            .iter()
            .zip(before)
            .map(|((code, now), before)| (*code, now - before))
            .filter(|it| it.1 > 0)
            .collect()
    }

    fn put_back(&self, batch: Vec<(Arc<Entry>, Unflushed)>) {
        for (entry, figures) in batch {
            if entry.put_back(figures) {
                self.queue(&entry);
            }
        }
    }
}

/// Of several entries of one token, each had its own uses to tell of.
fn settle(batch: &[(Arc<Entry>, Unflushed)], tallies: &[(TokenId, Tally)]) {
    let tallies: HashMap<TokenId, Tally> = tallies.iter().copied().collect();
    for (entry, figures) in batch.iter().filter(|(_, figures)| figures.unwritten > 0) {
        entry.settle(*figures, tallies.get(&entry.terms.id).copied());
    }
}

fn statistic(entry: &Entry, figures: Unflushed) -> TokenStatistic {
    let uses = figures.unwritten.saturating_add(figures.written);
    TokenStatistic {
        token: entry.terms.id,
        uses,
        refusals: figures.refusals,
        unlimited_uses: figures.unwritten,
        last_used_at: (uses > 0).then_some(figures.last_used_at),
    }
}
