//! The dialects through their real routes, over a real database.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "../native/installation.rs"]
mod installation;

mod bad_bodies;
mod cloudpaste;
mod contentive;
mod imgbed;
mod query;
mod shardimage;
mod shardimage_uploads;
