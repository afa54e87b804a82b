//! The rooms of foreign dialects through their real routes, over a real database.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod bad_bodies;
mod imgbed;
#[path = "../native/installation.rs"]
mod installation;
mod query;
