//! `POST /v1/notifications/test`: whether a receiver can be reached.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use utoipa::ToSchema;

use super::record::NotificationRecord;
use super::{ACCEPTED, may_reveal};
use crate::body::{BODY_LIMIT, json_bytes};
use crate::json;
use crate::native::answer::answered_with;
use crate::native::caller::audited_unbound_caller;
use crate::native::error::problem;
use crate::native::refusals::Refusals;
use crate::native::tokens::member::{NotificationUrl, Parsed};
use crate::problem::Problem;
use crate::query::Query;
use crate::state::AppState;

/// The body of `POST /v1/notifications/test`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = TestNotificationRequest, example = json!({"url": "https://hooks.example.com/countermark"}))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TestRequest {
    /// Address of the receiver.
    #[schema(value_type = String, min_length = 1, max_length = 2048)]
    url: Parsed<NotificationUrl>,
}

/// Sends a test notification
///
/// A `test.ping`, delivered like any other; what came of it is at `GET /v1/notifications/{id}`.
#[utoipa::path(
    post, path = "/v1/notifications/test", operation_id = "send_test_notification", tag = "notifications",
    request_body(content = TestRequest, content_type = "application/json"),
    responses(
        (status = 202, description = "It is due now.", body = NotificationRecord<'_>),
        Refusals<'_>
    ),
    security(("managementKey" = []))
)]
pub async fn send_test_notification(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let bytes = json_bytes::<BODY_LIMIT>(&request, &mut payload.into_inner()).await?;
    let caller = audited_unbound_caller(&request, &state, "notifications:write").await?;
    Query::of(&request, &[])?;
    let wire: TestRequest = json::read(&bytes)?;
    let sent = state.service.send_test_notification(&caller, wire.url.0.0).await.map_err(problem)?;
    Ok(answered_with(ACCEPTED, &NotificationRecord::of(&sent, may_reveal(&caller, &state))))
}
