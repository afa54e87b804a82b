//! What goes wrong, in the words of the dialect.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use countermark_core::DenyReason;
use countermark_domain::DomainError;
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use crate::facade::{DialectError, Fault, told};
use crate::problem::Problem;

/// Has browsers ask for name and password.
const CHALLENGE: &str = r#"Basic realm="countermark", charset="UTF-8""#;

/// Members that the dialect names otherwise.
const NAMES: &[(&str, &str)] = &[("/expiry", "/expiresAt")];

/// What every route but OPTIONS can answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made of the type, no value is")]
pub enum Refusals<'a> {
    /// No token or administrator with the right to manage.
    #[response(status = 401)]
    Unauthenticated(NotValid),
    /// Too many failed attempts from this address.
    #[response(status = 429)]
    Throttled(Refusal<'a>),
    /// The service cannot answer now; nothing has been done.
    #[response(status = 503)]
    Unavailable(Refusal<'a>),
}

/// What every route with a body can answer besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made of the type, no value is")]
pub enum BodyRefusals<'a> {
    /// The body is larger than 64 KiB.
    #[response(status = 413)]
    TooLarge(Refusal<'a>),
    /// The content type is not `application/json`, or the body has a content coding.
    #[response(status = 415)]
    WrongType(Refusal<'a>),
}

/// Why a request was not done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImgbedError, example = json!({"error": "Token not found"}))]
pub struct Refusal<'a> {
    /// One line for people.
    error: &'a str,
}

/// Why a token does not open the route.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImgbedNotValid, example = json!({"valid": false, "error": "Token expired"}))]
pub struct NotValid {
    /// Always false.
    valid: bool,
    /// One line for people; whatever does not exist and whatever was switched off are both `Token not found`.
    error: &'static str,
}

/// A fault as the dialect tells it.
pub fn worded(fault: Fault) -> DialectError {
    match fault {
        Fault::Domain(DomainError::Unauthenticated(DenyReason::Expired)) => not_valid("Token expired"),
        Fault::Domain(DomainError::Unauthenticated(_)) => not_valid("Token not found"),
        // ImgBed answers 401 here, too: its clients then ask for another token, which is the only remedy.
        Fault::Domain(DomainError::PermissionRequired(_)) => not_valid("Insufficient permissions"),
        Fault::Domain(DomainError::NotFound) => refused(StatusCode::NOT_FOUND, "Token not found"),
        other => {
            let problem = other.into_problem();
            let status = StatusCode::from_u16(problem.code().status).expect("the table holds valid statuses");
            refused(status, &told(&problem, NAMES)).carrying(&problem)
        }
    }
}

/// The answer to a method that the path does not offer.
pub fn not_offered(problem: Problem) -> DialectError {
    DialectError::text(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed").carrying(&problem)
}

/// The answer for all paths below the room's.
///
/// # Errors
/// Always, with 404.
pub async fn unknown_path() -> Result<HttpResponse, DialectError> {
    Err(refused(StatusCode::NOT_FOUND, "Not found"))
}

fn refused(status: StatusCode, error: &str) -> DialectError {
    DialectError::json(status, &Refusal { error })
}

fn not_valid(error: &'static str) -> DialectError {
    DialectError::json(StatusCode::UNAUTHORIZED, &NotValid { valid: false, error })
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE))
}
