//! `GET /v1/access-tokens`: lists.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::{Dialect, Status, TokenId, TokenKind};
use countermark_domain::store::ListFilter;
use serde::Serialize;
use utoipa::ToSchema;

use super::record::Record;
use super::schema::{AccessTokenDialect, AccessTokenStatus, AccessTokenType};
use crate::native::answer::answered;
use crate::native::caller::caller;
use crate::native::cursor;
use crate::native::error::problem;
use crate::native::refusals::Refusals;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::AppState;

/// A page of a list of tokens.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessTokenPage)]
#[serde(rename_all = "camelCase")]
pub struct ListAnswer<'a> {
    /// The tokens, newest first.
    items: Vec<Record<'a>>,
    /// Where the next page begins, also if this one is short; null after the last.
    #[schema(example = "aXVfMDM0WUNHTU9EbzdyTlhKZTFyRDBJbQ")]
    next_cursor: Option<String>,
}

/// Lists tokens
///
/// Newest first; only those that the calling key may know of. A page may be short or empty while `nextCursor` is set, since
/// at most about 10,000 tokens are looked at for one: go on until it is null.
#[utoipa::path(
    get, path = "/v1/access-tokens", operation_id = "list_access_tokens", tag = "access tokens",
    params(
        ("type" = Option<AccessTokenType>, Query, description = "Only of this type.", example = "imageUrl"),
        ("status" = Option<AccessTokenStatus>, Query, description = "Only with this status now.", example = "active"),
        ("owner" = Option<String>, Query, description = "Only of exactly this owner.", example = "shop"),
        ("name" = Option<String>, Query, description = "Only with exactly this name.", example = "press photos"),
        ("label" = Option<String>, Query, description = "Only with this label: `name` or `name=value`.", example = "campaign=spring"),
        ("q" = Option<String>, Query, description = "Only where name, description, owner, id or preview contains this text.", example = "press"),
        ("dialect" = Option<AccessTokenDialect>, Query, description = "Only issued in this dialect.", example = "native"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 200, description = "Most items of the page; 50 if absent.", example = 50),
        ("cursor" = Option<String>, Query, description = "The `nextCursor` of the page before.")
    ),
    responses((status = 200, description = "A page.", body = ListAnswer<'_>), Refusals<'_>),
    security(("managementKey" = []))
)]
pub async fn list_access_tokens(
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let caller = caller(&request, &state, "tokens:read").await?;
    let now = state.service.now();
    let known = &["type", "status", "owner", "name", "label", "q", "dialect", "limit", "cursor"];
    let query = Query::of(&request, known)?;
    let status = query.parsed("status", &one_of(Status::ALL.map(Status::name)), Status::from_name)?;
    let filter = ListFilter {
        kind: query.parsed("type", &one_of(TokenKind::ALL.map(TokenKind::name)), TokenKind::from_name)?,
        status: status.map(|status| (status, now)),
        owner: query.text("owner", 200)?.map(str::to_owned),
        name: query.text("name", 200)?.map(str::to_owned),
        label: query.parsed("label", "name or name=value, the name of 1 to 64 characters", label)?,
        contains: query.text("q", 200)?.filter(|text| !text.is_empty()).map(str::to_owned),
        dialect: query.parsed("dialect", &one_of(Dialect::ALL.map(Dialect::name)), Dialect::from_name)?,
        after: cursor::read::<TokenId>(&query)?,
        at_most: cursor::page_size(&query)?,
    };
    let page = state.service.list(&caller, filter).await.map_err(problem)?;
    Ok(answered(&ListAnswer {
        items: page.tokens.iter().map(|token| Record::of(token, now)).collect(),
        next_cursor: page.next.map(cursor::written),
    }))
}

fn one_of<const N: usize>(names: [&'static str; N]) -> String {
    format!("one of {}", names.join(", "))
}

fn label(text: &str) -> Option<(String, Option<String>)> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    let fits = (1..=64).contains(&name.chars().count())
        && value.is_none_or(|value| value.chars().count() <= 256)
        && !text.chars().any(char::is_control);
    fits.then(|| (name.to_owned(), value.map(str::to_owned)))
}
