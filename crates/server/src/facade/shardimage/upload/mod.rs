//! Uploads: the SDK sends an image here, its bytes go on to the configured target, one use of the upload token is spent.

mod asked;
mod by_address;
mod credentials;
mod flow;
mod form;
mod image;
mod image_type;
mod refusal;
mod report;
mod seats;
mod target;
mod unserved;
mod with_file;

use actix_web::http::header;
use actix_web::web::{self, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};

use super::error;
use crate::body::discard;
use crate::facade::DialectError;
use crate::resource::at;
use crate::state::AppState;
use image::Image;
use refusal::Refusal;
pub use target::UploadTarget;

/// Registers the routes.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(at("/multipart/related").post(with_file::upload_with_file).refusing(error::refused))
        .service(
            at("/upload/v1/c/{cloudId}/remote").post(by_address::upload_by_address).refusing(error::refused),
        )
        .service(at("/upload/v1/c/{cloudId}").post(unserved::upload_without_file).refusing(error::refused))
        .service(
            at("/upload/v1/c/{cloudId}/o/{publicId}/modify")
                .put(unserved::modify_image)
                .refusing(error::refused),
        )
        // The SDK leaves the slashes of a public id as they are.
        .route("/upload/v1/c/{cloudId}/o/{tail:.*}/modify", web::put().to(unserved::modify_image));
}

/// The OpenAPI document of these routes.
pub(super) fn document() -> utoipa::openapi::OpenApi {
    let mut document = Uploads::openapi();
    let token = ApiKey::Header(ApiKeyValue::with_description(
        "X-Shardimage-Auth-token",
        "The id of an upload token of this dialect, which is its whole secret. Keys upload nothing.",
    ));
    document
        .components
        .get_or_insert_default()
        .add_security_scheme("shardimageUploadToken", SecurityScheme::ApiKey(token));
    document
}

#[derive(OpenApi)]
#[openapi(paths(
    with_file::upload_with_file,
    by_address::upload_by_address,
    unserved::upload_without_file,
    unserved::modify_image
))]
struct Uploads;

/// The cloud in the path.
fn cloud(request: &HttpRequest) -> &str {
    request.match_info().get("cloudId").unwrap_or_default()
}

/// A refusal that does not need the body; a client that is still sending it should be able to read why, but not for long.
async fn refused_early(
    request: &HttpRequest,
    payload: Payload,
    limit: usize,
    refusal: Refusal,
) -> DialectError {
    let is_whole = discard(request, payload.into_inner(), limit).await;
    let worded = refusal.worded();
    if is_whole { worded } else { worded.closing() }
}

/// The answer to a batch of uploads.
pub(super) async fn refuse_deferred(
    request: &HttpRequest,
    payload: Payload,
    state: &AppState,
) -> DialectError {
    let refusal = Refusal::NotImplemented("uploads cannot be deferred; send them one by one");
    refused_early(request, payload, state.facades.shardimage_upload_bytes, refusal).await
}

fn answered(image: &Image) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(serde_json::to_vec(image).expect("answers are plain structs of texts and numbers"))
}
