//! Uploads: one use is reserved when one begins; it is spent when the upload completes and goes back when it is aborted.

use std::sync::Arc;

use countermark_core::{DenyReason, TokenId, UploadId, UploadParameters};

use crate::authorize::Credential;
use crate::cache::Entry;
use crate::error::DomainError;
use crate::service::Service;
use crate::store::Upload;

/// An upload that is to begin.
#[derive(Clone, Debug)]
pub struct UploadOrder<'a> {
    /// The upload token's value as it was presented.
    pub credential: Credential<'a>,
    /// The API key that begins the upload for the holder; `None` if the holder does so alone.
    pub began_by: Option<TokenId>,
    /// The parameters that the client asks for.
    pub asked: UploadParameters,
    /// Size in bytes.
    pub bytes: Option<u64>,
    /// Content type.
    pub content_type: Option<&'a str>,
    /// Makes a retry find the same upload: the route that asks, the key, and the digest of all that was asked.
    pub idempotency: Option<(&'static str, &'a str, [u8; 32])>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum UploadAnswer {
    /// The upload has begun, or had begun by the same request.
    Begun {
        /// The upload.
        upload: Box<Upload>,
        /// Uses that its token has left; `None` = unlimited.
        remaining: Option<u64>,
    },
    /// It may not begin.
    Refused {
        /// Why.
        reason: DenyReason,
        /// The token, once the credential is proven to be its own.
        token: Option<Arc<Entry>>,
    },
}

/// What an upload has become, as its server reports it.
#[derive(Clone, Debug, Default)]
pub struct UploadResult<'a> {
    /// Size in bytes.
    pub bytes: Option<u64>,
    /// Content type.
    pub content_type: Option<&'a str>,
    /// Whether it has replaced something of the same name.
    pub existed: Option<bool>,
    /// The whole JSON object of the report, at most 8 KiB; kept and sent to receivers.
    pub report: &'a str,
}

/// An upload after a call that ends it.
#[derive(Clone, Debug)]
pub struct UploadStanding {
    /// The upload.
    pub upload: Upload,
    /// Uses that its token has left; `None` = unlimited.
    pub remaining: Option<u64>,
}

impl Service {
    /// Begins an upload: decides, reserves one use and sets the parameters that the upload really gets.
    ///
    /// # Errors
    /// [`DomainError::KeyMismatch`], [`DomainError::UseGivenBack`], [`DomainError::TooManyUploads`],
    /// [`DomainError::Overloaded`] and store errors. Refusals are answers.
    pub async fn begin_upload(&self, _order: &UploadOrder<'_>) -> Result<UploadAnswer, DomainError> {
        Err(DomainError::Overloaded)
    }

    /// One upload.
    ///
    /// # Errors
    /// [`DomainError::NotFound`] and store errors.
    pub async fn view_upload(&self, _id: UploadId) -> Result<Upload, DomainError> {
        Err(DomainError::Overloaded)
    }

    /// Makes the use of an upload final and queues its notifications, if the real figures are as the token demands.
    /// Repeating the same call changes nothing.
    ///
    /// # Errors
    /// [`DomainError::NotFound`], [`DomainError::UploadRefused`] (the upload stays reserved),
    /// [`DomainError::UploadClosed`] and store errors.
    pub async fn complete_upload(
        &self,
        _id: UploadId,
        _result: &UploadResult<'_>,
    ) -> Result<UploadStanding, DomainError> {
        Err(DomainError::Overloaded)
    }

    /// Gives the use of an upload back. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`DomainError::NotFound`], [`DomainError::UploadClosed`] and store errors.
    pub async fn abort_upload(&self, _id: UploadId) -> Result<UploadStanding, DomainError> {
        Err(DomainError::Overloaded)
    }
}
