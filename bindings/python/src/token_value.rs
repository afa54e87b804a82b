//! `TokenValue`: a value of Countermark's own form.

use countermark_core::{TokenValue as Value, ValueKind, preview};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};

use crate::arguments;
use crate::exceptions::invalid_argument;

/// A well-formed value of Countermark's own form, ``cmu_…``, ``cmk_…`` or ``cms_…``: its checksum fits, which spares a
/// question for every typing error; whether such a value was ever issued only the service knows.
///
/// ``repr`` shows the preview only; its pickle holds the value. Equality takes the same time whatever differs.
///
/// >>> TokenValue.parse("cmk_uTRGX1EciFuTjXUPUT7sgVblNpni4P7T0V72OF")
/// <TokenValue cmk_uTRGX1EciFu…>
#[pyclass(frozen, module = "countermark")]
pub(crate) struct TokenValue(Value);

#[pymethods]
impl TokenValue {
    /// Reads a value and proves its checksum.
    ///
    /// Raises:
    ///     InvalidArgument: it is no such value; which part is wrong is not said.
    #[classmethod]
    fn parse(_class: &Bound<'_, PyType>, text: &Bound<'_, PyString>) -> PyResult<Self> {
        let value = Value::parse(&arguments::text("text", text)?);
        value.map(Self).map_err(|_| {
            let expected = "expected cmu_, cmk_ or cms_, 32 characters of 0-9A-Za-z and a checksum that fits";
            invalid_argument(text.py(), "text", expected)
        })
    }

    /// What the value is of: ``upload``, ``apiKey``, or ``secret`` for a signing secret, which is never a credential.
    #[getter]
    const fn r#type(&self) -> &'static str {
        match self.0.kind() {
            ValueKind::Upload => "upload",
            ValueKind::ApiKey => "apiKey",
            ValueKind::Secret => "secret",
        }
    }

    /// The first 15 characters, by which people recognise the value in lists; no credential.
    #[getter]
    fn preview(&self) -> &str {
        preview(self.0.expose())
    }

    /// The value itself: a credential. Show it once or send it, never log it.
    fn reveal(&self) -> &str {
        self.0.expose()
    }

    fn __repr__(&self) -> String {
        format!("<TokenValue {}…>", self.preview())
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        PyString::new(py, self.reveal()).hash()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((slf.get_type().getattr("parse")?, (slf.get().reveal().to_owned(),)))
    }
}
