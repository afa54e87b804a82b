//! What the rooms of foreign dialects need beside the use-cases of the native API: tokens by name or value, all of them,
//! and their values in lists, since some dialects show them again.

use countermark_core::{DenyReason, Dialect, Status, Token, TokenKind, may_be_credential, random_base62};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::caller::Caller;
use crate::error::DomainError;
use crate::jwt;
use crate::service::Service;
use crate::store::{ListFilter, Lookup};

/// Rows of one read of [`Service::all`].
const ROWS: u32 = 500;

/// Separates the key of Contentive's tokens from all others.
const CONTENTIVE_KEY: &str = "contentive api tokens";

impl Service {
    /// All tokens that the caller sees, newest first.
    ///
    /// # Errors
    /// Store errors.
    pub async fn all(&self, caller: &Caller) -> Result<Vec<Token>, DomainError> {
        let mut filter = ListFilter { at_most: ROWS, ..ListFilter::default() };
        if caller.dialect() != Dialect::Native {
            filter.dialect = Some(caller.dialect());
        }
        let mut tokens = Vec::new();
        loop {
            let rows = self.store.list(&filter).await?;
            filter.after = rows.last().map(|token| token.terms.id);
            let is_end = rows.len() < ROWS as usize;
            tokens.extend(rows.into_iter().filter(|token| caller.sees(&token.terms)));
            if is_end {
                return Ok(tokens);
            }
        }
    }

    /// The current values or secrets of these tokens in their order; `None` for one that keeps none, has become another's
    /// to show, or is gone. One audit entry stands for all of them.
    ///
    /// # Errors
    /// [`DomainError::PermissionRequired`] without `tokens:reveal`, and store errors.
    pub async fn reveal_all(
        &self,
        caller: &Caller,
        tokens: &[Token],
    ) -> Result<Vec<Option<Zeroizing<String>>>, DomainError> {
        self.permit(caller, "tokens:reveal")?;
        let shown = |token: &&Token| token.about.recoverable && caller.must_reach(&token.terms).is_ok();
        let ids: Vec<_> = tokens.iter().filter(shown).map(|token| token.terms.id).collect();
        self.store.note(self.audit(caller, "token.reveal_all", None)).await?;
        let mut opened = self.store.open(&ids).await?.into_iter();
        let value = |token: &Token| {
            let is_shown = shown(&token);
            is_shown.then(|| opened.next().flatten().map(|it| it.text)).flatten()
        };
        Ok(tokens.iter().map(value).collect())
    }

    /// The API key of the caller's dialect with this name, in dialects whose names are unique.
    ///
    /// # Errors
    /// [`DomainError::NotFound`] and store errors.
    pub async fn find_named(&self, caller: &Caller, name: &str) -> Result<Token, DomainError> {
        let token = self.named(caller.dialect(), name).await?;
        token.filter(|token| caller.sees(&token.terms)).ok_or(DomainError::NotFound)
    }

    /// The API key of a dialect with this name, for what the dialect shows to everybody.
    ///
    /// # Errors
    /// Store errors.
    pub async fn named(&self, dialect: Dialect, name: &str) -> Result<Option<Token>, DomainError> {
        let filter = ListFilter {
            dialect: Some(dialect),
            name: Some(name.to_owned()),
            kind: Some(TokenKind::ApiKey),
            at_most: 1,
            ..ListFilter::default()
        };
        Ok(self.store.list(&filter).await?.pop())
    }

    /// The token that `value` presents now, whatever its state.
    ///
    /// # Errors
    /// [`DomainError::NotFound`] and store errors.
    pub async fn find_presented(&self, caller: &Caller, value: &str) -> Result<Token, DomainError> {
        let token = self.presented(value).await?;
        token.filter(|token| caller.sees(&token.terms)).ok_or(DomainError::NotFound)
    }

    /// The token of `dialect` whose holder presents `value`, if it is usable now but for its limit. Takes no use.
    ///
    /// # Errors
    /// [`DomainError::Unauthenticated`] with the reason, and store errors.
    pub async fn holder(&self, dialect: Dialect, value: &str) -> Result<Token, DomainError> {
        let token = self.presented(value).await?.filter(|token| token.terms.dialect == dialect);
        let token = token.ok_or(DomainError::Unauthenticated(DenyReason::UnknownToken))?;
        let refused = |reason| Err(DomainError::Unauthenticated(reason));
        let now = self.now();
        match token.terms.status(token.usage.used, now) {
            Status::Revoked => refused(DenyReason::Revoked),
            Status::Disabled => refused(DenyReason::Disabled),
            Status::Expired => refused(DenyReason::Expired),
            Status::NotYetValid => refused(DenyReason::NotYetValid),
            // Of the statuses that apply, this one is named before the other.
            Status::Exhausted if token.terms.is_early(now) => refused(DenyReason::NotYetValid),
            Status::Exhausted | Status::Active => Ok(token),
        }
    }

    /// Whether `value` is one that presents `token` now.
    pub fn presents(&self, token: &Token, value: &str) -> bool {
        may_be_credential(value) && token.terms.presents(self.store.digest(value), self.now())
    }

    /// A new value of a foreign form: `prefix` and so many uniformly random base62 digits, 5.95 bits each.
    pub fn foreign_value(&self, prefix: &str, digits: usize) -> Zeroizing<String> {
        let random = random_base62(digits, &mut |bytes| self.rng.fill(bytes));
        Zeroizing::new([prefix, &random].concat())
    }

    /// A JWT with these claims under the key of Contentive's API tokens (HS256), which opens nothing by its signature: it
    /// is found by its digest like any other value, so its claims must hold something random.
    pub fn contentive_jwt(&self, claims: &impl Serialize) -> Zeroizing<String> {
        jwt::sign(jwt::PLAIN, claims, &self.store.derive_key(CONTENTIVE_KEY))
    }

    async fn presented(&self, value: &str) -> Result<Option<Token>, DomainError> {
        if !may_be_credential(value) {
            return Ok(None);
        }
        let digest = self.store.digest(value);
        let token = self.find(Lookup::Value(digest)).await?.found;
        Ok(token.filter(|token| token.terms.presents(digest, self.now())))
    }
}
