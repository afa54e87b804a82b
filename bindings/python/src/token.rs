//! `Token`: decides about uses of one token without network.

use countermark_core::{
    DenyReason, Grant, Malformed, Purpose, Request, SignedUrl, Terms, TokenKind, UnixSeconds, decide,
    differences, explain, may_be_credential,
};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::answers::{decision, explanation};
use crate::arguments::NOT_TEXT;
use crate::exceptions::counting_required;
use crate::members::Members;
use crate::question::{Credential, Presented, Question};
use crate::token_record::{self, DESCRIPTIVE, Known};

/// Decides about uses of one token without network, by its record as it was read.
///
/// It answers what the service would, as far as that follows from the record: a token that was revoked or changed since is
/// decided about as it was, so read the record anew from time to time. Nothing is counted, and the statistics of the service
/// do not learn of the use. Three things the record does not tell: viewers' passwords (say ``viewer_proven``), which uploads
/// are under way, and which hosts the service's configuration gives to which cloud.
///
/// A record is refused that has a member that this version does not know, unless it is null: it could be a restriction. So
/// upgrade this package no later than the service. One is refused, too, that lacks a member by which the service restricts:
/// give it as the service shows it, nulls included. What only describes a token (``name``, ``labels`` …) is not looked at. A
/// token never changes and may be used by many threads at once. Its pickle holds the secrets or the value.
///
/// Args:
///     record: the service's JSON of the token, or what has ``to_json()``. The answers of issue and regenerate bring their
///         secret or value along.
///     secrets: of an imageUrl token: the secret of its active version, or secrets by their versions. Links of a version
///         whose secret is not given are refused.
///     value: of an upload token or API key: the value that must be presented. A former value that still overlaps after a
///         regeneration is not known here.
///
/// Raises:
///     InvalidArgument: the record cannot be read or lacks a member, secrets or value are missing, or the value is not the
///         one of which the record shows the preview; names the member.
///
/// >>> token = Token(record, secrets=secret)
/// >>> token.decide(url=link, request=Request(method="GET")).code
/// 'ALLOWED'
#[pyclass(frozen, module = "countermark")]
pub(crate) struct Token {
    terms: Terms,
    used: u64,
    known: Known,
    /// The members that decide, for pickles.
    record: Py<PyDict>,
}

#[pymethods]
impl Token {
    #[new]
    #[pyo3(signature = (record, *, secrets = None, value = None))]
    fn new(
        record: &Bound<'_, PyAny>,
        secrets: Option<&Bound<'_, PyAny>>,
        value: Option<&Bound<'_, PyString>>,
    ) -> PyResult<Self> {
        let record = Members::copy_of("record", record, &DESCRIPTIVE)?;
        let (terms, used, known) = token_record::read(&record, secrets, value)?;
        Ok(Self { terms, used, known, record: record.as_dict().clone().unbind() })
    }

    /// The token's public handle, ``iu_…``, ``up_…`` or ``ak_…``.
    #[getter]
    fn id(&self) -> String {
        self.terms.id.to_string()
    }

    /// ``imageUrl``, ``upload`` or ``apiKey``.
    #[getter]
    const fn r#type(&self) -> &'static str {
        self.terms.kind().name()
    }

    /// On whose behalf it acts.
    #[getter]
    fn owner(&self) -> Option<&str> {
        self.terms.owner.as_deref()
    }

    /// Most uses in its whole life; none is unlimited.
    #[getter]
    const fn limit(&self) -> Option<u64> {
        self.terms.limit
    }

    /// Unix seconds from which on it no longer works; none is never.
    #[getter]
    fn expiry(&self) -> Option<u64> {
        self.terms.expiry.map(UnixSeconds::get)
    }

    /// Whether one use is allowed. Exactly one of ``url`` and ``value`` is what was presented.
    ///
    /// The decision's ``used`` and ``remaining`` stay none, and what it tells of the token does, too, until the credential is
    /// proven to be the token's own.
    ///
    /// Args:
    ///     url: a full signed URL, byte for byte as the client sent it.
    ///     value: a presented token value; compared in constant time.
    ///     request: the facts of the use. A restriction whose fact is missing refuses.
    ///     cost: uses that this would take, 0 to 9223372036854775807.
    ///     viewer_proven: whether you yourself have proven the viewer to be one of the token's users; the record does not
    ///         hold their passwords, so ``request.basic`` is not looked at.
    ///     now: Unix seconds or an aware ``datetime``; by default what ``time.time()`` says.
    ///
    /// Raises:
    ///     CountingRequired: everything else allows, but a use of a limited token would have to be taken, or the request
    ///         continues an upload of which only the service knows. Refusals and free requests do not need the service.
    ///     InvalidArgument: an argument cannot be meant, a fact is longer than the service takes, or the request contradicts
    ///         the signed URL.
    #[pyo3(signature = (*, url = None, value = None, request = None, cost = None, viewer_proven = false, now = None),
           text_signature = "($self, *, url=None, value=None, request=None, cost=1, viewer_proven=False, now=None)")]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword in Python")]
    fn decide<'py>(
        &self,
        py: Python<'py>,
        url: Option<Bound<'py, PyString>>,
        value: Option<Bound<'py, PyString>>,
        request: Option<&Bound<'py, PyAny>>,
        cost: Option<&Bound<'py, PyAny>>,
        viewer_proven: bool,
        now: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let question = Question::read(py, url, value, request, cost, viewer_proven, now)?;
        let verdict = match self.present(&question.credential) {
            Err(refusal) => Err(refusal.reason),
            Ok(presented) => self.judge(py, &question, &presented, self.least_used())?,
        };
        if verdict.is_ok_and(|grant| grant.takes > 0) && self.terms.limit.is_some() {
            return Err(counting_required(py, None));
        }
        self.decision(py, verdict.err())
    }

    /// The same question, answered with its reasons; as a dry run at the service, it takes no use and judges the limit by the
    /// record's own ``used``. Serve nothing by it: that is what ``decide`` is for.
    ///
    /// The arguments are those of ``decide``. The answer holds neither a signature nor a secret, but tells of the token also
    /// who has not proven to hold it: it is for who has the record. A secret version whose secret was not given is missing
    /// here, so that ``differs`` says that the token has none of that number.
    ///
    /// Raises:
    ///     CountingRequired: the request continues an upload of which only the service knows.
    ///     InvalidArgument: as ``decide``.
    #[pyo3(signature = (*, url = None, value = None, request = None, cost = None, viewer_proven = false, now = None),
           text_signature = "($self, *, url=None, value=None, request=None, cost=1, viewer_proven=False, now=None)")]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword in Python")]
    fn explain<'py>(
        &self,
        py: Python<'py>,
        url: Option<Bound<'py, PyString>>,
        value: Option<Bound<'py, PyString>>,
        request: Option<&Bound<'py, PyAny>>,
        cost: Option<&Bound<'py, PyAny>>,
        viewer_proven: bool,
        now: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let question = Question::read(py, url, value, request, cost, viewer_proven, now)?;
        let presented = match self.present(&question.credential) {
            Err(refusal) => return refusal.explanation(py),
            Ok(presented) => presented,
        };
        let refusal = self.judge(py, &question, &presented, self.used)?.err();
        let steps = question
            .with_request(&presented, |request| explain(&self.terms, request, self.used, question.now));
        let differs = refusal.map_or_else(Vec::new, |reason| {
            question.with_request(&presented, |request| {
                differences(&self.terms, &request.proof, reason, question.now)
            })
        });
        let decision = decision(py, refusal, Some(&self.terms))?;
        explanation(py, decision, &steps, presented.url(), &differs)
    }

    fn __repr__(&self) -> String {
        format!("<Token {}, type='{}'>", self.terms.id, self.r#type())
    }

    fn __getnewargs_ex__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<((Bound<'py, PyDict>,), Bound<'py, PyDict>)> {
        let keywords = PyDict::new(py);
        match &self.known {
            Known::Value(value) => keywords.set_item("value", value)?,
            Known::Secrets(secrets) => {
                let versions = PyDict::new(py);
                for (version, secret) in secrets {
                    versions.set_item(version.get(), secret.expose())?;
                }
                keywords.set_item("secrets", versions)?;
            }
        }
        // A copy, since Python's dictionaries change and a token does not.
        let record = Members::copy_of("record", self.record.bind(py), &[])?;
        Ok(((record.as_dict().clone(),), keywords))
    }
}

impl Token {
    /// How many uses are taken at the least. Uploads that are aborted give uses back, and within a count window a use is
    /// free, so there the record's figure proves nothing.
    const fn least_used(&self) -> u64 {
        match &self.terms.purpose {
            Purpose::ImageUrl(image) if image.count_window > 0 => 0,
            Purpose::Upload(_) => 0,
            Purpose::ImageUrl(_) | Purpose::ApiKey(_) => self.used,
        }
    }

    /// What the service finds out before it decides: whether the credential is well-formed, and of this very token.
    fn present<'q>(&self, credential: &'q Credential) -> Result<Presented<'q>, Unfound<'q>> {
        match credential {
            Credential::Url(None) => Err(Malformed(NOT_TEXT).into()),
            Credential::Url(Some(url)) => {
                let url = SignedUrl::parse(url)?;
                if url.token_id == self.terms.id {
                    Ok(Presented::Url(url))
                } else {
                    Err(Unfound { url: Some(Box::new(url)), ..Unfound::UNKNOWN })
                }
            }
            Credential::Value(value) => {
                let value = value.as_deref().filter(|value| may_be_credential(value));
                let digest = value.and_then(|value| self.known.digest(value)).ok_or(Unfound::UNKNOWN)?;
                if self.terms.presents(digest, UnixSeconds::default()) {
                    Ok(Presented::Value(digest))
                } else {
                    Err(Unfound::UNKNOWN)
                }
            }
        }
    }

    fn judge(
        &self,
        py: Python<'_>,
        question: &Question,
        presented: &Presented<'_>,
        used: u64,
    ) -> PyResult<Result<Grant, DenyReason>> {
        if let Presented::Url(url) = presented {
            question.facts.must_agree_with(py, url)?;
        }
        question.with_request(presented, |request| {
            let verdict = decide(&self.terms, request, used, question.now);
            if question.facts.names_upload && self.terms.kind() == TokenKind::Upload {
                let continued = Request { continues_upload: true, ..request.clone() };
                let otherwise = decide(&self.terms, &continued, used, question.now);
                if otherwise != verdict && (otherwise.is_ok() || verdict.is_ok()) {
                    let words = "only the service knows which uploads are under way: ask it";
                    return Err(counting_required(py, Some(words)));
                }
            }
            Ok(verdict)
        })
    }

    /// Up to a wrong signature whoever asks has not proven to hold the token, and learns nothing of it.
    fn decision<'py>(&self, py: Python<'py>, refusal: Option<DenyReason>) -> PyResult<Bound<'py, PyAny>> {
        let is_proven = refusal.is_none_or(|reason| reason > DenyReason::BadSignature);
        decision(py, refusal, is_proven.then_some(&self.terms))
    }
}

/// Why there is nothing to decide about.
struct Unfound<'a> {
    reason: DenyReason,
    words: Option<&'static str>,
    url: Option<Box<SignedUrl<'a>>>,
}

impl Unfound<'_> {
    const UNKNOWN: Self = Self { reason: DenyReason::UnknownToken, words: None, url: None };

    fn explanation<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let words = self.words.unwrap_or_else(|| self.reason.in_words());
        explanation(py, decision(py, Some(self.reason), None)?, &[], self.url.as_deref(), &[words.to_owned()])
    }
}

impl From<Malformed> for Unfound<'_> {
    fn from(Malformed(words): Malformed) -> Self {
        Self { reason: DenyReason::Malformed, words: Some(words), url: None }
    }
}
