//! The pure core of Countermark.

mod base62;
mod canonical;
mod escape;
mod host;
mod id;
mod path_scope;
mod reason;
mod secret;
mod sign;
mod signed_url;
mod target;
mod time;
mod url;

pub use host::Host;
pub use id::{InvalidTokenId, TOKEN_ID_LENGTH, TokenId, TokenKind};
pub use path_scope::{BasePath, find_ambiguity};
pub use reason::{DenyReason, Malformed};
pub use secret::{InvalidSecret, KeyVersion, SigningKey, SigningSecret};
pub use sign::sign;
pub use signed_url::{BadSignature, Placement, SignedUrl, is_cloud_id};
pub use target::looks_signed;
pub use time::UnixSeconds;
