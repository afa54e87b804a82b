//! A new guest key where there is one that has been switched off: the record stays and becomes what was asked for.

use countermark_core::{Dialect, Token};
use countermark_domain::{Caller, DomainError, Draft, Patch, PurposeDraft, Service, TokenPatch};

use super::error::conflict;
use super::row::{GUEST, is_guest};
use crate::facade::Fault;

/// Said where a guest key is in use.
pub const EXISTS: &str = "there is a guest key already: delete or disable it first";
/// Said where the value is another key's, or was one's.
pub const VALUE_GIVEN: &str =
    "the key guest is, or was, the value of an API key with another name or value: delete that one first";

const UNTOUCHED: &str = "there is a guest key already, switched off: change or delete it";
const REVOKED: &str = "there is a guest key already, revoked for ever: delete it first";
const NAME_GIVEN: &str =
    "an API key that is not the guest key has the name guest: delete it, or rename it by the native API";
const HIDDEN: &str = "there is a guest key already, and this administrator may not change it";
const MEANWHILE: &str = "the guest key has just been changed by somebody else: look at it again";

/// The guest key that a new one may take the place of; `None` where there is none. One that is as it was made stays: it is
/// off by default, and a form that is sent twice must not undo what somebody else has asked for.
///
/// # Errors
/// 409 for every other key of that name, and store errors.
pub async fn replaceable(service: &Service) -> Result<Option<Token>, Fault> {
    let Some(named) = service.named(Dialect::Cloudpaste, GUEST).await? else { return Ok(None) };
    let terms = &named.terms;
    if !is_guest(service, &named) {
        return Err(conflict(NAME_GIVEN));
    }
    if terms.revoked_at.is_some() {
        return Err(conflict(REVOKED));
    }
    if terms.enabled {
        return Err(conflict(EXISTS));
    }
    if terms.revision > 1 { Ok(Some(named)) } else { Err(conflict(UNTOUCHED)) }
}

/// Makes the guest key that was seen what the draft asks for, in one step: if it is refused, nothing has changed.
///
/// # Errors
/// 403 where it reaches further than the caller, 409 where it is another one by now, and store errors.
pub async fn replace(
    service: &Service,
    caller: &Caller,
    guest: &Token,
    draft: Draft,
) -> Result<Token, Fault> {
    let PurposeDraft::ApiKey { permissions, base_path, .. } = draft.purpose else {
        unreachable!("the dialect issues API keys only")
    };
    let patch = TokenPatch {
        permissions: Patch::Set(permissions),
        base_path: base_path.map_or(Patch::Clear, Patch::Set),
        storages: Patch::Clear,
        expiry: draft.expiry.map_or(Patch::Clear, |expiry| Patch::Set(expiry.instant(service.now()))),
        enabled: Patch::Set(draft.enabled),
        ..TokenPatch::default()
    };
    match service.update(caller, guest.terms.id, Some(guest.terms.revision), patch).await {
        Ok(token) => Ok(token),
        Err(DomainError::RevisionMismatch) => Err(conflict(MEANWHILE)),
        Err(DomainError::NotFound) => Err(conflict(HIDDEN)),
        Err(error) => Err(error.into()),
    }
}
