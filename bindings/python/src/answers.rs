//! The dataclasses `countermark.Decision` and `countermark.Explanation`, made of what the core answers.

use countermark_core::{DenyReason, SignedUrl, Step, StepOutcome, Terms, UnixSeconds};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};

/// The `countermark.Decision` with this refusal about this token.
pub(crate) fn decision<'py>(
    py: Python<'py>,
    refusal: Option<DenyReason>,
    terms: Option<&Terms>,
) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let members = (
        refusal.is_none(),
        refusal.map_or("ALLOWED", DenyReason::code),
        terms.map(|terms| terms.id.to_string()),
        terms.map(|terms| terms.kind().name()),
        terms.and_then(|terms| terms.owner.as_deref()),
        terms.and_then(|terms| terms.limit),
        None::<u64>,
        None::<u64>,
        terms.and_then(|terms| terms.expiry).map(UnixSeconds::get),
    );
    CLASS.import(py, "countermark.decision", "Decision")?.call1(members)
}

/// The `countermark.Explanation` of a decision.
pub(crate) fn explanation<'py>(
    py: Python<'py>,
    decision: Bound<'py, PyAny>,
    steps: &[Step],
    url: Option<&SignedUrl<'_>>,
    differs: &[String],
) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static STEP: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = STEP.import(py, "countermark.records", "ExplainedStep")?;
    let step = |step: &Step| class.call1((step.reason.code(), outcome(step.outcome)));
    let steps = steps.iter().map(step).collect::<PyResult<Vec<_>>>()?;
    let members = (
        decision,
        PyTuple::new(py, steps)?,
        url.map(|url| url.form.name()),
        url.and_then(SignedUrl::canonical_string),
        PyTuple::new(py, differs)?,
    );
    CLASS.import(py, "countermark.records", "Explanation")?.call1(members)
}

/// The service's words.
const fn outcome(outcome: StepOutcome) -> &'static str {
    match outcome {
        StepOutcome::Passed => "passed",
        StepOutcome::Refused => "refused",
        StepOutcome::NotReached => "notReached",
    }
}
