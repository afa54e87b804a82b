//! `GET /v1/audit`: who did what to which token, from where.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::{TokenId, UnixSeconds};
use countermark_domain::store::{AuditFilter, AuditRecord};
use serde::Serialize;
use utoipa::ToSchema;

use crate::native::answer::answered;
use crate::native::caller::unbound_caller;
use crate::native::cursor;
use crate::native::error::problem;
use crate::native::refusals::Refusals;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::AppState;

/// A page of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditPage)]
#[serde(rename_all = "camelCase")]
pub struct AuditAnswer<'a> {
    /// The entries, newest first.
    items: Vec<AuditItem<'a>>,
    /// Where the next page begins; null after the last.
    #[schema(example = "NDE")]
    next_cursor: Option<String>,
}

/// One entry of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry, example = json!({
    "number": 42, "at": 1_800_000_000, "actor": "ak_034UXVxixT6GLHO2styIVD", "action": "token.update",
    "token": "iu_034YCGMODo7rNXJe1rD0Im", "address": "203.0.113.7", "requestId": "9f86d081884c7d65", "members": ["limit"]
}))]
#[serde(rename_all = "camelCase")]
pub struct AuditItem<'a> {
    /// Ascending.
    number: u64,
    /// When, Unix seconds.
    #[schema(value_type = u64)]
    at: UnixSeconds,
    /// The key that acted; null for the installation itself and the command line.
    #[schema(value_type = Option<String>)]
    actor: Option<TokenId>,
    /// What was done.
    action: &'a str,
    /// To which token.
    #[schema(value_type = Option<String>)]
    token: Option<TokenId>,
    /// From which address.
    address: Option<&'a str>,
    /// In which request.
    request_id: Option<&'a str>,
    /// Members that changed, by name.
    members: &'a [String],
}

/// Shows the audit log
///
/// Newest first. It is only ever appended to and holds no values or secrets. A key that is
/// bound to a path, clouds or storages may not see it.
#[utoipa::path(
    get, path = "/v1/audit", operation_id = "view_audit_log", tag = "figures",
    params(
        ("token" = Option<String>, Query, description = "Only about this token.", example = "iu_034YCGMODo7rNXJe1rD0Im"),
        ("actor" = Option<String>, Query, description = "Only by this key.", example = "ak_034UXVxixT6GLHO2styIVD"),
        ("action" = Option<String>, Query, description = "Only this action.", example = "token.update"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 200, description = "Most items of the page; 50 if absent.", example = 50),
        ("cursor" = Option<String>, Query, description = "The `nextCursor` of the page before.")
    ),
    responses((status = 200, description = "A page.", body = AuditAnswer<'_>), Refusals<'_>),
    security(("managementKey" = []))
)]
pub async fn view_audit_log(request: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, Problem> {
    unbound_caller(&request, &state, "audit:read").await?;
    let query = Query::of(&request, &["token", "actor", "action", "limit", "cursor"])?;
    let size = cursor::page_size(&query)?;
    let filter = AuditFilter {
        token: query.parsed("token", "a token id", |text| text.parse().ok())?,
        actor: query.parsed("actor", "a token id", |text| text.parse().ok())?,
        action: query.text("action", 64)?.map(str::to_owned),
        before: cursor::read::<u64>(&query)?,
        at_most: size + 1,
    };
    let mut entries = state.service.audit_log(&filter).await.map_err(problem)?;
    let has_more = entries.len() > size as usize;
    entries.truncate(size as usize);
    let next = entries.last().filter(|_| has_more).map(|entry| entry.number);
    let items = entries.iter().map(AuditItem::of).collect();
    Ok(answered(&AuditAnswer { items, next_cursor: next.map(cursor::written) }))
}

impl<'a> AuditItem<'a> {
    fn of(entry: &'a AuditRecord) -> Self {
        Self {
            number: entry.number,
            at: entry.at,
            actor: entry.actor,
            action: &entry.action,
            token: entry.token,
            address: entry.address.as_deref(),
            request_id: entry.request_id.as_deref(),
            members: &entry.members,
        }
    }
}
