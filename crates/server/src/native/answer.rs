//! Successful answers of the native routes.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use serde::Serialize;

/// 200 with this body, not to be stored anywhere.
pub(super) fn answered(body: &impl Serialize) -> HttpResponse {
    answered_with(StatusCode::OK, body)
}

/// This status with this body, not to be stored anywhere.
pub(super) fn answered_with(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    // One answer takes some 200 bytes; a batch of them grows the buffer a few times, not from nothing.
    let mut bytes = Vec::with_capacity(512);
    serde_json::to_writer(&mut bytes, body).expect("answers are plain structs of texts and numbers");
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(bytes)
}
