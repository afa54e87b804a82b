//! The service: the one object that holds what the use-cases share. Each use-case adds its method in a file of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countermark_core::{Token, TokenId, TokenKind, UnixSeconds};
use tokio::sync::{RwLock, oneshot};
use tokio::time::timeout;

use crate::cache::{Cache, Entry};
use crate::clock::Timekeeper;
use crate::combiner::{Combiner, USE_WAIT};
use crate::deliver::Deliveries;
use crate::histogram::{Histogram, SIZES};
use crate::proof::Proofs;
use crate::readiness::Ping;
use crate::rng::Rng;
use crate::statistics::Collector;
use crate::store::{Lookup, Snapshot, Store, StoreError};
use crate::upload::UploadSettings;
use crate::viewer::Viewers;
use crate::window::Windows;

/// All use-cases over one store.
pub struct Service {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) time: Arc<Timekeeper>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) combiner: RwLock<Option<Combiner>>,
    /// Tells that the thread of the combiner has ended.
    combining: Mutex<Option<oneshot::Receiver<()>>>,
    pub(crate) use_wait: Duration,
    pub(crate) statistics: Collector,
    pub(crate) viewers: Viewers,
    pub(crate) windows: Windows,
    pub(crate) uploads: UploadSettings,
    pub(crate) deliveries: Deliveries,
    /// How long before its expiry a token is told to be expiring.
    pub(crate) expiring_before_seconds: u64,
    pub(crate) last_ping: tokio::sync::Mutex<Option<Ping>>,
    proofs: Proofs,
    /// How many uses each transaction has taken.
    pub(crate) use_batches: Arc<Histogram>,
    /// Which cloud a host is for, whatever its paths say.
    pub(crate) clouds_by_host: std::collections::BTreeMap<String, String>,
}

impl Service {
    /// A service over `store`, whose changes must be told to the same `cache`.
    pub fn new(store: Arc<dyn Store>, cache: Arc<Cache>, time: Arc<Timekeeper>, rng: Arc<dyn Rng>) -> Self {
        let use_batches = Arc::new(Histogram::new(SIZES));
        let (combiner, combining) =
            Combiner::start(Arc::clone(&store), Arc::clone(&cache), Arc::clone(&time), use_batches.clone());
        Self {
            viewers: Viewers::new(&*rng),
            store,
            cache,
            time,
            rng,
            combiner: RwLock::new(Some(combiner)),
            combining: Mutex::new(Some(combining)),
            use_wait: USE_WAIT,
            statistics: Collector::default(),
            windows: Windows::new(),
            uploads: UploadSettings::default(),
            deliveries: Deliveries::default(),
            expiring_before_seconds: 86_400,
            last_ping: tokio::sync::Mutex::default(),
            proofs: Proofs::default(),
            use_batches,
            clouds_by_host: std::collections::BTreeMap::new(),
        }
    }

    /// The same with hosts that are bound to one cloud each.
    #[must_use]
    pub fn with_clouds_by_host(mut self, clouds: std::collections::BTreeMap<String, String>) -> Self {
        self.clouds_by_host = clouds;
        self
    }

    /// The same with another time for which a use waits in all before the store counts as unavailable; [`USE_WAIT`] if
    /// not set.
    #[must_use]
    pub const fn with_use_wait(mut self, at_most: Duration) -> Self {
        self.use_wait = at_most;
        self
    }

    /// The same with other bounds of uploads.
    #[must_use]
    pub const fn with_uploads(mut self, settings: UploadSettings) -> Self {
        self.uploads = settings;
        self
    }

    /// The same with another time before an expiry at which tokens are told to be expiring; 86,400 seconds if not set.
    #[must_use]
    pub fn with_expiring_before(mut self, seconds: u64) -> Self {
        self.expiring_before_seconds = seconds;
        self
    }

    /// The time by which everything is decided.
    pub fn now(&self) -> UnixSeconds {
        self.time.now()
    }

    /// By how many seconds the clock has been set back behind the highest time seen.
    pub fn seconds_behind(&self) -> u64 {
        self.time.seconds_behind()
    }

    /// Tokens in the cache.
    pub fn cached_tokens(&self) -> usize {
        self.cache.len()
    }

    /// `ALLOWED` and every refusal with the number of such decisions since the start.
    pub fn decision_totals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.statistics.totals()
    }

    /// Writes the collected statistics and the highest time; due every few seconds.
    ///
    /// # Errors
    /// Whatever the store says; nothing collected is lost.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let now = self.time.now();
        self.store.raise_highest_time(now).await?;
        self.statistics.flush(&*self.store, &self.cache, now).await
    }

    /// Removes at most 1,000 expired tokens that are marked for it; how many it were.
    ///
    /// # Errors
    /// Whatever the store says.
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        self.store.sweep(self.time.now(), 1_000).await
    }

    /// Answers what has been taken, writes what has been collected and closes the store; in a few seconds also where the
    /// store does not answer.
    pub async fn shut_down(&self) {
        drop(self.combiner.write().await.take());
        let combining = self.combining.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(combining) = combining {
            // The thread only ends what it has begun, and whose caller still waits. A store that hangs may hold it
            // longer than anybody waits.
            if timeout(self.use_wait * 2, combining).await.is_err() {
                tracing::error!("the last uses could not be taken: the store does not answer");
            }
        }
        if let Err(error) = self.flush().await {
            tracing::error!(%error, "the last statistics could not be written");
        }
        self.store.close().await;
    }

    /// One token, from the cache or else from the store.
    pub(crate) async fn entry(&self, by: Lookup) -> Result<Option<Arc<Entry>>, StoreError> {
        self.cache.read(by, |by| self.find(by)).await
    }

    /// One token as stored; while no lease holds, only from a store that still commits.
    pub(crate) async fn find(&self, by: Lookup) -> Result<Snapshot<Option<Token>>, StoreError> {
        let snapshot = self.store.find(by).await?;
        if !self.cache.is_trusted() {
            self.proofs.commits_from_now_on(|| self.store.ping()).await?;
        }
        Ok(snapshot)
    }

    pub(crate) fn new_token_id(&self, kind: TokenKind) -> TokenId {
        let mut random = [0; 10];
        self.rng.fill(&mut random);
        TokenId::from_parts(kind, self.time.now_millis(), random)
    }
}
