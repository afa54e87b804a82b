//! What black-box tests need: real servers in temporary directories, sockets under exact control, seeded randomness.
//!
//! Nothing here knows the server's code: only what DESIGN fixes for other programs to see.

mod burst;
mod client;
mod clock;
mod cluster;
mod connection;
mod database;
/// PostgreSQL servers; the tests of the store start the same.
#[path = "../../crates/store/tests/fixture/postgres_server.rs"]
pub mod postgres;
mod random;
mod relay;
mod server;
mod threads;
pub mod trace;

pub use burst::burst;
pub use client::{Client, Fault, upload_question, url_question};
pub use clock::Clock;
pub use cluster::Cluster;
pub use connection::{Answer, Connection, request};
pub use database::Database;
pub use random::Random;
pub use relay::Relay;
pub use server::{Options, TestServer, binary};
pub use threads::{Barrier, in_parallel, within};
