//! Administrators made without a caller: the first of an installation, and further ones for the operator who holds the
//! database.

use std::collections::BTreeMap;

use countermark_core::{Dialect, Permission, TokenKind, TokenValue};
use zeroize::Zeroizing;

use crate::draft::{Draft, PurposeDraft};
use crate::error::DomainError;
use crate::issue::Issued;
use crate::service::Service;
use crate::store::{AuditEntry, Inserted, NewCredential};

impl Service {
    /// Makes the first administrator of a new installation: an API key with the permission `*`, of `value` or generated.
    /// `None` if the installation has had one.
    ///
    /// # Errors
    /// Store errors.
    pub async fn bootstrap(&self, value: Option<TokenValue>) -> Result<Option<Issued>, DomainError> {
        self.bootstrap_named(value, None).await
    }

    /// Whether the installation has had its first administrator.
    ///
    /// # Errors
    /// Store errors.
    pub async fn is_bootstrapped(&self) -> Result<bool, DomainError> {
        Ok(self.store.is_bootstrapped().await?)
    }

    /// Makes the installation's first administrator if it has had none, so that the next start makes no other; or else
    /// a further one.
    ///
    /// # Errors
    /// Store errors.
    pub async fn make_administrator(&self, name: Option<String>) -> Result<Issued, DomainError> {
        if let Some(first) = self.bootstrap_named(None, name.clone()).await? {
            return Ok(first);
        }
        let (issued, credential, audit) = self.administrator(None, name, "administrator.create");
        match self.store.insert(&issued.token, credential, audit, None).await? {
            Inserted::Done => Ok(issued),
            Inserted::ValueTaken | Inserted::NameTaken | Inserted::KeyTaken => Err(DomainError::ValueTaken),
        }
    }

    async fn bootstrap_named(
        &self,
        value: Option<TokenValue>,
        name: Option<String>,
    ) -> Result<Option<Issued>, DomainError> {
        if self.store.is_bootstrapped().await? {
            return Ok(None);
        }
        let (issued, credential, audit) = self.administrator(value, name, "installation.bootstrap");
        let made = self.store.bootstrap(&issued.token, credential, audit).await?;
        Ok(made.then_some(issued))
    }

    fn administrator(
        &self,
        value: Option<TokenValue>,
        name: Option<String>,
        action: &'static str,
    ) -> (Issued, NewCredential, AuditEntry) {
        let permission = Permission::parse("*").expect("* is a permission");
        let draft = Draft {
            name: Some(name.unwrap_or_else(|| "administrator".to_owned())),
            description: None,
            owner: None,
            labels: BTreeMap::new(),
            enabled: true,
            not_before: None,
            expiry: None,
            limit: None,
            notify: None,
            auto_delete: false,
            recoverable: false,
            dialect: Dialect::Native,
            purpose: PurposeDraft::ApiKey {
                value: value.map(|value| Zeroizing::new(value.expose().to_owned())),
                permissions: vec![permission],
                base_path: None,
                storages: None,
                clouds: None,
                source_networks: None,
            },
        };
        let id = self.new_token_id(TokenKind::ApiKey);
        let (issued, credential) = self.build(id, draft, None);
        let audit = AuditEntry {
            at: self.now(),
            actor: None,
            actor_revision: None,
            action,
            token: Some(id),
            address: None,
            request_id: None,
            members: Vec::new(),
        };
        (issued, credential, audit)
    }
}
