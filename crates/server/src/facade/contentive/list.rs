//! `GET /admin/api`: all API users.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::administrator::administrator;
use super::error::{Refusal, Refusals};
use super::record::{ApiUser, answer};
use crate::facade::DialectError;
use crate::facade::call::Call;
use crate::state::AppState;

/// Lists all API users
///
/// Newest first, with their tokens in full; that is noted in the audit log.
#[utoipa::path(
    get, path = "/admin/api", operation_id = "contentive_list_api_users", tag = "Contentive dialect",
    responses(
        (status = 200, description = "All API users.", body = Vec<ApiUser<'_>>, example = json!([{
            "id": "uuid", "name": "api-user-name", "description": "API user description", "token": "jwt-token",
            "expire_at": "2024-01-01T00:00:00Z", "created_at": "2024-01-01T00:00:00Z",
            "updated_at": "2024-01-01T00:00:00Z", "scopes": ["scope1", "scope2"], "status": "active"
        }])),
        Refusals<'_>
    ),
    security(("contentiveAdministrator" = []))
)]
pub async fn list_api_users(
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    Ok(listed(&request, &state).await?)
}

async fn listed(request: &HttpRequest, state: &AppState) -> Result<HttpResponse, Refusal> {
    let call = Call::of(request, state);
    let caller = administrator(request, &call).await?;
    let tokens = call.service().all(&caller).await?;
    let values = call.service().reveal_all(&caller, &tokens).await?;
    let now = call.service().now();
    let users: Vec<ApiUser<'_>> = tokens
        .iter()
        .zip(&values)
        .map(|(token, value)| ApiUser::of(token, value.as_deref().map(String::as_str), now))
        .collect();
    Ok(answer(StatusCode::OK, &users))
}
