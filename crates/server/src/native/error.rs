//! What a failed use-case is on the native wire: one match.

use countermark_domain::DomainError;
use countermark_domain::store::StoreError;

use crate::problem::codes::code_of_reason;
use crate::problem::{Problem, codes};

/// The problem for an error of the domain.
pub fn problem(error: DomainError) -> Problem {
    match error {
        DomainError::Unauthenticated(_) => Problem::key_refused(),
        DomainError::PermissionRequired(permission) => Problem::permission_required(permission),
        DomainError::RightsExceeded(pointer) => Problem::new(&codes::RIGHTS_EXCEEDED)
            .member(pointer, "expected rights within those of the key that makes this call"),
        DomainError::SelfChange => Problem::new(&codes::SELF_CHANGE),
        DomainError::NotFound => Problem::not_found(),
        DomainError::Invalid { pointer, detail } => Problem::invalid_member(pointer, detail),
        DomainError::RevisionMismatch => Problem::new(&codes::PRECONDITION_FAILED),
        DomainError::LimitBelowUsed => Problem::new(&codes::LIMIT_BELOW_USED)
            .member("/limit", "expected at least the uses already taken"),
        DomainError::TokenRevoked => Problem::new(&codes::REVOKED_TOKEN),
        DomainError::NotRecoverable => Problem::new(&codes::NOT_RECOVERABLE),
        DomainError::ValueTaken => Problem::new(&codes::VALUE_TAKEN),
        DomainError::NameTaken => Problem::new(&codes::VALUE_TAKEN)
            .member("/name", "expected a name that no other API key of this dialect has"),
        DomainError::VersionsExhausted => Problem::new(&codes::VERSIONS_EXHAUSTED),
        DomainError::Unsignable(reason) => Problem::new(&codes::LINK_REFUSED)
            .detail(format!("the token would refuse this link with {}", reason.code())),
        DomainError::KeyMismatch => Problem::new(&codes::IDEMPOTENCY_MISMATCH),
        DomainError::UseGivenBack => Problem::new(&codes::USE_GIVEN_BACK),
        DomainError::TooManyUploads => Problem::new(&codes::TOO_MANY_UPLOADS),
        DomainError::UploadClosed => Problem::new(&codes::UPLOAD_CLOSED),
        DomainError::UploadRefused(reason) => Problem::new(code_of_reason(reason)),
        DomainError::Overloaded => Problem::unavailable("too much work is waiting"),
        // A repetition gets the verdict on the key as it is now.
        DomainError::Store(error @ (StoreError::Unavailable(_) | StoreError::ActorChanged)) => {
            Problem::unavailable(error)
        }
        // Refused like a token that cannot be decided: loudly in the log, without a hint to the caller.
        DomainError::Store(error @ StoreError::Corrupt { .. }) => Problem::internal(error),
    }
}
