//! The envelope around every answer that is no error.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use serde::Serialize;
use utoipa::ToSchema;

/// What stands around the data of an answer.
#[derive(Serialize, ToSchema)]
pub struct Envelope<T> {
    /// Always true.
    #[schema(example = true)]
    success: bool,
    /// `OK` or `CREATED`.
    #[schema(example = "OK")]
    code: &'static str,
    /// What was done, for people.
    #[schema(example = "done")]
    message: &'static str,
    /// What was asked for.
    data: T,
}

/// The answer to a change that has nothing to show.
#[derive(Serialize, ToSchema)]
#[schema(as = CloudpasteDone, example = json!({"success": true, "code": "OK", "message": "the API key is updated"}))]
pub struct Done {
    /// Always true.
    #[schema(example = true)]
    success: bool,
    /// Always `OK`.
    #[schema(example = "OK")]
    code: &'static str,
    /// What was done, for people.
    #[schema(example = "the API key is updated")]
    message: &'static str,
}

/// 200 with this data.
pub fn answered(message: &'static str, data: impl Serialize) -> HttpResponse {
    answer(StatusCode::OK, &Envelope { success: true, code: "OK", message, data })
}

/// 201 with this data.
pub fn created(message: &'static str, data: impl Serialize) -> HttpResponse {
    answer(StatusCode::CREATED, &Envelope { success: true, code: "CREATED", message, data })
}

/// 200 without data.
pub fn done(message: &'static str) -> HttpResponse {
    answer(StatusCode::OK, &Done { success: true, code: "OK", message })
}

fn answer(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    let body = serde_json::to_vec(body).expect("answers are plain structs of texts and numbers");
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body)
}
