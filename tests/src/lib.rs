//! What black-box tests need: real servers in temporary directories, sockets under exact control, seeded randomness.
//!
//! Nothing here knows the server's code: only what DESIGN fixes for other programs to see.

mod client;
mod connection;
mod random;
mod server;
mod threads;
pub mod trace;

pub use client::{Client, Fault, upload_question, url_question};
pub use connection::{Answer, Connection, request};
pub use random::Random;
pub use server::{Options, TestServer, binary};
pub use threads::{Barrier, in_parallel, within};
