//! Uploads: one file an operation, and what they share.

pub(super) mod abort;
pub(super) mod begin;
pub(super) mod complete;
mod record;
pub(super) mod view;

use actix_web::HttpRequest;
use countermark_core::UploadId;

use crate::problem::Problem;

/// The id in the path; what is no id is answered like one that does not exist.
fn upload_id(request: &HttpRequest) -> Result<UploadId, Problem> {
    request.match_info().query("id").parse().map_err(|_| Problem::not_found())
}
