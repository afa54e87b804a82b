//! The connections that calls borrow. One goes back only after a whole exchange, and only if it answers; any other is
//! thrown away, and its place is free at once.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countermark_domain::store::ConnectionFigures;
use sqlx::pool::PoolConnection;
use sqlx::{Executor, PgConnection, PgPool, Postgres};
use tokio::time::{Instant, timeout};

use super::bounds::{Bounds, CLOSE, WAITING};
use super::failure::Failure;
use super::unavailable;

/// The pool of a node, whose waiting is bounded and counted.
pub(super) struct Lender {
    pub pool: PgPool,
    pub bounds: Bounds,
    pub suspicion: Arc<Suspicion>,
    waiting: AtomicU32,
    waits: AtomicU64,
    waited_micros: AtomicU64,
    refused: AtomicU64,
}

impl Lender {
    pub(super) fn new(pool: PgPool, bounds: Bounds, suspicion: Arc<Suspicion>) -> Self {
        Self {
            pool,
            bounds,
            suspicion,
            waiting: AtomicU32::default(),
            waits: AtomicU64::default(),
            waited_micros: AtomicU64::default(),
            refused: AtomicU64::default(),
        }
    }

    /// Waits for a free connection, as long as the pool does.
    pub(super) async fn lend(&self) -> Result<Lent, Failure> {
        let Some(_place) = Waiting::enter(&self.waiting) else {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(unavailable("too many calls wait for a connection").into());
        };
        let begin = Instant::now();
        let connection = self.pool.acquire().await;
        let waited = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.waits.fetch_add(1, Ordering::Relaxed);
        self.waited_micros.fetch_add(waited, Ordering::Relaxed);
        match connection {
            Ok(connection) => Ok(Lent {
                connection: Some(connection),
                suspicion: Arc::clone(&self.suspicion),
                bound: self.bounds.trifle(),
            }),
            Err(error) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                Err(unavailable(error).into())
            }
        }
    }

    /// How many dead connections a call may meet before it gives up: each is met once.
    pub(super) fn size(&self) -> u32 {
        self.pool.options().get_max_connections()
    }

    pub(super) fn figures(&self) -> ConnectionFigures {
        ConnectionFigures {
            open: self.pool.size(),
            idle: u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX),
            waiting: self.waiting.load(Ordering::Relaxed),
            waits: self.waits.load(Ordering::Relaxed),
            waited: Duration::from_micros(self.waited_micros.load(Ordering::Relaxed)),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// Lends nothing any more, and waits for what is lent; not for ever.
    pub(super) async fn close(&self) {
        if timeout(CLOSE, self.pool.close()).await.is_err() {
            tracing::warn!("the database hangs; its connections are left to it");
        }
    }
}

/// A place among those that wait.
struct Waiting<'l>(&'l AtomicU32);

impl<'l> Waiting<'l> {
    fn enter(waiting: &'l AtomicU32) -> Option<Self> {
        let before = waiting.fetch_add(1, Ordering::Relaxed);
        let place = Self(waiting);
        (before < WAITING).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Since when the connections of the pool may be dead: one was, and tells nothing better of those that were idle then.
#[derive(Debug, Default)]
pub(super) struct Suspicion(Mutex<Option<std::time::Instant>>);

impl Suspicion {
    /// Notes that a connection has not answered.
    pub(super) fn raise(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::time::Instant::now());
    }

    /// Whether a connection that has been idle for so long must show that it answers.
    pub(super) fn covers(&self, idle: Duration) -> bool {
        let raised = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        raised.is_some_and(|raised| raised.elapsed() <= idle)
    }
}

/// A borrowed connection. Dropped, it is thrown away: nobody knows where in an exchange it is.
pub(super) struct Lent {
    connection: Option<PoolConnection<Postgres>>,
    suspicion: Arc<Suspicion>,
    bound: Duration,
}

impl Lent {
    /// Puts it back after a whole exchange, without anybody waiting for it.
    pub(super) fn give_back(self) {
        self.end(false);
    }

    /// As [`Self::give_back`], but undoes the transaction in which it is, if it is in one.
    pub(super) fn undo(self) {
        self.end(true);
    }

    /// Puts it back after what has failed, if it is still of use.
    pub(super) fn end_after(self, failure: &Failure) {
        match failure {
            Failure::Conflict(_) | Failure::Store(_) => self.undo(),
            Failure::Lost(_) => drop(self),
            Failure::Hung(_) => self.suspicion.raise(),
        }
    }

    fn end(mut self, has_transaction: bool) {
        tokio::task::spawn_local(async move {
            let (suspicion, bound) = (Arc::clone(&self.suspicion), self.bound);
            let ended = timeout(bound, async move {
                if has_transaction {
                    self.execute("ROLLBACK").await?;
                }
                if let Some(mut connection) = self.connection.take() {
                    // What is left of the exchange is read, and an answer waited for.
                    connection.return_to_pool().await;
                }
                Ok::<_, sqlx::Error>(())
            });
            if ended.await.is_err() {
                suspicion.raise();
            }
        });
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            // The pool's own way is to wait for an answer first, however long it takes.
            drop(connection.detach());
        }
    }
}

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.connection.as_ref().expect("only its end takes the connection out")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("only its end takes the connection out")
    }
}
