//! One question about a token: what was presented, what for, and when.

use countermark_core::{Proof, Request, SignedUrl, UnixSeconds, ValueDigest, Viewer};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyString;

use crate::arguments::{self, borrow_text};
use crate::exceptions::invalid_argument;
use crate::facts::Facts;

/// Everything that is asked, read from Python's arguments.
pub(crate) struct Question {
    pub(crate) credential: Credential,
    pub(crate) facts: Facts,
    cost: u64,
    viewer: Viewer,
    pub(crate) now: UnixSeconds,
}

/// What was presented; `None` if it is not even Unicode text.
pub(crate) enum Credential {
    Url(Option<PyBackedStr>),
    Value(Option<PyBackedStr>),
}

impl Question {
    /// # Errors
    /// `InvalidArgument` and `TypeError` naming the argument.
    pub(crate) fn read<'py>(
        py: Python<'py>,
        url: Option<Bound<'py, PyString>>,
        value: Option<Bound<'py, PyString>>,
        request: Option<&Bound<'py, PyAny>>,
        cost: Option<&Bound<'py, PyAny>>,
        viewer_proven: bool,
        now: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Self> {
        let credential = match (url, value) {
            (Some(url), None) => Credential::Url(borrow_text(url)),
            (None, Some(value)) => Credential::Value(borrow_text(value)),
            _ => return Err(invalid_argument(py, "url", "expected exactly one of url and value")),
        };
        Ok(Self {
            credential,
            facts: request.map(Facts::read).transpose()?.unwrap_or_default(),
            cost: cost.map_or(Ok(1), arguments::cost)?,
            viewer: if viewer_proven { Viewer::Proven } else { Viewer::Unproven },
            now: arguments::now(py, now)?,
        })
    }

    /// The core's request with what was presented.
    pub(crate) fn with_request<T>(
        &self,
        presented: &Presented<'_>,
        ask: impl FnOnce(&Request<'_>) -> T,
    ) -> T {
        let proof = match presented {
            Presented::Url(url) => Proof::Url(url),
            Presented::Value(digest) => Proof::Value(*digest),
        };
        ask(&Request { viewer: self.viewer, cost: self.cost, ..self.facts.request(proof) })
    }
}

/// A well-formed credential of the very token.
pub(crate) enum Presented<'a> {
    Url(SignedUrl<'a>),
    Value(ValueDigest),
}

impl Presented<'_> {
    /// The signed URL, if it is one.
    pub(crate) const fn url(&self) -> Option<&SignedUrl<'_>> {
        match self {
            Self::Url(url) => Some(url),
            Self::Value(_) => None,
        }
    }
}
