//! Python's arguments as the core's types. Messages name the argument and never show its value, which may be a credential.

use countermark_core::{Host, Placement, UnixSeconds};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyDateTime, PyDelta, PyDeltaAccess, PyInt, PyModule, PyString, PyTzInfo, PyTzInfoAccess,
};

use crate::exceptions::invalid_argument;

const SECONDS_PER_DAY: i64 = 86_400;

/// What is not Unicode text: a lone surrogate. Python's own exception would carry the whole text along.
pub(crate) const NOT_TEXT: &str = "expected text, but it contains a lone surrogate";

/// `None` if the text contains a lone surrogate.
pub(crate) fn borrow_text(text: Bound<'_, PyString>) -> Option<PyBackedStr> {
    PyBackedStr::try_from(text).ok()
}

/// The text of an argument that must be Unicode.
///
/// # Errors
/// `InvalidArgument` for a lone surrogate.
pub(crate) fn text(argument: &str, text: &Bound<'_, PyString>) -> PyResult<PyBackedStr> {
    borrow_text(text.clone()).ok_or_else(|| invalid_argument(text.py(), argument, NOT_TEXT))
}

/// An HTTP method, GET unless another is given. That it is none of the known ones is for the rules to say.
pub(crate) struct Method(Option<PyBackedStr>);

impl Method {
    /// What a signed URL is for if nothing else is said.
    pub(crate) const GET: Self = Self(None);

    /// The method as it was given.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or("GET")
    }
}

impl<'py> FromPyObject<'_, 'py> for Method {
    type Error = PyErr;

    fn extract(method: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let given = method.cast::<PyString>().map_err(|_| wrong_type("method", "str", &method))?;
        text("method", &given).map(|text| Self(Some(text)))
    }
}

/// `TypeError` that says what was expected and what type came.
pub(crate) fn wrong_type(argument: &str, expected: &str, given: &Bound<'_, PyAny>) -> PyErr {
    let name = given.get_type().name().map_or_else(|_| "something else".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("{argument}: expected {expected}, got {name}"))
}

/// The host that requests go to.
///
/// # Errors
/// `InvalidArgument` for whatever is no host.
pub(crate) fn host(host: Option<&Bound<'_, PyString>>) -> PyResult<Option<Host>> {
    let Some(host) = host else { return Ok(None) };
    let parsed = Host::parse(&text("host", host)?);
    parsed.map(Some).map_err(|malformed| invalid_argument(host.py(), "host", malformed))
}

/// Where a signature is to stand.
///
/// # Errors
/// `InvalidArgument` for another word than `path` and `query`.
pub(crate) fn placement(placement: &Bound<'_, PyString>) -> PyResult<Placement> {
    match &*text("placement", placement)? {
        "path" => Ok(Placement::Path),
        "query" => Ok(Placement::Query),
        _ => Err(invalid_argument(placement.py(), "placement", "expected 'path' or 'query'")),
    }
}

/// The word of a placement.
pub(crate) const fn placement_name(placement: Placement) -> &'static str {
    match placement {
        Placement::Path => "path",
        Placement::Query => "query",
    }
}

/// An instant: `int` Unix seconds or an aware `datetime`, of which a fraction of a second is cut off.
///
/// # Errors
/// `TypeError` for another type; `InvalidArgument` for a naive `datetime` and outside 1970 to 9999.
pub(crate) fn instant(argument: &str, value: &Bound<'_, PyAny>) -> PyResult<UnixSeconds> {
    const EXPECTED: &str = "expected Unix seconds from 0 to 253402300799, the years 1970 to 9999";
    let seconds = if let Some(number) = whole_number(value) {
        number
    } else if let Ok(datetime) = value.cast::<PyDateTime>() {
        seconds_of_datetime(argument, datetime)?
    } else {
        return Err(wrong_type(argument, "int Unix seconds or an aware datetime", value));
    };
    let instant = seconds.and_then(|seconds| UnixSeconds::new(u64::try_from(seconds).ok()?));
    instant.ok_or_else(|| invalid_argument(value.py(), argument, EXPECTED))
}

/// A span of time: `int` seconds or a `timedelta`, of which a fraction of a second is cut off.
///
/// # Errors
/// `TypeError` for another type; `InvalidArgument` if negative or longer than until the year 9999.
pub(crate) fn span(argument: &str, value: &Bound<'_, PyAny>) -> PyResult<u64> {
    const EXPECTED: &str = "expected 0 to 253402300799 seconds";
    let seconds = if let Some(number) = whole_number(value) {
        number
    } else if let Ok(delta) = value.cast::<PyDelta>() {
        Some(seconds_of_delta(delta))
    } else {
        return Err(wrong_type(argument, "int seconds or a timedelta", value));
    };
    let span = seconds.and_then(|seconds| UnixSeconds::new(u64::try_from(seconds).ok()?));
    span.map(UnixSeconds::get).ok_or_else(|| invalid_argument(value.py(), argument, EXPECTED))
}

/// How many uses a question takes.
///
/// # Errors
/// `TypeError` for another type; `InvalidArgument` for a negative or huge number.
pub(crate) fn cost(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    let number = whole_number(value).ok_or_else(|| wrong_type("cost", "int", value))?;
    number
        .and_then(|number| u64::try_from(number).ok())
        .ok_or_else(|| invalid_argument(value.py(), "cost", "expected 0 to 9223372036854775807 uses"))
}

/// The instant of a call: `now` if given, else what `time.time()` says. That is looked up at each call, so that whatever a
/// test puts in its place is asked.
///
/// # Errors
/// As [`instant`].
pub(crate) fn now(py: Python<'_>, now: Option<&Bound<'_, PyAny>>) -> PyResult<UnixSeconds> {
    static TIME: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    if let Some(now) = now {
        return instant("now", now);
    }
    let time = TIME.get_or_try_init(py, || PyModule::import(py, "time").map(Bound::unbind))?;
    let seconds: f64 = time.bind(py).getattr(intern!(py, "time"))?.call0()?.extract()?;
    // The cast saturates, so that an endless number is out of range like any great one; NaN would become 0.
    let whole = if seconds >= 0.0 { UnixSeconds::new(seconds as u64) } else { None };
    whole.ok_or_else(|| invalid_argument(py, "now", "time.time() is outside the years 1970 to 9999"))
}

/// `None` if it is no `int`, where `bool` is none; `Some(None)` if it is beyond 64 bits.
pub(crate) fn whole_number(value: &Bound<'_, PyAny>) -> Option<Option<i64>> {
    if value.is_instance_of::<PyBool>() {
        return None;
    }
    value.cast::<PyInt>().ok().map(|number| number.extract().ok())
}

/// Exact where `datetime.timestamp()` would round: it answers with a float.
fn seconds_of_datetime(argument: &str, datetime: &Bound<'_, PyDateTime>) -> PyResult<Option<i64>> {
    let py = datetime.py();
    let offset = datetime.call_method0(intern!(py, "utcoffset"))?;
    if datetime.get_tzinfo().is_none() || offset.is_none() {
        let expected =
            "expected an aware datetime; this one has no time zone: datetime.now(timezone.utc) has one";
        return Err(invalid_argument(py, argument, expected));
    }
    let utc = PyTzInfo::utc(py)?.to_owned();
    let epoch = PyDateTime::new(py, 1970, 1, 1, 0, 0, 0, 0, Some(&utc))?;
    let since_epoch = datetime.sub(epoch)?;
    Ok(Some(seconds_of_delta(since_epoch.cast::<PyDelta>()?)))
}

/// Whole seconds, rounded down.
fn seconds_of_delta(delta: &Bound<'_, PyDelta>) -> i64 {
    i64::from(delta.get_days()) * SECONDS_PER_DAY + i64::from(delta.get_seconds())
}
