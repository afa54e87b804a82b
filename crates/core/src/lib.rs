//! The pure core of Countermark: what a token is, how a URL is signed, and who may do what.
//!
//! No I/O, no clock and no randomness of its own: whoever calls brings instants and random bytes along.

mod base62;
pub mod bounds;
mod canonical;
mod decide;
mod difference;
mod escape;
mod host;
mod id;
mod legacy_signature;
mod mime;
mod notify;
mod path_scope;
mod permission;
mod reason;
mod record_id;
pub mod rights;
mod secret;
mod shardimage_api;
mod sign;
mod signed_url;
mod target;
#[cfg(test)]
mod testing;
mod time;
mod token;
mod upload;
mod url;
mod value;

pub use decide::{
    Beginning, Completion, Grant, Management, Proof, Request, Step, StepOutcome, Viewer, decide,
    decide_completion, decide_management, decide_upload, explain,
};
pub use difference::differences;
pub use host::Host;
pub use id::{InvalidTokenId, TOKEN_ID_LENGTH, TokenId, TokenKind};
pub use mime::{InvalidMimeGlob, MimeGlob};
pub use notify::{Notify, TokenEvent};
pub use path_scope::{BasePath, find_ambiguity, find_rule_ambiguity};
pub use permission::{InvalidPermission, Permission, PermissionSet};
pub use reason::{DenyReason, Malformed};
pub use record_id::{InvalidRecordId, NotificationId, UploadId};
pub use secret::{InvalidSecret, KeyVersion, SigningKey, SigningSecret};
pub use shardimage_api::{is_shardimage_api_key, is_shardimage_api_signature, shardimage_api_signature};
pub use sign::sign;
pub use signed_url::{BadSignature, Placement, SignatureForm, SignedUrl, is_cloud_id};
pub use target::{find_target_fault, looks_signed};
pub use time::UnixSeconds;
pub use token::{
    About, ApiTerms, Counting, Dialect, ImageTerms, KeySlot, Purpose, SecretState, SecretVersion, SlotKey,
    Status, Tally, Terms, Token, UploadTerms, Usage, ValueDigest, ValueSlot, ViewerPassword,
};
pub use upload::{UploadExtra, UploadParameters};
pub use value::{
    InvalidValue, TokenValue, ValueKind, may_be_chosen, may_be_credential, preview, random_base62,
};
