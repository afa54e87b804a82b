//! Ending tokens: revoking keeps the record, purging removes it.

use countermark_core::TokenId;

use crate::caller::Caller;
use crate::error::DomainError;
use crate::service::Service;

impl Service {
    /// Revokes a token for ever, with `cascade` also all that it has issued. Repeating it changes nothing.
    ///
    /// When this has returned, no further use of these tokens is allowed.
    ///
    /// # Errors
    /// [`DomainError::NotFound`], [`DomainError::SelfChange`], [`DomainError::RightsExceeded`] and store errors.
    pub async fn revoke(&self, caller: &Caller, id: TokenId, cascade: bool) -> Result<(), DomainError> {
        self.endable(caller, id).await?;
        let audit = self.audit(caller, "token.revoke", Some(id));
        let revoked = self.store.revoke(id, self.now(), cascade, audit).await?;
        if revoked.is_empty() { Err(DomainError::NotFound) } else { Ok(()) }
    }

    /// Removes a token and everything known of it but the audit log.
    ///
    /// # Errors
    /// As [`Service::revoke`].
    pub async fn purge(&self, caller: &Caller, id: TokenId) -> Result<(), DomainError> {
        self.endable(caller, id).await?;
        let audit = self.audit(caller, "token.purge", Some(id));
        if self.store.purge(id, audit).await? { Ok(()) } else { Err(DomainError::NotFound) }
    }

    async fn endable(&self, caller: &Caller, id: TokenId) -> Result<(), DomainError> {
        let token = self.view(caller, id).await?;
        caller.must_not_be(id)?;
        caller.must_reach(&token.terms)
    }
}
