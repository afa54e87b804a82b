//! Why a use-case does not do what it was asked.

use countermark_core::DenyReason;

use crate::store::StoreError;

/// Every way in which a management call can fail; no HTTP inside. Refused uses are no errors but answers.
#[derive(Debug, thiserror::Error)]
pub enum DomainError {
    /// The caller's key is unknown or not usable now.
    #[error("the API key is refused: {}", .0.code())]
    Unauthenticated(DenyReason),
    /// The caller's key lacks a permission.
    #[error("the API key lacks the permission {0}")]
    PermissionRequired(&'static str),
    /// The token reaches, before or after the call, further than the caller's key, by the member at this pointer.
    #[error("the token's rights exceed the caller's at {0}")]
    RightsExceeded(&'static str),
    /// A key tried to change itself.
    #[error("an API key cannot change itself")]
    SelfChange,
    /// There is no such token, or none that the caller may know of.
    #[error("no such token")]
    NotFound,
    /// A member does not go together with the others or with the token.
    #[error("{pointer}: {detail}")]
    Invalid {
        /// JSON pointer of the member.
        pointer: &'static str,
        /// What was expected; never what was given.
        detail: &'static str,
    },
    /// The token has another revision than the caller saw.
    #[error("the token has changed")]
    RevisionMismatch,
    /// The new limit is below the uses already taken.
    #[error("the limit is below the uses already taken")]
    LimitBelowUsed,
    /// A revoked token cannot be changed.
    #[error("the token is revoked")]
    TokenRevoked,
    /// No copy of the value is kept.
    #[error("the value is not kept")]
    NotRecoverable,
    /// Another token has the given value.
    #[error("the value is taken")]
    ValueTaken,
    /// Another API key of this dialect, whose names are unique, has the name.
    #[error("the name is taken")]
    NameTaken,
    /// All 65,535 secret versions are spent.
    #[error("no further secret version")]
    VersionsExhausted,
    /// A link that this token would refuse is not signed.
    #[error("the token would refuse the link: {}", .0.code())]
    Unsignable(DenyReason),
    /// The idempotency key stands for another request.
    #[error("the idempotency key was used for another request")]
    KeyMismatch,
    /// The repeated request had taken a use that was given back since.
    #[error("the use was given back")]
    UseGivenBack,
    /// The token has as many reserved uploads as it may have at once.
    #[error("too many uploads are open")]
    TooManyUploads,
    /// The upload has ended another way.
    #[error("the upload is closed")]
    UploadClosed,
    /// What the upload has become is not what its token demands.
    #[error("the upload is refused: {}", .0.code())]
    UploadRefused(DenyReason),
    /// More work waits than can be done soon.
    #[error("too much work is waiting")]
    Overloaded,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
