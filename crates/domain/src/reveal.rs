//! Showing a kept value or secret again.

use countermark_core::{Purpose, TokenId};

use crate::caller::Caller;
use crate::error::DomainError;
use crate::service::Service;
use crate::store::Revealed;

impl Service {
    /// The current value or signing secret of a recoverable token; audited.
    ///
    /// # Errors
    /// [`DomainError::NotFound`], [`DomainError::RightsExceeded`], [`DomainError::NotRecoverable`] and store errors.
    pub async fn reveal(&self, caller: &Caller, id: TokenId) -> Result<Revealed, DomainError> {
        let token = self.view(caller, id).await?;
        caller.must_reach(&token.terms)?;
        // A signing secret is always sealed, since signing needs it; it is shown only if that was asked for at the issue.
        if !token.about.recoverable {
            return Err(DomainError::NotRecoverable);
        }
        let audit = self.audit(caller, "token.reveal", Some(id));
        let revealed = self.store.reveal(id, audit).await?.ok_or(DomainError::NotRecoverable)?;
        debug_assert_eq!(revealed.key_version.is_some(), matches!(token.terms.purpose, Purpose::ImageUrl(_)));
        Ok(revealed)
    }
}
