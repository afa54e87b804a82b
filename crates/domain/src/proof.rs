//! Believing a database while no lease holds.
//!
//! After a fail-over the former server may still answer reads, and no revocation reaches it any more. What it says is believed
//! only once it has committed something afterwards: a server whose synchronous standby has taken over commits nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::store::StoreError;

/// How long a proof is waited for. With the read before it, whoever asks is answered within two seconds.
const WAIT: Duration = Duration::from_millis(1200);

/// Commits that prove, each shared by all who wait for one.
pub(crate) struct Proofs {
    wait: Duration,
    begun: AtomicU64,
    /// The number of the last one that has ended, and how.
    ended: Mutex<(u64, Option<StoreError>)>,
}

impl Default for Proofs {
    fn default() -> Self {
        Self { wait: WAIT, begun: AtomicU64::default(), ended: Mutex::default() }
    }
}

impl Proofs {
    /// Returns when a `commit` has succeeded that began after this call did.
    pub(crate) async fn commits_from_now_on<F>(&self, commit: impl FnOnce() -> F) -> Result<(), StoreError>
    where
        F: Future<Output = Result<(), StoreError>>,
    {
        let before = self.begun.load(Ordering::SeqCst);
        let proof = async {
            let mut ended = self.ended.lock().await;
            if ended.0 <= before {
                let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
                *ended = (number, commit().await.err());
            }
            ended.1.clone().map_or(Ok(()), Err)
        };
        let late = |_| StoreError::Unavailable("the database commits nothing".to_owned());
        timeout(self.wait, proof).await.map_err(late)?
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::sync::oneshot;
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn a_commit_that_had_begun_before_proves_nothing_and_the_next_one_proves_for_all_who_wait() {
        let (proofs, commits) = (Proofs::default(), Cell::new(0));
        let (go, gone) = oneshot::channel::<()>();
        let first = proofs.commits_from_now_on(|| async {
            commits.set(commits.get() + 1);
            gone.await.map_err(|_| StoreError::ActorChanged)
        });
        let later = async || {
            let count = || async {
                commits.set(commits.get() + 1);
                Ok(())
            };
            proofs.commits_from_now_on(count).await.map(|()| commits.get())
        };
        let release = async {
            yield_now().await;
            go.send(()).unwrap();
        };
        let (first, one, other, ()) = tokio::join!(first, later(), later(), release);
        first.unwrap();
        assert_eq!((one.unwrap(), other.unwrap(), commits.get()), (2, 2, 2));
    }

    #[tokio::test]
    async fn a_commit_that_fails_or_hangs_proves_nothing() {
        let proofs = Proofs { wait: Duration::from_millis(10), ..Proofs::default() };
        let failed = proofs.commits_from_now_on(|| async { Err(StoreError::ActorChanged) }).await;
        assert!(matches!(failed, Err(StoreError::ActorChanged)));
        let hung = proofs.commits_from_now_on(std::future::pending).await;
        assert!(matches!(hung, Err(StoreError::Unavailable(_))));
        proofs.commits_from_now_on(|| async { Ok(()) }).await.unwrap();
    }
}
