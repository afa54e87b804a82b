//! The authenticated caller of a native route.
//!
//! Handlers read the body first and authenticate then: a body can take ten seconds to arrive, and a key that was revoked
//! meanwhile must not be good for what it asks.

use actix_web::HttpRequest;
use countermark_core::Dialect;
use countermark_domain::{Caller, DomainError};

use crate::caller_credentials::management_key;
use crate::client_address::client_address;
use crate::native::error::problem;
use crate::problem::{Problem, codes};
use crate::request_id::RequestId;
use crate::state::AppState;
use crate::throttle::Entrance;

const NATIVE: Entrance = Entrance::Api(Dialect::Native);

/// Authenticates the request's management key and demands `permission` of it.
///
/// # Errors
/// 400 for two credentials, 401, 403, 429 after too many failures, 503.
pub async fn caller(
    request: &HttpRequest,
    state: &AppState,
    permission: &'static str,
) -> Result<Caller, Problem> {
    let address = || client_address(request, &state.trusted_proxies);
    let key = management_key(request).map_err(|failure| state.throttle.failed(NATIVE, address(), failure))?;
    match state.service.authenticate(key, permission).await {
        Ok(caller) => Ok(caller),
        Err(error @ DomainError::Unauthenticated(_)) => {
            Err(state.throttle.failed(NATIVE, address(), problem(error)))
        }
        Err(error) => Err(problem(error)),
    }
}

/// As [`caller`], for routes that show the whole installation.
///
/// # Errors
/// As [`caller`], and 403 for a key that is bound to a path, clouds or storages.
pub async fn unbound_caller(
    request: &HttpRequest,
    state: &AppState,
    permission: &'static str,
) -> Result<Caller, Problem> {
    demand_unbound(caller(request, state, permission).await?)
}

/// As [`unbound_caller`], with address and request id for the audit log.
///
/// # Errors
/// As [`unbound_caller`].
pub async fn audited_unbound_caller(
    request: &HttpRequest,
    state: &AppState,
    permission: &'static str,
) -> Result<Caller, Problem> {
    demand_unbound(audited_caller(request, state, permission).await?)
}

fn demand_unbound(caller: Caller) -> Result<Caller, Problem> {
    if caller.is_unbound() {
        return Ok(caller);
    }
    let detail = "this shows the whole installation, but the key is bound to a path, clouds or storages";
    Err(Problem::new(&codes::RIGHTS_EXCEEDED).detail(detail))
}

/// As [`caller`], with address and request id for the audit log: for routes that change or reveal something.
///
/// # Errors
/// As [`caller`].
pub async fn audited_caller(
    request: &HttpRequest,
    state: &AppState,
    permission: &'static str,
) -> Result<Caller, Problem> {
    let mut caller = caller(request, state, permission).await?;
    caller.address = client_address(request, &state.trusted_proxies);
    caller.request_id = RequestId::of(request).map(|id| id.as_str().to_owned());
    Ok(caller)
}
