//! Who calls: an administrator with the token of his login, or with his key as it is.

use actix_web::HttpRequest;
use actix_web::http::header;
use countermark_core::{DenyReason, Dialect};
use countermark_domain::{Caller, DomainError};

use super::error::Refusal;
use crate::caller_credentials::bearer;
use crate::facade::call::Call;

/// The administrator behind the request's Bearer value.
///
/// # Errors
/// 400 for two credentials, 401, 403 for what is known but no administrator's, 429 after too many failures, 503.
pub async fn administrator(request: &HttpRequest, call: &Call<'_>) -> Result<Caller, Refusal> {
    let service = call.service();
    if !request.headers().contains_key(header::AUTHORIZATION) {
        return Err(Refusal::NoCredential);
    }
    let value = match bearer(request) {
        Ok(value) => value,
        Err(problem) if problem.code().status == 401 => {
            let refused = DomainError::Unauthenticated(DenyReason::UnknownToken);
            return Err(call.failed(refused).into());
        }
        Err(_) => {
            return Err(Refusal::Unacceptable(
                "Invalid input: expected exactly one Authorization header".into(),
            ));
        }
    };
    // A login is known by its signature, without a look-up; everything else by being found.
    let found = match service.authenticate_login(Dialect::Contentive, value, call.address).await {
        Err(DomainError::Unauthenticated(DenyReason::UnknownToken)) => {
            service.authenticate_in(Dialect::Contentive, value, "*", call.address).await
        }
        found => found,
    };
    Ok(call.proven(found)?)
}
