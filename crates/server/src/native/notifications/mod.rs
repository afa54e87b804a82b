//! What was told to receivers: one file an operation, and what they share.

pub(super) mod list;
pub(super) mod replay;
pub(super) mod secrets;
pub(super) mod test;
pub(super) mod view;

mod record;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use countermark_core::NotificationId;
use countermark_domain::Caller;

use crate::problem::Problem;
use crate::state::AppState;

/// The id in the path; what is no id is answered like one that does not exist.
fn notification_id(request: &HttpRequest) -> Result<NotificationId, Problem> {
    request.match_info().query("id").parse().map_err(|_| Problem::not_found())
}

/// Whether the caller may see secrets: the `whsec_` texts, and the queries of addresses, in which receivers are known to
/// carry theirs.
fn may_reveal(caller: &Caller, state: &AppState) -> bool {
    state.service.permit(caller, "tokens:reveal").is_ok()
}

const ACCEPTED: StatusCode = StatusCode::ACCEPTED;
