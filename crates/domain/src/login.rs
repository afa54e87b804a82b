//! Logging in with an administrator key, for dialects whose clients expect a name, a password and a token for a while.
//!
//! A login token opens what its key opens, in one dialect only. The key is looked up on each call, so that revoking,
//! disabling or regenerating it ends every login made with it.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countermark_core::{DenyReason, Dialect, TokenId, UnixSeconds, ValueDigest};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::caller::Caller;
use crate::error::DomainError;
use crate::jwt;
use crate::service::Service;
use crate::store::Lookup;

/// Most seconds for which a login holds: 24 hours.
pub const MAX_LOGIN_SECONDS: u64 = 86_400;

/// Separates the key of login tokens from all others.
const LOGIN_KEY: &str = "login tokens";

/// What an administrator has got for his key.
pub struct Login {
    /// The token to present from now on.
    pub token: Zeroizing<String>,
    /// First instant at which it no longer works.
    pub expires: UnixSeconds,
    /// The administrator key behind it.
    pub administrator: TokenId,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    /// The dialect in which it holds.
    aud: String,
    /// The administrator key.
    sub: TokenId,
    /// Fingerprint of the very value that was the password.
    key: String,
    iat: UnixSeconds,
    exp: UnixSeconds,
}

impl Service {
    /// Logs in with an administrator key as the password, for `seconds` and at most [`MAX_LOGIN_SECONDS`]; audited.
    ///
    /// # Errors
    /// As [`Service::authenticate_in`].
    pub async fn log_in(
        &self,
        dialect: Dialect,
        password: &str,
        seconds: u64,
        address: Option<IpAddr>,
        request_id: Option<String>,
    ) -> Result<Login, DomainError> {
        let mut caller = self.authenticate_in(dialect, password, "*", address).await?;
        caller.request_id = request_id;
        self.store.note(self.audit(&caller, "login", None)).await?;
        let now = self.now();
        let mut expires = now.plus(seconds.min(MAX_LOGIN_SECONDS));
        expires = caller.terms().expiry.map_or(expires, |expiry| expiry.min(expires));
        let digest = self.store.digest(password);
        let claims = Claims {
            aud: dialect.name().to_owned(),
            sub: caller.id(),
            key: self.fingerprint(digest),
            iat: now,
            exp: expires,
        };
        let token = jwt::sign(jwt::LOGIN, &claims, &self.store.derive_key(LOGIN_KEY));
        Ok(Login { token, expires, administrator: caller.id() })
    }

    /// The administrator behind a login token of this dialect.
    ///
    /// # Errors
    /// [`DomainError::Unauthenticated`]: [`DenyReason::Expired`] for a login that is over, else
    /// [`DenyReason::UnknownToken`] or whatever has become of the key; store errors.
    pub async fn authenticate_login(
        &self,
        dialect: Dialect,
        token: &str,
        address: Option<IpAddr>,
    ) -> Result<Caller, DomainError> {
        let unknown = DomainError::Unauthenticated(DenyReason::UnknownToken);
        let claims: Option<Claims> = jwt::verify(jwt::LOGIN, token, &self.store.derive_key(LOGIN_KEY));
        let Some(claims) = claims.filter(|claims| claims.aud == dialect.name()) else { return Err(unknown) };
        if self.now() >= claims.exp {
            return Err(DomainError::Unauthenticated(DenyReason::Expired));
        }
        let entry = self.entry(Lookup::Id(claims.sub)).await?;
        let values = entry.as_ref().map_or(&[][..], |entry| entry.terms.values());
        let value = values.iter().find(|slot| self.fingerprint(slot.digest) == claims.key);
        let value = value.ok_or(unknown)?.digest;
        self.caller_of(claims.sub, value, dialect, "*", address).await
    }

    /// Tells one value of a key from another without showing its digest.
    fn fingerprint(&self, digest: ValueDigest) -> String {
        let key = self.store.derive_key(LOGIN_KEY);
        let mut mac = Hmac::<Sha256>::new_from_slice(&*key).expect("HMAC takes a key of any length");
        mac.update(b"fingerprint");
        mac.update(&digest.0);
        URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..16])
    }
}
