//! `GET /_/token/value`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use countermark_domain::{Caller, DomainError};
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::credential::administrator;
use super::error::{NO_NAME, Refusals, missing, worded};
use super::wire::rows;
use crate::facade::call::Call;
use crate::facade::{DialectError, Fault};
use crate::query::Query;
use crate::state::AppState;

/// The value of the token with the name, if there is one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QueryTokenValue, example = json!({"data": [{"token": "cmk_hTQ3pXfNw0sLkJv7Bz1YcRmD6aGe9uTiOq4n2w"}]}))]
pub struct TokenValue<'a> {
    /// One element or none.
    data: Vec<ValueRow<'a>>,
}

/// A value.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QueryTokenValueRow)]
struct ValueRow<'a> {
    /// The value in full.
    token: &'a str,
}

/// Shows the value of a token, in the Query dialect
///
/// The look is written into the audit log. The answer names no content type.
#[utoipa::path(
    get, path = "/_/token/value", operation_id = "view_query_token_value", tag = "Query dialect",
    params(("name" = String, Query, description = "Which token.", example = "example")),
    responses(
        (status = 200, description = "The value; no element if there is no such token.", body = TokenValue<'_>),
        (status = 400, description = "No name is given; one line of text."),
        Refusals
    ),
    security(("queryAdministrator" = []))
)]
pub async fn view_query_token_value(
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    view(&request, &state).await.map_err(worded)
}

async fn view(request: &HttpRequest, state: &AppState) -> Result<HttpResponse, Fault> {
    let call = Call::of(request, state);
    let caller = administrator(&call, request).await?;
    if request.query_string().is_empty() {
        return Err(missing("Missing query string"));
    }
    let query = Query::only(request, "name")?;
    let name = query.text("name", 200)?.ok_or_else(|| missing(NO_NAME))?;
    let value = find_value(&call, &caller, name).await?;
    Ok(rows(value.iter().map(|value| ValueRow { token: value }).collect()))
}

async fn find_value(
    call: &Call<'_>,
    caller: &Caller,
    name: &str,
) -> Result<Option<Zeroizing<String>>, Fault> {
    call.service().permit(caller, "tokens:reveal")?;
    let token = match call.service().find_named(caller, name).await {
        Err(DomainError::NotFound) => return Ok(None),
        found => found?,
    };
    match call.service().reveal(caller, token.terms.id).await {
        Err(DomainError::NotFound | DomainError::NotRecoverable) => Ok(None),
        revealed => Ok(Some(revealed?.text)),
    }
}
