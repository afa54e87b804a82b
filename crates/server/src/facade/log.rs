//! All that rooms may write into the log: sentences about uploads and the machine, never anything that a client has sent.

use countermark_core::UploadId;
use tracing::warn;

/// The target could not be told that an upload counts for nothing.
pub fn file_may_be_left(upload: UploadId) {
    warn!(%upload, "the upload target may keep the file of an upload that has not completed");
}

/// An upload has failed, and so has its abortion.
pub fn use_goes_back_late(upload: UploadId) {
    warn!(%upload, "an upload could not be aborted; its use goes back at its deadline");
}

/// Nothing that presents a certificate can be believed.
pub fn machine_has_no_authorities() {
    warn!("the machine has no certificate authorities: an upload target with https:// will fail");
}
