//! Uploads.

use countermark_domain::store::{StoreError, Upload, UploadState};

use crate::row::{Reader, StoredRow};

/// The upload in a row of `uploads`.
pub(crate) fn upload(row: &dyn StoredRow) -> Result<Upload, StoreError> {
    let reader = Reader::new(row, "uploads", "id");
    Ok(Upload {
        id: reader.parsed("id")?,
        token: reader.token_id("token")?,
        owner: reader.optional("owner")?,
        began_by: reader.optional_token_id("began_by")?,
        state: upload_state_of(&reader)?,
        effective: reader.json("effective")?,
        extra: reader.json("extra")?,
        began_at: reader.instant("began_at")?,
        deadline: reader.instant("deadline")?,
        ended_at: reader.optional_instant("ended_at")?,
        result: reader.optional("result")?,
    })
}

/// The state in a row of `uploads`.
pub(crate) fn upload_state_of(reader: &Reader<'_>) -> Result<UploadState, StoreError> {
    match reader.column::<&str>("state")? {
        "reserved" => Ok(UploadState::Reserved),
        "completed" => Ok(UploadState::Completed),
        "aborted" => Ok(UploadState::Aborted),
        _ => Err(reader.corrupt("state")),
    }
}

/// A state as it is stored.
pub(crate) const fn upload_state_name(state: UploadState) -> &'static str {
    match state {
        UploadState::Reserved => "reserved",
        UploadState::Completed => "completed",
        UploadState::Aborted => "aborted",
    }
}
