//! What the SDK could call and what cannot be had here: an upload without bytes, and changes of what is stored.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::asked::{AskedUpload, without_file};
use super::credentials::admit;
use super::refusal::Refusal;
use super::refused_early;
use super::target::UploadTarget;
use crate::body::BODY_LIMIT;
use crate::facade::DialectError;
use crate::facade::call::Call;
use crate::facade::shardimage::error::ErrorBody;
use crate::facade::shardimage::message::Asked;
use crate::state::AppState;

/// Uploads nothing
///
/// This request is the first part of `POST /multipart/related`. By itself it has no bytes and is refused.
#[utoipa::path(
    post, path = "/upload/v1/c/{cloudId}", operation_id = "shardimage_upload_without_file", tag = "Shardimage dialect",
    params(
        ("cloudId" = String, Path, description = "The cloud.", example = "mycloud"),
        ("X-Shardimage-Auth-token" = String, Header, description = "The id of an upload token.")
    ),
    request_body(content = AskedUpload, content_type = "application/json"),
    responses(
        (status = 400, description = "There are no bytes.", body = ErrorBody),
        (status = 401, description = "No upload token, or none that is known.", body = ErrorBody),
        (status = 403, description = "The token has ended, or a key is presented in its place.", body = ErrorBody),
        (status = 501, description = "There is no upload target.", body = ErrorBody),
    ),
    security(("shardimageUploadToken" = []))
)]
pub async fn upload_without_file(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    let call = Call::of(&request, &state);
    if let Err(refusal) = admit(&request, &call, UploadTarget::seat_without_file).await {
        return Err(refused_early(&request, payload, BODY_LIMIT, refusal).await);
    }
    let asked = Asked::read::<BODY_LIMIT>(&request, payload).await;
    let fault = match asked.and_then(|asked| asked.object::<AskedUpload>()) {
        Ok(_) => without_file(),
        Err(problem) => problem,
    };
    Err(Refusal::from(fault).worded())
}

/// Changes no image
///
/// Nothing is stored here that could be changed.
#[utoipa::path(
    put, path = "/upload/v1/c/{cloudId}/o/{publicId}/modify", operation_id = "shardimage_modify_image", tag = "Shardimage dialect",
    params(
        ("cloudId" = String, Path, description = "The cloud.", example = "mycloud"),
        ("publicId" = String, Path, description = "The image.", example = "cat")
    ),
    responses((status = 501, description = "Always.", body = ErrorBody)),
    security(("shardimageUploadToken" = []))
)]
pub async fn modify_image(request: HttpRequest, payload: Payload) -> Result<HttpResponse, DialectError> {
    let refusal = Refusal::NotImplemented("images are not stored here and cannot be modified");
    Err(refused_early(&request, payload, BODY_LIMIT, refusal).await)
}
