//! `POST /admin/auth/login`: an administrator key for a token that holds for a while.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::{DenyReason, Dialect};
use countermark_domain::DomainError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::error::{ErrorBody, Refusal};
use super::record::answer;
use crate::body::{BODY_LIMIT, any_bytes};
use crate::facade::call::Call;
use crate::facade::{DialectError, Fault, uuid};
use crate::json::{self, Text};
use crate::state::AppState;

/// Who logs in.
#[derive(Deserialize, ToSchema)]
#[schema(as = ContentiveLoginRequest, example = json!({"email": "admin@example.com", "password": "cmk_…"}))]
pub struct LoginRequest {
    /// Any text: there is one kind of administrator, known by his key.
    #[schema(value_type = String, min_length = 1, max_length = 320)]
    email: Text<1, 320>,
    /// An administrator key.
    #[schema(value_type = String, min_length = 1, max_length = 4096)]
    password: Text<1, 4096>,
}

/// A login.
#[derive(Serialize, ToSchema)]
#[schema(as = ContentiveLogin, example = json!({
    "token": "jwt-token",
    "user": {"id": "0193e5a4-7c52-7d4e-9b1f-6f2f3a5c8e10", "name": "admin", "email": "admin@example.com", "role": "super_admin"}
}))]
pub struct LoginAnswer<'a> {
    /// To be presented as `Authorization: Bearer`, for at most 24 hours.
    token: &'a str,
    /// Who has logged in.
    user: Administrator<'a>,
}

/// An administrator.
#[derive(Serialize, ToSchema)]
#[schema(as = ContentiveAdministrator)]
pub struct Administrator<'a> {
    /// The key's id as a UUID.
    #[schema(example = "0193e5a4-7c52-7d4e-9b1f-6f2f3a5c8e10")]
    id: String,
    /// The configured name of administrators.
    #[schema(example = "admin")]
    name: &'a str,
    /// As given.
    #[schema(example = "admin@example.com")]
    email: &'a str,
    /// Always `super_admin`.
    #[schema(example = "super_admin")]
    role: &'static str,
}

/// Logs an administrator in
///
/// The password is an administrator key. When that key is revoked, disabled or regenerated, its logins end at once.
#[utoipa::path(
    post, path = "/admin/auth/login", operation_id = "contentive_log_in", tag = "Contentive dialect",
    request_body(content = LoginRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "Logged in.", body = LoginAnswer<'_>),
        (status = 400, description = "A member is missing or not acceptable.", body = ErrorBody<'_>),
        (status = 401, description = "`Invalid credentials`.", body = ErrorBody<'_>),
        (status = 429, description = "Too many failed attempts from this address.", body = ErrorBody<'_>)
    )
)]
pub async fn log_in(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    Ok(logged_in(&request, payload, &state).await?)
}

async fn logged_in(
    request: &HttpRequest,
    payload: Payload,
    state: &AppState,
) -> Result<HttpResponse, Refusal> {
    let bytes = any_bytes::<BODY_LIMIT>(request, &mut payload.into_inner()).await?;
    let LoginRequest { email, password } = json::read(&bytes)?;
    let password = Zeroizing::new(password.into_string());
    let call = Call::of(request, state);
    let (seconds, id) = (state.facades.login_seconds, call.request_id().map(str::to_owned));
    let login = call.service().log_in(Dialect::Contentive, &password, seconds, call.address, id).await;
    let login = login.map_err(|error| refused(&call, error))?;
    let user = Administrator {
        id: uuid::write(login.administrator),
        name: &state.facades.admin_name,
        email: &email,
        role: "super_admin",
    };
    Ok(answer(StatusCode::OK, &LoginAnswer { token: &login.token, user }))
}

/// Whatever is no administrator's key is a wrong password.
fn refused(call: &Call<'_>, error: DomainError) -> Refusal {
    let failed = match error {
        DomainError::PermissionRequired(_) => DomainError::Unauthenticated(DenyReason::PermissionDenied),
        other => other,
    };
    match call.failed(failed) {
        Fault::Domain(DomainError::Unauthenticated(_)) => Refusal::WrongPassword,
        other => other.into(),
    }
}
