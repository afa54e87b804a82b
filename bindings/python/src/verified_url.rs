//! `VerifiedUrl`: the facts of a signed URL that has been proven.

use std::sync::Arc;

use countermark_core::{Host, KeyVersion, SignatureForm, SignedUrl};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyString, PyType};

use crate::arguments;
use crate::exceptions::Refusal;
use crate::key_ring;

/// What a signed URL says, after its signature, expiry, method and host have been proven. Made by ``Signer.verify`` only.
///
/// Equal if the URL and the host are. Its ``repr`` leaves the signature out; its pickle holds the URL.
#[pyclass(frozen, module = "countermark")]
pub(crate) struct VerifiedUrl {
    url: PyBackedStr,
    /// To which a bare target goes; `None` if the URL says so itself.
    host: Option<Arc<Host>>,
}

impl VerifiedUrl {
    /// `url` must have been read as a signed URL with this host before; facts are read again when asked for, so that who
    /// only verifies pays for none.
    pub(crate) fn new(url: PyBackedStr, host: Option<Arc<Host>>) -> Self {
        let host = if key_ring::is_bare(&url) { host } else { None };
        Self { url, host }
    }

    fn read(&self) -> SignedUrl<'_> {
        key_ring::read(&self.url, self.host.as_deref()).expect("it has been read before it was verified")
    }
}

#[pymethods]
impl VerifiedUrl {
    /// The URL or bare target as it was verified, signature included: a credential, not for logs.
    #[getter]
    fn url(&self, py: Python<'_>) -> Py<PyString> {
        self.url.as_py_str().clone_ref(py)
    }

    /// The token whose secret signed, ``iu_…``.
    #[getter]
    fn token_id(&self) -> String {
        self.read().token_id.to_string()
    }

    /// The version of the secret that signed; 1 to 65535.
    #[getter]
    fn key_version(&self) -> u16 {
        self.read().form.key_version().map_or(0, KeyVersion::get)
    }

    /// Where the signature stands: ``path`` or ``query``.
    #[getter]
    fn placement(&self) -> &'static str {
        arguments::placement_name(self.read().placement)
    }

    /// The host that was signed, in lower case and without port.
    #[getter]
    fn host(&self) -> String {
        self.read().host.to_string()
    }

    /// The cloud: the first segment of the path, if it is a cloud id.
    #[getter]
    fn cloud_id(&self) -> Option<&str> {
        self.read().cloud
    }

    /// The undecoded path without query and signature, as a server behind is to see it: ``/{cloudId}/{rest}``.
    #[getter]
    fn path(&self) -> String {
        self.read().path().into_owned()
    }

    /// The undecoded query without the signature's own parameters and without ``?``; empty if there is none.
    #[getter]
    fn query(&self) -> &str {
        self.read().query()
    }

    /// The Unix second from which on the link is expired; none for never.
    #[getter]
    fn expires(&self) -> Option<u64> {
        self.read().expires.map(|expires| expires.get())
    }

    fn __repr__(&self) -> String {
        let url = self.read();
        let path = url.path();
        let expires = url.expires.map_or_else(|| "None".to_owned(), |expires| expires.to_string());
        format!("<VerifiedUrl {} of {}, host='{}', expires={expires}>", path, url.token_id, url.host)
    }

    fn __eq__(&self, other: &Self) -> bool {
        *self.url == *other.url && self.host == other.host
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        // Not that of the given object, which may be of a subclass with a hash of its own.
        PyString::new(py, &self.url).hash()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Restored<'py>> {
        let this = slf.get();
        let host = this.host.as_ref().map(|host| host.to_string());
        Ok((slf.get_type().getattr("_restore")?, (this.url(slf.py()), host)))
    }

    /// For pickle only: proves nothing but the grammar.
    #[classmethod]
    fn _restore(
        _class: &Bound<'_, PyType>,
        url: &Bound<'_, PyString>,
        host: Option<&Bound<'_, PyString>>,
    ) -> PyResult<Self> {
        let py = url.py();
        let host = arguments::host(host)?.map(Arc::new);
        let url = arguments::text("url", url)?;
        let form = key_ring::read(&url, host.as_deref())
            .map_err(|malformed| Refusal::from(malformed).raise(py))?
            .form;
        match form {
            SignatureForm::Cm1 { .. } => Ok(Self::new(url, host)),
            SignatureForm::Token2 => Err(Refusal::of_grammar("expected a URL of the form cm1").raise(py)),
        }
    }
}

/// What pickle wants: a function and its arguments.
type Restored<'py> = (Bound<'py, PyAny>, (Py<PyString>, Option<String>));
