//! In plain words, what differs from a request that would be allowed.

use crate::decide::Proof;
use crate::reason::DenyReason;
use crate::signed_url::{SignatureForm, SignedUrl};
use crate::time::UnixSeconds;
use crate::token::{ImageTerms, Purpose, SecretState, SecretVersion, Terms};

/// What a refusal for this reason comes of; of a signature that does not fit, what it would fit. Only for those who may know
/// the terms. Never holds a MAC or a secret.
pub fn differences(terms: &Terms, proof: &Proof<'_>, refusal: DenyReason, now: UnixSeconds) -> Vec<String> {
    match proof {
        Proof::Url(url) if refusal == DenyReason::BadSignature => what_the_signature_fits(url, terms, now),
        Proof::Url(_) | Proof::Value(_) => vec![refusal.in_words().to_owned()],
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
