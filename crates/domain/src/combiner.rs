//! Many waiting uses, one transaction, answered one by one.
//!
//! Nothing is held back to make a batch fuller: whatever waits when the writer becomes free is the next one. Under light
//! load a batch is one use, under heavy load the cost of a sync to disk is shared by up to [`BATCH`] of them. Who has
//! waited too long, in the queue and for the transaction together, is told so; where the store hangs, each is told in his
//! own time and nobody waits for one batch after another.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::cache::Cache;
use crate::clock::Timekeeper;
use crate::error::DomainError;
use crate::store::{Store, StoreError, UseOutcome, UseRequest};

/// Most uses in one transaction.
pub const BATCH: usize = 512;

/// Most uses that wait; more are refused at once rather than answered too late.
const QUEUE: usize = 16_384;

/// How long a use waits in all, unless told otherwise: its caller is answered within two seconds. A little longer than the
/// store needs to find out that its database does not answer.
pub const USE_WAIT: Duration = Duration::from_millis(1800);

struct Waiting {
    request: UseRequest,
    answer: oneshot::Sender<Result<UseOutcome, StoreError>>,
}

/// The one road to [`Store::take_uses`].
pub(crate) struct Combiner {
    queue: mpsc::Sender<Waiting>,
}

impl Combiner {
    /// Starts the thread that combines; it ends once the combiner is dropped and everything taken is answered, and then
    /// drops the other end of the channel.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        cache: Arc<Cache>,
        time: Arc<Timekeeper>,
    ) -> (Self, oneshot::Receiver<()>) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (running, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("use-combiner".to_owned())
            .spawn(move || {
                let _running: oneshot::Sender<()> = running;
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .build()
                    .expect("a runtime without timers and I/O needs no resources");
                runtime.block_on(combine(waiting, &*store, &cache, &time));
            })
            .expect("the process may start a thread");
        (Self { queue }, ended)
    }

    /// Takes one use. Once its transaction has begun it may be taken even if the caller no longer waits for the answer,
    /// but never if the caller has gone before.
    pub(crate) async fn take(
        &self,
        request: UseRequest,
        at_most: Duration,
    ) -> Result<UseOutcome, DomainError> {
        let (answer, outcome) = oneshot::channel();
        self.queue.try_send(Waiting { request, answer }).map_err(|_| DomainError::Overloaded)?;
        let why_not = match timeout(at_most, outcome).await {
            Ok(Ok(outcome)) => return Ok(outcome?),
            Ok(Err(_)) => "the service is shutting down",
            Err(_) => "the store is too slow to take the use",
        };
        Err(StoreError::Unavailable(why_not.to_owned()).into())
    }
}

async fn combine(mut waiting: mpsc::Receiver<Waiting>, store: &dyn Store, cache: &Cache, time: &Timekeeper) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        batch.retain(|waiting| !waiting.answer.is_closed());
        if batch.is_empty() {
            continue;
        }
        let requests: Vec<UseRequest> = batch.iter().map(|waiting| waiting.request.clone()).collect();
        match store.take_uses(&requests, time.now()).await {
            Ok(booked) => {
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
