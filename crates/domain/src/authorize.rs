//! The main question: may this credential be used for this request? Find, decide, take the use, answer.

use std::sync::Arc;

use countermark_core::{
    DenyReason, Grant, Host, Proof, Purpose, Request, SignatureForm, SignedUrl, Terms, UnixSeconds, UploadId,
    ValueDigest, Viewer, decide, may_be_credential,
};

use crate::cache::{Basis, Entry, Known};
use crate::error::DomainError;
use crate::idempotency::Idempotency;
use crate::service::Service;
use crate::store::{Lookup, StoreError, UseOutcome, UseRequest};

/// What is presented.
#[derive(Clone, Copy, Debug)]
pub enum Credential<'a> {
    /// A whole signed URL.
    Url(&'a str),
    /// A signed request target at a host, as a proxy reports it.
    Target {
        /// Host, port allowed.
        host: &'a str,
        /// Raw path and query.
        target: &'a str,
    },
    /// A token value.
    Value(&'a str),
    /// HTTP Basic: user name and password must both be the value.
    Basic {
        /// User name.
        username: &'a str,
        /// Password.
        password: &'a str,
    },
}

/// The facts of the request that the credential is to be used for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// HTTP method, upper case.
    pub method: Option<&'a str>,
    /// Host that the request goes to; of a signed URL, its own.
    pub host: Option<&'a str>,
    /// Cloud; of a signed URL, its own.
    pub cloud: Option<&'a str>,
    /// Undecoded path; of a signed URL, its own.
    pub path: Option<&'a str>,
    /// Undecoded destination of a MOVE or COPY.
    pub destination: Option<&'a str>,
    /// Permission that is needed.
    pub permission: Option<&'a str>,
    /// Storage that is touched.
    pub storage: Option<&'a str>,
    /// Whether permission and storage are demanded of every kind of credential, not of API keys alone.
    pub is_demanded_of_all: bool,
    /// Size in bytes.
    pub bytes: Option<u64>,
    /// Content type.
    pub content_type: Option<&'a str>,
    /// Name that the client gives the upload.
    pub public_id: Option<&'a str>,
    /// The upload that the request continues, if it is one and lives.
    pub upload: Option<UploadId>,
    /// Cloud that the asker's own rules demand; of another cloud in URL or facts, the use is refused.
    pub demanded_cloud: Option<&'a str>,
    /// Address of the client, for counting windows.
    pub client: Option<&'a str>,
    /// The viewer's HTTP Basic user name and password.
    pub viewer: Option<(&'a str, &'a str)>,
}

/// One question.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What is presented.
    pub credential: Credential<'a>,
    /// What for.
    pub facts: Facts<'a>,
    /// Uses to take if the request counts; all or nothing.
    pub cost: u64,
    /// Whether only to tell, taking nothing.
    pub dry_run: bool,
    /// Makes a retry free.
    pub idempotency: Option<Idempotency<'a>>,
}

/// The answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Whether it is allowed, or the refusal.
    pub verdict: Result<Grant, DenyReason>,
    /// The token, once the credential is proven to be its own.
    pub token: Option<Arc<Entry>>,
    /// Uses so far, as the decision left them.
    pub used: u64,
    /// Of an allowed signed URL: first instant at which link, token or signing secret ends, if one of them does.
    pub link_ends: Option<UnixSeconds>,
}

/// The presented credential, parsed.
pub(crate) enum Presented<'a> {
    Url(SignedUrl<'a>),
    Value(ValueDigest),
}

/// How often a decision is made anew because the record changed while its use was being taken.
pub(crate) const ATTEMPTS: usize = 16;

/// What has been found out about a question beside its token.
#[derive(Clone, Copy)]
pub(crate) struct Findings {
    pub(crate) viewer: Viewer,
    pub(crate) continues_upload: bool,
}

impl Findings {
    const NONE: Self = Self { viewer: Viewer::Unproven, continues_upload: false };
}

impl Presented<'_> {
    pub(crate) fn lookup(&self) -> Lookup {
        match self {
            Self::Url(url) => Lookup::Id(url.token_id),
            Self::Value(digest) => Lookup::Value(*digest),
        }
    }

    fn proof(&self) -> Proof<'_> {
        match self {
            Self::Url(url) => Proof::Url(url),
            Self::Value(digest) => Proof::Value(*digest),
        }
    }

    /// When what is allowed now ends by itself, if it is a link.
    fn link_ends(&self, terms: &Terms) -> Option<UnixSeconds> {
        let (Self::Url(url), Purpose::ImageUrl(image)) = (self, &terms.purpose) else { return None };
        // The newest version is the one that lasts longest.
        let mut slots = image.keys.iter().rev().filter(|slot| slot.is_named_by(url.form));
        let slot = match url.form {
            SignatureForm::Cm1 { .. } => slots.next(),
            SignatureForm::Token2 => slots.find(|slot| slot.key.verifies(url)),
        };
        let verify_until = slot.and_then(|slot| slot.version.verify_until);
        [url.expires, terms.expiry, verify_until].into_iter().flatten().min()
    }
}

impl Answer {
    fn about(mut self, presented: &Presented<'_>) -> Self {
        if let (Ok(_), Some(entry)) = (&self.verdict, &self.token) {
            self.link_ends = presented.link_ends(&entry.terms);
        }
        self
    }
}

impl Service {
    /// Answers a question that the cache can answer alone: everything that takes no exact use. `None` = ask
    /// [`Service::authorize`].
    ///
    /// # Errors
    /// [`DomainError::Invalid`] when facts contradict the signed URL.
    pub fn authorize_from_cache(&self, question: &Question<'_>) -> Result<Option<Answer>, DomainError> {
        if question.facts.upload.is_some() {
            return Ok(None);
        }
        let now = self.time.now();
        let presented = match self.present(question.credential) {
            Ok(presented) => presented,
            Err(reason) => return Ok(Some(self.refuse(question, reason))),
        };
        self.check_facts(&presented, &question.facts)?;
        let trusted_until = self.cache.trusted_until();
        let entry = match self.cache.look_up(presented.lookup()) {
            Known::Token(entry) => entry,
            Known::Absent => return Ok(Some(self.refuse(question, DenyReason::UnknownToken))),
            Known::Unknown => return Ok(None),
        };
        let verdict = self.judge(&entry, &presented, question, Findings::NONE, now);
        if !self.cache.is_before(trusted_until) {
            return Ok(None);
        }
        Ok(match verdict {
            Err(DenyReason::AuthenticationRequired) if question.facts.viewer.is_some() => None,
            Ok(grant) if !question.dry_run && self.must_be_taken(&entry.terms, grant, question) => None,
            Err(DenyReason::LimitReached) if self.window(&entry.terms, &presented, question).is_some() => {
                None
            }
            verdict => Some(self.answer(question, &entry, verdict, None, now).about(&presented)),
        })
    }

    /// Answers any question; an allowed counted use is durable before this returns.
    ///
    /// # Errors
    /// [`DomainError::Invalid`] when facts contradict the signed URL, [`DomainError::KeyMismatch`],
    /// [`DomainError::Overloaded`] and store errors. Refusals are answers.
    pub async fn authorize(&self, question: &Question<'_>) -> Result<Answer, DomainError> {
        let presented = match self.present(question.credential) {
            Ok(presented) => presented,
            Err(reason) => return Ok(self.refuse(question, reason)),
        };
        self.check_facts(&presented, &question.facts)?;
        for _ in 0..ATTEMPTS {
            let trusted_until = self.cache.trusted_until();
            let Some(entry) = self.entry(presented.lookup()).await? else {
                return Ok(self.refuse(question, DenyReason::UnknownToken));
            };
            let basis = Basis { entry: &entry, trusted_until };
            if let Some(answer) = self.attempt(basis, &presented, question).await? {
                return Ok(answer.about(&presented));
            }
            self.cache.forget(&entry);
        }
        Err(StoreError::Unavailable("the token changed faster than it could be decided".to_owned()).into())
    }

    /// One decision and, if it takes a use, the taking; `None` if the record was no longer what was decided on.
    async fn attempt(
        &self,
        basis: Basis<'_>,
        presented: &Presented<'_>,
        question: &Question<'_>,
    ) -> Result<Option<Answer>, DomainError> {
        let entry = basis.entry;
        let mut has_waited = question.facts.upload.is_some();
        let mut findings = self.findings(entry, question).await?;
        let mut now = self.time.now();
        let mut verdict = self.judge(entry, presented, question, findings, now);
        if verdict == Err(DenyReason::AuthenticationRequired)
            && let Some((user, password)) = question.facts.viewer
        {
            has_waited = true;
            if self.viewers.is_proven(&entry.terms, user, password).await? {
                now = self.time.now();
                findings.viewer = Viewer::Proven;
                verdict = self.judge(entry, presented, question, findings, now);
            }
        }
        if verdict == Err(DenyReason::LimitReached)
            && let Some((window, seconds)) = self.window(&entry.terms, presented, question)
            && window.lock().await.is_some_and(|first| now < first.plus(seconds))
        {
            // Only a dry run comes here: what is really asked within an open window takes nothing either.
            verdict = Ok(Grant { takes: 0 });
        }
        let grant = match verdict {
            Ok(grant) if !question.dry_run && self.must_be_taken(&entry.terms, grant, question) => grant,
            verdict => return self.answer_if_current(question, basis, verdict, has_waited, now).await,
        };
        let Some((window, seconds)) = self.window(&entry.terms, presented, question) else {
            return self.take(basis, grant, question, now, has_waited).await;
        };
        let mut first_use = window.lock().await;
        let now = self.time.now();
        if first_use.is_some_and(|first| now < first.plus(seconds)) {
            let verdict = self.judge(entry, presented, question, findings, now).map(|_| Grant { takes: 0 });
            return self.answer_if_current(question, basis, verdict, true, now).await;
        }
        let answer = self.take(basis, grant, question, now, true).await?;
        if let Some(Answer { verdict: Ok(_), .. }) = &answer {
            *first_use = Some(now);
        }
        Ok(answer)
    }

    /// The answer of a decision that takes no exact use; `None` if it has waited for something and the record was changed
    /// meanwhile. (An exact use needs no such look: its guarded statement matches the revision.)
    async fn answer_if_current(
        &self,
        question: &Question<'_>,
        basis: Basis<'_>,
        verdict: Result<Grant, DenyReason>,
        has_waited: bool,
        now: UnixSeconds,
    ) -> Result<Option<Answer>, DomainError> {
        let is_current = self.cache.is_current(basis, has_waited, |by| self.find(by)).await?;
        Ok(is_current.then(|| self.answer(question, basis.entry, verdict, None, now)))
    }

    async fn take(
        &self,
        basis: Basis<'_>,
        grant: Grant,
        question: &Question<'_>,
        now: UnixSeconds,
        has_waited: bool,
    ) -> Result<Option<Answer>, DomainError> {
        let entry = basis.entry;
        let terms = &entry.terms;
        let request = UseRequest {
            token: terms.id,
            revision: terms.revision,
            cost: grant.takes,
            idempotency: question.idempotency.map(|key| key.about(Some(terms.id))),
        };
        let is_plain_statistic = terms.limit.is_none() && request.idempotency.is_none();
        if is_plain_statistic {
            return self.answer_if_current(question, basis, Ok(grant), has_waited, now).await;
        }
        let outcome = match &*self.combiner.read().await {
            Some(combiner) => combiner.take(request, self.use_wait).await?,
            None => return Err(DomainError::Overloaded),
        };
        let (verdict, used) = match outcome {
            UseOutcome::Stale => return Ok(None),
            UseOutcome::KeyMismatch => return Err(DomainError::KeyMismatch),
            UseOutcome::Granted { used } => (Ok(grant), used),
            UseOutcome::Repeated { used } => (Ok(Grant { takes: 0 }), used),
            UseOutcome::Exhausted { used } => (Err(DenyReason::LimitReached), used),
        };
        Ok(Some(self.answer(question, entry, verdict, Some(used), now)))
    }

    pub(crate) fn present<'a>(&self, credential: Credential<'a>) -> Result<Presented<'a>, DenyReason> {
        let value = match credential {
            Credential::Url(url) => {
                return Ok(Presented::Url(SignedUrl::parse(url).map_err(|_| DenyReason::Malformed)?));
            }
            Credential::Target { host, target } => {
                let host = Host::parse(host).map_err(|_| DenyReason::Malformed)?;
                let url = SignedUrl::parse_target(host, target).map_err(|_| DenyReason::Malformed)?;
                return Ok(Presented::Url(url));
            }
            Credential::Value(value) => value,
            Credential::Basic { username, password } if username == password => password,
            Credential::Basic { .. } => return Err(DenyReason::UnknownToken),
        };
        if may_be_credential(value) {
            Ok(Presented::Value(self.store.digest(value)))
        } else {
            Err(DenyReason::UnknownToken)
        }
    }

    /// Whether the facts agree with a signed URL, from which host, cloud and path come alone.
    pub(crate) fn check_facts(
        &self,
        presented: &Presented<'_>,
        facts: &Facts<'_>,
    ) -> Result<(), DomainError> {
        let Presented::Url(url) = presented else { return Ok(()) };
        let differs = |pointer| DomainError::Invalid {
            pointer,
            detail: "expected what the signed URL says, or nothing",
        };
        if facts.cloud.is_some() && facts.cloud != url.cloud {
            return Err(differs("/request/cloudId"));
        }
        if facts.path.is_some_and(|path| path != url.path()) {
            return Err(differs("/request/path"));
        }
        if facts.host.is_some_and(|host| Host::parse(host).ok().as_ref() != Some(&url.host)) {
            return Err(differs("/request/host"));
        }
        Ok(())
    }

    pub(crate) fn request<'a>(
        &'a self,
        presented: &'a Presented<'a>,
        question: &Question<'a>,
        findings: Findings,
    ) -> Request<'a> {
        let facts = &question.facts;
        let host = match presented {
            Presented::Url(url) => Some(url.host.as_str()),
            Presented::Value(_) => facts.host,
        };
        Request {
            method: facts.method,
            cloud: facts.cloud,
            mapped_cloud: facts.demanded_cloud.or_else(|| host.and_then(|host| self.mapped_cloud(host))),
            path: facts.path,
            destination: facts.destination,
            storage: facts.storage,
            permission: facts.permission,
            is_demanded_of_all: facts.is_demanded_of_all,
            bytes: facts.bytes,
            content_type: facts.content_type,
            public_id: facts.public_id,
            continues_upload: findings.continues_upload,
            viewer: findings.viewer,
            cost: question.cost,
            ..Request::new(presented.proof())
        }
    }

    /// Looks for the upload that the question names, if it does.
    pub(crate) async fn findings(
        &self,
        entry: &Entry,
        question: &Question<'_>,
    ) -> Result<Findings, StoreError> {
        let Some(id) = question.facts.upload else { return Ok(Findings::NONE) };
        let upload = self.store.find_upload(id).await?;
        let now = self.time.now();
        let continues_upload = upload.is_some_and(|it| it.token == entry.terms.id && it.is_live(now));
        Ok(Findings { continues_upload, ..Findings::NONE })
    }

    fn mapped_cloud(&self, host: &str) -> Option<&str> {
        if self.clouds_by_host.is_empty() { None } else { self.clouds_by_host.get(host).map(String::as_str) }
    }

    fn judge(
        &self,
        entry: &Entry,
        presented: &Presented<'_>,
        question: &Question<'_>,
        findings: Findings,
        now: UnixSeconds,
    ) -> Result<Grant, DenyReason> {
        let request = self.request(presented, question, findings);
        // Where a use will be taken, the store's guarded statement alone judges the limit: the figure here may be old.
        let used = if question.dry_run { entry.used() } else { 0 };
        decide(&entry.terms, &request, used, now)
    }

    fn must_be_taken(&self, terms: &Terms, grant: Grant, question: &Question<'_>) -> bool {
        let has_window = matches!(&terms.purpose, Purpose::ImageUrl(image) if image.count_window > 0);
        grant.takes > 0 && (terms.limit.is_some() || question.idempotency.is_some() || has_window)
    }

    fn window(
        &self,
        terms: &Terms,
        presented: &Presented<'_>,
        question: &Question<'_>,
    ) -> Option<(crate::window::Window, u64)> {
        let (Purpose::ImageUrl(image), Presented::Url(url)) = (&terms.purpose, presented) else {
            return None;
        };
        let client = question.facts.client.filter(|_| image.count_window > 0)?;
        let is_get = question.facts.method.is_none_or(|method| method == "GET");
        is_get.then(|| {
            let window = self.windows.of(terms.id, url.host.as_str(), url.target, client);
            (window, u64::from(image.count_window))
        })
    }

    fn refuse(&self, question: &Question<'_>, reason: DenyReason) -> Answer {
        if !question.dry_run {
            self.statistics.note_refused(None, reason);
        }
        Answer { verdict: Err(reason), token: None, used: 0, link_ends: None }
    }

    /// The answer, noted in the statistics; `stored_used` is what the store has counted if it was asked to take the use.
    fn answer(
        &self,
        question: &Question<'_>,
        entry: &Arc<Entry>,
        verdict: Result<Grant, DenyReason>,
        stored_used: Option<u64>,
        now: UnixSeconds,
    ) -> Answer {
        if !question.dry_run {
            match verdict {
                Ok(grant) => self.statistics.note_allowed(entry, grant.takes, stored_used.is_some(), now),
                Err(reason) => self.statistics.note_refused(Some(entry), reason),
            }
        }
        // Up to a wrong signature the asker has not proven to hold the token: it learns nothing of it.
        let is_proven = verdict.err().is_none_or(|reason| reason > DenyReason::BadSignature);
        let used = match stored_used {
            Some(used) if entry.terms.limit.is_some() => used,
            // Without a limit the store's figure lacks what is still to be flushed.
            stored => entry.used().max(stored.unwrap_or_default()),
        };
        Answer { verdict, token: is_proven.then(|| Arc::clone(entry)), used, link_ends: None }
    }
}
