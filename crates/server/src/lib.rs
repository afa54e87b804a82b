//! The Countermark service over HTTP: native API, Swagger UI, command line.

pub mod api_docs;
pub mod app;
pub mod body;
pub mod caller_credentials;
pub mod client_address;
pub mod config;
pub mod connection_watch;
pub mod idempotency_key;
pub mod json;
pub mod native;
pub mod ops;
pub mod problem;
pub mod query;
pub mod request_id;
pub mod resource;
pub mod respond;
pub mod server;
pub mod telemetry;
pub mod throttle;
