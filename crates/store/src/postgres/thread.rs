//! The thread on which all connections live. Work that was handed to it runs to its end, so a caller that gives up
//! waiting never leaves a change half done or untold; and no connection hangs on the runtime of a caller.

use std::pin::Pin;
use std::sync::Arc;

use countermark_domain::store::StoreError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, LocalSet};

use super::transaction::Transactions;
use crate::OpenError;

/// Makes the future of a piece of work, on the thread.
type Work = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// Where work is handed in.
pub(super) struct StoreThread {
    inbox: mpsc::UnboundedSender<Work>,
}

impl StoreThread {
    /// Starts the thread with connections that belong to it and are closed when the handle is dropped.
    pub(super) async fn start(
        make: impl FnOnce() -> Transactions + Send + 'static,
    ) -> Result<(Self, Arc<Transactions>), OpenError> {
        let failed = |source| OpenError::File { path: "the thread of the database".into(), source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (inbox, works) = mpsc::unbounded_channel();
        let (answer, transactions) = oneshot::channel();
        let serve = async move {
            let transactions = Arc::new(make());
            let _ = answer.send(Arc::clone(&transactions));
            self::serve(works).await;
            transactions.lender.close().await;
        };
        std::thread::Builder::new()
            .name("countermark-postgres".into())
            .spawn(move || {
                // What still runs at the end is dropped within the runtime: connections say good-bye in it.
                let _context = runtime.enter();
                LocalSet::new().block_on(&runtime, serve);
            })
            .map_err(failed)?;
        let transactions = transactions.await.map_err(|_| ended())?;
        Ok((Self { inbox }, transactions))
    }

    /// Runs the work on the thread, beside all other.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFnOnce() -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let work: Work = Box::new(move || {
            Box::pin(async move {
                // Nobody may be waiting any more; what is committed stays committed.
                let _ = answer.send(work().await);
            })
        });
        self.inbox.send(work).map_err(|_| ended())?;
        result.await.map_err(|_| ended())?
    }
}

async fn serve(mut works: mpsc::UnboundedReceiver<Work>) {
    let mut running = JoinSet::new();
    while let Some(work) = works.recv().await {
        while running.try_join_next().is_some() {}
        running.spawn_local(work());
    }
    running.join_all().await;
}

fn ended() -> StoreError {
    StoreError::Unavailable("the thread of the database has ended".into())
}
