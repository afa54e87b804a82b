//! What goes wrong, in the words of the dialect: one line of text without a content type.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use countermark_domain::DomainError;
use utoipa::IntoResponses;

use crate::facade::{DialectError, Fault, told};
use crate::problem::{BEARER_CHALLENGE, Problem, codes};

/// What every route can answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made of the type, no value is")]
pub enum Refusals {
    /// No administrator key; no body.
    #[response(status = 401)]
    Unauthenticated,
    /// The token reaches further than the calling key, or its values are not for that key to see; one line of text.
    #[response(status = 403)]
    Forbidden,
    /// Too many failed attempts from this address; one line of text.
    #[response(status = 429)]
    Throttled,
    /// The service cannot answer now; nothing has been done. One line of text.
    #[response(status = 503)]
    Unavailable,
}

/// What every route with a body can answer besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made of the type, no value is")]
pub enum BodyRefusals {
    /// The body is larger than 64 KiB; one line of text.
    #[response(status = 413)]
    TooLarge,
    /// The body has a content coding; one line of text.
    #[response(status = 415)]
    Encoded,
}

/// What Query Server says of a query string without the name.
pub const NO_NAME: &str = "Missing query string: name";

/// Members that the dialect names otherwise.
const NAMES: &[(&str, &str)] = &[("/expiry", "/expiration_date"), ("/permissions", "/write")];

/// A fault as the dialect tells it.
pub fn worded(fault: Fault) -> DialectError {
    match fault {
        // Query Server does not tell a key that may not from one that does not exist.
        Fault::Domain(DomainError::Unauthenticated(_) | DomainError::PermissionRequired(_)) => {
            DialectError::untyped(StatusCode::UNAUTHORIZED, "")
                .header(header::WWW_AUTHENTICATE, HeaderValue::from_static(BEARER_CHALLENGE))
        }
        Fault::Domain(DomainError::NameTaken) => refused("There is already a token with this name"),
        // What its database says where an update finds nothing.
        Fault::Domain(DomainError::NotFound) => refused("Query returned no rows"),
        other => {
            let problem = other.into_problem();
            let status = StatusCode::from_u16(problem.code().status).expect("the table holds valid statuses");
            DialectError::untyped(status, told(&problem, NAMES)).carrying(&problem)
        }
    }
}

/// 400 for a request that lacks something.
pub fn missing(text: &'static str) -> Fault {
    Problem::new(&codes::MALFORMED_BODY).detail(text).into()
}

/// The answer to a method that a path does not offer.
pub fn not_offered(problem: Problem) -> DialectError {
    DialectError::untyped(StatusCode::NOT_FOUND, "404 Not Found").carrying(&problem)
}

/// The answer for all paths below the room's.
///
/// # Errors
/// Always, with 404.
pub async fn unknown_path() -> Result<HttpResponse, DialectError> {
    Err(DialectError::untyped(StatusCode::NOT_FOUND, "404 Not Found"))
}

fn refused(text: &'static str) -> DialectError {
    DialectError::untyped(StatusCode::BAD_REQUEST, text)
}
