//! The dialect's words for what went wrong.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use countermark_domain::DomainError;
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use crate::facade::{DialectError, Fault, told};
use crate::problem::Problem;

/// No `Basic`: browsers would ask for a name and a password over the front end's own form.
const CHALLENGE: &str = r#"Bearer realm="countermark""#;

/// Members that the dialect names otherwise.
const NAMES: &[(&str, &str)] =
    &[("/basePath", "/basic_path"), ("/storages", "/storage_config_ids"), ("/expiry", "/expires_at")];

/// The body of every error answer.
#[derive(Serialize, ToSchema)]
#[schema(as = CloudpasteError, example = json!({
    "success": false, "code": "CONFLICT", "message": "another API key has this name", "requestId": "9f86d081884c7d65"
}))]
pub struct ErrorBody {
    /// Always false.
    #[schema(example = false)]
    success: bool,
    /// What kind of error it is.
    #[schema(example = "CONFLICT")]
    code: &'static str,
    /// What is wrong, for people.
    #[schema(example = "another API key has this name")]
    message: String,
    /// Names this request in the log; the same as the `X-Request-Id` header.
    #[serde(rename = "requestId", skip_serializing)]
    #[schema(value_type = String, example = "9f86d081884c7d65")]
    #[expect(dead_code, reason = "written where the answer leaves; here for the document")]
    request_id: (),
}

/// What every route for administrators can answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made of the type, no value is")]
pub enum Refusals {
    /// A part of the request is not acceptable; the message names it.
    #[response(status = 400)]
    Unacceptable(ErrorBody),
    /// No usable login or administrator key.
    #[response(status = 401)]
    Unauthenticated(ErrorBody),
    /// An API key, which may not manage keys.
    #[response(status = 403)]
    Forbidden(ErrorBody),
    /// Too many failed attempts from this address.
    #[response(status = 429)]
    Throttled(ErrorBody),
    /// The service cannot answer now; nothing has been done.
    #[response(status = 503)]
    Unavailable(ErrorBody),
}

/// The error answer for this fault.
pub fn worded(fault: Fault) -> DialectError {
    let own = match &fault {
        Fault::Domain(DomainError::Unauthenticated(_)) => {
            Some("present a login or a key that can be used now")
        }
        Fault::Domain(DomainError::PermissionRequired(_)) => Some("this is for administrators"),
        Fault::Domain(DomainError::NotFound) => Some("there is no such API key"),
        Fault::Domain(DomainError::NameTaken) => Some("another API key has this name"),
        Fault::Domain(DomainError::ValueTaken) => Some("this key cannot be given: choose another one"),
        Fault::Domain(DomainError::TokenRevoked) => Some("the API key is revoked and cannot be changed"),
        Fault::Domain(_) | Fault::Problem(_) => None,
    };
    let problem = fault.into_problem();
    let status = StatusCode::from_u16(problem.code().status).expect("the table holds valid statuses");
    let message = own.map_or_else(|| told(&problem, NAMES).into_owned(), str::to_owned);
    let body = ErrorBody { success: false, code: code(status), message, request_id: () };
    let error = DialectError::json(status, &body).naming_request("requestId").carrying(&problem);
    if status == StatusCode::UNAUTHORIZED {
        return error.header(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
    }
    error
}

/// The error answer for a request that is refused before a use-case is asked.
pub fn refused(problem: Problem) -> DialectError {
    worded(problem.into())
}

/// The answer for paths below the room's own that it does not have.
///
/// # Errors
/// Always, with 404.
pub async fn unknown_path() -> Result<HttpResponse, DialectError> {
    Err(refused(Problem::not_found()))
}

/// 409 for what the dialect keeps for its guest key.
pub fn conflict(message: &'static str) -> Fault {
    Problem::new(&crate::problem::codes::VALUE_TAKEN).detail(message).into()
}

fn code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "VALIDATION_ERROR",
        401 => "UNAUTHORIZED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        405 => "METHOD_NOT_ALLOWED",
        408 => "REQUEST_TIMEOUT",
        409 => "CONFLICT",
        413 => "PAYLOAD_TOO_LARGE",
        415 => "UNSUPPORTED_MEDIA_TYPE",
        429 => "TOO_MANY_REQUESTS",
        503 => "SERVICE_UNAVAILABLE",
        500.. => "INTERNAL_ERROR",
        _ => "BAD_REQUEST",
    }
}
