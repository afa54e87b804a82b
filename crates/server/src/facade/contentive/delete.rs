//! `DELETE /admin/api/{id}`: an API user goes, with all that is known of him but the audit log.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::administrator::administrator;
use super::error::{ErrorBody, Refusal, Refusals};
use super::input::user_id;
use crate::body::{BODY_LIMIT, any_bytes};
use crate::facade::DialectError;
use crate::facade::call::Call;
use crate::state::AppState;

/// Deletes an API user
///
/// When this has been answered, his token opens nothing any more.
#[utoipa::path(
    delete, path = "/admin/api/{id}", operation_id = "contentive_delete_api_user", tag = "Contentive dialect",
    params(("id" = String, Path, description = "The API user's UUID.", example = "0193e5a4-7c52-7d4e-9b1f-6f2f3a5c8e10")),
    responses(
        (status = 204, description = "Deleted."),
        (status = 404, description = "`API user not found`.", body = ErrorBody<'_>),
        Refusals<'_>
    ),
    security(("contentiveAdministrator" = []))
)]
pub async fn delete_api_user(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    Ok(deleted(&request, payload, &state).await?)
}

async fn deleted(request: &HttpRequest, payload: Payload, state: &AppState) -> Result<HttpResponse, Refusal> {
    // Contentive's own documentation sends a body here; it is read so that the connection can go on.
    any_bytes::<BODY_LIMIT>(request, &mut payload.into_inner()).await?;
    let call = Call::of(request, state);
    let caller = administrator(request, &call).await?;
    call.service().purge(&caller, user_id(request)?).await?;
    Ok(HttpResponse::NoContent().finish())
}
