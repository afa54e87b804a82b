//! Idempotency keys: a repeated call is recognised by caller, route, token and key, and must ask for the same.

use countermark_core::TokenId;
use sha2::{Digest, Sha256};

use crate::store::IdempotencyKey;

/// The key of a call as it was presented, before the token is known that it is about.
#[derive(Clone, Copy, Debug)]
pub struct Idempotency<'a> {
    /// Who calls.
    pub caller: TokenId,
    /// Name of the route; the same key on another route is another key.
    pub route: &'static str,
    /// What the caller chose, 1 to 255 visible characters.
    pub key: &'a str,
    /// Digest of everything that was asked.
    pub request: [u8; 32],
}

impl Idempotency<'_> {
    /// The digested form under which the store keeps it.
    pub(crate) fn about(&self, token: Option<TokenId>) -> IdempotencyKey {
        let token = token.map(|id| id.to_string()).unwrap_or_default();
        let mut digest = Sha256::new();
        // Every part is preceded by its length: no two lists of parts give the same bytes.
        for part in [self.caller.to_string().as_str(), self.route, &token, self.key] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        IdempotencyKey { scope: digest.finalize().into(), request: self.request }
    }
}
