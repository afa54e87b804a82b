//! Threads for attempts alone. A receiver that sends interim answers as fast as it can keeps the HTTP client busy without
//! a pause, and a look-up cannot be cut short: neither may hold up requests, time-outs or the end of the service.

use std::io;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// So many receivers can misbehave before an attempt at another one is late.
const WORKERS: usize = 2;

/// Most look-ups at once, those included whose attempt has timed out.
const LOOKUPS: usize = 64;

/// Empty only while it is dropped.
pub(super) struct Threads(Option<Runtime>);

impl Threads {
    pub(super) fn start() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(WORKERS).max_blocking_threads(LOOKUPS).thread_name("courier").enable_all();
        builder.build().map(|runtime| Self(Some(runtime)))
    }

    /// Runs `work` here while the caller waits there; it is dropped when the caller stops waiting. `None` if it panics.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let mut task = JoinSet::new();
        task.spawn_on(work, self.0.as_ref()?.handle());
        task.join_next().await?.ok()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
