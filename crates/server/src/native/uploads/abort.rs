//! `POST /v1/uploads/{id}/abort`: the use goes back.

use actix_web::http::header;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_domain::UploadAsker;
use serde::Deserialize;

use super::record::Standing;
use super::upload_id;
use crate::body::{BODY_LIMIT, json_bytes};
use crate::json;
use crate::native::answer::answered;
use crate::native::caller::caller;
use crate::native::error::problem;
use crate::native::refusals::Refusals;
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::AppState;

/// Nothing is said with an abort.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Aborts an upload
///
/// Its use goes back to the token. Repeating the call changes nothing. Needs no body.
#[utoipa::path(
    post, path = "/v1/uploads/{id}/abort", operation_id = "abort_upload", tag = "uploads",
    params(("id" = String, Path, description = "Upload id.", example = "upl_034YCGMODo7rNXJe1rD0Im")),
    responses(
        (status = 200, description = "Aborted.", body = Standing<'_>),
        (status = 404, description = "No such upload, or none that the key reaches.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The upload is completed.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals<'_>
    ),
    security(("managementKey" = []))
)]
pub async fn abort_upload(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let bytes = match has_body(&request) {
        true => Some(json_bytes::<BODY_LIMIT>(&request, &mut payload.into_inner()).await?),
        false => None,
    };
    let caller = caller(&request, &state, "authorize").await?;
    Query::of(&request, &[])?;
    if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
        json::read::<Nothing>(&bytes)?;
    }
    let asker = UploadAsker::Caller(&caller);
    let standing = state.service.abort_upload(asker, upload_id(&request)?).await.map_err(problem)?;
    Ok(answered(&Standing::of(&standing)))
}

fn has_body(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH);
    length.is_some_and(|length| length.as_bytes() != b"0") || headers.contains_key(header::TRANSFER_ENCODING)
}
