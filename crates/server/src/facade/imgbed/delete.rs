//! `DELETE /api/manage/apiTokens`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use countermark_domain::DomainError;
use serde::Serialize;
use utoipa::ToSchema;

use super::credential::manager;
use super::error::{Refusal, Refusals, worded};
use super::id;
use super::wire::answered;
use crate::facade::call::Call;
use crate::facade::{DialectError, Fault};
use crate::problem::{Problem, codes};
use crate::query::Query;
use crate::state::AppState;

/// That the token is gone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImgbedDeleted, example = json!({"success": true, "message": "Token deleted"}))]
pub struct Deleted {
    /// Always true.
    success: bool,
    /// For people.
    message: &'static str,
}

/// Deletes a token, in the ImgBed dialect
///
/// When this is answered, the token is no longer accepted anywhere.
#[utoipa::path(
    delete, path = "/api/manage/apiTokens", operation_id = "delete_imgbed_token", tag = "ImgBed dialect",
    params(("id" = String, Query, description = "Which token.", example = "01tzi33hj4m5hqhtmyukxd9p2")),
    responses(
        (status = 200, description = "Deleted.", body = Deleted),
        (status = 400, description = "No id is given.", body = Refusal<'_>),
        Refusals<'_>,
        (status = 403, description = "The token reaches further than the calling one, or is the calling one.", body = Refusal<'_>),
        (status = 404, description = "No such token.", body = Refusal<'_>)
    ),
    security(("imgbedToken" = []), ("imgbedAdministrator" = []))
)]
pub async fn delete_imgbed_token(
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    delete(&request, &state).await.map_err(worded)
}

async fn delete(request: &HttpRequest, state: &AppState) -> Result<HttpResponse, Fault> {
    let call = Call::of(request, state);
    let caller = manager(&call, request).await?;
    let query = Query::only(request, "id")?;
    let missing = || Problem::new(&codes::INVALID_PARAMETER).member("?id", "expected the id of a token");
    let id = query.text("id", 200)?.filter(|id| !id.is_empty()).ok_or_else(missing)?;
    call.service().purge(&caller, id::read(id).ok_or(DomainError::NotFound)?).await?;
    Ok(answered(&Deleted { success: true, message: "Token deleted" }))
}
