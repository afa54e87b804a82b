//! `GET /secure/v1/access-token/{id}`: view.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::record::answer;
use super::schema::AccessToken;
use super::{direct, named};
use crate::facade::call::Call;
use crate::facade::shardimage::error::ErrorBody;
use crate::facade::shardimage::message::Asked;
use crate::facade::shardimage::signed;
use crate::facade::{DialectError, Fault};
use crate::state::AppState;

/// Shows an access token
///
/// Secret and passwords as `***`.
#[utoipa::path(
    get, path = "/secure/v1/access-token/{id}", operation_id = "shardimage_view_access_token", tag = "Shardimage dialect",
    params(
        ("id" = String, Path, description = "The token's id, not percent-encoded.", example = "iu_034YCGMODo7rNXJe1rD0Im"),
        ("projections" = Option<String>, Query, description = "Signed, and otherwise of no consequence.")
    ),
    responses(
        (status = 200, description = "The token.", body = AccessToken),
        (status = "4XX", description = "Refused.", body = ErrorBody)
    ),
    security(("shardimageKey" = [], "shardimageSignature" = []))
)]
pub async fn shardimage_view_access_token(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    direct(request, payload, state, view).await
}

/// Shows the token that the path names.
pub async fn view(call: &Call<'_>, asked: &Asked) -> Result<HttpResponse, Fault> {
    let caller = signed::caller(call, asked, "tokens:read").await?;
    let (token, id) = named(call, &caller, asked).await?;
    Ok(answer(&token, &id))
}
