//! Ending tokens: revoking keeps the record, purging removes it.

use countermark_core::TokenId;

use crate::caller::Caller;
use crate::error::DomainError;
use crate::service::Service;
use crate::store::Lookup;

/// Attempts at a cascade whose descent is being changed meanwhile.
const ATTEMPTS: usize = 16;

impl Service {
    /// Revokes a token for ever, with `cascade` also all that it has issued, which must all lie within the caller's
    /// rights. Repeating it changes nothing.
    ///
    /// When this has returned, no further use of these tokens is allowed.
    ///
    /// # Errors
    /// [`DomainError::NotFound`], [`DomainError::SelfChange`], [`DomainError::RightsExceeded`],
    /// [`DomainError::Overloaded`] and store errors.
    pub async fn revoke(&self, caller: &Caller, id: TokenId, cascade: bool) -> Result<(), DomainError> {
        self.settled(self.endable(caller, id).await).await?;
        for _ in 0..ATTEMPTS {
            let judged = if cascade { Some(self.judged_descent(caller, id).await?) } else { None };
            let audit = self.audit(caller, "token.revoke", Some(id));
            match self.store.revoke(id, self.now(), judged.as_deref(), audit).await? {
                Some(revoked) if revoked.is_empty() => return Err(DomainError::NotFound),
                Some(_) => return Ok(()),
                None => {}
            }
        }
        Err(DomainError::Overloaded)
    }

    /// What a token has issued, each of it ended by this caller's right; with the revisions that were judged.
    ///
    /// A child can reach further than its parent: someone with more rights may have widened it since.
    async fn judged_descent(&self, caller: &Caller, id: TokenId) -> Result<Vec<(TokenId, u64)>, DomainError> {
        let mut judged = Vec::new();
        for (id, _) in self.store.descent(id).await? {
            // One that is purged meanwhile needs no judgement.
            let Some(entry) = self.entry(Lookup::Id(id)).await? else { continue };
            caller.must_not_be(id)?;
            caller.must_reach(&entry.terms)?;
            judged.push((id, entry.terms.revision));
        }
        Ok(judged)
    }

    /// Removes a token and everything known of it but the audit log.
    ///
    /// # Errors
    /// As [`Service::revoke`].
    pub async fn purge(&self, caller: &Caller, id: TokenId) -> Result<(), DomainError> {
        self.settled(self.endable(caller, id).await).await?;
        let audit = self.audit(caller, "token.purge", Some(id));
        if self.store.purge(id, audit).await? {
            Ok(())
        } else {
            self.settled(Err(DomainError::NotFound)).await
        }
    }

    /// Tells that a token is gone only when it is gone for every node: the call that has removed it may still wait.
    async fn settled(&self, found: Result<(), DomainError>) -> Result<(), DomainError> {
        if let Err(DomainError::NotFound) = found {
            self.store.settle().await?;
        }
        found
    }

    async fn endable(&self, caller: &Caller, id: TokenId) -> Result<(), DomainError> {
        let token = self.view(caller, id).await?;
        caller.must_not_be(id)?;
        caller.must_reach(&token.terms)
    }
}
