//! `GET /v1/notifications/{id}`: one notification with its attempts.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::record::NotificationDetails;
use super::{may_reveal, notification_id};
use crate::native::answer::answered;
use crate::native::caller::unbound_caller;
use crate::native::error::problem;
use crate::native::refusals::Refusals;
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::AppState;

/// Shows a notification
///
/// With what is sent and what its attempts came to.
#[utoipa::path(
    get, path = "/v1/notifications/{id}", operation_id = "view_notification", tag = "notifications",
    params(("id" = String, Path, description = "Notification id.", example = "ntf_034YCGMODo7rNXJe1rD0Im")),
    responses(
        (status = 200, description = "The notification.", body = NotificationDetails<'_>),
        (status = 404, description = "No such notification.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals<'_>
    ),
    security(("managementKey" = []))
)]
pub async fn view_notification(request: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    let caller = unbound_caller(&request, &state, "notifications:read").await?;
    Query::of(&request, &[])?;
    let id = notification_id(&request)?;
    let (notification, attempts) = state.service.view_notification(id).await.map_err(problem)?;
    Ok(answered(&NotificationDetails::of(&notification, &attempts, may_reveal(&caller, &state))))
}
