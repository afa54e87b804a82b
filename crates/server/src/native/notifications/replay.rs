//! `POST /v1/notifications/{id}/replay`: telling it again.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::record::NotificationRecord;
use super::{ACCEPTED, may_reveal, notification_id};
use crate::native::answer::answered_with;
use crate::native::caller::audited_unbound_caller;
use crate::native::error::problem;
use crate::native::refusals::Refusals;
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::AppState;

/// Delivers a notification again
///
/// At once, whatever has become of it, with the same id and body, and from the beginning of the schedule. If the
/// receiver had answered 410 and takes it now, it gets further events about this token again.
#[utoipa::path(
    post, path = "/v1/notifications/{id}/replay", operation_id = "replay_notification", tag = "notifications",
    params(("id" = String, Path, description = "Notification id.", example = "ntf_034YCGMODo7rNXJe1rD0Im")),
    responses(
        (status = 202, description = "It is due now.", body = NotificationRecord<'_>),
        (status = 404, description = "No such notification.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals<'_>
    ),
    security(("managementKey" = []))
)]
pub async fn replay_notification(
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let caller = audited_unbound_caller(&request, &state, "notifications:write").await?;
    Query::of(&request, &[])?;
    let id = notification_id(&request)?;
    let (notification, _) = state.service.replay_notification(&caller, id).await.map_err(problem)?;
    Ok(answered_with(ACCEPTED, &NotificationRecord::of(&notification, may_reveal(&caller, &state))))
}
