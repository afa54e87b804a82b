//! The facts of a request: `countermark.Request` as the core asks for it.

use std::net::IpAddr;

use countermark_core::{Permission, Proof, Request, SignedUrl, UploadId, bounds};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyType};

use crate::arguments::{self, wrong_type};
use crate::exceptions::invalid_argument;
use crate::upload_extra;

/// What is known of the request, each as its text; those of clients and viewers are left to the service.
#[derive(Default)]
pub(crate) struct Facts {
    method: Option<PyBackedStr>,
    cloud_id: Option<PyBackedStr>,
    path: Option<PyBackedStr>,
    destination: Option<PyBackedStr>,
    permission: Option<PyBackedStr>,
    storage: Option<PyBackedStr>,
    bytes: Option<u64>,
    content_type: Option<PyBackedStr>,
    public_id: Option<PyBackedStr>,
    /// Whether it names an upload that it continues.
    pub(crate) names_upload: bool,
}

impl Facts {
    /// Reads a `countermark.Request`.
    ///
    /// # Errors
    /// `TypeError` for wrong types; `InvalidArgument` for what the service would not accept either.
    pub(crate) fn read(request: &Bound<'_, PyAny>) -> PyResult<Self> {
        static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        let py = request.py();
        if !request.is_instance(CLASS.import(py, "countermark.decision", "Request")?)? {
            return Err(wrong_type("request", "a countermark.Request", request));
        }
        let bytes = request.getattr("bytes")?;
        must_be_an_address(request)?;
        let upload_id = text(request, "upload_id", bounds::UPLOAD_ID)?;
        if upload_id.as_ref().is_some_and(|id| id.parse::<UploadId>().is_err()) {
            return Err(invalid_argument(py, "request.upload_id", "expected upl_ and 22 characters"));
        }
        let facts = Self {
            method: text(request, "method", bounds::METHOD)?,
            cloud_id: text(request, "cloud_id", bounds::CLOUD_ID)?,
            path: text(request, "path", bounds::PATH)?,
            destination: text(request, "destination", bounds::PATH)?,
            permission: text(request, "permission", bounds::PERMISSION)?,
            storage: text(request, "storage", bounds::STORAGE)?,
            bytes: if bytes.is_none() { None } else { Some(upload_extra::size("request.bytes", &bytes)?) },
            content_type: text(request, "content_type", bounds::CONTENT_TYPE)?,
            public_id: text(request, "public_id", bounds::PUBLIC_ID)?,
            names_upload: upload_id.is_some(),
        };
        facts.must_be_meant(py)?;
        Ok(facts)
    }

    /// # Errors
    /// `InvalidArgument` if a fact contradicts the signed URL, from which host, cloud and path come alone.
    pub(crate) fn must_agree_with(&self, py: Python<'_>, url: &SignedUrl<'_>) -> PyResult<()> {
        const EXPECTED: &str = "expected what the signed URL says, or nothing";
        if self.cloud_id.is_some() && self.cloud_id.as_deref() != url.cloud {
            return Err(invalid_argument(py, "request.cloud_id", EXPECTED));
        }
        if self.path.as_ref().is_some_and(|path| **path != *url.path()) {
            return Err(invalid_argument(py, "request.path", EXPECTED));
        }
        Ok(())
    }

    /// The core's request with these facts.
    pub(crate) fn request<'a>(&'a self, proof: Proof<'a>) -> Request<'a> {
        Request {
            method: self.method.as_deref(),
            cloud: self.cloud_id.as_deref(),
            path: self.path.as_deref(),
            destination: self.destination.as_deref(),
            permission: self.permission.as_deref(),
            storage: self.storage.as_deref(),
            bytes: self.bytes,
            content_type: self.content_type.as_deref(),
            public_id: self.public_id.as_deref(),
            ..Request::new(proof)
        }
    }

    fn must_be_meant(&self, py: Python<'_>) -> PyResult<()> {
        let is_method = |method: &PyBackedStr| {
            !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
        };
        if !self.method.as_ref().is_none_or(is_method) {
            return Err(invalid_argument(py, "request.method", "expected an HTTP method in upper case"));
        }
        match self.permission.as_deref().map(Permission::parse) {
            Some(Err(invalid)) => Err(invalid_argument(py, "request.permission", invalid)),
            _ => Ok(()),
        }
    }
}

/// # Errors
/// `InvalidArgument` unless the client's address is one. It decides nothing here, but the service would not answer.
fn must_be_an_address(request: &Bound<'_, PyAny>) -> PyResult<()> {
    let address = text(request, "client_ip", bounds::ADDRESS)?;
    if address.is_some_and(|address| address.parse::<IpAddr>().is_err()) {
        return Err(invalid_argument(request.py(), "request.client_ip", "expected an IPv4 or IPv6 address"));
    }
    Ok(())
}

/// A fact of at most so many bytes.
fn text(request: &Bound<'_, PyAny>, name: &str, most: usize) -> PyResult<Option<PyBackedStr>> {
    let fact = request.getattr(name)?;
    if fact.is_none() {
        return Ok(None);
    }
    let argument = format!("request.{name}");
    let fact = fact.cast::<PyString>().map_err(|_| wrong_type(&argument, "str", &fact))?;
    let text = arguments::text(&argument, fact)?;
    if text.len() > most {
        return Err(invalid_argument(request.py(), &argument, format!("expected at most {most} bytes")));
    }
    Ok(Some(text))
}
