//! `GET /admin/api/{id}`: one API user.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::administrator::administrator;
use super::error::{ErrorBody, Refusal, Refusals};
use super::input::user_id;
use super::record::{ApiUser, answer, value};
use crate::facade::DialectError;
use crate::facade::call::Call;
use crate::state::AppState;

/// Shows one API user
///
/// With his token in full; that is noted in the audit log.
#[utoipa::path(
    get, path = "/admin/api/{id}", operation_id = "contentive_view_api_user", tag = "Contentive dialect",
    params(("id" = String, Path, description = "The API user's UUID.", example = "0193e5a4-7c52-7d4e-9b1f-6f2f3a5c8e10")),
    responses(
        (status = 200, description = "The API user.", body = ApiUser<'_>),
        (status = 404, description = "`API user not found`.", body = ErrorBody<'_>, example = json!({"error": "API user not found"})),
        Refusals<'_>
    ),
    security(("contentiveAdministrator" = []))
)]
pub async fn view_api_user(
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    Ok(viewed(&request, &state).await?)
}

async fn viewed(request: &HttpRequest, state: &AppState) -> Result<HttpResponse, Refusal> {
    let call = Call::of(request, state);
    let caller = administrator(request, &call).await?;
    let token = call.service().view(&caller, user_id(request)?).await?;
    let value = value(call.service(), &caller, &token).await?;
    let value = value.as_deref().map(String::as_str);
    Ok(answer(StatusCode::OK, &ApiUser::of(&token, value, call.service().now())))
}
