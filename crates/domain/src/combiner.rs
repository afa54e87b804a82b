//! Many waiting uses, one transaction, answered one by one.
//!
//! No timer: whatever waits when the writer becomes free is the next batch. Under light load a batch is one use, under
//! heavy load the cost of a sync to disk is shared by up to [`BATCH`] of them.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::cache::Cache;
use crate::clock::Timekeeper;
use crate::error::DomainError;
use crate::histogram::Histogram;
use crate::store::{Store, StoreError, UseOutcome, UseRequest};

/// Most uses in one transaction.
pub const BATCH: usize = 512;

/// Most uses that wait; more are refused at once rather than answered too late.
const QUEUE: usize = 16_384;

struct Waiting {
    request: UseRequest,
    answer: oneshot::Sender<Result<UseOutcome, StoreError>>,
}

/// The one road to [`Store::take_uses`].
pub(crate) struct Combiner {
    queue: mpsc::Sender<Waiting>,
}

impl Combiner {
    /// Starts the thread that combines; it ends once the combiner is dropped and everything taken is answered.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        cache: Arc<Cache>,
        time: Arc<Timekeeper>,
        sizes: Arc<Histogram>,
    ) -> (Self, JoinHandle<()>) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("use-combiner".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .build()
                    .expect("a runtime without timers and I/O needs no resources");
                runtime.block_on(combine(waiting, &*store, &cache, &time, &sizes));
            })
            .expect("the process may start a thread");
        (Self { queue }, thread)
    }

    /// Takes one use. Once queued it is taken even if the caller no longer waits for the answer.
    pub(crate) async fn take(&self, request: UseRequest) -> Result<UseOutcome, DomainError> {
        let (answer, outcome) = oneshot::channel();
        self.queue.try_send(Waiting { request, answer }).map_err(|_| DomainError::Overloaded)?;
        match outcome.await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(StoreError::Unavailable("the service is shutting down".to_owned()).into()),
        }
    }
}

async fn combine(
    mut waiting: mpsc::Receiver<Waiting>,
    store: &dyn Store,
    cache: &Cache,
    time: &Timekeeper,
    sizes: &Histogram,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let requests: Vec<UseRequest> = batch.iter().map(|waiting| waiting.request.clone()).collect();
        match store.take_uses(&requests, time.now()).await {
            Ok(booked) => {
                sizes.note(requests.len() as u64);
                cache.book(&booked.tallies);
                for (waiting, outcome) in batch.drain(..).zip(booked.outcome) {
                    // Whoever no longer waits has lost the answer, not the use.
                    let _ = waiting.answer.send(Ok(outcome));
                }
            }
            Err(error) => {
                tracing::error!(%error, uses = batch.len(), "uses could not be taken");
                for waiting in batch.drain(..) {
                    let _ = waiting.answer.send(Err(StoreError::Unavailable(error.to_string())));
                }
            }
        }
    }
}
