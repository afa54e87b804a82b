//! Whether the database answers anything at all: what tells a long call from one that hangs.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::bounds::PULSE_PAUSE;

/// Asks on connections of its own: those of the pool may all be busy, which says nothing.
pub(super) struct Pulse {
    options: PgConnectOptions,
    wait: Duration,
    /// When it was asked last, and whether there was an answer; all calls share it.
    last: Mutex<Option<(Instant, bool)>>,
}

impl Pulse {
    pub(super) fn new(options: PgConnectOptions, wait: Duration) -> Self {
        Self { options, wait, last: Mutex::default() }
    }

    /// Ends once the database answers nothing.
    pub(super) async fn lost(&self) {
        loop {
            sleep(PULSE_PAUSE).await;
            if !self.is_felt().await {
                return;
            }
        }
    }

    async fn is_felt(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some((at, is_felt)) = *last
            && at.elapsed() < PULSE_PAUSE
        {
            return is_felt;
        }
        // An error is an answer too: of what is refused here, the call learns by itself.
        let is_felt = timeout(self.wait, async { self.options.connect().await?.close().await }).await.is_ok();
        *last = Some((Instant::now(), is_felt));
        is_felt
    }
}
