//! The writing thread by itself.

use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use countermark_domain::lease::Renewal;
use countermark_domain::store::{Change, ChangeListener, Position, StoreError};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::unavailable;
use super::writer::WriterHandle;
use crate::verdict::Verdict;

#[derive(Default)]
struct Told {
    positions: Mutex<Vec<u64>>,
}

impl ChangeListener for Told {
    fn changed(&self, change: &Change) {
        self.positions.lock().unwrap().push(change.position.0);
    }

    fn lost_track(&self, _: Position) {}

    fn renewed(&self, _: Renewal) {}
}

/// A writing thread over a database with a table `rows`, and what can be seen of it.
struct Writer {
    handle: WriterHandle,
    told: Arc<Told>,
    commits: Arc<AtomicUsize>,
    _folder: tempfile::TempDir,
}

/// A job that writes the row of its number and then ends in one of many ways; its answer is the rows it has seen.
#[derive(Clone, Copy)]
enum End {
    Keep,
    Announce,
    Undo,
    /// With an error that is not the database's.
    Refuse,
    /// With an error of the database that leaves the transaction alive.
    Collide,
    /// Keeping what makes the COMMIT fail.
    Dangle,
    /// Having lost the transaction, as after an error upon which SQLite rolls back; the job has seen the error.
    Break,
    /// The same, unseen.
    BreakUnseen,
    /// Having made all of it durable, though the writer will find its transaction failed.
    Commit,
}

const SCHEMA: [&str; 4] = [
    "CREATE TABLE installation (change_position INTEGER)",
    "INSERT INTO installation VALUES (1)",
    "CREATE TABLE rows (number INTEGER PRIMARY KEY)",
    "CREATE TABLE dangling (number INTEGER REFERENCES rows DEFERRABLE INITIALLY DEFERRED)",
];

impl Writer {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new().filename(folder.path().join("db")).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        for sql in SCHEMA {
            sqlx::query(sql).execute(&mut connection).await.unwrap();
        }
        let commits = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&commits);
        connection.lock_handle().await.unwrap().set_commit_hook(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            true
        });
        let lock = File::create(folder.path().join("lock")).unwrap();
        let told = Arc::new(Told::default());
        let listener = Arc::clone(&told) as Arc<dyn ChangeListener>;
        let added = Arc::new(Notify::new());
        let handle = WriterHandle::start(connection, options, listener, added, lock).await.unwrap();
        Self { handle, told, commits, _folder: folder }
    }

    fn positions(&self) -> Vec<u64> {
        self.told.positions.lock().unwrap().clone()
    }

    fn commits(&self) -> usize {
        self.commits.load(Ordering::SeqCst)
    }

    /// Keeps the writing thread busy until the sender is dropped; what is handed in meanwhile waits.
    async fn hold(&self) -> oneshot::Sender<()> {
        let (started, has_started) = oneshot::channel();
        let (release, released) = oneshot::channel::<()>();
        let handle = self.handle.clone();
        tokio::spawn(async move {
            let wait = async move |_: &mut SqliteConnection| {
                started.send(()).unwrap();
                let _ = released.await;
                Ok(Verdict::Undo(()))
            };
            handle.run(wait).await
        });
        has_started.await.unwrap();
        release
    }

    /// A job that will have been handed in after [`all_are_handed_in`].
    fn hand_in(&self, number: i64, end: End) -> JoinHandle<Result<u64, StoreError>> {
        let handle = self.handle.clone();
        tokio::spawn(async move {
            let work = async move |connection: &mut SqliteConnection| work(connection, number, end).await;
            handle.run(work).await
        })
    }

    /// The answers of jobs that wait at the same time, numbered from 1; errors by their text.
    async fn together(&self, ends: &[End]) -> Vec<Result<u64, StoreError>> {
        let held = self.hold().await;
        let jobs: Vec<_> = (1..).zip(ends).map(|(number, end)| self.hand_in(number, *end)).collect();
        all_are_handed_in().await;
        drop(held);
        let mut answers = Vec::new();
        for job in jobs {
            answers.push(job.await.unwrap());
        }
        answers
    }

    async fn rows(&self) -> Vec<i64> {
        let read = async |connection: &mut SqliteConnection| {
            let rows = sqlx::query_scalar("SELECT number FROM rows ORDER BY number");
            Ok(Verdict::Undo(rows.fetch_all(connection).await.map_err(unavailable)?))
        };
        self.handle.run(read).await.unwrap()
    }
}

/// The runtime of a test has one thread, which takes tasks in their order.
async fn all_are_handed_in() {
    tokio::spawn(async {}).await.unwrap();
}

async fn work(connection: &mut SqliteConnection, number: i64, end: End) -> Result<Verdict<u64>, StoreError> {
    execute(connection, &format!("INSERT INTO rows VALUES ({number})")).await?;
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM rows")
        .fetch_one(&mut *connection)
        .await
        .map_err(unavailable)?;
    let rows = rows.unsigned_abs();
    match end {
        End::Keep => Ok(Verdict::Keep(rows)),
        End::Announce => Ok(Verdict::Announce(rows, announce(connection).await?)),
        End::Undo => Ok(Verdict::Undo(rows)),
        End::Refuse => Err(StoreError::ActorChanged),
        End::Collide => {
            execute(connection, &format!("INSERT INTO rows VALUES ({number})")).await?;
            Ok(Verdict::Keep(rows))
        }
        End::Dangle => {
            execute(connection, "INSERT INTO dangling VALUES (-1)").await?;
            Ok(Verdict::Keep(rows))
        }
        End::Break => {
            execute(connection, "ROLLBACK").await?;
            Err(StoreError::Unavailable("disk full".into()))
        }
        End::BreakUnseen => {
            execute(connection, "ROLLBACK").await?;
            Ok(Verdict::Keep(rows))
        }
        End::Commit => {
            execute(connection, "COMMIT").await?;
            Ok(Verdict::Keep(rows))
        }
    }
}

async fn announce(connection: &mut SqliteConnection) -> Result<Change, StoreError> {
    let position: i64 = sqlx::query_scalar(
        "UPDATE installation SET change_position = change_position + 1 RETURNING change_position",
    )
    .fetch_one(connection)
    .await
    .map_err(unavailable)?;
    Ok(Change { position: Position(position.unsigned_abs()), tokens: Vec::new(), values: Vec::new() })
}

async fn execute(connection: &mut SqliteConnection, sql: &str) -> Result<(), StoreError> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await.map(drop).map_err(unavailable)
}

fn is_unavailable(answer: &Result<u64, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unavailable(_)))
}

#[tokio::test]
async fn jobs_that_wait_at_the_same_time_share_one_commit() {
    let writer = Writer::start().await;
    let answers = writer.together(&[End::Keep; 64]).await;
    assert!(
        answers.into_iter().map(Result::unwrap).eq(1..=64),
        "each sees what those before it have written"
    );
    assert_eq!((writer.commits(), writer.rows().await.len()), (1, 64));
    writer.together(&[]).await;
    assert_eq!(writer.commits(), 1);
}

#[tokio::test]
async fn a_job_that_is_undone_or_fails_leaves_no_trace_among_others() {
    let writer = Writer::start().await;
    let answers =
        writer.together(&[End::Keep, End::Undo, End::Refuse, End::Keep, End::Collide, End::Keep]).await;
    assert!(matches!(
        answers.as_slice(),
        [Ok(1), Ok(2), Err(StoreError::ActorChanged), Ok(2), Err(StoreError::Unavailable(_)), Ok(3)]
    ));
    assert_eq!((writer.rows().await, writer.commits()), (vec![1, 4, 6], 1));
}

#[tokio::test]
async fn nothing_is_committed_if_nothing_is_to_be_kept() {
    let writer = Writer::start().await;
    writer.together(&[End::Undo, End::Refuse, End::Undo]).await;
    assert_eq!((writer.rows().await, writer.commits()), (vec![], 0));
}

#[tokio::test]
async fn the_listener_is_told_in_the_order_of_the_jobs_and_before_any_answer() {
    let writer = Writer::start().await;
    let held = writer.hold().await;
    let first = writer.hand_in(1, End::Announce);
    let others = [(2, End::Undo), (3, End::Announce), (4, End::Refuse), (5, End::Announce)]
        .map(|(number, end)| writer.hand_in(number, end));
    all_are_handed_in().await;
    drop(held);
    first.await.unwrap().unwrap();
    assert_eq!(writer.positions(), [2, 3, 4]);
    for other in others {
        let _ = other.await.unwrap();
    }
}

#[tokio::test]
async fn a_failed_commit_fails_every_job_and_leaves_and_tells_nothing() {
    let writer = Writer::start().await;
    let answers = writer.together(&[End::Announce, End::Undo, End::Refuse, End::Dangle]).await;
    assert!(answers.iter().all(is_unavailable), "{answers:?}");
    assert_eq!(writer.rows().await, [0; 0]);
    assert_eq!(writer.positions(), [0; 0]);
}

#[tokio::test]
async fn a_broken_transaction_fails_all_that_worked_in_it_and_none_that_waited() {
    for end in [End::Break, End::BreakUnseen] {
        let writer = Writer::start().await;
        let answers = writer.together(&[End::Announce, End::Undo, end, End::Announce, End::Keep]).await;
        assert!(answers[..3].iter().all(is_unavailable), "{answers:?}");
        assert!(matches!(answers[3..], [Ok(1), Ok(2)]), "{answers:?}");
        assert_eq!((writer.rows().await, writer.positions()), (vec![4, 5], vec![2]));
    }
}

#[tokio::test]
async fn closing_lets_all_jobs_finish_that_were_handed_in_before() {
    let writer = Writer::start().await;
    let held = writer.hold().await;
    // More than the queue holds.
    let jobs: Vec<_> = (1..=400).map(|number| writer.hand_in(number, End::Keep)).collect();
    let handle = writer.handle.clone();
    let closing = tokio::spawn(async move { handle.close().await });
    all_are_handed_in().await;
    drop(held);
    for job in jobs {
        job.await.unwrap().unwrap();
    }
    closing.await.unwrap();
    assert!(is_unavailable(&writer.hand_in(401, End::Keep).await.unwrap()), "the store is closed");
}

/// Ends its own transaction, so that the writer's COMMIT fails.
async fn change_with_failing_commit(writer: &Writer, end: &'static str) -> Result<(), StoreError> {
    let work = async move |connection: &mut SqliteConnection| {
        let change = announce(connection).await?;
        execute(connection, end).await?;
        Ok(Verdict::Announce((), change))
    };
    writer.handle.run(work).await
}

#[tokio::test]
async fn a_change_that_became_durable_under_a_failed_commit_is_told_before_the_next_job() {
    let writer = Writer::start().await;
    assert!(change_with_failing_commit(&writer, "COMMIT").await.is_err());
    let told = Arc::clone(&writer.told);
    let next =
        async move |_: &mut SqliteConnection| Ok(Verdict::Undo(told.positions.lock().unwrap().clone()));
    assert_eq!(writer.handle.run(next).await.unwrap(), [2]);
}

#[tokio::test]
async fn all_changes_that_became_durable_in_a_failed_transaction_are_told_in_order_before_the_next_job() {
    let writer = Writer::start().await;
    let answers = writer.together(&[End::Announce, End::Announce, End::Commit, End::Announce]).await;
    assert!(answers[..3].iter().all(is_unavailable) && answers[3].is_ok(), "{answers:?}");
    assert_eq!(writer.positions(), [2, 3, 4]);
}

#[tokio::test]
async fn a_change_that_was_lost_under_a_failed_commit_is_not_told() {
    let writer = Writer::start().await;
    assert!(change_with_failing_commit(&writer, "ROLLBACK").await.is_err());
    let kept: i64 = writer
        .handle
        .run(async |connection: &mut SqliteConnection| {
            let position = sqlx::query_scalar("SELECT change_position FROM installation");
            Ok(Verdict::Undo(position.fetch_one(connection).await.map_err(unavailable)?))
        })
        .await
        .unwrap();
    assert_eq!((kept, writer.positions()), (1, vec![]));
}
