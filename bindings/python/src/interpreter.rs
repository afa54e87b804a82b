//! One interpreter for the whole process.

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyModule;

/// Refuses to be imported by a second interpreter of one process: classes and modules of the first are remembered for the
/// whole process, and must not be handed from one interpreter to another. Python itself refuses from 3.12 on, but not where
/// a subinterpreter is created with the old configuration.
///
/// # Errors
/// `ImportError`.
pub(crate) fn must_be_the_first(py: Python<'_>) -> PyResult<()> {
    // Each interpreter has a `sys` of its own, which lives as long as it does; this reference keeps the first one's address.
    static FIRST: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let own = PyModule::import(py, "sys")?;
    let first = FIRST.get_or_init(py, || own.clone().unbind());
    if first.is(&own) {
        return Ok(());
    }
    let words = "countermark works in one interpreter of a process only: the first that has imported it";
    Err(PyImportError::new_err(words))
}
