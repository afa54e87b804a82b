//! Who calls the management API, and how far his rights reach.

use std::net::IpAddr;
use std::sync::Arc;

use countermark_core::{
    DenyReason, Dialect, Management, Terms, TokenId, ValueDigest, decide_management, may_be_credential,
    rights,
};

use crate::cache::Entry;
use crate::error::DomainError;
use crate::service::Service;
use crate::store::{AuditEntry, Lookup};

/// An authenticated API key that has proven one permission, and the call that it makes.
#[derive(Clone, Debug)]
pub struct Caller {
    entry: Arc<Entry>,
    value: ValueDigest,
    /// Whose tokens the call manages; the native API manages all of them.
    dialect: Dialect,
    /// Address that the call comes from, for the audit log.
    pub address: Option<IpAddr>,
    /// Request id of the call, for the audit log.
    pub request_id: Option<String>,
}

impl Caller {
    /// The key's public id.
    pub fn id(&self) -> TokenId {
        self.entry.terms.id
    }

    /// The key's terms.
    pub fn terms(&self) -> &Terms {
        &self.entry.terms
    }

    /// Demands that `target` lies within the caller's rights, once as it is and once as it shall be.
    pub(crate) fn must_reach(&self, target: &Terms) -> Result<(), DomainError> {
        match rights::excess(&self.entry.terms, target) {
            Some(excess) => Err(DomainError::RightsExceeded(excess.pointer(target))),
            None => Ok(()),
        }
    }

    /// Demands that `target` is another token than the caller's own.
    pub(crate) fn must_not_be(&self, target: TokenId) -> Result<(), DomainError> {
        if self.id() == target { Err(DomainError::SelfChange) } else { Ok(()) }
    }

    /// What is foreign is answered like what does not exist.
    pub(crate) fn sees(&self, target: &Terms) -> bool {
        rights::is_managed_in(self.dialect, target) && rights::sees(&self.entry.terms, target)
    }

    /// In whose dialect the call is made.
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }
}

impl Service {
    /// The API key behind a presented value, if it is usable now and holds `permission`.
    ///
    /// # Errors
    /// [`DomainError::Unauthenticated`], [`DomainError::PermissionRequired`] or a store error.
    pub async fn authenticate(&self, value: &str, permission: &'static str) -> Result<Caller, DomainError> {
        self.authenticate_in(Dialect::Native, value, permission, None).await
    }

    /// As [`Service::authenticate`], for a call in a foreign dialect from `address`: by a key of that dialect with
    /// `permission`, or by a native administrator. The caller then sees and touches tokens of that dialect only.
    ///
    /// # Errors
    /// As [`Service::authenticate`].
    pub async fn authenticate_in(
        &self,
        dialect: Dialect,
        value: &str,
        permission: &'static str,
        address: Option<IpAddr>,
    ) -> Result<Caller, DomainError> {
        if !may_be_credential(value) {
            return Err(DomainError::Unauthenticated(DenyReason::UnknownToken));
        }
        let value = self.store.digest(value);
        let entry = self.entry(Lookup::Value(value)).await?;
        let entry = entry.ok_or(DomainError::Unauthenticated(DenyReason::UnknownToken))?;
        let caller = Caller { entry, value, dialect, address, request_id: None };
        self.permit(&caller, permission)?;
        Ok(caller)
    }

    /// The caller behind a key that is proven otherwise than by its value, `value` being the digest of the value that it
    /// stands for.
    ///
    /// # Errors
    /// As [`Service::authenticate`].
    pub(crate) async fn caller_of(
        &self,
        id: TokenId,
        value: ValueDigest,
        dialect: Dialect,
        permission: &'static str,
        address: Option<IpAddr>,
    ) -> Result<Caller, DomainError> {
        let entry = self.entry(Lookup::Id(id)).await?;
        let entry = entry.ok_or(DomainError::Unauthenticated(DenyReason::UnknownToken))?;
        let caller = Caller { entry, value, dialect, address, request_id: None };
        self.permit(&caller, permission)?;
        Ok(caller)
    }

    /// Proves a further permission of an authenticated caller.
    ///
    /// # Errors
    /// As [`Service::authenticate`].
    pub fn permit(&self, caller: &Caller, permission: &'static str) -> Result<(), DomainError> {
        let call =
            Management { value: caller.value, dialect: caller.dialect, permission, address: caller.address };
        match decide_management(caller.terms(), &call, self.now()) {
            Ok(()) => Ok(()),
            Err(DenyReason::PermissionDenied) => Err(DomainError::PermissionRequired(permission)),
            Err(reason) => Err(DomainError::Unauthenticated(reason)),
        }
    }

    pub(crate) fn audit(&self, caller: &Caller, action: &'static str, token: Option<TokenId>) -> AuditEntry {
        AuditEntry {
            at: self.now(),
            actor: Some(caller.id()),
            actor_revision: Some(caller.terms().revision),
            action,
            token,
            address: caller.address,
            request_id: caller.request_id.clone(),
            members: Vec::new(),
        }
    }
}
