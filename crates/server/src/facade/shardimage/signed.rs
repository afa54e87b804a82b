//! The caller behind a key and its signature.

use actix_web::http::header::HeaderName;
use countermark_core::DenyReason;
use countermark_domain::{Caller, DomainError, SignedCall};

use super::message::Asked;
use crate::facade::Fault;
use crate::facade::call::Call;

/// Bears the digits of the key.
const KEY: HeaderName = HeaderName::from_static("x-shardimage-auth-key");
/// Bears the signature over path and query.
const SIGNATURE: HeaderName = HeaderName::from_static("x-shardimage-auth-signature");

/// The caller who signed, with `permission`. A missing header and one that stands twice are failed attempts, too.
pub async fn caller(call: &Call<'_>, asked: &Asked, permission: &'static str) -> Result<Caller, Fault> {
    let (Ok(Some(key)), Ok(Some(signature))) = (asked.only(&KEY), asked.only(&SIGNATURE)) else {
        return Err(call.failed(DomainError::Unauthenticated(DenyReason::UnknownToken)));
    };
    let signed = SignedCall { key, signature, uri: &asked.target };
    let found = call.service().authenticate_signed(signed, permission, call.address).await;
    call.proven(found)
}
