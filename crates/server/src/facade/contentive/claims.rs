//! What an API user's token says of him: a JWT, found by its digest like any other value.

use countermark_core::{Permission, TokenId, UnixSeconds, may_be_credential};
use countermark_domain::{DomainError, Service};
use serde::Serialize;
use zeroize::Zeroizing;

use super::record::ApiUserStatus;
use crate::facade::uuid;

/// Digits of `jti`, 131 bits: two tokens of one second differ, and none can be guessed.
const JTI_DIGITS: usize = 22;

/// The claims in the order and with the names of Contentive, and a random `jti`.
#[derive(Serialize)]
struct Claims<'a> {
    user_id: String,
    name: &'a str,
    #[serde(rename = "Scopes")]
    scopes: &'a [&'a str],
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<UnixSeconds>,
    iat: UnixSeconds,
    jti: &'a str,
}

/// What a token is made of.
pub struct Subject<'a> {
    /// The API user.
    pub id: TokenId,
    /// His name.
    pub name: &'a str,
    /// His scopes.
    pub scopes: Vec<&'a str>,
    /// `active`, `inactive` or `expired`.
    pub status: &'a str,
    /// First instant at which he is expired.
    pub expiry: Option<UnixSeconds>,
}

impl<'a> Subject<'a> {
    /// The names of these scopes.
    pub fn names(scopes: impl IntoIterator<Item = &'a Permission>) -> Vec<&'a str> {
        scopes.into_iter().map(Permission::as_str).collect()
    }

    /// Whoever has this name and these scopes, in the state that takes the longest token.
    pub fn longest(id: TokenId, name: &'a str, scopes: Vec<&'a str>) -> Self {
        let status = ApiUserStatus::Inactive.name();
        Self { id, name, scopes, status, expiry: Some(UnixSeconds::MAX) }
    }

    /// Characters of his token.
    pub fn length(&self, service: &Service) -> usize {
        self.signed(service).len()
    }

    /// A new token, never the same twice.
    ///
    /// # Errors
    /// [`DomainError::Invalid`] where it would be too long to be presented.
    pub fn token(&self, service: &Service) -> Result<Zeroizing<String>, DomainError> {
        let token = self.signed(service);
        if may_be_credential(&token) { Ok(token) } else { Err(TOO_LONG) }
    }

    fn signed(&self, service: &Service) -> Zeroizing<String> {
        let jti = service.foreign_value("", JTI_DIGITS);
        service.contentive_jwt(&Claims {
            user_id: uuid::write(self.id),
            name: self.name,
            scopes: &self.scopes,
            status: self.status,
            exp: self.expiry,
            iat: service.now(),
            jti: &jti,
        })
    }
}

const TOO_LONG: DomainError = DomainError::Invalid {
    pointer: "/scopes",
    detail: "expected fewer or shorter scopes: the token would be longer than 4096 characters",
};
