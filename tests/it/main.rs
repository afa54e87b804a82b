//! What the service promises, seen from outside: the real binary, spoken to over real sockets.

#![expect(clippy::unwrap_used, reason = "a panic is how a test's own function fails")]

mod bad_input;
mod burst;
mod clock;
mod cloudpaste;
mod compatibility;
mod concurrency;
mod contentive;
mod documents;
mod gate;
mod imgbed;
mod laws;
mod oauth;
mod query;
mod revocation;
mod secrets;
mod shardimage;
mod slow_clients;
mod story;
mod tusd;
mod uploads;
