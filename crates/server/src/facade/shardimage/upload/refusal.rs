//! Why there is no upload, in the words of the dialect.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use countermark_domain::DomainError;

use super::flow::Failure;
use super::target::TargetFailure;
use crate::facade::shardimage::error::{ErrorCode, refused, told, worded};
use crate::facade::{DialectError, Fault};
use crate::problem::Problem;
use crate::problem::codes::code_of_reason;

/// Why there is no upload.
#[derive(Debug)]
pub(super) enum Refusal {
    /// As everywhere in the room.
    Fault(Fault),
    /// As many uploads are under way as there are seats, or as the token may have.
    Busy,
    /// This service stores nothing, or not in this way.
    NotImplemented(&'static str),
    /// The target.
    Target(TargetFailure),
}

impl Refusal {
    /// The answer.
    pub(super) fn worded(self) -> DialectError {
        match self {
            Self::Fault(Fault::Domain(DomainError::Unauthenticated(reason))) => refused(
                Problem::new(code_of_reason(reason))
                    .detail("the upload token is not one that can be used now"),
            ),
            Self::Fault(fault) => worded(fault),
            Self::Busy => {
                told(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Http, "too many uploads are under way")
                    .header(header::RETRY_AFTER, HeaderValue::from_static("1"))
            }
            Self::NotImplemented(message) => told(StatusCode::NOT_IMPLEMENTED, ErrorCode::Http, message),
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
    let refusal = told(status, ErrorCode::Http, message);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_any_client_can_call_forth_is_no_failure_of_the_service() {
        for refusal in [Refusal::Busy, Refusal::NotImplemented("no"), Refusal::Target(TargetFailure::Refused)]
        {
            assert!(!refusal.worded().is_failure());
        }
        for failure in [TargetFailure::Failed, TargetFailure::Unreachable, TargetFailure::TimedOut] {
            assert!(Refusal::Target(failure).worded().is_failure());
        }
        assert!(Refusal::from(Problem::internal("x")).worded().is_failure());
    }
}
