//! `GET /v1/notifications`: what was told, newest first.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use countermark_domain::store::{NotificationFilter, NotificationState};
use serde::Serialize;
use utoipa::ToSchema;

use super::may_reveal;
use super::record::NotificationRecord;
use crate::native::answer::answered;
use crate::native::caller::unbound_caller;
use crate::native::cursor;
use crate::native::error::problem;
use crate::native::refusals::Refusals;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::AppState;

/// A page of notifications.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NotificationPage)]
#[serde(rename_all = "camelCase")]
pub struct ListAnswer<'a> {
    /// The notifications, newest first.
    items: Vec<NotificationRecord<'a>>,
    /// Where the next page begins; null after the last.
    #[schema(example = "bnRmXzAzNFlDR01PRG83ck5YSmUxckQwSW0")]
    next_cursor: Option<String>,
}

/// Lists notifications
///
/// Newest first. Those that were delivered are kept for 7 days, those that were given up for 30. A key that is bound to
/// a path, clouds or storages may not see them.
#[utoipa::path(
    get, path = "/v1/notifications", operation_id = "list_notifications", tag = "notifications",
    params(
        ("state" = Option<String>, Query, description = "Only in this state: pending, delivered, dead or disabled.", example = "dead"),
        ("type" = Option<String>, Query, description = "Only of this type.", example = "token.limit_reached"),
        ("tokenId" = Option<String>, Query, description = "Only about this token.", example = "iu_034YCGMODo7rNXJe1rD0Im"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 200, description = "Most items of the page; 50 if absent.", example = 50),
        ("cursor" = Option<String>, Query, description = "The `nextCursor` of the page before.")
    ),
    responses((status = 200, description = "A page.", body = ListAnswer<'_>), Refusals<'_>),
    security(("managementKey" = []))
)]
pub async fn list_notifications(
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let caller = unbound_caller(&request, &state, "notifications:read").await?;
    let query = Query::of(&request, &["state", "type", "tokenId", "limit", "cursor"])?;
    let size = cursor::page_size(&query)?;
    let states = "one of pending, delivered, dead, disabled";
    let filter = NotificationFilter {
        state: query.parsed("state", states, NotificationState::from_name)?,
        event: query.text("type", 64)?.map(str::to_owned),
        token: query.parsed("tokenId", "a token id", |text| text.parse().ok())?,
        after: cursor::read(&query)?,
        at_most: size + 1,
    };
    let mut found = state.service.notifications(&filter).await.map_err(problem)?;
    let has_more = found.len() > size as usize;
    found.truncate(size as usize);
    let next = found.last().filter(|_| has_more).map(|last| last.id);
    let reveals = may_reveal(&caller, &state);
    let items = found.iter().map(|one| NotificationRecord::of(one, reveals)).collect();
    Ok(answered(&ListAnswer { items, next_cursor: next.map(cursor::written) }))
}
