//! `POST /admin/api/regenerate-token/{id}`: a new token for the same API user.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::administrator::administrator;
use super::claims::Subject;
use super::error::{ErrorBody, Refusal, Refusals};
use super::input::user_id;
use super::record::{ApiUser, ApiUserStatus, answer, scopes};
use crate::body::{BODY_LIMIT, any_bytes};
use crate::facade::DialectError;
use crate::facade::call::Call;
use crate::state::AppState;

/// Regenerates an API user's token
///
/// When this has been answered, the former token opens nothing any more.
#[utoipa::path(
    post, path = "/admin/api/regenerate-token/{id}", operation_id = "contentive_regenerate_token", tag = "Contentive dialect",
    params(("id" = String, Path, description = "The API user's UUID.", example = "0193e5a4-7c52-7d4e-9b1f-6f2f3a5c8e10")),
    responses(
        (status = 200, description = "The API user with his new token.", body = ApiUser<'_>),
        (status = 404, description = "`API user not found`.", body = ErrorBody<'_>),
        (status = 409, description = "The token was revoked for ever.", body = ErrorBody<'_>),
        Refusals<'_>
    ),
    security(("contentiveAdministrator" = []))
)]
pub async fn regenerate_api_user_token(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    Ok(regenerated(&request, payload, &state).await?)
}

async fn regenerated(
    request: &HttpRequest,
    payload: Payload,
    state: &AppState,
) -> Result<HttpResponse, Refusal> {
    any_bytes::<BODY_LIMIT>(request, &mut payload.into_inner()).await?;
    let call = Call::of(request, state);
    let caller = administrator(request, &call).await?;
    let service = call.service();
    let token = service.view(&caller, user_id(request)?).await?;
    let value = Subject {
        id: token.terms.id,
        name: token.about.name.as_deref().unwrap_or_default(),
        scopes: Subject::names(scopes(&token)),
        status: ApiUserStatus::of(&token, service.now()).name(),
        expiry: token.terms.expiry,
    };
    let value = value.token(service)?;
    let issued = service.regenerate_as(&caller, token.terms.id, value).await?;
    let value = issued.value.as_deref().map(String::as_str);
    Ok(answer(StatusCode::OK, &ApiUser::of(&issued.token, value, service.now())))
}
