//! Threads that end, and waiting that is bounded.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// All threads of a test start together behind one of these.
pub use std::sync::Barrier;

/// Runs `work` on so many threads that start together, and gives the results in their order. A panic in one is a panic here.
pub fn in_parallel<T: Send + 'static>(
    threads: usize,
    work: impl Fn(usize) -> T + Send + Sync + 'static,
) -> Vec<T> {
    let work = Arc::new(work);
    let start = Arc::new(Barrier::new(threads));
    let running: Vec<_> = (0..threads)
        .map(|number| {
            let (work, start) = (Arc::clone(&work), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                work(number)
            })
        })
        .collect();
    let joined = running.into_iter().map(|thread| thread.join());
    joined.map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
}

/// Asks every few milliseconds until the answer is `Some`, at most so long.
pub fn within<T>(time: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if start.elapsed() > time {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}
