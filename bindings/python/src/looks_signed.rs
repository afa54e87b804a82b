//! `looks_signed`: which credential a request presents, before anything is proven.

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::arguments;

/// Whether a signature, good or bad, stands in an undecoded request target such as ``/shop/cat.jpg?w=200``.
///
/// Says nothing about the rest of the grammar: whatever looks signed is to be verified and nothing else.
///
/// Raises:
///     InvalidArgument: the target contains a lone surrogate.
#[pyfunction]
pub(crate) fn looks_signed(target: &Bound<'_, PyString>) -> PyResult<bool> {
    Ok(countermark_core::looks_signed(&arguments::text("target", target)?))
}
