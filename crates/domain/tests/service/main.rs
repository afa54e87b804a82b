//! The use-cases over a real SQLite store, with a clock that stands still and seeded randomness.
#![expect(clippy::unwrap_used, reason = "a failed step ends its test")]

mod counting;
mod dialects;
mod ending;
mod installation;
mod issuing;
mod legacy;
#[path = "../../../../tests/legacy_signer.rs"]
mod legacy_signer;
mod logins;
mod notifying;
mod rights;
mod time;
mod updating;
mod uploads;
