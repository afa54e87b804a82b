//! The dialects through their real routes, over a real database.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod contentive;
#[path = "../native/installation.rs"]
mod installation;
mod shardimage;
mod shardimage_uploads;
