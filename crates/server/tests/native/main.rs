//! The native API through its real routes, over a real database.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod bad_input;
mod health;
mod installation;
mod legacy;
#[path = "../../../../tests/legacy_signer.rs"]
mod legacy_signer;
mod notifications;
mod openapi;
mod rights;
mod tokens;
