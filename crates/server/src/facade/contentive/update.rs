//! `PUT /admin/api/{id}`: changes of an API user; his token stays the same.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::Token;
use countermark_domain::{DomainError, Patch, Service, TokenPatch};

use super::administrator::administrator;
use super::claims::Subject;
use super::error::{ErrorBody, Refusal, Refusals};
use super::input::{UpdateRequest, user_id};
use super::record::{ApiUser, answer, scopes, value};
use crate::body::{BODY_LIMIT, any_bytes};
use crate::facade::DialectError;
use crate::facade::call::Call;
use crate::json;
use crate::state::AppState;

/// Changes an API user
///
/// When this has been answered, nothing is allowed any more that the new status, expiry or scopes refuse.
#[utoipa::path(
    put, path = "/admin/api/{id}", operation_id = "contentive_update_api_user", tag = "Contentive dialect",
    params(("id" = String, Path, description = "The API user's UUID.", example = "0193e5a4-7c52-7d4e-9b1f-6f2f3a5c8e10")),
    request_body(content = UpdateRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The API user as he is now.", body = ApiUser<'_>),
        (status = 400, description = "A member is not acceptable, or the name is taken.", body = ErrorBody<'_>),
        (status = 404, description = "`API user not found`.", body = ErrorBody<'_>),
        (status = 409, description = "The token was revoked for ever.", body = ErrorBody<'_>),
        Refusals<'_>
    ),
    security(("contentiveAdministrator" = []))
)]
pub async fn update_api_user(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    Ok(updated(&request, payload, &state).await?)
}

async fn updated(request: &HttpRequest, payload: Payload, state: &AppState) -> Result<HttpResponse, Refusal> {
    let bytes = any_bytes::<BODY_LIMIT>(request, &mut payload.into_inner()).await?;
    let call = Call::of(request, state);
    let caller = administrator(request, &call).await?;
    let id = user_id(request)?;
    let service = call.service();
    let former = service.view(&caller, id).await?;
    let patch = json::read::<UpdateRequest>(&bytes)?.patch()?;
    must_stay_short(service, &former, &patch)?;
    let token = service.update(&caller, id, None, patch).await?;
    let value = value(service, &caller, &token).await?;
    let value = value.as_deref().map(String::as_str);
    Ok(answer(StatusCode::OK, &ApiUser::of(&token, value, service.now())))
}

/// Refuses a longer name or list of scopes than the next regeneration could put into a token. Whatever leaves both alone or
/// shortens them passes: a user whose scopes were set natively must be disabled as well as any other.
fn must_stay_short(service: &Service, former: &Token, patch: &TokenPatch) -> Result<(), DomainError> {
    if !patch.name.is_mentioned() && !patch.permissions.is_mentioned() {
        return Ok(());
    }
    let id = former.terms.id;
    let former_name = former.about.name.as_deref().unwrap_or_default();
    let name = match &patch.name {
        Patch::Set(name) => name,
        Patch::Keep | Patch::Clear => former_name,
    };
    let names = match &patch.permissions {
        Patch::Set(scopes) => Subject::names(scopes),
        Patch::Keep | Patch::Clear => Subject::names(scopes(former)),
    };
    let longest = Subject::longest(id, name, names);
    let before = Subject::longest(id, former_name, Subject::names(scopes(former)));
    if longest.length(service) <= before.length(service) {
        return Ok(());
    }
    longest.token(service).map(drop)
}
