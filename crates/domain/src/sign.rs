//! Signing a URL on the server.

use countermark_core::{
    DenyReason, Placement, Proof, Purpose, Request, SignedUrl, SlotKey, TokenId, Viewer, decide, sign,
};

use crate::caller::Caller;
use crate::draft::Expiry;
use crate::error::DomainError;
use crate::service::Service;
use crate::store::Lookup;

/// What to sign.
#[derive(Clone, Copy, Debug)]
pub struct SigningOrder<'a> {
    /// The imageUrl token that signs.
    pub token: TokenId,
    /// Full URL without a signature.
    pub url: &'a str,
    /// When the link ends; `None` = with the token.
    pub expiry: Option<Expiry>,
    /// Seconds to whose multiple the expiry is rounded up; 0 = not rounded.
    pub bucket: u64,
    /// Where the signature stands.
    pub placement: Placement,
}

impl Service {
    /// Signs a URL with the newest secret of a token within the caller's rights.
    ///
    /// # Errors
    /// [`DomainError::NotFound`], [`DomainError::RightsExceeded`], [`DomainError::Invalid`] for a URL that cannot be
    /// signed, [`DomainError::Unsignable`] if the token would refuse the link, and store errors.
    pub async fn sign(&self, caller: &Caller, order: SigningOrder<'_>) -> Result<String, DomainError> {
        let entry = self.entry(Lookup::Id(order.token)).await?;
        let entry = entry.filter(|entry| caller.sees(&entry.terms)).ok_or(DomainError::NotFound)?;
        caller.must_reach(&entry.terms)?;
        let Purpose::ImageUrl(_) = &entry.terms.purpose else {
            return Err(DomainError::Unsignable(DenyReason::WrongType));
        };
        let unsignable = DomainError::Unsignable(DenyReason::BadSignature);
        let Some(slot) = entry.terms.signing_slot() else { return Err(unsignable) };
        let SlotKey::Hmac(key) = &slot.key else { return Err(unsignable) };
        let now = self.now();
        let expires = order.expiry.map(|expiry| expiry.instant(now).round_up(order.bucket));
        let signed = sign(order.url, order.placement, entry.terms.id, slot.version.number, expires, key)
            .map_err(|malformed| DomainError::Invalid { pointer: "/url", detail: malformed.0 })?;
        let parsed = SignedUrl::parse(&signed)
            .map_err(|malformed| DomainError::Invalid { pointer: "/url", detail: malformed.0 })?;
        let request = Request {
            mapped_cloud: self.clouds_by_host.get(parsed.host.as_str()).map(String::as_str),
            viewer: Viewer::Proven,
            cost: 0,
            ..Request::new(Proof::Url(&parsed))
        };
        match decide(&entry.terms, &request, entry.used(), now) {
            // Links may be made ahead of the time from which they work.
            Ok(_) | Err(DenyReason::NotYetValid) => Ok(signed),
            Err(reason) => Err(DomainError::Unsignable(reason)),
        }
    }
}
