//! `Signer`: signs and verifies links of one imageUrl token.

use countermark_core::{Placement, TokenId, TokenKind};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::arguments::{self, Method, NOT_TEXT, borrow_text};
use crate::batch::{self, Threads};
use crate::exceptions::{Refusal, invalid_argument};
use crate::expiry::Expiry;
use crate::key_ring::{self, KeyRing};
use crate::secrets::read_secrets;
use crate::verdicts::Verdicts;
use crate::verified_url::VerifiedUrl;

/// Signs and verifies links of one imageUrl token, without network and without counting.
///
/// A token's secret has versions; the highest signs, and all verify, so that links stay good while a secret is
/// exchanged. A signer never changes and may be used by many threads at once. Its pickle holds the secrets.
///
/// Args:
///     token_id: ``iu_`` and 22 characters.
///     secrets: one secret of 32 to 256 bytes, which is version 1; or all versions, 1 to 65535, by their numbers.
///     host: for whoever handles requests instead of full URLs: bare targets such as ``/shop/cat.jpg?w=200`` are then
///         taken as requests to this host, and links to other hosts are neither signed nor allowed.
///     placement: where signatures are put unless ``sign`` is told otherwise: ``path`` is
///         ``/{cloudId}/s-cm1:…/{rest}``, ``query`` is at the end of the query.
///
/// Raises:
///     InvalidArgument: an argument cannot be meant; it never shows a secret.
///
/// >>> signer = Signer("iu_034YCGMODo7rNXJe1rD0Im", {1: old_secret, 2: new_secret})
/// >>> signer.verify(signer.sign("https://img.example.com/shop/cat.jpg", expires_in=3600)).path
/// '/shop/cat.jpg'
#[pyclass(frozen, module = "countermark")]
pub(crate) struct Signer {
    ring: KeyRing,
    placement: Placement,
}

#[pymethods]
impl Signer {
    #[new]
    #[pyo3(signature = (token_id, secrets, *, host = None, placement = None),
           text_signature = "(token_id, secrets, *, host=None, placement='path')")]
    fn new(
        token_id: &Bound<'_, PyString>,
        secrets: &Bound<'_, PyAny>,
        host: Option<&Bound<'_, PyString>>,
        placement: Option<&Bound<'_, PyString>>,
    ) -> PyResult<Self> {
        let py = token_id.py();
        let ring = KeyRing::new(read_token_id(token_id)?, read_secrets(secrets)?, arguments::host(host)?)
            .ok_or_else(|| invalid_argument(py, "secrets", "expected at least one secret"))?;
        let placement = placement.map_or(Ok(Placement::Path), arguments::placement)?;
        Ok(Self { ring, placement })
    }

    /// The token whose links these are, ``iu_…``.
    #[getter]
    fn token_id(&self) -> String {
        self.ring.token_id().to_string()
    }

    /// The version that signs, the highest; 1 to 65535.
    #[getter]
    const fn key_version(&self) -> u16 {
        self.ring.signing_version().get()
    }

    /// All versions that verify, lowest first.
    #[getter]
    fn key_versions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.ring.secrets().keys().map(|version| version.get()))
    }

    /// The host that bare targets are for, in lower case and without port.
    #[getter]
    fn host(&self) -> Option<&str> {
        self.ring.host().map(|host| host.as_str())
    }

    /// Where signatures are put: ``path`` or ``query``.
    #[getter]
    const fn placement(&self) -> &'static str {
        arguments::placement_name(self.placement)
    }

    /// The URL with a signature.
    ///
    /// Args:
    ///     url: a full URL, ``http`` or ``https``, or with ``host=`` of the signer a bare target, which stays bare. It is
    ///         signed byte for byte: escape it before.
    ///     expires_in: seconds from now, or a ``timedelta``; 0 to 253402300799, fractions are cut off.
    ///     expires: the instant itself, Unix seconds or an aware ``datetime``: from this second on the link is expired.
    ///         With neither of the two the link never expires.
    ///     bucket: seconds, or a ``timedelta``; the expiry is rounded up to a multiple of it, so that all links made
    ///         within a bucket are the same and can be cached.
    ///     placement: ``path`` or ``query``, where it is to differ from the signer's.
    ///     now: the instant of the call, as ``expires``; by default what ``time.time()`` says.
    ///
    /// Raises:
    ///     InvalidArgument: the URL breaks the grammar, is signed already or for another host than the signer's, or
    ///         another argument cannot be meant.
    #[pyo3(signature = (url, *, expires_in = None, expires = None, bucket = None, placement = None, now = None))]
    fn sign(
        &self,
        url: &Bound<'_, PyString>,
        expires_in: Option<&Bound<'_, PyAny>>,
        expires: Option<&Bound<'_, PyAny>>,
        bucket: Option<&Bound<'_, PyAny>>,
        placement: Option<&Bound<'_, PyString>>,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<String> {
        let py = url.py();
        let text = arguments::text("url", url)?;
        let placement = placement.map_or(Ok(self.placement), arguments::placement)?;
        let expires = Expiry { expires_in, expires, bucket }.instant(py, now)?;
        self.ring.sign(&text, placement, expires).map_err(|malformed| invalid_argument(py, "url", malformed))
    }

    /// Signs many URLs alike, without holding the interpreter; all of them with the same expiry.
    ///
    /// Args:
    ///     urls: any iterable of ``str``, each as ``sign`` takes it.
    ///     threads: 1 to 256, or 0 for one for each core. The other arguments are those of ``sign``.
    ///
    /// Raises:
    ///     InvalidArgument: as ``sign``; of a URL it names the index, as ``urls[3]``, and none is returned.
    #[pyo3(signature = (urls, *, expires_in = None, expires = None, bucket = None, placement = None, now = None,
                        threads = Threads::ONE),
           text_signature = "($self, urls, *, expires_in=None, expires=None, bucket=None, placement=None, now=None, \
                             threads=1)")]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword in Python")]
    fn sign_many<'py>(
        &self,
        urls: &Bound<'py, PyAny>,
        expires_in: Option<&Bound<'_, PyAny>>,
        expires: Option<&Bound<'_, PyAny>>,
        bucket: Option<&Bound<'_, PyAny>>,
        placement: Option<&Bound<'_, PyString>>,
        now: Option<&Bound<'_, PyAny>>,
        threads: Threads,
    ) -> PyResult<Bound<'py, PyList>> {
        let (py, threads) = (urls.py(), threads.get());
        let placement = placement.map_or(Ok(self.placement), arguments::placement)?;
        let expires = Expiry { expires_in, expires, bucket }.instant(py, now)?;
        let texts = batch::texts(urls)?;
        let list = PyList::empty(py);
        // One thread hands over piece by piece, while the texts are still near the processor.
        let at_once = if threads == 1 { batch::PIECE } else { texts.len().max(1) };
        for texts in texts.chunks(at_once) {
            let signed = py.detach(|| {
                batch::work_on(texts, threads, Err(NOT_TEXT), |text| {
                    let text = text.ok_or(NOT_TEXT)?;
                    self.ring.sign(text, placement, expires).map_err(|malformed| malformed.0)
                })
            });
            for signed in signed {
                let refuse = |words| invalid_argument(py, &format!("urls[{}]", list.len()), words);
                list.append(signed.map_err(refuse)?)?;
            }
        }
        Ok(list)
    }

    /// What a signed URL says, once its signature, expiry, method and host are proven.
    ///
    /// Args:
    ///     url: a full URL, or with ``host=`` of the signer a bare target, as the client sent it: not decoded.
    ///     method: HTTP method of the request, upper case; links are for GET and HEAD.
    ///     now: Unix seconds or an aware ``datetime``; by default what ``time.time()`` says.
    ///
    /// Raises:
    ///     Malformed: the URL breaks the grammar or is not signed.
    ///     UnknownToken: it is a link of another token.
    ///     BadSignature: the signature does not fit, or is of a version that the signer does not know.
    ///     LinkExpired: its ``expires`` has come; nothing else is wrong with the signature.
    ///     MethodDenied: the method is neither GET nor HEAD.
    ///     WrongHost: it is for another host than the signer's.
    #[pyo3(signature = (url, *, method = Method::GET, now = None),
           text_signature = "($self, url, *, method='GET', now=None)")]
    fn verify(
        &self,
        url: Bound<'_, PyString>,
        method: Method,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<VerifiedUrl> {
        let py = url.py();
        let now = arguments::now(py, now)?;
        let text = borrow_text(url).ok_or_else(|| not_text().raise(py))?;
        self.ring.verify(&text, method.as_str(), now).map_err(|refusal| refusal.raise(py))?;
        Ok(VerifiedUrl::new(text, self.ring.host().cloned()))
    }

    /// Whether ``verify`` would accept the URL; for whoever does not need to know why not.
    #[pyo3(signature = (url, *, method = Method::GET, now = None),
           text_signature = "($self, url, *, method='GET', now=None)")]
    fn validate(
        &self,
        url: Bound<'_, PyString>,
        method: Method,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let now = arguments::now(url.py(), now)?;
        Ok(borrow_text(url).is_some_and(|text| self.ring.verify(&text, method.as_str(), now).is_ok()))
    }

    /// The outcome of each URL, in their order, decided at one instant and without holding the interpreter.
    ///
    /// Args:
    ///     urls: any iterable of ``str``, each as ``verify`` takes it.
    ///     threads: 1 to 256, or 0 for one for each core. The other arguments are those of ``verify``.
    ///
    /// Raises:
    ///     InvalidArgument: an argument other than a URL cannot be meant. A refusal is never raised here.
    #[pyo3(signature = (urls, *, method = Method::GET, now = None, threads = Threads::ONE),
           text_signature = "($self, urls, *, method='GET', now=None, threads=1)")]
    fn verify_many(
        &self,
        urls: &Bound<'_, PyAny>,
        method: Method,
        now: Option<&Bound<'_, PyAny>>,
        threads: Threads,
    ) -> PyResult<Verdicts> {
        let py = urls.py();
        let texts = batch::texts(urls)?;
        let now = arguments::now(py, now)?;
        let method = method.as_str();
        let refusals = py.detach(|| {
            batch::work_on(&texts, threads.get(), Some(not_text()), |text| match text {
                Some(text) => self.ring.verify(text, method, now).err(),
                None => Some(not_text()),
            })
        });
        Ok(Verdicts::new(texts, self.ring.host().cloned(), refusals))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let versions = self.key_versions(py)?.repr()?;
        let host = self.host().map(|host| format!(", host='{host}'")).unwrap_or_default();
        let (id, placement) = (self.token_id(), self.placement());
        Ok(format!("<Signer {id}, key_versions={versions}{host}, placement='{placement}'>"))
    }

    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<NewArguments<'py>> {
        let secrets = PyDict::new(py);
        for (version, secret) in self.ring.secrets() {
            secrets.set_item(version.get(), secret.expose())?;
        }
        let keywords = PyDict::new(py);
        keywords.set_item("host", self.host())?;
        keywords.set_item("placement", self.placement())?;
        Ok(((self.token_id(), secrets), keywords))
    }
}

/// Positional arguments and keywords of [`Signer::new`].
type NewArguments<'py> = ((String, Bound<'py, PyDict>), Bound<'py, PyDict>);

/// The token that a signed URL claims to be of, to find its ``Signer`` by. Nothing is proven.
///
/// Args:
///     url: a full URL, or with ``host`` a bare target such as ``/shop/cat.jpg?w=200``.
///     host: the host that a bare target is for.
///
/// Raises:
///     Malformed: the URL breaks the grammar or is not signed.
///     InvalidArgument: ``host`` is none.
#[pyfunction]
#[pyo3(signature = (url, *, host = None))]
pub(crate) fn unverified_token_id(
    url: Bound<'_, PyString>,
    host: Option<&Bound<'_, PyString>>,
) -> PyResult<String> {
    let py = url.py();
    let host = arguments::host(host)?;
    let text = borrow_text(url).ok_or_else(|| not_text().raise(py))?;
    let url = key_ring::read(&text, host.as_ref()).map_err(|malformed| Refusal::from(malformed).raise(py))?;
    Ok(url.token_id.to_string())
}

const fn not_text() -> Refusal {
    Refusal::of_grammar(NOT_TEXT)
}

fn read_token_id(token_id: &Bound<'_, PyString>) -> PyResult<TokenId> {
    let id = arguments::text("token_id", token_id)?.parse::<TokenId>().ok();
    id.filter(|id| id.kind() == TokenKind::ImageUrl).ok_or_else(|| {
        let expected = "expected the id of an imageUrl token: iu_ and 22 characters of 0-9A-Za-z";
        invalid_argument(token_id.py(), "token_id", expected)
    })
}
