//! Entries of the audit log.

use countermark_core::{TokenId, UnixSeconds};
use countermark_domain::store::{AuditEntry, AuditRecord, StoreError};

use crate::row::{Reader, StoredRow};

/// The entry in a row of `audit_log`.
pub(crate) fn audit(row: &dyn StoredRow) -> Result<AuditRecord, StoreError> {
    let reader = Reader::new(row, "audit_log", "number");
    Ok(AuditRecord {
        number: reader.unsigned("number")?,
        at: reader.instant("at")?,
        actor: reader.optional_token_id("actor")?,
        action: reader.column("action")?,
        token: reader.optional_token_id("token")?,
        address: reader.optional("address")?,
        request_id: reader.optional("request_id")?,
        members: reader.json("members")?,
    })
}

/// The entry of a token that the installation itself removes.
pub(crate) fn audit_of_sweep(token: TokenId, at: UnixSeconds) -> AuditEntry {
    AuditEntry {
        at,
        actor: None,
        actor_revision: None,
        action: "token.sweep",
        token: Some(token),
        address: None,
        request_id: None,
        members: Vec::new(),
    }
}
