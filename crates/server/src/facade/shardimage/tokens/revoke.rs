//! `DELETE /secure/v1/access-token/{id}`: revoke.

use actix_web::http::header;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::{direct, named};
use crate::facade::call::Call;
use crate::facade::shardimage::error::ErrorBody;
use crate::facade::shardimage::message::Asked;
use crate::facade::shardimage::signed;
use crate::facade::{DialectError, Fault};
use crate::state::AppState;

/// Revokes an access token
///
/// For ever. When this has been answered, no further use is allowed, and the token is not found here any more.
#[utoipa::path(
    delete, path = "/secure/v1/access-token/{id}", operation_id = "shardimage_revoke_access_token", tag = "Shardimage dialect",
    params(("id" = String, Path, description = "The token's id, not percent-encoded.", example = "iu_034YCGMODo7rNXJe1rD0Im")),
    responses(
        (status = 204, description = "Revoked."),
        (status = "4XX", description = "Refused.", body = ErrorBody)
    ),
    security(("shardimageKey" = [], "shardimageSignature" = []))
)]
pub async fn shardimage_revoke_access_token(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    direct(request, payload, state, revoke).await
}

/// Ends the token that the path names.
pub async fn revoke(call: &Call<'_>, asked: &Asked) -> Result<HttpResponse, Fault> {
    let caller = signed::caller(call, asked, "tokens:write").await?;
    let (token, _) = named(call, &caller, asked).await?;
    call.service().revoke(&caller, token.terms.id, false).await?;
    Ok(HttpResponse::NoContent().insert_header((header::CACHE_CONTROL, "no-store")).finish())
}
