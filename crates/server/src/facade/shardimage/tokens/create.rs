//! `POST /secure/v1/access-token`: create.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::TokenKind;

use super::direct;
use super::record::{MASK, answer, answer_with};
use super::schema::AccessToken;
use super::wire::{ImageUrlExtra, Kinded, TokenRequest, UploadExtraRequest};
use crate::facade::call::Call;
use crate::facade::shardimage::error::ErrorBody;
use crate::facade::shardimage::message::Asked;
use crate::facade::shardimage::signed;
use crate::facade::{DialectError, Fault};
use crate::problem::Problem;
use crate::state::AppState;

/// Base62 digits of an upload token's id, which is its whole secret: 131 bits.
const ID_DIGITS: usize = 22;

/// Creates an access token
///
/// Only this answer shows `extra.secret`. JSON or MessagePack, as `Content-Type` says.
#[utoipa::path(
    post, path = "/secure/v1/access-token", operation_id = "shardimage_create_access_token", tag = "Shardimage dialect",
    request_body(content = AccessToken, content_type = "application/json", examples(
        ("imageUrl" = (summary = "Signs URLs of one cloud", value = json!({"id": null, "expiry": 1_900_000_000, "limit": 1000, "extra": {"cloudId": "mycloud", "secret": "secretString"}, "createdAt": null, "type": "imageUrl"}))),
        ("upload" = (summary = "Uploads to one cloud", value = json!({"id": null, "expiry": 1_900_000_000, "limit": 5, "extra": {"transformation": "w:200", "transformationPrefix": null, "transformationPostfix": null, "format": "webp", "cloudId": "mycloud", "projection": null, "tags": ["a"], "addTags": ["b"], "notificationUrls": ["https://example.com/hook"], "publicId": "pid"}, "createdAt": null, "type": "upload"})))
    )),
    responses(
        (status = 200, description = "The token.", body = AccessToken),
        (status = "4XX", description = "Refused.", body = ErrorBody)
    ),
    security(("shardimageKey" = [], "shardimageSignature" = []))
)]
pub async fn shardimage_create_access_token(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    direct(request, payload, state, create).await
}

/// Creates the token that a request asks for.
pub async fn create(call: &Call<'_>, asked: &Asked) -> Result<HttpResponse, Fault> {
    let caller = signed::caller(call, asked, "tokens:write").await?;
    let kind = asked.object::<Kinded>()?.kind;
    let kind = kind.ok_or_else(|| Problem::invalid_member("/type", "expected imageUrl or upload"))?;
    let draft = match kind.0.0 {
        TokenKind::Upload => {
            let value = call.service().foreign_value("", ID_DIGITS);
            asked.object::<TokenRequest<UploadExtraRequest>>()?.draft(value)
        }
        _ => {
            let legacy = call.state.facades.shardimage_legacy_signatures;
            asked.object::<TokenRequest<ImageUrlExtra>>()?.draft(legacy)?
        }
    };
    let issued = call.service().issue_once(&caller, draft).await?;
    let id = issued.token.terms.id.to_string();
    Ok(match (&issued.value, &issued.secret) {
        (Some(value), _) => answer(&issued.token, value),
        (None, Some((_, secret))) => answer_with(&issued.token, &id, secret.expose()),
        (None, None) => answer_with(&issued.token, &id, MASK),
    })
}
