//! Errors in Contentive's words: always `{"error":"…"}`.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use countermark_domain::DomainError;
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use crate::facade::{DialectError, Fault};
use crate::problem::{BEARER_CHALLENGE, INVALID_TOKEN_CHALLENGE, Problem, codes};

/// Why a call is refused.
#[derive(Debug)]
pub enum Refusal {
    /// As the rest of the service says it.
    Fault(Fault),
    /// 400 with a text of our own.
    Unacceptable(Cow<'static, str>),
    /// 401 without credentials.
    NoCredential,
    /// 401 at the login.
    WrongPassword,
    /// 404 for a path below the room's own.
    UnknownPath,
}

impl<T: Into<Fault>> From<T> for Refusal {
    fn from(fault: T) -> Self {
        Self::Fault(fault.into())
    }
}

/// Words what a route does not offer.
pub fn refuse(problem: Problem) -> DialectError {
    Refusal::from(problem).into()
}

impl From<Refusal> for DialectError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unacceptable(text) => said(StatusCode::BAD_REQUEST, text),
            Refusal::NoCredential => challenging("Missing Authorization header", BEARER_CHALLENGE),
            Refusal::WrongPassword => challenging("Invalid credentials", BEARER_CHALLENGE),
            Refusal::UnknownPath => said(StatusCode::NOT_FOUND, "Not found"),
            Refusal::Fault(Fault::Domain(error)) => of_domain(error),
            Refusal::Fault(Fault::Problem(problem)) => of_problem(&problem),
        }
    }
}

fn of_domain(error: DomainError) -> DialectError {
    match error {
        DomainError::NotFound => said(StatusCode::NOT_FOUND, "API user not found"),
        DomainError::Unauthenticated(_) => challenging("Invalid token", INVALID_TOKEN_CHALLENGE),
        DomainError::PermissionRequired(_) | DomainError::SelfChange => {
            said(StatusCode::FORBIDDEN, "Access denied")
        }
        DomainError::RightsExceeded(pointer) => {
            let member = member(pointer);
            said(StatusCode::FORBIDDEN, format!("Access denied: {member} exceeds the rights of the caller"))
        }
        DomainError::NameTaken => said(StatusCode::BAD_REQUEST, "Name already exists"),
        other => of_problem(&Fault::Domain(other).into_problem()),
    }
}

fn of_problem(problem: &Problem) -> DialectError {
    let code = problem.code();
    let text = match problem.errors().first() {
        Some(fault) if fault.pointer.is_empty() => format!("Invalid input: {}", fault.detail),
        Some(fault) => format!("Invalid input: {}: {}", member(&fault.pointer), fault.detail),
        None => code.title.to_owned(),
    };
    let status = StatusCode::from_u16(code.status).expect("the table holds valid statuses");
    debug_assert!(code.status != codes::UNAUTHENTICATED.status, "worded above");
    said(status, text).carrying(problem)
}

/// The member as this dialect names it.
fn member(pointer: &str) -> &str {
    match pointer {
        "/expiry" => "expire_at",
        "/permissions" => "scopes",
        other => other.trim_start_matches('/'),
    }
}

fn challenging(text: &'static str, challenge: &'static str) -> DialectError {
    said(StatusCode::UNAUTHORIZED, text).header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

fn said(status: StatusCode, text: impl Into<Cow<'static, str>>) -> DialectError {
    DialectError::json(status, &ErrorBody { error: text.into() })
}

/// Why the call was refused.
#[derive(Serialize, ToSchema)]
#[schema(as = ContentiveError, example = json!({"error": "Error message"}))]
pub struct ErrorBody<'a> {
    /// For people.
    #[schema(example = "Error message")]
    error: Cow<'a, str>,
}

/// What every route for administrators can answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "the document is made of the type, no value is")]
pub enum Refusals<'a> {
    /// No usable login token or administrator key.
    #[response(status = 401)]
    Unauthenticated(ErrorBody<'a>),
    /// `Access denied`: the key or API token is none of an administrator.
    #[response(status = 403)]
    Forbidden(ErrorBody<'a>),
    /// Too many failed attempts from this address.
    #[response(status = 429)]
    Throttled(ErrorBody<'a>),
    /// The service cannot answer now; nothing has been done.
    #[response(status = 503)]
    Unavailable(ErrorBody<'a>),
}
