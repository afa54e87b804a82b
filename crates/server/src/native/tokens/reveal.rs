//! `GET /v1/access-tokens/{id}/value`: showing a kept value or secret again.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::token_id;
use crate::native::answer::answered;
use crate::native::caller::audited_caller;
use crate::native::error::problem;
use crate::native::refusals::Refusals;
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::AppState;

/// A value, or a signing secret with its version.
#[derive(Serialize, ToSchema)]
#[schema(as = RevealedValue, example = json!({"value": "cmu_yXBHMoc5L40zBANMAAcNPMMcv7FQw4U51gMv1l"}))]
#[serde(rename_all = "camelCase")]
pub struct RevealAnswer<'a> {
    /// upload, apiKey: the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    /// imageUrl: the newest signing secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    /// imageUrl: its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_version: Option<u16>,
}

/// Shows a value or secret again
///
/// Only of tokens issued as `recoverable`; audited.
#[utoipa::path(
    get, path = "/v1/access-tokens/{id}/value", operation_id = "reveal_access_token", tag = "access tokens",
    params(("id" = String, Path, description = "Token id.", example = "up_034YCGMODo7rNXJe1rD0Im")),
    responses(
        (status = 200, description = "The value or secret.", body = RevealAnswer<'_>),
        (status = 404, description = "No such token.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The value is not kept.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals<'_>
    ),
    security(("managementKey" = []))
)]
pub async fn reveal_access_token(
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let caller = audited_caller(&request, &state, "tokens:reveal").await?;
    Query::of(&request, &[])?;
    let revealed = state.service.reveal(&caller, token_id(&request)?).await.map_err(problem)?;
    let text = Some(revealed.text.as_str());
    Ok(answered(&match revealed.key_version {
        None => RevealAnswer { value: text, secret: None, key_version: None },
        Some(version) => RevealAnswer { value: None, secret: text, key_version: Some(version.get()) },
    }))
}
