//! The command line as its users meet it: the real binary, real files, real signals.

#![expect(clippy::unwrap_used, reason = "a panic is how a test's helper fails")]

mod installation;
mod moving;
mod over_http;
mod postgres;
mod process;
mod service;
mod usage;
