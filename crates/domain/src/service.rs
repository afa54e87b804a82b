//! The service: the one object that holds what the use-cases share. Each use-case adds its method in a file of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countermark_core::{TokenId, TokenKind, UnixSeconds};
use tokio::sync::{RwLock, oneshot};
use tokio::time::timeout;

use crate::cache::{Cache, Entry, Known};
use crate::clock::{TOLERATED_STEP_BACK_SECONDS, Timekeeper};
use crate::combiner::{Combiner, USE_WAIT};
use crate::deliver::Deliveries;
use crate::rng::Rng;
use crate::statistics::Collector;
use crate::store::{Lookup, Store, StoreError};
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
    last_ping: tokio::sync::Mutex<Option<Ping>>,
    /// Which cloud a host is for, whatever its paths say.
    pub(crate) clouds_by_host: std::collections::BTreeMap<String, String>,
}

/// When the store has last been tried, in milliseconds of the machine's clock, and what it said.
type Ping = (u64, Result<(), StoreError>);

/// Milliseconds for which one try of the store answers everybody's question whether the service is ready.
const PING_HOLDS: u64 = 1000;

/// How often a record is read again because some change has overtaken it.
const READS: usize = 64;

/// Why the service should get no requests now.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// The machine's clock has been set back; decisions go on by the highest time seen.
    #[error("the clock is {0} s behind the highest time seen; set it right, or wait until it has caught up")]
    ClockStepBack(u64),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Service {
    /// A service over `store`, whose changes must be told to the same `cache`.
    pub fn new(store: Arc<dyn Store>, cache: Arc<Cache>, time: Arc<Timekeeper>, rng: Arc<dyn Rng>) -> Self {
        let (combiner, combining) =
            Combiner::start(Arc::clone(&store), Arc::clone(&cache), Arc::clone(&time));
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

    /// Whether the service should get requests. The store, which has to commit for that, is tried once a second at
    /// most, however many ask.
    ///
    /// # Errors
    /// [`NotReady`] says why not.
    pub async fn ready(&self) -> Result<(), NotReady> {
        let behind = self.time.seconds_behind();
        if behind > TOLERATED_STEP_BACK_SECONDS {
            return Err(NotReady::ClockStepBack(behind));
        }
        // Held over the try: whoever asks meanwhile waits for its result.
        let mut last = self.last_ping.lock().await;
        let now = self.time.clock_millis();
        if let Some((at, result)) = &*last
            && (*at..*at + PING_HOLDS).contains(&now)
        {
            return Ok(result.clone()?);
        }
        let result = self.store.ping().await;
        *last = Some((self.time.clock_millis(), result.clone()));
        Ok(result?)
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

    /// One token, from the cache or else from the store. A record that a change has overtaken while it was read is read
    /// again: whoever asks after a revocation was answered must not be told what was before it.
    pub(crate) async fn entry(&self, by: Lookup) -> Result<Option<Arc<Entry>>, StoreError> {
        for _ in 0..READS {
            match self.cache.look_up(by) {
                Known::Token(entry) => return Ok(Some(entry)),
                Known::Absent => return Ok(None),
                Known::Unknown => {
                    let begin = self.cache.begin_read();
                    let snapshot = self.store.find(by).await?;
                    let entry = snapshot.found.map(|token| Arc::new(Entry::new(token)));
                    if let Some(entry) = self.cache.fill(by, begin, snapshot.position, entry) {
                        return Ok(entry);
                    }
                }
            }
        }
        Err(StoreError::Unavailable("tokens change faster than they can be read".to_owned()))
    }

    pub(crate) fn new_token_id(&self, kind: TokenKind) -> TokenId {
        let mut random = [0; 10];
        self.rng.fill(&mut random);
        TokenId::from_parts(kind, self.time.now_millis(), random)
    }
}
