//! The exceptions of `countermark.errors`, made from the core's refusals.

use countermark_core::{DenyReason, Malformed, UnixSeconds};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

/// A decision against a use, small enough to be kept for every URL of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Refusal {
    reason: DenyReason,
    /// What exactly breaks the grammar; never holds anything of the input.
    words: Option<&'static str>,
    /// The link's own expiry, if it is that which has come.
    expires: Option<UnixSeconds>,
}

impl Refusal {
    /// A refusal of which nothing more is known than its reason.
    pub(crate) const fn of(reason: DenyReason) -> Self {
        Self { reason, words: None, expires: None }
    }

    /// What `words` say breaks the grammar.
    pub(crate) const fn of_grammar(words: &'static str) -> Self {
        Self { reason: DenyReason::Malformed, words: Some(words), expires: None }
    }

    /// The refusal of a link that is expired from the second `expires` on.
    pub(crate) const fn of_expired_link(expires: Option<UnixSeconds>) -> Self {
        Self { reason: DenyReason::LinkExpired, words: None, expires }
    }

    /// The instance of `countermark.errors.Refused` that says this.
    pub(crate) fn to_exception<'py>(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        static REFUSALS: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
        let refusals = REFUSALS.import(py, "countermark.errors", "REFUSALS")?;
        let class = refusals.as_any().get_item(self.reason.code())?;
        let exception = match self.words {
            Some(words) => class.call1((words,))?,
            None => class.call0()?,
        };
        if let Some(expires) = self.expires {
            exception.setattr(intern!(py, "expires"), expires.get())?;
        }
        Ok(exception)
    }

    /// The same, to be raised.
    pub(crate) fn raise(self, py: Python<'_>) -> PyErr {
        self.to_exception(py).map_or_else(|failure| failure, PyErr::from_value)
    }
}

impl From<Malformed> for Refusal {
    fn from(Malformed(words): Malformed) -> Self {
        Self::of_grammar(words)
    }
}

/// `countermark.errors.InvalidArgument`: names the argument and what was expected, never what was given.
pub(crate) fn invalid_argument(py: Python<'_>, argument: &str, expected: impl std::fmt::Display) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS
        .import(py, "countermark.errors", "InvalidArgument")
        .and_then(|class| class.call1((format!("{argument}: {expected}"),)))
        .map_or_else(|failure| failure, PyErr::from_value)
}

/// `countermark.errors.CountingRequired`, in its own words unless others say better why only the service can answer.
pub(crate) fn counting_required(py: Python<'_>, words: Option<&'static str>) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS
        .import(py, "countermark.errors", "CountingRequired")
        .and_then(|class| class.call1((words,)))
        .map_or_else(|failure| failure, PyErr::from_value)
}
