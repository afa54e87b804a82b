//! `GET /api/manage/apiTokens`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::credential::manager;
use super::error::{Refusals, worded};
use super::wire::{TokenRecord, answered};
use crate::facade::call::Call;
use crate::facade::{DialectError, Fault};
use crate::state::AppState;

/// All tokens.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImgbedTokenList, example = json!({"tokens": [{
    "id": "01tzi33hj4m5hqhtmyukxd9p2", "name": "Upload Only", "token": "imgbed_GqloEaR4...", "owner": "admin",
    "permissions": ["upload"], "createdAt": "2024-01-01T00:00:00.000Z", "updatedAt": "2024-01-01T00:00:00.000Z",
    "expiresAt": "2024-07-01T00:00:00.000Z", "autoDelete": false
}]}))]
pub struct TokenList {
    /// The oldest first, their values masked.
    tokens: Vec<TokenRecord>,
}

/// Lists all tokens, in the ImgBed dialect
///
/// Tokens that have expired and are marked for it are removed before.
#[utoipa::path(
    get, path = "/api/manage/apiTokens", operation_id = "list_imgbed_tokens", tag = "ImgBed dialect",
    responses(
        (status = 200, description = "The tokens of this dialect.", body = TokenList),
        Refusals<'_>
    ),
    security(("imgbedToken" = []), ("imgbedAdministrator" = []))
)]
pub async fn list_imgbed_tokens(
    request: HttpRequest,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    list(&request, &state).await.map_err(worded)
}

async fn list(request: &HttpRequest, state: &AppState) -> Result<HttpResponse, Fault> {
    let call = Call::of(request, state);
    let caller = manager(&call, request).await?;
    while call.service().sweep().await.map_err(countermark_domain::DomainError::from)? > 0 {}
    let mut tokens = call.service().all(&caller).await?;
    tokens.reverse();
    Ok(answered(&TokenList { tokens: tokens.iter().map(TokenRecord::masked).collect() }))
}
