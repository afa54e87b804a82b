//! One transaction: its connection, and what follows its commit.
//!
//! Any number of nodes write at the same time, so nothing rests on what was read, but on rows that are locked: counters
//! of tokens first, in the order of their ids, then whatever belongs to them; the position of a change last. Where two
//! transactions meet in another order the database undoes one of them, which is then run again.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use countermark_domain::store::{Change, Position, StoreError};
use sqlx::{PgConnection, PgPool, Postgres};
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio::time::{sleep, timeout};

use super::failure::Failure;
use super::told::Told;
use super::unavailable;
use crate::verdict::Verdict;

/// How often work that gets in the way of other work is done again.
const TRIES: u32 = 8;

/// Between two attempts to learn what became of a commit.
const DOUBT_PAUSE: Duration = Duration::from_millis(100);

/// What all transactions of a node share.
pub(super) struct Transactions {
    pub pool: PgPool,
    pub told: Told,
    /// Told of every transaction that has put something into the outbox.
    pub added: Arc<Notify>,
    /// Held from the taking of a position until the listener has been told of it: so it is told in order.
    turns: Arc<tokio::sync::Mutex<()>>,
    /// How long a change waits for the change before it, of the same node, to be committed and told.
    turn_wait: Duration,
    /// Where nodes are woken up when there is a change; `None` where the database cannot.
    channel: Option<Arc<str>>,
}

/// An open transaction. Dropped, it is rolled back.
pub(super) struct Transaction {
    inner: sqlx::Transaction<'static, Postgres>,
    turns: Arc<tokio::sync::Mutex<()>>,
    turn_wait: Duration,
    turn: Option<OwnedMutexGuard<()>>,
    has_enqueued: bool,
    channel: Option<Arc<str>>,
}

impl Transaction {
    /// Waits until no other change of this node is under way; to be called before a position is taken.
    pub(super) async fn take_turn(&mut self) -> Result<(), StoreError> {
        let turn = timeout(self.turn_wait, self.turns.clone().lock_owned()).await;
        self.turn = Some(turn.map_err(|_| StoreError::Unavailable("a change before it hangs".into()))?);
        Ok(())
    }

    /// Where the other nodes are to be woken up.
    pub(super) fn channel(&self) -> Option<Arc<str>> {
        self.channel.clone()
    }

    /// Notes that something has been put into the outbox.
    pub(super) fn note_enqueued(&mut self) {
        self.has_enqueued = true;
    }
}

impl Deref for Transaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.inner
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.inner
    }
}

impl Transactions {
    /// Where nodes are woken up.
    pub(super) fn channel(&self) -> Option<Arc<str>> {
        self.channel.clone()
    }

    pub(super) fn new(pool: PgPool, told: Told, turn_wait: Duration, channel: Option<Arc<str>>) -> Self {
        Self { pool, told, added: Arc::default(), turns: Arc::default(), turn_wait, channel }
    }

    /// Runs reading statements, each of which sees a snapshot of its own; again, if the connection has died meanwhile.
    pub(super) async fn read<T>(
        &self,
        work: impl AsyncFn(&mut PgConnection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let mut dead = 0;
        loop {
            let mut connection = self.pool.acquire().await.map_err(unavailable)?;
            match work(&mut connection).await {
                Err(Failure::Lost(_)) if dead < self.pool.options().get_max_connections() => dead += 1,
                result => return Ok(result?),
            }
        }
    }

    /// Runs `work` in a transaction, which ends as its verdict demands. Other work may be under way at the same time and
    /// get in its way: then it is undone and run again.
    pub(super) async fn write<T>(
        self: &Arc<Self>,
        work: impl AsyncFn(&mut Transaction) -> Result<Verdict<T>, Failure>,
    ) -> Result<T, StoreError> {
        self.change(work).await.map(|(value, _)| value)
    }

    /// As [`Transactions::write`]; also the position of the change, if it was one.
    pub(super) async fn change<T>(
        self: &Arc<Self>,
        work: impl AsyncFn(&mut Transaction) -> Result<Verdict<T>, Failure>,
    ) -> Result<(T, Option<Position>), StoreError> {
        let mut tries = 1;
        loop {
            match self.attempt(&work).await {
                Err(Failure::Conflict(error)) if tries < TRIES => {
                    tracing::debug!(%error, tries, "a transaction is run again");
                    tries += 1;
                }
                result => return Ok(result?),
            }
        }
    }

    async fn attempt<T>(
        self: &Arc<Self>,
        work: &impl AsyncFn(&mut Transaction) -> Result<Verdict<T>, Failure>,
    ) -> Result<(T, Option<Position>), Failure> {
        let mut transaction = self.begin().await?;
        let (value, change) = match work(&mut transaction).await? {
            Verdict::Keep(value) => (value, None),
            Verdict::Announce(value, change) => (value, Some(change)),
            Verdict::Undo(value) => {
                transaction.inner.rollback().await?;
                return Ok((value, None));
            }
        };
        let position = change.as_ref().map(|change| change.position);
        let Transaction { inner, turn, has_enqueued, .. } = transaction;
        match inner.commit().await.map_err(Failure::from) {
            Ok(()) => {
                if let Some(change) = change {
                    self.told.tell(&change);
                }
            }
            Err(failure) => {
                tracing::warn!(?failure, "a commit has failed");
                if let (Some(change), false) = (change, matches!(failure, Failure::Conflict(_))) {
                    // Also what was not answered may have been committed. No later change is told before this one.
                    tokio::task::spawn_local(Arc::clone(self).settle_doubt(change, turn));
                }
                return Err(failure);
            }
        }
        if has_enqueued {
            self.added.notify_one();
        }
        Ok((value, position))
    }

    /// Each statement sees what was committed before it, whatever the database is set to: rows that were waited for are
    /// read as they are then. An idle connection may have died; its place is taken by a new one.
    async fn begin(&self) -> Result<Transaction, Failure> {
        let mut dead = 0;
        loop {
            match self.pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await {
                Ok(inner) => {
                    let turns = self.turns.clone();
                    return Ok(Transaction {
                        inner,
                        turns,
                        turn_wait: self.turn_wait,
                        turn: None,
                        has_enqueued: false,
                        channel: self.channel.clone(),
                    });
                }
                Err(error) => match Failure::from(error) {
                    Failure::Lost(_) if dead < self.pool.options().get_max_connections() => dead += 1,
                    failure => return Err(failure),
                },
            }
        }
    }

    /// Tells the listener of a change whose commit was not answered, once the database says that it has kept it; until
    /// then no other change of this node gets its turn.
    async fn settle_doubt(self: Arc<Self>, change: Change, turn: Option<OwnedMutexGuard<()>>) {
        while !self.pool.is_closed() {
            match self.position().await {
                // If not this one, then another change has this number: to forget tokens once more does no harm.
                Ok(position) if position >= change.position => {
                    self.told.tell(&change);
                    break;
                }
                Ok(_) => break,
                Err(_) => sleep(DOUBT_PAUSE).await,
            }
        }
        drop(turn);
    }

    /// The last change that is committed.
    pub(super) async fn committed(&self) -> Result<Position, StoreError> {
        self.read(async |connection| {
            let position: i64 =
                sqlx::query_scalar("SELECT change_position FROM installation").fetch_one(connection).await?;
            Ok(Position(position.unsigned_abs()))
        })
        .await
    }

    /// The last change. Waits for a commit that is still under way: the lock says that there is none.
    async fn position(&self) -> Result<Position, Failure> {
        let mut transaction = self.begin().await?;
        let position: i64 = sqlx::query_scalar("SELECT change_position FROM installation FOR UPDATE")
            .fetch_one(&mut *transaction.inner)
            .await?;
        transaction.inner.rollback().await?;
        Ok(Position(position.unsigned_abs()))
    }
}
