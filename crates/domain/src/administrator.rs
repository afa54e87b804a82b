//! An administrator for the operator who holds the database.

use crate::error::DomainError;
use crate::issue::Issued;
use crate::service::Service;
use crate::store::{AuditEntry, Changed};

impl Service {
    /// Makes the installation's first administrator if it has had none, so that the next start makes no other; or else
    /// a further one.
    ///
    /// # Errors
    /// Store errors. A first administrator whose name could not be stored keeps the usual one.
    pub async fn make_administrator(&self, name: Option<String>) -> Result<Issued, DomainError> {
        let Some(mut issued) = self.bootstrap(None).await? else {
            return self.create_administrator(name).await;
        };
        if name.is_some() {
            let mut named = issued.token.clone();
            named.about.name = name;
            named.terms.revision += 1;
            let audit = AuditEntry {
                at: self.now(),
                actor: None,
                actor_revision: None,
                action: "token.update",
                token: Some(named.terms.id),
                address: None,
                request_id: None,
                members: vec!["name"],
            };
            match self.store.update(&named, issued.token.terms.revision, audit).await {
                Ok(Changed::Done) => issued.token = named,
                // The value must be shown in any case: it is nowhere else.
                other => tracing::warn!(?other, "the administrator's name could not be stored"),
            }
        }
        Ok(issued)
    }
}
