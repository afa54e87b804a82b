//! `pre-create`: the upload begins, or its client learns why not.

use actix_web::http::header::{self, HeaderValue};
use countermark_core::{DenyReason, Purpose, UploadExtra};
use countermark_domain::store::{Upload, UploadState};
use countermark_domain::{Credential, DomainError, UploadAnswer, UploadOrder};

use crate::hooks::tusd::event::Event;
use crate::hooks::tusd::metadata::{self, Metadata};
use crate::hooks::tusd::reply::{MOST_BYTES, Reply};
use crate::hooks::tusd::{Call, credential, tusd, tusd_itself};
use crate::native::error::problem;
use crate::problem::{Problem, codes};

/// The bearer challenge for a token that was presented and is no good (RFC 6750).
const INVALID_TOKEN: &str = r#"Bearer realm="countermark", error="invalid_token""#;
/// The bearer challenge where none was presented.
const NO_TOKEN: &str = r#"Bearer realm="countermark""#;

/// Begins the upload.
///
/// # Errors
/// Only what is not the client's fault: tusd tries again.
pub(super) async fn begin(call: &Call<'_>, event: &Event) -> Result<Reply, Problem> {
    match begun(call, event).await {
        Ok(reply) => Ok(reply),
        Err(problem) => call.refuse(problem),
    }
}

async fn begun(call: &Call<'_>, event: &Event) -> Result<Reply, Problem> {
    if event.upload.is_in_parts() {
        return Err(Problem::new(&codes::PARTIAL_UPLOAD).detail(
            "send the file as one upload: the parts of a parallel upload would each be one of their own",
        ));
    }
    let value = credential::token_value(&event.request).map_err(|problem| challenged(problem, NO_TOKEN))?;
    let metadata = event.upload.metadata();
    let asked = metadata::asked(&metadata)?;
    let content_type = metadata::content_type(&metadata)?;
    if !Reply::creation(PLACE_OF_ID.to_owned(), Some(metadata.clone())).fits() {
        return Err(too_long());
    }
    let order = UploadOrder {
        credential: Credential::Value(value),
        began_by: Some(tusd()),
        asked,
        bytes: event.upload.size(),
        content_type: content_type.as_deref(),
        idempotency: call.repetition_key(event),
    };
    match call.state.service.begin_upload(&order).await.map_err(problem)? {
        UploadAnswer::Begun { upload, .. } => created(call, &upload, &metadata).await,
        UploadAnswer::Refused { reason, token } => {
            let extra = token.as_deref().and_then(|token| match &token.terms.purpose {
                Purpose::Upload(upload) => Some(&upload.extra),
                _ => None,
            });
            Err(refused(reason, event, extra))
        }
    }
}

/// As long as every id of ours.
const PLACE_OF_ID: &str = "upl_0000000000000000000000";

async fn created(call: &Call<'_>, upload: &Upload, metadata: &Metadata) -> Result<Reply, Problem> {
    if upload.state != UploadState::Reserved {
        return Err(problem(DomainError::UploadClosed));
    }
    // What stays as it is, is not sent: tusd then keeps the client's bytes, which need not be UTF-8.
    let directed =
        Some(metadata::directed(metadata, &upload.effective)).filter(|directed| directed != metadata);
    let reply = Reply::creation(upload.id.to_string(), directed);
    if reply.fits() {
        return Ok(reply);
    }
    call.state.service.abort_upload(tusd_itself(), upload.id).await.map_err(problem)?;
    Err(too_long())
}

fn too_long() -> Problem {
    let detail =
        format!("expected metadata that take at most {MOST_BYTES} bytes, those of the token included");
    Problem::new(&codes::INVALID_METADATA).detail(detail)
}

fn challenged(problem: Problem, challenge: &'static str) -> Problem {
    if problem.code().status == 401 {
        return problem.header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    problem
}

/// The refusal in words for whoever uploads, who need not know what a token is.
fn refused(reason: DenyReason, event: &Event, extra: Option<&UploadExtra>) -> Problem {
    let problem = Problem::new(codes::code_of_reason(reason));
    let problem = match reason {
        DenyReason::UnknownToken | DenyReason::WrongType | DenyReason::Malformed => {
            problem.detail("this is not an upload token: check that it was copied whole")
        }
        DenyReason::Revoked => problem.detail("permission for this upload has been withdrawn"),
        DenyReason::Disabled => problem.detail("permission for this upload is suspended"),
        DenyReason::NotYetValid => problem.detail("it is too early for this upload"),
        DenyReason::Expired => problem.detail("permission for this upload has expired: ask for a new one"),
        DenyReason::LimitReached => {
            problem.detail("all uploads that were permitted have been made: ask for a new permission")
        }
        DenyReason::WrongCloud => {
            problem.member("/cloudId", "expected the cloud that this token is for, or none")
        }
        DenyReason::ConstraintFailed => match extra.map(|extra| unmet(event, extra)) {
            Some(detail) => problem.detail(detail),
            None => problem,
        },
        _ => problem,
    };
    challenged(problem, INVALID_TOKEN)
}

/// What the token demands of an upload, in words; the token's holder may know it.
fn unmet(event: &Event, extra: &UploadExtra) -> String {
    let mut demands = Vec::new();
    match (extra.min_bytes, extra.max_bytes) {
        (Some(least), Some(most)) => demands.push(format!("{least} to {most} bytes")),
        (Some(least), None) => demands.push(format!("at least {least} bytes")),
        (None, Some(most)) => demands.push(format!("at most {most} bytes")),
        (None, None) => {}
    }
    if !demands.is_empty() && event.upload.size().is_none() {
        demands.push("a size announced before the upload begins".to_owned());
    }
    if !extra.mime_types.is_empty() {
        let types: Vec<String> = extra.mime_types.iter().map(|glob| glob.as_str().to_owned()).collect();
        demands.push(format!("a file of type {}", types.join(" or ")));
    }
    if let Some(prefix) = &extra.public_id_prefix {
        demands.push(format!("a publicId that begins with {prefix}"));
    }
    format!("expected {}", demands.join(", "))
}
