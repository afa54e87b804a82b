//! `POST /v1/access-tokens/{id}/regenerate`: a new value, or the next secret version.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;

use super::record::Record;
use super::{outcome_answer, rendered_at, repeatable, token_id};
use crate::body::{BODY_LIMIT, json_bytes};
use crate::json::{self, Whole};
use crate::native::caller::audited_caller;
use crate::native::error::problem;
use crate::native::refusals::Refusals;
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::AppState;

/// The body of `POST /v1/access-tokens/{id}/regenerate`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RegenerateAccessTokenRequest, example = json!({"overlapSeconds": 3600}))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegenerateRequest {
    /// How long the former value or secret still works; 0 or absent = not at all.
    #[serde(default)]
    overlap_seconds: Option<Whole<0, 31_536_000>>,
}

/// Regenerates a token's value or secret
///
/// Same id, same uses. The answer shows, only now, `value` (upload, apiKey) or `extra.secret` with `keyVersion`
/// (imageUrl).
#[utoipa::path(
    post, path = "/v1/access-tokens/{id}/regenerate", operation_id = "regenerate_access_token", tag = "access tokens",
    params(
        ("id" = String, Path, description = "Token id.", example = "iu_034YCGMODo7rNXJe1rD0Im"),
        ("Idempotency-Key" = Option<String>, Header, description = "A retry with the same key and body within 24 hours gets the same answer.")
    ),
    request_body(content = RegenerateRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The record with its new secret half.", body = Record<'_>, headers(("ETag" = String, description = "The revision, quoted."))),
        (status = 404, description = "No such token.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The token is revoked, or its secret versions are spent.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The idempotency key was used for another request.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals<'_>
    ),
    security(("managementKey" = []))
)]
pub async fn regenerate_access_token(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let bytes = json_bytes::<BODY_LIMIT>(&request, &mut payload.into_inner()).await?;
    let caller = audited_caller(&request, &state, "tokens:write").await?;
    Query::of(&request, &[])?;
    let wire: RegenerateRequest = json::read(&bytes)?;
    let id = token_id(&request)?;
    let overlap = wire.overlap_seconds.map_or(0, Whole::get);
    let render = rendered_at(state.service.now());
    let repeatable = repeatable(&request, &caller, "regenerate", &bytes, &render)?;
    let outcome = state.service.regenerate(&caller, id, overlap, repeatable).await.map_err(problem)?;
    outcome_answer(StatusCode::OK, outcome, render)
}
