//! The connections on which uses are taken, kept open from one batch to the next. A pool asks each connection that is given
//! back whether it still works; that would be a round trip with every batch.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use countermark_domain::store::StoreError;
use sqlx::{Connection, PgConnection};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::connect::PostgresUrl;
use super::failure::Failure;
use super::unavailable;

/// What has answered so shortly before is sent a statement at once. A statement that commits by itself cannot be sent
/// again when its connection turns out to be dead: nobody knows what became of it.
const FRESH: Duration = Duration::from_millis(100);

/// Connections beside the pool, opened when they are needed. As batches come one after the other, that is one.
pub(super) struct Lane {
    url: PostgresUrl,
    idle: Mutex<Vec<(PgConnection, Instant)>>,
    places: Semaphore,
}

impl Lane {
    pub(super) fn new(url: PostgresUrl) -> Self {
        let places = Semaphore::new(url.connections() as usize);
        Self { url, idle: Mutex::default(), places }
    }

    /// Runs work on a connection, which is kept if it succeeds; it is answered as soon as any prompt call.
    pub(super) async fn run<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match timeout(self.url.bounds().prompt(), self.run_to_the_end(work)).await {
            Ok(result) => result,
            Err(_) => {
                let text = "the database does not answer in time";
                Err(Failure::Hung(StoreError::Unavailable(text.into())))
            }
        }
    }

    async fn run_to_the_end<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let late = |_| StoreError::Unavailable("no connection has become free in time".into());
        let place = timeout(self.url.bounds().wait, self.places.acquire()).await.map_err(late)?;
        let _place = place.map_err(unavailable)?;
        let mut connection = timeout(self.url.bounds().wait, self.connection()).await.map_err(late)??;
        let result = work(&mut connection).await?;
        self.idle().push((connection, Instant::now()));
        Ok(result)
    }

    pub(super) async fn close(&self) {
        self.places.close();
        while let Some((connection, _)) = self.next() {
            // It may be dead already.
            let _ = timeout(self.url.bounds().trifle(), connection.close()).await;
        }
    }

    async fn connection(&self) -> Result<PgConnection, Failure> {
        while let Some((mut connection, last_answer)) = self.next() {
            if last_answer.elapsed() < FRESH {
                return Ok(connection);
            }
            if let Ok(Ok(())) = timeout(self.url.bounds().trifle(), connection.ping()).await {
                return Ok(connection);
            }
        }
        Ok(self.url.connect_limited().await?)
    }

    /// The one used last.
    fn next(&self) -> Option<(PgConnection, Instant)> {
        self.idle().pop()
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(PgConnection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
