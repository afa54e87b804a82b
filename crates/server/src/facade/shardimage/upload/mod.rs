//! Uploads: the SDK sends an image here, its bytes go on to the configured target, one use of the upload token is spent.

mod asked;
mod by_address;
mod credentials;
mod flow;
mod form;
mod image;
mod image_type;
mod refusal;
mod related;
mod report;
mod target;
mod unserved;
mod with_file;

use actix_web::http::header;
use actix_web::web::{Bytes, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use utoipa::OpenApi;

use crate::body::discard;
use crate::facade::DialectError;
use crate::problem::Problem;
use crate::resource::at;
use asked::AskedUpload;
use image::Image;
use refusal::Refusal;
pub use target::UploadTarget;

/// Registers the routes.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(at("/multipart/related").post(with_file::upload_with_file).refusing(refuse_problem))
        .service(
            at("/upload/v1/c/{cloudId}/remote").post(by_address::upload_by_address).refusing(refuse_problem),
        )
        .service(at("/upload/v1/c/{cloudId}").post(unserved::upload_without_file).refusing(refuse_problem))
        .service(
            // The SDK leaves the slashes of a public id as they are.
            at("/upload/v1/c/{cloudId}/o/{publicId:.+}/modify")
                .put(unserved::modify_image)
                .refusing(refuse_problem),
        );
}

/// The OpenAPI document of these routes.
pub(super) fn document() -> utoipa::openapi::OpenApi {
    Uploads::openapi()
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

/// A refusal that does not wait for the body; a client that is still sending it must be able to read why.
async fn refused_early(
    request: &HttpRequest,
    payload: Payload,
    limit: usize,
    refusal: Refusal,
) -> DialectError {
    match discard(request, payload.into_inner(), limit).await {
        Ok(()) => refusal.worded(),
        Err(problem) => Refusal::from(problem).worded(),
    }
}

fn answered(image: &Image) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(serde_json::to_vec(image).expect("answers are plain structs of texts and numbers"))
}

fn asked_in(request: &HttpRequest, bytes: &Bytes) -> Result<AskedUpload, Problem> {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    asked_of(content_type.and_then(|it| it.to_str().ok()), bytes)
}

/// The parameters of an upload.
fn asked_of(_content_type: Option<&str>, bytes: &Bytes) -> Result<AskedUpload, Problem> {
    crate::json::read(bytes)
}

fn refuse_problem(problem: Problem) -> DialectError {
    refuse(problem.into())
}

fn refuse(fault: crate::facade::Fault) -> DialectError {
    let problem = fault.into_problem();
    let status = actix_web::http::StatusCode::from_u16(problem.code().status)
        .expect("statuses of the table are valid");
    let code = match status.as_u16() {
        400 => 1000,
        404 => 1001,
        401 | 403 => 1002,
        _ => 1003,
    };
    let error = serde_json::json!({"type": "X", "code": code, "message": problem.to_string()});
    DialectError::json(status, &serde_json::json!({"success": false, "error": error})).carrying(&problem)
}
