//! `POST /v1/uploads/{id}/complete`: the use is final.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_domain::{UploadAsker, UploadResult};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::record::Standing;
use super::upload_id;
use crate::body::{BODY_LIMIT, json_bytes};
use crate::json::{self, Free};
use crate::native::answer::answered;
use crate::native::caller::caller;
use crate::native::error::problem;
use crate::native::refusals::Refusals;
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::AppState;

/// The body of `POST /v1/uploads/{id}/complete`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CompleteUploadRequest, example = json!({
    "result": {"bytes": 48_213, "contentType": "image/jpeg", "existed": false, "width": 640, "height": 480}
}))]
#[serde(deny_unknown_fields)]
pub struct CompleteRequest {
    /// What the upload has become, at most 8 KiB; receivers of notifications get it as it is.
    #[schema(value_type = UploadReport)]
    result: Free,
}

/// What an upload has become. Further members are free.
#[derive(ToSchema)]
#[schema(as = UploadReport, rename_all = "camelCase")]
#[expect(
    dead_code,
    reason = "only its schema is used: a report is read as the object that it is, free members included"
)]
pub struct UploadReport {
    /// Size in bytes; judged if the token bounds it.
    #[schema(example = 48_213)]
    bytes: Option<u64>,
    /// Content type; judged if the token bounds it.
    #[schema(example = "image/jpeg", max_length = 255)]
    content_type: Option<String>,
    /// Whether it has replaced something of the same name; judged for `insertOnly`.
    #[schema(example = false)]
    existed: Option<bool>,
}

/// Completes an upload
///
/// The token's constraints are judged again on what is reported; if they fail, the upload stays reserved. Else its use is
/// final, and notifications are queued in the same transaction. Repeating the same call changes nothing.
#[utoipa::path(
    post, path = "/v1/uploads/{id}/complete", operation_id = "complete_upload", tag = "uploads",
    params(("id" = String, Path, description = "Upload id.", example = "upl_034YCGMODo7rNXJe1rD0Im")),
    request_body(content = CompleteRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "Completed.", body = Standing<'_>),
        (status = 404, description = "No such upload, or none that the key reaches.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The upload has ended another way, by its deadline or with another report.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals<'_>
    ),
    security(("managementKey" = []))
)]
pub async fn complete_upload(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let bytes = json_bytes::<BODY_LIMIT>(&request, &mut payload.into_inner()).await?;
    let caller = caller(&request, &state, "authorize").await?;
    Query::of(&request, &[])?;
    let Free(result) = json::read::<CompleteRequest>(&bytes)?.result;
    let report = result.to_string();
    let result = UploadResult { report: &report, ..judged(&result)? };
    let asker = UploadAsker::Caller(&caller);
    let standing =
        state.service.complete_upload(asker, upload_id(&request)?, &result).await.map_err(problem)?;
    Ok(answered(&Standing::of(&standing)))
}

/// The members that constraints look at; null is the same as absent.
fn judged(report: &Value) -> Result<UploadResult<'_>, Problem> {
    let Value::Object(report) = report else {
        return Err(Problem::invalid_member("/result", "expected an object"));
    };
    let member = |name| report.get(name).filter(|value| !value.is_null());
    let mut result = UploadResult::default();
    if let Some(bytes) = member("bytes") {
        let expected = || {
            Problem::invalid_member("/result/bytes", "expected a whole number from 0 to 18446744073709551615")
        };
        result.bytes = Some(bytes.as_u64().ok_or_else(expected)?);
    }
    if let Some(content_type) = member("contentType") {
        let text = content_type.as_str().filter(|text| text.len() <= 255);
        let expected =
            || Problem::invalid_member("/result/contentType", "expected a string of at most 255 bytes");
        result.content_type = Some(text.ok_or_else(expected)?);
    }
    if let Some(existed) = member("existed") {
        let expected = || Problem::invalid_member("/result/existed", "expected true or false");
        result.existed = Some(existed.as_bool().ok_or_else(expected)?);
    }
    Ok(result)
}
