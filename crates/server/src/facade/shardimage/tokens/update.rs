//! `PUT /secure/v1/access-token/{id}`: update.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::TokenKind;

use super::record::answer;
use super::schema::AccessToken;
use super::wire::{ImageUrlExtra, Kinded, TokenRequest, UploadExtraRequest, kind_name, must_agree};
use super::{direct, named};
use crate::facade::call::Call;
use crate::facade::shardimage::error::ErrorBody;
use crate::facade::shardimage::message::Asked;
use crate::facade::shardimage::signed;
use crate::facade::{DialectError, Fault};
use crate::state::AppState;

/// Updates an access token
///
/// The whole token is sent: what is left out is taken away, but for the secret. Read-only members must be null or as
/// they are.
#[utoipa::path(
    put, path = "/secure/v1/access-token/{id}", operation_id = "shardimage_update_access_token", tag = "Shardimage dialect",
    params(("id" = String, Path, description = "The token's id, not percent-encoded.", example = "iu_034YCGMODo7rNXJe1rD0Im")),
    request_body(content = AccessToken, content_type = "application/json", example = json!({"id": "iu_034YCGMODo7rNXJe1rD0Im", "expiry": 1_900_000_000, "limit": 1000, "extra": {"cloudId": "mycloud", "secret": "***"}, "createdAt": null, "type": "imageUrl"})),
    responses(
        (status = 200, description = "The token as it is now.", body = AccessToken),
        (status = 409, description = "The limit lies below the uses already granted.", body = ErrorBody),
        (status = "4XX", description = "Refused.", body = ErrorBody)
    ),
    security(("shardimageKey" = [], "shardimageSignature" = []))
)]
pub async fn shardimage_update_access_token(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    direct(request, payload, state, update).await
}

/// Makes the token that the path names be as sent.
pub async fn update(call: &Call<'_>, asked: &Asked) -> Result<HttpResponse, Fault> {
    let caller = signed::caller(call, asked, "tokens:write").await?;
    let (token, id) = named(call, &caller, asked).await?;
    let kind = token.terms.kind();
    must_agree("/type", kind_name(asked.object::<Kinded>()?.kind), kind.name())?;
    let patch = if kind == TokenKind::Upload {
        let sent = asked.object::<TokenRequest<UploadExtraRequest>>()?;
        must_agree("/id", sent.id.as_deref(), &id)?;
        sent.patch()?
    } else {
        let sent = asked.object::<TokenRequest<ImageUrlExtra>>()?;
        must_agree("/id", sent.id.as_deref(), &id)?;
        sent.patch()?
    };
    let token = call.service().update(&caller, token.terms.id, None, patch).await?;
    Ok(answer(&token, &id))
}
