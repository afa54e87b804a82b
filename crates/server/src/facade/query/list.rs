//! `GET /_/token`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::credential::administrator;
use super::error::{Refusals, worded};
use super::wire::{Row, rows};
use crate::facade::call::Call;
use crate::facade::{DialectError, Fault};
use crate::state::AppState;

/// All tokens with their values.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QueryTokenList)]
pub struct TokenList<'a> {
    /// The oldest first.
    data: Vec<Row<'a>>,
}

/// Lists all tokens with their values, in the Query dialect
///
/// The look at the values is written into the audit log. The answer names no content type.
#[utoipa::path(
    get, path = "/_/token", operation_id = "list_query_tokens", tag = "Query dialect",
    responses(
        (status = 200, description = "The tokens of this dialect.", body = TokenList<'_>),
        Refusals
    ),
    security(("queryAdministrator" = []))
)]
pub async fn list_query_tokens(
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    list(&request, &state).await.map_err(worded)
}

async fn list(request: &HttpRequest, state: &AppState) -> Result<HttpResponse, Fault> {
    let call = Call::of(request, state);
    let caller = administrator(&call, request).await?;
    let mut tokens = call.service().all(&caller).await?;
    tokens.reverse();
    let values = call.service().reveal_all(&caller, &tokens).await?;
    let shown = tokens.iter().zip(&values);
    Ok(rows(shown.map(|(token, value)| Row::of(token, value.as_ref().map(|value| value.as_str()))).collect()))
}
