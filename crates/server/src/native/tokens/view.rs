//! `GET` and `HEAD /v1/access-tokens/{id}`: one record, or only whether it is there.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::record::Record;
use super::{record_answer, token_id};
use crate::native::caller::caller;
use crate::native::error::problem;
use crate::native::refusals::Refusals;
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::AppState;

/// Shows a token
///
/// Never its value, secret or passwords.
#[utoipa::path(
    get, path = "/v1/access-tokens/{id}", operation_id = "view_access_token", tag = "access tokens",
    params(("id" = String, Path, description = "Token id.", example = "iu_034YCGMODo7rNXJe1rD0Im")),
    responses(
        (status = 200, description = "The record.", body = Record<'_>, headers(("ETag" = String, description = "The revision, quoted."))),
        (status = 404, description = "No such token.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals<'_>
    ),
    security(("managementKey" = []))
)]
pub async fn view_access_token(request: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let caller = caller(&request, &state, "tokens:read").await?;
    Query::of(&request, &[])?;
    let token = state.service.view(&caller, token_id(&request)?).await.map_err(problem)?;
    Ok(record_answer(&token, state.service.now()))
}

/// Tells whether a token exists
///
/// The fast way: no body, mostly without asking the database.
#[utoipa::path(
    head, path = "/v1/access-tokens/{id}", operation_id = "access_token_exists", tag = "access tokens",
    params(("id" = String, Path, description = "Token id.", example = "iu_034YCGMODo7rNXJe1rD0Im")),
    responses(
        (status = 200, description = "There is such a token, whatever its status."),
        (status = 404, description = "There is none."),
        Refusals<'_>
    ),
    security(("managementKey" = []))
)]
pub async fn access_token_exists(
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let caller = caller(&request, &state, "tokens:read").await?;
    Query::of(&request, &[])?;
    let exists = match token_id(&request) {
        Ok(id) => state.service.exists(&caller, id).await.map_err(problem)?,
        Err(_) => false,
    };
    let mut answer = if exists { HttpResponse::Ok() } else { HttpResponse::NotFound() };
    Ok(answer.insert_header(("cache-control", "no-store")).finish())
}
