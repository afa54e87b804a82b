//! `OPTIONS /api/manage/apiTokens`.

use actix_web::HttpResponse;
use actix_web::http::header;

/// Tells the methods, in the ImgBed dialect
///
/// A preflight of an origin that `cors.allowed_origins` names is answered before this route is asked; for all others there
/// are no CORS headers, so that browsers keep their scripts out.
#[utoipa::path(
    options, path = "/api/manage/apiTokens", operation_id = "answer_imgbed_preflight", tag = "ImgBed dialect",
    responses((status = 204, description = "`Allow` names the methods."))
)]
pub async fn answer_imgbed_preflight() -> HttpResponse {
    let methods = "GET, HEAD, POST, PUT, DELETE, OPTIONS";
    HttpResponse::NoContent().insert_header((header::ALLOW, methods)).finish()
}
