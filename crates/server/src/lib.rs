//! The Countermark service over HTTP: native API, Swagger UI, command line.

pub mod api_docs;
pub mod app;
pub mod body;
pub mod caller_credentials;
pub mod cli;
pub mod client_address;
pub mod config;
pub mod connection_watch;
pub mod first_key;
pub mod idempotency_key;
pub mod installation;
pub mod json;
pub mod master_key;
pub mod native;
pub mod ops;
pub mod private_file;
pub mod problem;
pub mod query;
pub mod request_id;
pub mod resource;
pub mod respond;
pub mod server;
pub mod start;
pub mod telemetry;
pub mod throttle;
