//! Who manages: administrators only, as in Query Server, where no token manages tokens.

use actix_web::HttpRequest;
use countermark_core::{DenyReason, Dialect};
use countermark_domain::{Caller, DomainError};

use crate::caller_credentials::bearer;
use crate::facade::Fault;
use crate::facade::call::Call;

/// The administrator behind the request's key.
///
/// # Errors
/// [`Fault::Domain`] with `Unauthenticated` or `PermissionRequired`, [`Fault::Problem`] with 429.
pub async fn administrator(call: &Call<'_>, request: &HttpRequest) -> Result<Caller, Fault> {
    match bearer(request) {
        Ok(value) => call.authenticate(Dialect::Query, value, "*").await,
        Err(_) => Err(call.failed(DomainError::Unauthenticated(DenyReason::UnknownToken))),
    }
}
