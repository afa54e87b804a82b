//! One transaction: its connection, and what follows its commit.
//!
//! Any number of nodes write at the same time, so nothing rests on what was read, but on rows that are locked: counters
//! of tokens first, in the order of their ids, then whatever belongs to them; the position of a change last. Where two
//! transactions meet in another order the database undoes one of them, which is then run again.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use countermark_domain::store::{Change, Position, StoreError};
use sqlx::{Connection, Executor, PgConnection};
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio::time::{sleep, timeout};

use super::bounds::Bounds;
use super::call::{Call, Length};
use super::connect::PostgresUrl;
use super::failure::Failure;
use super::lend::{Lender, Lent};
use super::pulse::Pulse;
use super::told::Told;
use crate::verdict::Verdict;

/// How often work that gets in the way of other work is done again.
const TRIES: u32 = 8;

/// Between two attempts to learn what became of a commit.
const DOUBT_PAUSE: Duration = Duration::from_millis(100);

/// What all transactions of a node share.
pub(super) struct Transactions {
    pub lender: Lender,
    pulse: Pulse,
    pub told: Told,
    /// Told of every transaction that has put something into the outbox.
    pub added: Arc<Notify>,
    /// Held from the taking of a position until the listener has been told of it: so it is told in order.
    turns: Arc<tokio::sync::Mutex<()>>,
    /// Where nodes are woken up when there is a change; `None` where the database cannot.
    channel: Option<Arc<str>>,
}

/// An open transaction. Dropped, it goes with its connection.
pub(super) struct Transaction {
    inner: Lent,
    turns: Arc<tokio::sync::Mutex<()>>,
    bounds: Bounds,
    turn: Option<OwnedMutexGuard<()>>,
    has_enqueued: bool,
    channel: Option<Arc<str>>,
}

impl Transaction {
    /// Waits until no other change of this node is under way; to be called before a position is taken.
    pub(super) async fn take_turn(&mut self) -> Result<(), StoreError> {
        let turn = timeout(self.bounds.wait, self.turns.clone().lock_owned()).await;
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
    pub(super) fn new(url: &PostgresUrl, told: Told, channel: Option<Arc<str>>) -> Self {
        let lender = url.lender();
        let pulse = Pulse::new(url.options(), lender.bounds.wait);
        Self { lender, pulse, told, added: Arc::default(), turns: Arc::default(), channel }
    }

    /// Where nodes are woken up.
    pub(super) fn channel(&self) -> Option<Arc<str>> {
        self.channel.clone()
    }

    /// Runs reading statements, each of which sees a snapshot of its own; again, if the connection has died meanwhile.
    pub(super) async fn read<T>(
        &self,
        length: Length,
        work: impl AsyncFn(&mut PgConnection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let call = self.begin_call(length);
        let mut dead = 0;
        loop {
            let mut connection = self.lend(&call).await?;
            match call.bound(work(&mut connection)).await {
                Err(Failure::Lost(_)) if dead < self.lender.size() => dead += 1,
                Ok(value) => {
                    connection.give_back();
                    return Ok(value);
                }
                Err(failure) => {
                    connection.end_after(&failure);
                    return Err(failure.into());
                }
            }
        }
    }

    /// A connection, and for a long call one that answers: else it would not be missed for long.
    async fn lend(&self, call: &Call<'_>) -> Result<Lent, Failure> {
        let mut dead = 0;
        loop {
            let mut connection = call.bound(self.lender.lend()).await?;
            if call.length() == Length::Prompt {
                return Ok(connection);
            }
            match call.bound_trifle(async { Ok(connection.ping().await?) }).await {
                Ok(()) => return Ok(connection),
                Err(failure) => {
                    connection.end_after(&failure);
                    if dead == self.lender.size() || call.is_over() {
                        return Err(failure);
                    }
                    dead += 1;
                }
            }
        }
    }

    /// Runs `work` in a transaction, which ends as its verdict demands. Other work may be under way at the same time and
    /// get in its way: then it is undone and run again.
    pub(super) async fn write<T>(
        self: &Arc<Self>,
        length: Length,
        work: impl AsyncFn(&mut Transaction) -> Result<Verdict<T>, Failure>,
    ) -> Result<T, StoreError> {
        self.change(length, work).await.map(|(value, _)| value)
    }

    /// As [`Transactions::write`]; also the position of the change, if it was one.
    pub(super) async fn change<T>(
        self: &Arc<Self>,
        length: Length,
        work: impl AsyncFn(&mut Transaction) -> Result<Verdict<T>, Failure>,
    ) -> Result<(T, Option<Position>), StoreError> {
        let call = self.begin_call(length);
        let mut tries = 1;
        loop {
            match self.attempt(&call, &work).await {
                Err(Failure::Conflict(error)) if tries < TRIES => {
                    tracing::debug!(%error, tries, "a transaction is run again");
                    tries += 1;
                }
                result => return Ok(result?),
            }
        }
    }

    fn begin_call(&self, length: Length) -> Call<'_> {
        Call::begin(length, self.lender.bounds, &self.pulse)
    }

    async fn attempt<T>(
        self: &Arc<Self>,
        call: &Call<'_>,
        work: &impl AsyncFn(&mut Transaction) -> Result<Verdict<T>, Failure>,
    ) -> Result<(T, Option<Position>), Failure> {
        let mut transaction = self.begin(call).await?;
        let (value, change) = match call.bound(work(&mut transaction)).await {
            Ok(Verdict::Keep(value)) => (value, None),
            Ok(Verdict::Announce(value, change)) => (value, Some(change)),
            Ok(Verdict::Undo(value)) => {
                transaction.inner.undo();
                return Ok((value, None));
            }
            Err(failure) => {
                transaction.inner.end_after(&failure);
                return Err(failure);
            }
        };
        let position = change.as_ref().map(|change| change.position);
        let Transaction { mut inner, turn, has_enqueued, .. } = transaction;
        let committed = call.bound_commit(async { Ok(inner.execute("COMMIT").await?) }).await;
        match &committed {
            Ok(_) => inner.give_back(),
            Err(failure) => inner.end_after(failure),
        }
        match committed {
            Ok(_) => {
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
    async fn begin(&self, call: &Call<'_>) -> Result<Transaction, Failure> {
        let mut dead = 0;
        loop {
            let mut inner = call.bound(self.lender.lend()).await?;
            let begun = call.bound_trifle(async {
                Ok(inner.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await?)
            });
            match begun.await {
                Ok(_) => {
                    return Ok(Transaction {
                        inner,
                        turns: self.turns.clone(),
                        bounds: self.lender.bounds,
                        turn: None,
                        has_enqueued: false,
                        channel: self.channel.clone(),
                    });
                }
                Err(failure) => {
                    inner.end_after(&failure);
                    let is_dead = matches!(failure, Failure::Lost(_) | Failure::Hung(_));
                    if !is_dead || dead == self.lender.size() || call.is_over() {
                        return Err(failure);
                    }
                    dead += 1;
                }
            }
        }
    }

    /// Tells the listener of a change whose commit was not answered, once the database says that it has kept it; until
    /// then no other change of this node gets its turn.
    async fn settle_doubt(self: Arc<Self>, change: Change, turn: Option<OwnedMutexGuard<()>>) {
        while !self.lender.pool.is_closed() {
            match self.position().await {
                // If not this one, then another change has this number: to forget tokens once more does no harm.
                Ok(position) if position >= change.position => {
                    self.told.tell_in_doubt(&change);
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
        self.read(Length::Prompt, async |connection| {
            let position: i64 =
                sqlx::query_scalar("SELECT change_position FROM installation").fetch_one(connection).await?;
            Ok(Position(position.unsigned_abs()))
        })
        .await
    }

    /// The last change. Waits for a commit that is still under way: the lock says that there is none.
    async fn position(&self) -> Result<Position, Failure> {
        let call = self.begin_call(Length::Prompt);
        let mut transaction = self.begin(&call).await?;
        let position = call.bound(async {
            let query = sqlx::query_scalar("SELECT change_position FROM installation FOR UPDATE");
            Ok::<i64, Failure>(query.fetch_one(&mut *transaction.inner).await?)
        });
        let position = position.await;
        match &position {
            Ok(_) => transaction.inner.undo(),
            Err(failure) => transaction.inner.end_after(failure),
        }
        Ok(Position(position?.unsigned_abs()))
    }
}
