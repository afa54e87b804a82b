//! `HEAD /secure/v1/access-token/{id}`: exists.

use actix_web::http::header;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::{direct, named};
use crate::facade::call::Call;
use crate::facade::shardimage::message::Asked;
use crate::facade::shardimage::signed;
use crate::facade::{DialectError, Fault};
use crate::state::AppState;

/// Tells whether an access token exists
///
/// The fast way: no body.
#[utoipa::path(
    head, path = "/secure/v1/access-token/{id}", operation_id = "shardimage_access_token_exists", tag = "Shardimage dialect",
    params(("id" = String, Path, description = "The token's id, not percent-encoded.", example = "iu_034YCGMODo7rNXJe1rD0Im")),
    responses(
        (status = 200, description = "There is such a token, whatever its limit and expiry."),
        (status = 404, description = "There is none, or it is revoked.")
    ),
    security(("shardimageKey" = [], "shardimageSignature" = []))
)]
pub async fn shardimage_access_token_exists(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    direct(request, payload, state, exists).await
}

/// 200 without a body if the token that the path names is there.
pub async fn exists(call: &Call<'_>, asked: &Asked) -> Result<HttpResponse, Fault> {
    let caller = signed::caller(call, asked, "tokens:read").await?;
    named(call, &caller, asked).await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).finish())
}
