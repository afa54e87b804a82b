//! The same question as authorize, taking nothing, answered with its reasons.

use countermark_core::{
    DenyReason, ImageTerms, Proof, Purpose, SecretState, SecretVersion, SignatureForm, SignedUrl, Step,
    Terms, UnixSeconds, Viewer, decide, explain,
};

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
        let differs = match (&request.proof, verdict) {
            (Proof::Url(url), Err(DenyReason::BadSignature)) => {
                what_the_signature_fits(url, &entry.terms, now)
            }
            (_, Err(reason)) => vec![in_words(reason).to_owned()],
            (_, Ok(())) => Vec::new(),
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
        let differs = vec![malformed.unwrap_or_else(|| in_words(reason)).to_owned()];
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

/// Tries what people get wrong: another form, another secret version, another host, a query added behind.
fn what_the_signature_fits(url: &SignedUrl<'_>, terms: &Terms, now: UnixSeconds) -> Vec<String> {
    let Purpose::ImageUrl(image) = &terms.purpose else { return Vec::new() };
    if image.legacy_signatures != (url.form == SignatureForm::Token2) {
        let own = if image.legacy_signatures { "s-token2" } else { "cm1" };
        return vec![format!("the token verifies {own} URLs only")];
    }
    let mut findings = what_the_versions_say(url, image, now);
    let fits = |url: Result<SignedUrl<'_>, _>| {
        let Ok(url) = url else { return false };
        image.keys.iter().any(|slot| slot.is_named_by(url.form) && slot.key.verifies(&url))
    };
    for host in image.hosts.iter().filter(|host| **host != url.host) {
        if fits(SignedUrl::parse_target(host.clone(), url.target)) {
            findings.push(format!("the signature was made for the host {}", host.as_str()));
        }
    }
    if let Some((bare, _)) = url.target.split_once('?')
        && fits(SignedUrl::parse_target(url.host.clone(), bare))
    {
        findings.push("the query was added after signing".to_owned());
    }
    if findings.is_empty() {
        let finding = match url.form {
            SignatureForm::Cm1 { .. } => {
                "the signature does not fit: compare the canonical string with the one that was signed, byte by byte"
                    .to_owned()
            }
            SignatureForm::Token2 => format!(
                "the signature does not fit: it must be over the host {} and over all that follows the signature \
                 segment, byte by byte and without the leading slash",
                url.host
            ),
        };
        findings.push(finding);
    }
    findings
}

fn what_the_versions_say(url: &SignedUrl<'_>, image: &ImageTerms, now: UnixSeconds) -> Vec<String> {
    let mut findings = Vec::new();
    let is_retired = |version: &SecretVersion| version.state(now) == SecretState::Retired;
    if let Some(named) = url.form.key_version() {
        match image.keys.iter().find(|slot| slot.version.number == named) {
            None => findings.push(format!("the token has no secret version {named}")),
            Some(slot) if is_retired(&slot.version) => {
                findings.push(format!("secret version {named} is retired"));
            }
            Some(_) => {}
        }
    }
    for other in image.keys.iter().filter(|slot| url.form.key_version() != Some(slot.version.number)) {
        if other.key.verifies(url) {
            let number = other.version.number;
            let state = if is_retired(&other.version) { ", which is retired" } else { "" };
            findings.push(format!("the signature was made with secret version {number}{state}"));
        }
    }
    findings
}

const fn in_words(reason: DenyReason) -> &'static str {
    match reason {
        DenyReason::Malformed => "the URL breaks the grammar of signed URLs",
        DenyReason::UnknownToken => "no token is found by this credential",
        DenyReason::WrongType => "a token of this type is not presented this way",
        DenyReason::BadSignature => "the signature does not fit",
        DenyReason::Revoked => "the token is revoked",
        DenyReason::Disabled => "the token is switched off",
        DenyReason::NotYetValid => "the token's notBefore lies ahead",
        DenyReason::Expired => "the token's expiry has come",
        DenyReason::LinkExpired => "the link's expiry has come",
        DenyReason::MethodDenied => "the method is not one of this type's",
        DenyReason::WrongCloud => "the cloud is another than the token's, or none is named",
        DenyReason::WrongHost => "the host is not one of the token's",
        DenyReason::PathDenied => "the path lies outside basePath, is ambiguous, or is not named",
        DenyReason::StorageDenied => "the storage is not one of the token's, or none is named",
        DenyReason::PermissionDenied => "the permission is not granted, or none is asked for",
        DenyReason::ConstraintFailed => {
            "size, content type or name prefix is not as demanded, or is not named"
        }
        DenyReason::AuthenticationRequired => "the viewer's user name and password are missing or wrong",
        DenyReason::LimitReached => "too few uses are left",
    }
}
