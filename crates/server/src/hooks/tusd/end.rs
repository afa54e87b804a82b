//! `pre-finish`, `post-finish`, `post-terminate`: what has become of an upload. Their order is not certain.

use countermark_core::UploadId;
use countermark_domain::{DomainError, UploadResult};
use serde::Serialize;
use tracing::warn;

use crate::hooks::tusd::event::{Event, UploadInfo};
use crate::hooks::tusd::metadata;
use crate::hooks::tusd::reply::Reply;
use crate::hooks::tusd::{Call, tusd_itself};
use crate::native::error::problem;
use crate::problem::Problem;

/// `pre-finish`: all bytes are stored and the client waits for its answer. The upload is completed here already: a client
/// that is told of success has been counted, and one whose upload is refused learns of it.
///
/// # Errors
/// Only what is not the upload's fault: tusd tries again.
pub(super) async fn complete_before_answer(call: &Call<'_>, event: &Event) -> Result<Reply, Problem> {
    match completed(call, event).await {
        Ok(()) => Ok(Reply::default()),
        Err(error) => call.refuse(problem(error)),
    }
}

/// `post-finish`: completes the upload unless `pre-finish` has.
///
/// # Errors
/// As [`complete_before_answer`].
pub(super) async fn complete(call: &Call<'_>, event: &Event) -> Result<Reply, Problem> {
    match completed(call, event).await {
        Ok(()) => Ok(Reply::default()),
        Err(error) => noted(event, "was stored but is not completed", error),
    }
}

/// `post-terminate`: gives the use back, unless everything had been received: then the upload was complete, even where
/// this hook overtakes `post-finish`.
///
/// # Errors
/// As [`complete_before_answer`].
pub(super) async fn abandon(call: &Call<'_>, event: &Event) -> Result<Reply, Problem> {
    match abandoned(call, event).await {
        Ok(()) | Err(DomainError::UploadClosed) => Ok(Reply::default()),
        Err(error) => noted(event, "was deleted but is not aborted", error),
    }
}

async fn abandoned(call: &Call<'_>, event: &Event) -> Result<(), DomainError> {
    if event.upload.is_whole() {
        match completed(call, event).await {
            Err(DomainError::UploadRefused(_)) => {}
            ended => return ended,
        }
    }
    let Some(id) = ours(&event.upload) else { return Ok(()) };
    call.state.service.abort_upload(tusd_itself(), id).await.map(|_| ())
}

/// The report of a completed upload; the same for both hooks that bring it, so that the second is a repetition.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    bytes: u64,
    content_type: Option<&'a str>,
    existed: bool,
}

async fn completed(call: &Call<'_>, event: &Event) -> Result<(), DomainError> {
    let Some(id) = ours(&event.upload) else { return Ok(()) };
    // Metadata do not change after the creation, where bad ones were refused.
    let content_type = metadata::content_type(&event.upload.metadata()).ok().flatten();
    let report = Report {
        bytes: event.upload.offset(),
        content_type: content_type.as_deref(),
        // tusd stores each upload under its own id, which no other upload ever had.
        existed: false,
    };
    let json = serde_json::to_string(&report).expect("texts and numbers always become JSON");
    let result = UploadResult {
        bytes: Some(report.bytes),
        content_type: report.content_type,
        existed: Some(report.existed),
        report: &json,
    };
    call.state.service.complete_upload(tusd_itself(), id, &result).await.map(|_| ())
}

/// The upload's id; `None` if it is not one of ours by its form. One of our form that tusd has not begun, or that is
/// unknown, is not found when it is to be ended.
fn ours(upload: &UploadInfo) -> Option<UploadId> {
    upload.id().filter(|_| !upload.is_in_parts())
}

/// Nobody waits for the answer to these hooks: the operator must learn of what came to nothing.
fn noted(event: &Event, what: &'static str, error: DomainError) -> Result<Reply, Problem> {
    let problem = problem(error);
    if problem.code().status >= 500 {
        return Err(problem);
    }
    let upload = event.upload.id().map(|id| id.to_string()).unwrap_or_default();
    warn!(upload, code = problem.code().name, "an upload in tusd {what}");
    Ok(Reply::default())
}
