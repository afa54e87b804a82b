//! The same question as authorize, taking nothing, answered with its reasons.

use countermark_core::{DenyReason, SignatureForm, SignedUrl, Step, Viewer, decide, differences, explain};

use crate::authorize::{Presented, Question};
use crate::caller::Caller;
use crate::error::DomainError;
use crate::service::Service;

/// Why a decision is as it is. Never holds a MAC or a secret.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Whether it would be allowed, or the refusal.
    pub verdict: Result<(), DenyReason>,
    /// What breaks the grammar, of a malformed URL.
    pub malformed: Option<&'static str>,
    /// Every rule in the order of refusal; empty if no token was found.
    pub steps: Vec<Step>,
    /// How a well-formed URL is signed.
    pub form: Option<SignatureForm>,
    /// What the signature of a well-formed URL must be over; `None` in a form that signs no such string.
    pub canonical_string: Option<String>,
    /// In plain words, what differs from a request that would be allowed.
    pub differs: Vec<String>,
    /// The token asked about, with its uses so far.
    pub token: Option<std::sync::Arc<crate::cache::Entry>>,
}

impl Service {
    /// Explains what [`Service::authorize`] would answer, without telling of tokens that the caller neither sees nor
    /// presents.
    ///
    /// # Errors
    /// As [`Service::authorize`].
    pub async fn explain(
        &self,
        caller: &Caller,
        question: &Question<'_>,
    ) -> Result<Explanation, DomainError> {
        let presented = match self.present(question.credential) {
            Ok(presented) => presented,
            Err(reason) => return Ok(Explanation::of_nothing(reason, question)),
        };
        self.check_facts(&presented, &question.facts)?;
        let (form, canonical_string) = match &presented {
            Presented::Url(url) => (Some(url.form), url.canonical_string()),
            Presented::Value(_) => (None, None),
        };
        let Some(entry) = self.entry(presented.lookup()).await? else {
            return Ok(Explanation {
                form,
                canonical_string,
                ..Explanation::of_nothing(DenyReason::UnknownToken, question)
            });
        };
        let findings = self.findings(&entry, question).await?;
        let now = self.now();
        let mut request = self.request(&presented, question, findings);
        if decide(&entry.terms, &request, entry.used(), now) == Err(DenyReason::AuthenticationRequired)
            && let Some((user, password)) = question.facts.viewer
            && self.viewers.is_proven(&entry.terms, user, password).await?
        {
            request.viewer = Viewer::Proven;
        }
        let verdict = decide(&entry.terms, &request, entry.used(), now).map(|_| ());
        let is_proven = verdict.err().is_none_or(|reason| reason > DenyReason::BadSignature);
        if !is_proven && !caller.sees(&entry.terms) {
            // Without the credential a foreign token is answered like an absent one.
            return Ok(Explanation {
                form,
                canonical_string,
                ..Explanation::of_nothing(DenyReason::UnknownToken, question)
            });
        }
        let differs = match verdict {
            Err(reason) => differences(&entry.terms, &request.proof, reason, now),
            Ok(()) => Vec::new(),
        };
        let steps = explain(&entry.terms, &request, entry.used(), now);
        Ok(Explanation {
            verdict,
            malformed: None,
            steps,
            form,
            canonical_string,
            differs,
            token: Some(entry),
        })
    }
}

impl Explanation {
    fn of_nothing(reason: DenyReason, question: &Question<'_>) -> Self {
        use crate::authorize::Credential;
        let malformed = match question.credential {
            Credential::Url(url) if reason == DenyReason::Malformed => {
                SignedUrl::parse(url).err().map(|it| it.0)
            }
            _ => None,
        };
        let differs = vec![malformed.unwrap_or_else(|| reason.in_words()).to_owned()];
        Self {
            verdict: Err(reason),
            malformed,
            steps: Vec::new(),
            form: None,
            canonical_string: None,
            differs,
            token: None,
        }
    }
}
