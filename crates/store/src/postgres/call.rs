//! One call of the store, and how long it may take.

use std::time::Duration;

use countermark_domain::store::StoreError;
use tokio::time::{Instant, sleep_until, timeout};

use super::bounds::Bounds;
use super::failure::Failure;
use super::pulse::Pulse;

/// What a call is expected to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// A few rows. Somebody waits for it who has to decide.
    Prompt,
    /// Grows with what is stored, or runs through thousands of rows: goes on as long as the database answers anybody.
    Long,
}

/// A call under way.
pub(super) struct Call<'p> {
    length: Length,
    deadline: Instant,
    bounds: Bounds,
    pulse: &'p Pulse,
}

impl<'p> Call<'p> {
    pub(super) fn begin(length: Length, bounds: Bounds, pulse: &'p Pulse) -> Self {
        let may_take = match length {
            Length::Prompt => bounds.prompt(),
            Length::Long => bounds.long(),
        };
        Self { length, deadline: Instant::now() + may_take, bounds, pulse }
    }

    pub(super) fn length(&self) -> Length {
        self.length
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Runs a part of the call. When the call is over the part is dropped wherever it is, and its connection must not be
    /// used any more.
    pub(super) async fn bound<T>(
        &self,
        part: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            result = part => result,
            () = self.end() => Err(hung()),
        }
    }

    /// As [`Self::bound`], of a part that a living database does at once.
    pub(super) async fn bound_trifle<T>(
        &self,
        part: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        self.bound_to(self.bounds.trifle(), part).await
    }

    /// As [`Self::bound`], of a commit: that one takes long only where the disk, or a standby that it waits for, hangs.
    pub(super) async fn bound_commit<T>(
        &self,
        part: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        self.bound_to(self.bounds.prompt(), part).await
    }

    async fn bound_to<T>(
        &self,
        at_most: Duration,
        part: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        match timeout(at_most, self.bound(part)).await {
            Ok(result) => result,
            Err(_) => Err(hung()),
        }
    }

    async fn end(&self) {
        match self.length {
            Length::Prompt => sleep_until(self.deadline).await,
            Length::Long => tokio::select! {
                () = sleep_until(self.deadline) => {}
                () = self.pulse.lost() => {}
            },
        }
    }
}

fn hung() -> Failure {
    Failure::Hung(StoreError::Unavailable("the database does not answer in time".into()))
}
