//! `DELETE /api/admin/api-keys/{id}`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::envelope::{Done, done};
use super::error::{ErrorBody, Refusals, worded};
use super::update::key_id;
use super::visitor::administrator;
use crate::facade::call::Call;
use crate::facade::{DialectError, Fault};
use crate::state::AppState;

/// Deletes an API key
///
/// When this has been answered, no use of it is allowed any more. The guest key can be deleted, too.
#[utoipa::path(
    delete, path = "/api/admin/api-keys/{id}", operation_id = "cloudpaste_delete_api_key", tag = "CloudPaste dialect",
    params(("id" = String, Path, description = "UUID of the key.", example = "019a8e60-1c00-7a31-9c0e-5b1f0a6f2d11")),
    responses(
        (status = 200, description = "Deleted.", body = Done),
        (status = 404, description = "No such key.", body = ErrorBody),
        Refusals
    ),
    security(("cloudpasteLogin" = []), ("managementKey" = []))
)]
pub async fn delete_api_key(
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    delete(&request, &state).await.map_err(worded)
}

async fn delete(request: &HttpRequest, state: &AppState) -> Result<HttpResponse, Fault> {
    let call = Call::of(request, state);
    let caller = administrator(&call, request).await?;
    call.service().purge(&caller, key_id(request)?).await?;
    Ok(done("the API key is deleted"))
}
