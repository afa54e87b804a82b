//! `POST /api/admin/login`, and what is asked of a login.

use actix_web::dev;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::Dialect;
use countermark_domain::DomainError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::envelope::{Done, Envelope, answered, done};
use super::error::{ErrorBody, Refusals, refused, worded};
use super::visitor::{administrator, unauthenticated};
use crate::body::{BODY_LIMIT, any_bytes};
use crate::facade::call::Call;
use crate::facade::{DialectError, Fault, instant};
use crate::json::{self, Text};
use crate::state::AppState;

/// Who wants to log in.
#[derive(Deserialize, ToSchema)]
#[schema(as = CloudpasteLoginRequest, example = json!({"username": "admin", "password": "cmk_…"}))]
pub struct LoginRequest {
    /// `facades.admin_name` of the configuration.
    #[schema(value_type = String, max_length = 256)]
    username: Text<0, 256>,
    /// An administrator key.
    #[schema(value_type = String, max_length = 4096)]
    password: String,
}

/// A login.
#[derive(Serialize, ToSchema)]
#[schema(as = CloudpasteLogin, example = json!({
    "username": "admin", "token": "eyJ…", "expiresAt": "2026-11-23T06:00:00.000Z"
}))]
pub struct LoginData {
    /// As given.
    username: String,
    /// To be presented as `Authorization: Bearer` from now on.
    token: String,
    /// First instant at which it no longer works.
    #[serde(rename = "expiresAt")]
    expires_at: String,
}

/// Logs in
///
/// The password is an administrator key; revoking it ends the login at once.
#[utoipa::path(
    post, path = "/api/admin/login", operation_id = "cloudpaste_log_in", tag = "CloudPaste dialect",
    request_body = LoginRequest,
    responses(
        (status = 200, description = "Logged in.", body = inline(Envelope<LoginData>), example = json!({
            "success": true, "code": "OK", "message": "logged in",
            "data": {"username": "admin", "token": "eyJ…", "expiresAt": "2026-11-23T06:00:00.000Z"}
        })),
        (status = 400, description = "A part of the request is not acceptable.", body = ErrorBody),
        (status = 401, description = "Wrong name or password.", body = ErrorBody),
        (status = 429, description = "Too many failed attempts from this address.", body = ErrorBody)
    )
)]
pub async fn log_in(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    open(&request, payload.into_inner(), &state).await.map_err(worded)
}

async fn open(
    request: &HttpRequest,
    mut payload: dev::Payload,
    state: &AppState,
) -> Result<HttpResponse, Fault> {
    let bytes = any_bytes::<BODY_LIMIT>(request, &mut payload).await?;
    let LoginRequest { username, password } = json::read(&bytes)?;
    let password = Zeroizing::new(password);
    let call = Call::of(request, state);
    if *username != *state.facades.admin_name {
        return Err(call.failed(unauthenticated()));
    }
    let (seconds, id) = (state.facades.login_seconds, call.request_id().map(str::to_owned));
    let login = call.service().log_in(Dialect::Cloudpaste, &password, seconds, call.address, id).await;
    let login = login.map_err(|error| match error {
        // A key that is none of an administrator is just another wrong password.
        DomainError::PermissionRequired(_) => call.failed(unauthenticated()),
        error => call.failed(error),
    })?;
    let data = LoginData {
        username: username.into_string(),
        token: login.token.to_string(),
        expires_at: instant::with_millis(login.expires),
    };
    Ok(answered("logged in", data))
}

/// Logs out
///
/// The front end forgets its login. The login itself holds until its end, or until its administrator key is revoked.
#[utoipa::path(
    post, path = "/api/admin/logout", operation_id = "cloudpaste_log_out", tag = "CloudPaste dialect",
    responses((status = 200, description = "Nothing is kept that could be forgotten.", body = Done)),
    security((), ("cloudpasteLogin" = []))
)]
pub async fn log_out(request: HttpRequest, payload: Payload) -> Result<HttpResponse, DialectError> {
    any_bytes::<BODY_LIMIT>(&request, &mut payload.into_inner()).await.map_err(refused)?;
    Ok(done("logged out here; the login itself holds until its end or until its key is revoked"))
}

/// Tells whether a login or administrator key holds
#[utoipa::path(
    get, path = "/api/test/admin-token", operation_id = "cloudpaste_test_admin_token", tag = "CloudPaste dialect",
    responses((status = 200, description = "It holds.", body = Done), Refusals),
    security(("cloudpasteLogin" = []), ("managementKey" = []))
)]
pub async fn test_admin_token(
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    administrator(&Call::of(&request, &state), &request).await.map_err(worded)?;
    Ok(done("the login holds"))
}
