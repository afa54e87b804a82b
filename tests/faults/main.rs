//! Faults on purpose: kills, a full disk, lost syncs, a stop under load. One at a time, since each loads the machine.

#![expect(clippy::unwrap_used, reason = "a panic is how a test's own function fails")]

mod crash;
mod disk_full;
mod load;
mod stop;
mod sync_order;
mod uploads;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held by every test of this target: a test that failed must not fail the next.
fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}
