//! `GET /v1/uploads/{id}`: one upload.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use countermark_domain::UploadAsker;

use super::record::Record;
use super::upload_id;
use crate::native::answer::answered;
use crate::native::caller::caller;
use crate::native::error::problem;
use crate::native::refusals::Refusals;
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::AppState;

/// Shows an upload
///
/// A key reaches the uploads that it has begun and those of the tokens that it sees. Uploads that have ended are forgotten
/// after seven days.
#[utoipa::path(
    get, path = "/v1/uploads/{id}", operation_id = "view_upload", tag = "uploads",
    params(("id" = String, Path, description = "Upload id.", example = "upl_034YCGMODo7rNXJe1rD0Im")),
    responses(
        (status = 200, description = "The upload.", body = Record<'_>),
        (status = 404, description = "No such upload, or none that the key reaches.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals<'_>
    ),
    security(("managementKey" = []))
)]
pub async fn view_upload(request: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let caller = caller(&request, &state, "authorize").await?;
    Query::of(&request, &[])?;
    let asker = UploadAsker::Caller(&caller);
    let upload = state.service.view_upload(asker, upload_id(&request)?).await.map_err(problem)?;
    Ok(answered(&Record::of(&upload)))
}
