//! Telling an authorized asker what a value is worth now (RFC 7662); takes no use.

use std::sync::Arc;

use countermark_core::{Status, may_be_credential};

use crate::cache::Entry;
use crate::error::DomainError;
use crate::service::Service;
use crate::store::Lookup;

impl Service {
    /// The token that `value` presents, if it is usable now; whatever is unknown or unusable looks the same.
    ///
    /// # Errors
    /// Store errors.
    pub async fn introspect(&self, value: &str) -> Result<Option<Arc<Entry>>, DomainError> {
        if !may_be_credential(value) {
            return Ok(None);
        }
        let digest = self.store.digest(value);
        let now = self.now();
        let entry = self.entry(Lookup::Value(digest)).await?;
        Ok(entry.filter(|entry| {
            entry.terms.presents(digest, now) && entry.terms.status(entry.used(), now) == Status::Active
        }))
    }
}
