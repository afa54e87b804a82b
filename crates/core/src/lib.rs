//! The pure core of Countermark.

mod base62;
mod id;
mod reason;
mod secret;
mod time;

pub use id::{InvalidTokenId, TOKEN_ID_LENGTH, TokenId, TokenKind};
pub use reason::{DenyReason, Malformed};
pub use secret::{InvalidSecret, KeyVersion, SigningKey, SigningSecret};
pub use time::UnixSeconds;
