//! The way of an upload: begin, hand over, complete; and back from every point of it.

use actix_web::web::Data;
use countermark_core::{DenyReason, TokenId, UploadParameters};
use countermark_domain::store::Upload;
use countermark_domain::{Credential, DomainError, UploadAnswer, UploadAsker, UploadOrder};
use zeroize::Zeroizing;

use super::image::Image;
use super::report::Report;
use super::seats::Seat;
use super::target::{Content, TargetFailure};
use crate::facade::log;
use crate::state::AppState;

/// Stands for this room where uploads name the key that began them: no key has this id, which is no UUID of any time.
/// tusd has the one before.
const ROOM: &str = "ak_0000000000000000000001";

/// An upload that has arrived whole.
pub(super) struct Order {
    /// The upload token's value.
    pub(super) value: Zeroizing<String>,
    /// What the client asks for.
    pub(super) asked: UploadParameters,
    /// Whether the client wants nothing replaced.
    pub(super) is_insertion: bool,
    /// What is to be stored.
    pub(super) content: Content,
    /// Held until all is done, since the content is.
    pub(super) seat: Seat,
}

/// Why there is no image.
#[derive(Debug)]
pub(super) enum Failure {
    /// A use-case has refused or failed.
    Domain(DomainError),
    /// The target has.
    Target(TargetFailure),
}

/// Runs to its end even if the client no longer waits: whatever was begun is completed or aborted.
///
/// # Errors
/// As [`Failure`]; the use has gone back then, or goes back at the upload's deadline.
pub(super) async fn upload(state: Data<AppState>, order: Order) -> Result<Image, Failure> {
    let run = tokio::spawn(async move { run(&state, order).await });
    run.await.unwrap_or_else(|_| {
        let ended = "the service is shutting down".to_owned();
        Err(Failure::Domain(countermark_domain::store::StoreError::Unavailable(ended).into()))
    })
}

async fn run(state: &AppState, order: Order) -> Result<Image, Failure> {
    let upload = begin(state, &order).await.map_err(Failure::Domain)?;
    let Order { is_insertion, content, seat, .. } = order;
    let size = match &content {
        Content::File { bytes, .. } => Some(bytes.len()),
        Content::Remote { .. } => None,
    };
    let insert_only = is_insertion || upload.extra.insert_only;
    let handed_over = state.shardimage_target.store(&upload, insert_only, content).await;
    let done = match handed_over {
        Ok(mut report) => {
            if let Some(size) = size {
                report.state_size(size);
            }
            complete(state, &upload, &report).await
        }
        Err(failure) => {
            give_back(state, &upload, failure.may_have_stored()).await;
            Err(Failure::Target(failure))
        }
    };
    drop(seat);
    done
}

async fn begin(state: &AppState, order: &Order) -> Result<Upload, DomainError> {
    let (bytes, content_type) = match &order.content {
        Content::File { bytes, content_type } => (Some(bytes.len() as u64), Some(content_type.as_str())),
        Content::Remote { .. } => (None, None),
    };
    let begun = UploadOrder {
        credential: Credential::Value(&order.value),
        began_by: Some(room()),
        asked: order.asked.clone(),
        bytes,
        content_type,
        idempotency: None,
    };
    match state.service.begin_upload(&begun).await? {
        UploadAnswer::Begun { upload, .. } => Ok(*upload),
        UploadAnswer::Refused { reason, .. } => Err(refused(reason)),
    }
}

/// A decision against the upload; a value that is no token's counts as a failed authentication.
pub(super) fn refused(reason: DenyReason) -> DomainError {
    match reason {
        DenyReason::UnknownToken => DomainError::Unauthenticated(reason),
        _ => DomainError::UploadRefused(reason),
    }
}

async fn complete(state: &AppState, upload: &Upload, report: &Report) -> Result<Image, Failure> {
    let json = report.to_json();
    let result = report.result(&json);
    match state.service.complete_upload(itself(), upload.id, &result).await {
        Ok(standing) => Ok(Image::of(&standing.upload, report)),
        Err(error) => {
            give_back(state, upload, true).await;
            Err(Failure::Domain(error))
        }
    }
}

/// Aborts the upload and, if need be, has the target forget it: in this order, since only an upload that is aborted for
/// certain may lose its image.
async fn give_back(state: &AppState, upload: &Upload, is_stored: bool) {
    match state.service.abort_upload(itself(), upload.id).await {
        Ok(_) if is_stored => state.shardimage_target.withdraw(upload.id).await,
        Ok(_) => {}
        Err(_) => log::use_goes_back_late(upload.id),
    }
}

fn room() -> TokenId {
    ROOM.parse().expect("the constant has the form of an id")
}

/// The room sees the end of what it has begun, and reaches no other upload.
fn itself() -> UploadAsker<'static> {
    UploadAsker::Server(room())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_stands_for_a_key_that_no_time_can_give() {
        assert_eq!(room().to_string(), ROOM);
    }
}
