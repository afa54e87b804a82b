//! Management reads: one token, many tokens, figures, the audit log.

use countermark_core::{Purpose, Token, TokenId, UnixSeconds};

use crate::caller::Caller;
use crate::error::DomainError;
use crate::service::Service;
use crate::store::{AuditFilter, AuditRecord, HourlyDecisions, HourlyUse, ListFilter, Lookup};

/// One page of a list.
#[derive(Debug)]
pub struct Page {
    /// The tokens, newest first.
    pub tokens: Vec<Token>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<TokenId>,
}

impl Caller {
    /// Whether the key is bound to no path, clouds and storages: only such a key is shown what concerns the whole
    /// installation.
    pub fn is_unbound(&self) -> bool {
        match &self.terms().purpose {
            Purpose::ApiKey(api) => api.base_path.is_none() && api.clouds.is_none() && api.storages.is_none(),
            Purpose::ImageUrl(_) | Purpose::Upload(_) => false,
        }
    }
}

impl Service {
    /// One token as stored.
    ///
    /// # Errors
    /// [`DomainError::NotFound`], alike for what is absent and what is foreign to the caller.
    pub async fn view(&self, caller: &Caller, id: TokenId) -> Result<Token, DomainError> {
        let token = self.store.find(Lookup::Id(id)).await?.found;
        token.filter(|token| caller.sees(&token.terms)).ok_or(DomainError::NotFound)
    }

    /// Whether there is such a token; mostly answered from the cache.
    ///
    /// # Errors
    /// Store errors.
    pub async fn exists(&self, caller: &Caller, id: TokenId) -> Result<bool, DomainError> {
        let entry = self.entry(Lookup::Id(id)).await?;
        Ok(entry.is_some_and(|entry| caller.sees(&entry.terms)))
    }

    /// A page of the tokens that the caller sees.
    ///
    /// # Errors
    /// Store errors.
    pub async fn list(&self, caller: &Caller, filter: ListFilter) -> Result<Page, DomainError> {
        let wanted = filter.at_most as usize;
        let mut filter = ListFilter { at_most: filter.at_most + 1, ..filter };
        let mut tokens = Vec::new();
        loop {
            let read = self.store.list(&filter).await?;
            let is_last = read.len() < filter.at_most as usize;
            filter.after = read.last().map(|token| token.terms.id);
            tokens.extend(read.into_iter().filter(|token| caller.sees(&token.terms)));
            if tokens.len() > wanted || is_last {
                break;
            }
        }
        let has_more = tokens.len() > wanted;
        tokens.truncate(wanted);
        let next = tokens.last().map(|token| token.terms.id).filter(|_| has_more);
        Ok(Page { tokens, next })
    }

    /// Hourly figures of one token, `from` included, `to` excluded.
    ///
    /// # Errors
    /// As [`Service::view`].
    pub async fn usage(
        &self,
        caller: &Caller,
        id: TokenId,
        from: UnixSeconds,
        to: UnixSeconds,
    ) -> Result<Vec<HourlyUse>, DomainError> {
        self.view(caller, id).await?;
        Ok(self.store.usage(id, from, to).await?)
    }

    /// Hourly decisions of the whole installation by code.
    ///
    /// # Errors
    /// Store errors.
    pub async fn stats(
        &self,
        from: UnixSeconds,
        to: UnixSeconds,
    ) -> Result<Vec<HourlyDecisions>, DomainError> {
        Ok(self.store.decisions(from, to).await?)
    }

    /// The audit log, newest first.
    ///
    /// # Errors
    /// Store errors.
    pub async fn audit_log(&self, filter: &AuditFilter) -> Result<Vec<AuditRecord>, DomainError> {
        Ok(self.store.audit(filter).await?)
    }
}
