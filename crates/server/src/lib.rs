//! The Countermark service over HTTP: native API, Swagger UI, command line.

pub mod problem;
pub mod request_id;
pub mod resource;
pub mod respond;
