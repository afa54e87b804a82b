//! `Verdicts`: the outcomes of a batch, of which Python's objects are made when they are asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use countermark_core::Host;
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyList, PyRange, PySlice};

use crate::exceptions::Refusal;
use crate::verified_url::VerifiedUrl;

/// The outcomes of ``Signer.verify_many``, in the order of the URLs: a ``collections.abc.Sequence`` of ``VerifiedUrl`` for
/// what is allowed and ``Refused`` for what is not. Each is made anew when it is asked for.
///
/// >>> verdicts = signer.verify_many(urls)
/// >>> for index, refusal in verdicts.refusals:
/// ...     print(index, refusal.code)
#[pyclass(frozen, sequence, module = "countermark")]
pub(crate) struct Verdicts {
    /// `None` where a text was none: such a one is always refused.
    urls: Vec<Option<PyBackedStr>>,
    host: Option<Arc<Host>>,
    /// `None` where a URL is allowed.
    refusals: Vec<Option<Refusal>>,
}

impl Verdicts {
    /// `refusals` must be what became of `urls`, one for each.
    pub(crate) const fn new(
        urls: Vec<Option<PyBackedStr>>,
        host: Option<Arc<Host>>,
        refusals: Vec<Option<Refusal>>,
    ) -> Self {
        Self { urls, host, refusals }
    }

    /// The position, or the range of positions, that an index or slice means: what Python makes of it.
    fn choose<'py>(&self, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = index.py();
        let length = isize::try_from(self.refusals.len())?;
        PyRange::new(py, 0, length)?.as_any().get_item(index).map_err(|failure| {
            if failure.is_instance_of::<PyIndexError>(py) {
                PyIndexError::new_err("Verdicts index out of range")
            } else {
                failure
            }
        })
    }

    fn outcome<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyAny>> {
        match (&self.urls[index], self.refusals[index]) {
            (Some(url), None) => {
                let verified = VerifiedUrl::new(url.clone_ref(py), self.host.clone());
                Ok(Bound::new(py, verified)?.into_any())
            }
            (_, refusal) => refusal.unwrap_or(Refusal::of_grammar("")).to_exception(py),
        }
    }
}

#[pymethods]
impl Verdicts {
    /// Whether no URL is refused; also of an empty batch.
    #[getter]
    fn all_allowed(&self) -> bool {
        self.refusals.iter().all(Option::is_none)
    }

    /// Index and refusal of each URL that is refused.
    #[getter]
    fn refusals<'py>(&self, py: Python<'py>) -> PyResult<Vec<(usize, Bound<'py, PyAny>)>> {
        let refused =
            self.refusals.iter().enumerate().filter_map(|(index, refusal)| Some((index, (*refusal)?)));
        refused.map(|(index, refusal)| Ok((index, refusal.to_exception(py)?))).collect()
    }

    fn __len__(&self) -> usize {
        self.refusals.len()
    }

    fn __getitem__<'py>(&self, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = index.py();
        let chosen = self.choose(index)?;
        if let Ok(position) = chosen.extract() {
            return self.outcome(py, position);
        }
        let outcomes: PyResult<Vec<_>> =
            chosen.try_iter()?.map(|position| self.outcome(py, position?.extract()?)).collect();
        Ok(PyList::new(py, outcomes?)?.into_any())
    }

    fn __iter__(slf: Bound<'_, Self>) -> VerdictsIterator {
        VerdictsIterator { verdicts: slf.unbind(), next: AtomicUsize::new(0) }
    }

    /// The first index of an outcome that equals ``value``, as of any sequence.
    ///
    /// Raises:
    ///     ValueError: there is none.
    #[pyo3(signature = (value, start = None, stop = None, /), text_signature = "($self, value, start=0, stop=None, /)")]
    fn index(&self, value: &Bound<'_, PyAny>, start: Option<isize>, stop: Option<isize>) -> PyResult<usize> {
        let py = value.py();
        for position in
            self.choose(&PySlice::new(py, start.unwrap_or(0), stop.unwrap_or(isize::MAX), 1))?.try_iter()?
        {
            let position = position?.extract()?;
            if self.outcome(py, position)?.eq(value)? {
                return Ok(position);
            }
        }
        Err(PyValueError::new_err("no such outcome"))
    }

    /// How many outcomes equal ``value``; 0 or 1 unless a URL is repeated.
    #[pyo3(signature = (value, /))]
    fn count(&self, value: &Bound<'_, PyAny>) -> PyResult<usize> {
        let mut count = 0;
        for position in 0..self.refusals.len() {
            count += usize::from(self.outcome(value.py(), position)?.eq(value)?);
        }
        Ok(count)
    }

    fn __repr__(&self) -> String {
        let refused = self.refusals.iter().flatten().count();
        format!("<Verdicts: {} allowed, {refused} refused>", self.refusals.len() - refused)
    }
}

/// Over the outcomes in their order.
#[pyclass(frozen)]
struct VerdictsIterator {
    verdicts: Py<Verdicts>,
    next: AtomicUsize,
}

#[pymethods]
impl VerdictsIterator {
    const fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let verdicts = self.verdicts.get();
        let position = self.next.fetch_add(1, Ordering::Relaxed);
        if position < verdicts.refusals.len() { verdicts.outcome(py, position).map(Some) } else { Ok(None) }
    }
}
