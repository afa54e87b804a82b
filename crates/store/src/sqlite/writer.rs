//! The one connection that writes. It belongs to a thread of its own that runs one transaction after the other, so a
//! caller that gives up waiting never leaves a transaction half done.
//!
//! No timer: whatever waits when the thread becomes free shares one transaction, and so one sync to disk. Each job of it
//! has a savepoint of its own, so that it stays or goes by itself.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use countermark_domain::store::{Change, ChangeListener, StoreError};
use sqlx::sqlite::{SqliteConnectOptions, SqliteOperation};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

use super::job::{Job, Played, TransactionJob};
use super::unavailable;
use crate::OpenError;
use crate::verdict::Verdict;

/// Most jobs in one transaction: the last of them waits for the work of all.
const BATCH: usize = 64;

/// Idle time after which the write-ahead log is emptied into the database.
const QUIET: Duration = Duration::from_secs(2);

/// Jobs that may wait before callers have to.
const QUEUE: usize = 256;

/// Where jobs for the writing thread are handed in.
#[derive(Clone)]
pub(crate) struct WriterHandle {
    messages: mpsc::Sender<Message>,
}

enum Message {
    Run(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

impl WriterHandle {
    /// Starts the writing thread over an open connection; `lock` is let go only after the connection.
    pub(crate) async fn start(
        mut connection: SqliteConnection,
        options: SqliteConnectOptions,
        listener: Arc<dyn ChangeListener>,
        added: Arc<Notify>,
        lock: File,
    ) -> Result<Self, OpenError> {
        watch_outbox(&mut connection, &added).await.map_err(unavailable)?;
        let file = options.get_filename().to_owned();
        let failed = |source| OpenError::File { path: file.clone(), source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(failed)?;
        let (messages, inbox) = mpsc::channel(QUEUE);
        let writer = Writer {
            connection: Some(connection),
            options,
            listener,
            added,
            doubtful: Vec::new(),
            has_written: true,
            _lock: lock,
        };
        std::thread::Builder::new()
            .name("countermark-writer".into())
            .spawn(move || runtime.block_on(writer.serve(inbox)))
            .map_err(failed)?;
        Ok(Self { messages })
    }

    /// Runs `work` as if in a transaction of its own, which ends as its verdict demands.
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&mut SqliteConnection) -> Result<Verdict<T>, StoreError> + Send + 'static,
    {
        let (job, result) = TransactionJob::new(work);
        self.messages.send(Message::Run(Box::new(job))).await.map_err(|_| closed())?;
        result.await.map_err(|_| closed())?
    }

    /// Lets all jobs handed in so far finish and closes the connection.
    pub(crate) async fn close(&self) {
        let (answer, done) = oneshot::channel();
        if self.messages.send(Message::Close(answer)).await.is_ok() {
            let _ = done.await;
        }
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".into())
}

struct Writer {
    /// `None` after an error that left doubt about its transaction, until the next job opens a new one.
    connection: Option<SqliteConnection>,
    options: SqliteConnectOptions,
    listener: Arc<dyn ChangeListener>,
    added: Arc<Notify>,
    /// Changes whose transaction failed: they may have become durable all the same, and then nobody has been told.
    doubtful: Vec<Change>,
    has_written: bool,
    _lock: File,
}

impl Writer {
    async fn serve(mut self, mut inbox: mpsc::Receiver<Message>) {
        let (mut messages, mut waiting) = (Vec::with_capacity(BATCH), VecDeque::with_capacity(BATCH));
        loop {
            match timeout(QUIET, inbox.recv_many(&mut messages, BATCH)).await {
                Ok(0) => return self.finish().await,
                Ok(_) => {}
                Err(_quiet) => self.empty_log().await,
            }
            let mut closing = None;
            for message in messages.drain(..) {
                match message {
                    Message::Run(job) => waiting.push_back(job),
                    Message::Close(answer) => closing = Some(answer),
                }
            }
            while !waiting.is_empty() {
                self.transact(&mut waiting).await;
            }
            if let Some(answer) = closing {
                self.finish().await;
                drop(inbox);
                drop(self);
                let _ = answer.send(());
                return;
            }
        }
    }

    /// Runs the waiting jobs in one transaction and answers them after its end. Those behind a job that has broken the
    /// transaction are left waiting.
    async fn transact(&mut self, waiting: &mut VecDeque<Box<dyn Job>>) {
        let mut connection = match self.begin().await {
            Ok(connection) => connection,
            Err(error) => return waiting.drain(..).for_each(|job| job.answer(Err(error.clone()))),
        };
        // What a single job has written is undone by the end of the transaction itself.
        let is_shared = waiting.len() > 1;
        let (mut jobs, mut played) = (Vec::new(), Vec::new());
        let mut outcome = Ok(());
        while outcome.is_ok()
            && let Some(mut job) = waiting.pop_front()
        {
            if is_shared {
                outcome = play_apart(&mut *job, &mut connection).await.map(|one| played.push(one));
            } else {
                played.push(job.play(&mut connection).await);
            }
            jobs.push(job);
        }
        let outcome = self.end(connection, played, outcome).await.map_err(|error| {
            tracing::warn!(%error, jobs = jobs.len(), "a transaction has failed");
            unavailable(error)
        });
        // Also a job that had nothing to keep fails with the others: it may have judged by what is now gone.
        jobs.into_iter().for_each(|job| job.answer(outcome.clone()));
    }

    /// Commits if all went well and anything is to be kept, and tells the listener.
    async fn end(
        &mut self,
        mut connection: SqliteConnection,
        played: Vec<Played>,
        mut outcome: Result<(), sqlx::Error>,
    ) -> Result<(), sqlx::Error> {
        let is_kept = played.iter().any(|one| one.is_kept);
        if outcome.is_ok() && is_kept {
            outcome = run(&mut connection, "COMMIT").await;
            self.has_written = true;
        }
        match outcome {
            Ok(()) if is_kept => self.connection = Some(connection),
            Ok(()) => self.roll_back(connection).await,
            Err(error) => {
                self.doubtful = played.into_iter().filter_map(|one| one.change).collect();
                discard(connection).await;
                return Err(error);
            }
        }
        for change in played.iter().filter_map(|one| one.change.as_ref()) {
            self.listener.changed(change);
        }
        Ok(())
    }

    /// BEGIN IMMEDIATE fails within a transaction, so its success proves that none was left open; a connection on
    /// which it fails is replaced once.
    async fn begin(&mut self) -> Result<SqliteConnection, StoreError> {
        if let Some(mut connection) = self.connection.take() {
            match begin_immediate(&mut connection).await {
                Ok(()) => return Ok(connection),
                Err(error) => {
                    tracing::warn!(%error, "the writing connection is replaced");
                    discard(connection).await;
                }
            }
        }
        let mut connection = self.options.connect().await.map_err(unavailable)?;
        let begun = match begin_immediate(&mut connection).await {
            Ok(()) => match watch_outbox(&mut connection, &self.added).await {
                Ok(()) => self.settle_doubt(&mut connection).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        match begun {
            Ok(()) => Ok(connection),
            Err(error) => {
                discard(connection).await;
                Err(unavailable(error))
            }
        }
    }

    /// Tells the listener of changes whose transaction failed, if the database has kept them.
    async fn settle_doubt(&mut self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        if self.doubtful.is_empty() {
            return Ok(());
        }
        let position: i64 =
            sqlx::query_scalar("SELECT change_position FROM installation").fetch_one(connection).await?;
        for change in self.doubtful.drain(..) {
            if u64::try_from(position).is_ok_and(|position| position >= change.position.0) {
                self.listener.changed(&change);
            }
        }
        Ok(())
    }

    async fn roll_back(&mut self, mut connection: SqliteConnection) {
        match run(&mut connection, "ROLLBACK").await {
            Ok(()) => self.connection = Some(connection),
            // After some errors, a full disk among them, SQLite has rolled back by itself and says so here.
            Err(_) => discard(connection).await,
        }
    }

    async fn empty_log(&mut self) {
        if !std::mem::take(&mut self.has_written) {
            return;
        }
        let Some(connection) = &mut self.connection else { return };
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(connection).await {
            tracing::warn!(%error, "the write-ahead log could not be emptied");
        }
    }

    async fn finish(&mut self) {
        self.empty_log().await;
        if let Some(connection) = self.connection.take() {
            discard(connection).await;
        }
    }
}

/// Wakes whoever waits for notifications when one is inserted. That is before the commit; but what is then asked of the
/// writer comes after it.
async fn watch_outbox(connection: &mut SqliteConnection, added: &Arc<Notify>) -> Result<(), sqlx::Error> {
    let added = Arc::clone(added);
    connection.lock_handle().await?.set_update_hook(move |row| {
        if row.operation == SqliteOperation::Insert && row.table == "notifications" {
            added.notify_one();
        }
    });
    Ok(())
}

/// Plays a job among others. An error means that the transaction is broken: after some errors, a full disk among them,
/// SQLite rolls back by itself and lets go of the savepoint, so that neither statement at its end finds it. If both do,
/// what other jobs have written is untouched, whatever has befallen this one.
async fn play_apart(job: &mut dyn Job, connection: &mut SqliteConnection) -> Result<Played, sqlx::Error> {
    run(connection, "SAVEPOINT job").await?;
    let played = job.play(connection).await;
    if !played.is_kept {
        run(connection, "ROLLBACK TO job").await?;
    }
    run(connection, "RELEASE job").await?;
    Ok(played)
}

async fn begin_immediate(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    run(connection, "BEGIN IMMEDIATE").await
}

async fn run(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(statement).execute(connection).await.map(drop)
}

/// Closing rolls back whatever the connection may still hold open.
async fn discard(connection: SqliteConnection) {
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "a connection did not close cleanly");
    }
}
