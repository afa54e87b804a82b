//! What is handed to the writing thread: the work of one transaction, and its answer, which waits for the commit.

use std::pin::Pin;

use countermark_domain::store::{Change, StoreError};
use sqlx::SqliteConnection;
use tokio::sync::oneshot;

use crate::verdict::Verdict;

/// The work of one Store method, in two steps: what it has come to is true only once it is committed.
pub(super) trait Job: Send {
    /// Works within the transaction that is open, and keeps the answer.
    fn play<'a>(
        &'a mut self,
        connection: &'a mut SqliteConnection,
    ) -> Pin<Box<dyn Future<Output = Played> + 'a>>;

    /// Sends the answer that was kept, or the error that has come over the transaction.
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

/// What the transaction must know of a job that has worked.
pub(super) struct Played {
    /// Whether what it has written is to stay.
    pub is_kept: bool,
    /// What is to be told after the commit.
    pub change: Option<Change>,
}

/// A job whose work is a closure.
pub(super) struct TransactionJob<T, F> {
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> TransactionJob<T, F> {
    /// The job and where its answer will be.
    pub(super) fn new(work: F) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (answer, result) = oneshot::channel();
        (Self { work: Some(work), result: None, answer }, result)
    }
}

impl<T, F> Job for TransactionJob<T, F>
where
    T: Send + 'static,
    F: AsyncFnOnce(&mut SqliteConnection) -> Result<Verdict<T>, StoreError> + Send + 'static,
{
    fn play<'a>(
        &'a mut self,
        connection: &'a mut SqliteConnection,
    ) -> Pin<Box<dyn Future<Output = Played> + 'a>> {
        Box::pin(async move {
            let work = self.work.take().expect("a job is played once");
            let (result, is_kept, change) = match work(connection).await {
                Ok(Verdict::Keep(value)) => (Ok(value), true, None),
                Ok(Verdict::Announce(value, change)) => (Ok(value), true, Some(change)),
                Ok(Verdict::Undo(value)) => (Ok(value), false, None),
                Err(error) => (Err(error), false, None),
            };
            self.result = Some(result);
            Played { is_kept, change }
        })
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { result, answer, .. } = *self;
        // Nobody may be waiting any more; what is committed stays committed.
        let _ = answer.send(outcome.and_then(|()| result.expect("only what has been played can succeed")));
    }
}
