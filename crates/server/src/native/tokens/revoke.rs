//! `DELETE /v1/access-tokens/{id}`: revoking, and removing the record.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::token_id;
use crate::native::caller::audited_caller;
use crate::native::error::problem;
use crate::native::refusals::Refusals;
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::AppState;

/// Revokes a token
///
/// For ever; repeating it changes nothing. The record stays visible as `revoked`. When this has been answered, no
/// further use is allowed.
#[utoipa::path(
    delete, path = "/v1/access-tokens/{id}", operation_id = "revoke_access_token", tag = "access tokens",
    params(
        ("id" = String, Path, description = "Token id.", example = "iu_034YCGMODo7rNXJe1rD0Im"),
        ("cascade" = Option<bool>, Query, description = "Also revokes all that this key has issued, down to the last."),
        ("purge" = Option<bool>, Query, description = "Also removes the record and its figures.")
    ),
    responses(
        (status = 204, description = "Revoked."),
        (status = 404, description = "No such token.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals<'_>
    ),
    security(("managementKey" = []))
)]
pub async fn revoke_access_token(
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let caller = audited_caller(&request, &state, "tokens:write").await?;
    let query = Query::of(&request, &["purge", "cascade"])?;
    let (purge, cascade) = (query.flag("purge")?, query.flag("cascade")?);
    let id = token_id(&request)?;
    if cascade || !purge {
        state.service.revoke(&caller, id, cascade).await.map_err(problem)?;
    }
    if purge {
        state.service.purge(&caller, id).await.map_err(problem)?;
    }
    Ok(HttpResponse::NoContent().insert_header(("cache-control", "no-store")).finish())
}
