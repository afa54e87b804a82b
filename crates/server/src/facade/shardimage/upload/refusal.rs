//! Why there is no upload, in the words of the dialect.

use actix_web::http::StatusCode;
use countermark_domain::DomainError;
use serde_json::json;

use super::flow::Failure;
use super::target::TargetFailure;
use crate::facade::{DialectError, Fault};
use crate::problem::Problem;

/// Why there is no upload.
#[derive(Debug)]
pub(super) enum Refusal {
    /// As everywhere in the room.
    Fault(Fault),
    /// This service stores nothing, or not in this way.
    NotImplemented(&'static str),
    /// The target.
    Target(TargetFailure),
}

impl Refusal {
    /// The answer.
    pub(super) fn worded(self) -> DialectError {
        match self {
            Self::Fault(fault) => super::refuse(fault),
            Self::NotImplemented(message) => http_error(StatusCode::NOT_IMPLEMENTED, message),
            Self::Target(failure) => of_target(failure),
        }
    }
}

fn of_target(failure: TargetFailure) -> DialectError {
    let (status, message) = match failure {
        TargetFailure::Conflict => {
            (StatusCode::CONFLICT, "an image of this name exists and may not be replaced")
        }
        TargetFailure::Refused => (StatusCode::UNPROCESSABLE_ENTITY, "the image was not accepted"),
        TargetFailure::Unreachable => {
            (StatusCode::SERVICE_UNAVAILABLE, "images cannot be stored at the moment")
        }
        TargetFailure::TimedOut => (StatusCode::SERVICE_UNAVAILABLE, "the image was not stored in time"),
        TargetFailure::Failed => (StatusCode::BAD_GATEWAY, "the image was not stored"),
    };
    let refusal = http_error(status, message);
    match status {
        StatusCode::SERVICE_UNAVAILABLE => refusal.carrying(&Problem::unavailable(cause(failure))),
        StatusCode::BAD_GATEWAY => refusal.carrying(&Problem::internal(cause(failure))),
        _ => refusal,
    }
}

/// For the log.
fn cause(failure: TargetFailure) -> &'static str {
    match failure {
        TargetFailure::Unreachable => "the upload target could not be reached",
        TargetFailure::TimedOut => "the upload target did not answer in time",
        _ => "the upload target did not answer as it should",
    }
}

/// An error with the code of those that only the status explains.
fn http_error(status: StatusCode, message: &str) -> DialectError {
    let error = json!({"type": "HttpException", "code": 1003, "message": message});
    DialectError::json(status, &json!({"success": false, "error": error}))
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Domain(error) => Self::Fault(error.into()),
            Failure::Target(failure) => Self::Target(failure),
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Fault(problem.into())
    }
}

impl From<DomainError> for Refusal {
    fn from(error: DomainError) -> Self {
        Self::Fault(error.into())
    }
}
