//! Why a use is refused: stable codes in the order in which they are tried.

use serde::{Deserialize, Serialize};

/// A refusal; the order of the variants is the order of refusal, the earliest that applies is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DenyReason {
    /// The signed URL or the request breaks the grammar, even where the signature fits.
    Malformed,
    /// No record for this credential.
    UnknownToken,
    /// The record is of a kind that cannot be used this way.
    WrongType,
    /// Wrong signature, or its secret version is unknown or retired.
    BadSignature,
    /// Permanently ended.
    Revoked,
    /// Switched off, reversibly.
    Disabled,
    /// `notBefore` lies ahead.
    NotYetValid,
    /// The token's `expiry` has come.
    Expired,
    /// This URL's own expiry has come.
    LinkExpired,
    /// The method is not among those of the token's kind.
    MethodDenied,
    /// Another cloud than the token's, or none named.
    WrongCloud,
    /// Another host than the token's, or none named.
    WrongHost,
    /// Outside `basePath`, ambiguous, or no path named.
    PathDenied,
    /// Another storage than the token's, or none named.
    StorageDenied,
    /// The permission asked for is not granted, or none was asked for.
    PermissionDenied,
    /// Size, content type or name prefix is not as the token demands, or is not named.
    ConstraintFailed,
    /// The viewer's Basic credentials are missing or wrong.
    AuthenticationRequired,
    /// The cost would take `used` over `limit`.
    LimitReached,
}

impl DenyReason {
    /// Every reason, in the order of refusal.
    pub const ALL: [Self; 18] = [
        Self::Malformed,
        Self::UnknownToken,
        Self::WrongType,
        Self::BadSignature,
        Self::Revoked,
        Self::Disabled,
        Self::NotYetValid,
        Self::Expired,
        Self::LinkExpired,
        Self::MethodDenied,
        Self::WrongCloud,
        Self::WrongHost,
        Self::PathDenied,
        Self::StorageDenied,
        Self::PermissionDenied,
        Self::ConstraintFailed,
        Self::AuthenticationRequired,
        Self::LimitReached,
    ];

    /// The stable code on the wire.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "MALFORMED",
            Self::UnknownToken => "UNKNOWN_TOKEN",
            Self::WrongType => "WRONG_TYPE",
            Self::BadSignature => "BAD_SIGNATURE",
            Self::Revoked => "REVOKED",
            Self::Disabled => "DISABLED",
            Self::NotYetValid => "NOT_YET_VALID",
            Self::Expired => "EXPIRED",
            Self::LinkExpired => "LINK_EXPIRED",
            Self::MethodDenied => "METHOD_DENIED",
            Self::WrongCloud => "WRONG_CLOUD",
            Self::WrongHost => "WRONG_HOST",
            Self::PathDenied => "PATH_DENIED",
            Self::StorageDenied => "STORAGE_DENIED",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ConstraintFailed => "CONSTRAINT_FAILED",
            Self::AuthenticationRequired => "AUTHENTICATION_REQUIRED",
            Self::LimitReached => "LIMIT_REACHED",
        }
    }

    /// What it means, as [`crate::differences`] says it.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Malformed => "the URL breaks the grammar of signed URLs",
            Self::UnknownToken => "no token is found by this credential",
            Self::WrongType => "a token of this type is not presented this way",
            Self::BadSignature => "the signature does not fit",
            Self::Revoked => "the token is revoked",
            Self::Disabled => "the token is switched off",
            Self::NotYetValid => "the token's notBefore lies ahead",
            Self::Expired => "the token's expiry has come",
            Self::LinkExpired => "the link's expiry has come",
            Self::MethodDenied => "the method is not one of this type's",
            Self::WrongCloud => "the cloud is another than the token's, or none is named",
            Self::WrongHost => "the host is not one of the token's",
            Self::PathDenied => "the path lies outside basePath, is ambiguous, or is not named",
            Self::StorageDenied => "the storage is not one of the token's, or none is named",
            Self::PermissionDenied => "the permission is not granted, or none is asked for",
            Self::ConstraintFailed => "size, content type or name prefix is not as demanded, or is not named",
            Self::AuthenticationRequired => "the viewer's user name and password are missing or wrong",
            Self::LimitReached => "too few uses are left",
        }
    }
}

/// What breaks the grammar of a URL, host or path; the text never contains the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);
