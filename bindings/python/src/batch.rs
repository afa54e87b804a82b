//! Batches: borrowed from Python's strings, worked on without the interpreter, on as many threads as asked for.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::thread;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyInt, PyString};

use crate::arguments::{borrow_text, wrong_type};
use crate::exceptions::invalid_argument;

/// Texts that one thread takes at once: some 100 µs of work, so that none is left alone with much at the end.
const PIECE: usize = 256;

/// More threads than any machine has cores to gain by.
const MOST_THREADS: usize = 256;

/// The texts of an iterable; `None` stands for one with a lone surrogate.
///
/// # Errors
/// `TypeError` for a single `str`, which would be taken for its characters, and for elements that are no `str`.
pub(crate) fn texts(urls: &Bound<'_, PyAny>) -> PyResult<Vec<Option<PyBackedStr>>> {
    if urls.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err("urls: expected an iterable of str, got a single str"));
    }
    let mut texts = Vec::with_capacity(urls.len().unwrap_or(0));
    for (index, url) in urls.try_iter()?.enumerate() {
        let text = url?
            .cast_into::<PyString>()
            .map_err(|other| wrong_type(&format!("urls[{index}]"), "str", &other.into_inner()))?;
        texts.push(borrow_text(text));
    }
    Ok(texts)
}

/// How many threads are meant: 0 are as many as there are cores.
///
/// # Errors
/// `InvalidArgument` outside 0 to 256.
pub(crate) fn threads(threads: &Bound<'_, PyInt>) -> PyResult<usize> {
    match threads.extract() {
        Ok(0) => Ok(thread::available_parallelism().map_or(1, NonZeroUsize::get)),
        Ok(number) if number <= MOST_THREADS => Ok(number),
        _ => Err(invalid_argument(threads.py(), "threads", "expected 0 (one for each core) to 256")),
    }
}

/// What `work` makes of each text, in their order, on up to `threads` threads; the caller's is one of them. `pending` stands
/// for results until they are there.
pub(crate) fn work_on<T: Clone + Send>(
    texts: &[Option<PyBackedStr>],
    threads: usize,
    pending: T,
    work: impl Fn(Option<&str>) -> T + Sync,
) -> Vec<T> {
    let mut results = vec![pending; texts.len()];
    let pieces = Mutex::new(texts.chunks(PIECE).zip(results.chunks_mut(PIECE)));
    let take_pieces = || {
        loop {
            let piece = pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((texts, results)) = piece else { break };
            for (text, result) in texts.iter().zip(results) {
                *result = work(text.as_deref());
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.min(texts.len().div_ceil(PIECE)) {
            // A thread that the system refuses is done without: the others take its pieces.
            let _ = thread::Builder::new().spawn_scoped(scope, take_pieces);
        }
        take_pieces();
    });
    results
}
