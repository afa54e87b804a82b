//! The one connection that writes. It belongs to a thread of its own that runs one transaction after the other, so a
//! caller that gives up waiting never leaves a transaction half done.

use std::fs::File;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use countermark_domain::store::{Change, ChangeListener, StoreError};
use sqlx::sqlite::{SqliteConnectOptions, SqliteOperation};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

use super::unavailable;
use crate::OpenError;

/// How a transaction is to end.
pub(crate) enum Verdict<T> {
    /// Commit.
    Keep(T),
    /// Commit, and tell the listener before the caller.
    Announce(T, Change),
    /// Roll back whatever has been written.
    Undo(T),
}

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

trait Job: Send {
    fn run<'w>(self: Box<Self>, writer: &'w mut Writer) -> Pin<Box<dyn Future<Output = ()> + 'w>>;
}

struct TransactionJob<T, F> {
    work: F,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for TransactionJob<T, F>
where
    T: Send + 'static,
    F: AsyncFnOnce(&mut SqliteConnection) -> Result<Verdict<T>, StoreError> + Send + 'static,
{
    fn run<'w>(self: Box<Self>, writer: &'w mut Writer) -> Pin<Box<dyn Future<Output = ()> + 'w>> {
        Box::pin(async move {
            let result = writer.transact(self.work).await;
            // Nobody may be waiting any more; what is committed stays committed.
            let _ = self.answer.send(result);
        })
    }
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
            doubtful: None,
            has_written: true,
            _lock: lock,
        };
        std::thread::Builder::new()
            .name("countermark-writer".into())
            .spawn(move || runtime.block_on(writer.serve(inbox)))
            .map_err(failed)?;
        Ok(Self { messages })
    }

    /// Runs `work` between BEGIN IMMEDIATE and the end that its verdict demands.
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&mut SqliteConnection) -> Result<Verdict<T>, StoreError> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let job = Message::Run(Box::new(TransactionJob { work, answer }));
        self.messages.send(job).await.map_err(|_| closed())?;
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
    /// A change whose COMMIT failed: it may have become durable all the same, and then nobody has been told.
    doubtful: Option<Change>,
    has_written: bool,
    _lock: File,
}

impl Writer {
    async fn serve(mut self, mut inbox: mpsc::Receiver<Message>) {
        loop {
            match timeout(QUIET, inbox.recv()).await {
                Ok(Some(Message::Run(job))) => job.run(&mut self).await,
                Ok(Some(Message::Close(answer))) => {
                    self.finish().await;
                    drop(inbox);
                    drop(self);
                    let _ = answer.send(());
                    return;
                }
                Ok(None) => return self.finish().await,
                Err(_quiet) => self.empty_log().await,
            }
        }
    }

    async fn transact<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<Verdict<T>, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.begin().await?;
        let (answer, change) = match work(&mut connection).await {
            Ok(Verdict::Keep(answer)) => (answer, None),
            Ok(Verdict::Announce(answer, change)) => (answer, Some(change)),
            Ok(Verdict::Undo(answer)) => {
                self.roll_back(connection).await;
                return Ok(answer);
            }
            Err(error) => {
                self.roll_back(connection).await;
                return Err(error);
            }
        };
        if let Err(error) = sqlx::query("COMMIT").execute(&mut connection).await {
            self.doubtful = change;
            discard(connection).await;
            return Err(unavailable(error));
        }
        self.connection = Some(connection);
        self.has_written = true;
        if let Some(change) = change {
            self.listener.changed(&change);
        }
        Ok(answer)
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

    /// Tells the listener of a change whose COMMIT failed, if the database has kept it.
    async fn settle_doubt(&mut self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let Some(change) = &self.doubtful else { return Ok(()) };
        let position: i64 =
            sqlx::query_scalar("SELECT change_position FROM installation").fetch_one(connection).await?;
        if u64::try_from(position).is_ok_and(|position| position >= change.position.0) {
            self.listener.changed(change);
        }
        self.doubtful = None;
        Ok(())
    }

    async fn roll_back(&mut self, mut connection: SqliteConnection) {
        match sqlx::query("ROLLBACK").execute(&mut connection).await {
            Ok(_) => self.connection = Some(connection),
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

async fn begin_immediate(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("BEGIN IMMEDIATE").execute(connection).await.map(drop)
}

/// Closing rolls back whatever the connection may still hold open.
async fn discard(connection: SqliteConnection) {
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "a connection did not close cleanly");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use countermark_domain::store::Position;

    use super::*;

    #[derive(Default)]
    struct Told(Mutex<Vec<u64>>);

    impl ChangeListener for Told {
        fn changed(&self, change: &Change) {
            self.0.lock().unwrap().push(change.position.0);
        }
    }

    async fn writer(folder: &tempfile::TempDir) -> (WriterHandle, Arc<Told>) {
        let options = SqliteConnectOptions::new().filename(folder.path().join("db")).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        for sql in
            ["CREATE TABLE installation (change_position INTEGER)", "INSERT INTO installation VALUES (1)"]
        {
            sqlx::query(sql).execute(&mut connection).await.unwrap();
        }
        let lock = File::create(folder.path().join("lock")).unwrap();
        let told = Arc::new(Told::default());
        let listener = Arc::clone(&told) as Arc<dyn ChangeListener>;
        let added = Arc::new(Notify::new());
        (WriterHandle::start(connection, options, listener, added, lock).await.unwrap(), told)
    }

    /// Ends its own transaction, so that the writer's COMMIT fails.
    async fn change_with_failing_commit(writer: &WriterHandle, end: &'static str) -> Result<(), StoreError> {
        let work = async move |connection: &mut SqliteConnection| {
            for sql in ["UPDATE installation SET change_position = 2", end] {
                sqlx::query(sql).execute(&mut *connection).await.map_err(unavailable)?;
            }
            let change = Change { position: Position(2), tokens: Vec::new(), values: Vec::new() };
            Ok(Verdict::Announce((), change))
        };
        writer.run(work).await
    }

    #[tokio::test]
    async fn a_change_that_became_durable_under_a_failed_commit_is_told_before_the_next_job() {
        let folder = tempfile::TempDir::new().unwrap();
        let (writer, told) = writer(&folder).await;
        assert!(change_with_failing_commit(&writer, "COMMIT").await.is_err());
        let seen = Arc::clone(&told);
        let next = async move |_: &mut SqliteConnection| Ok(Verdict::Undo(seen.0.lock().unwrap().clone()));
        assert_eq!(writer.run(next).await.unwrap(), [2]);
    }

    #[tokio::test]
    async fn a_change_that_was_lost_under_a_failed_commit_is_not_told() {
        let folder = tempfile::TempDir::new().unwrap();
        let (writer, told) = writer(&folder).await;
        assert!(change_with_failing_commit(&writer, "ROLLBACK").await.is_err());
        let kept: i64 = writer
            .run(async |connection: &mut SqliteConnection| {
                let position = sqlx::query_scalar("SELECT change_position FROM installation");
                Ok(Verdict::Undo(position.fetch_one(connection).await.map_err(unavailable)?))
            })
            .await
            .unwrap();
        assert_eq!((kept, told.0.lock().unwrap().len()), (1, 0));
    }
}
