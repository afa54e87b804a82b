//! Batches: borrowed from Python's strings, worked on without the interpreter, on as many threads as asked for.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::thread;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyString;

use crate::arguments::{borrow_text, whole_number, wrong_type};
use crate::exceptions::invalid_argument;

/// Texts that one thread takes at once: some 100 µs of work, so that none is left alone with much at the end.
pub(crate) const PIECE: usize = 256;

/// Room made before the first text is seen; an iterable may claim any length.
const MOST_FORESEEN: usize = 65_536;

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
    let mut texts = Vec::with_capacity(urls.len().unwrap_or(0).min(MOST_FORESEEN));
    for (index, url) in urls.try_iter()?.enumerate() {
        let text = url?
            .cast_into::<PyString>()
            .map_err(|other| wrong_type(&format!("urls[{index}]"), "str", &other.into_inner()))?;
        texts.push(borrow_text(text));
    }
    Ok(texts)
}

/// How many threads are meant: of an `int` from 0 to 256, where 0 are as many as there are cores.
pub(crate) struct Threads(usize);

impl Threads {
    /// The caller's own thread alone.
    pub(crate) const ONE: Self = Self(1);

    /// At least 1.
    pub(crate) const fn get(&self) -> usize {
        self.0
    }
}

impl<'py> FromPyObject<'_, 'py> for Threads {
    type Error = PyErr;

    fn extract(threads: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        const EXPECTED: &str = "expected 0 (one for each core) to 256";
        let number = whole_number(&threads).ok_or_else(|| wrong_type("threads", "int", &threads))?;
        match number.and_then(|number| usize::try_from(number).ok()) {
            Some(0) => Ok(Self(thread::available_parallelism().map_or(1, NonZeroUsize::get))),
            Some(number) if number <= MOST_THREADS => Ok(Self(number)),
            _ => Err(invalid_argument(threads.py(), "threads", EXPECTED)),
        }
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
