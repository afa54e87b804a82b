//! Hooks of upload servers: each parses what its server sends, calls the domain, and renders what its server understands.

pub mod tusd;

use actix_web::web::ServiceConfig;

use crate::resource::at;

/// Stands before the paths of all hooks.
pub const PREFIX: &str = "/v1/hooks/";

/// Registers the hooks.
pub fn routes(config: &mut ServiceConfig) {
    config.service(at("/v1/hooks/tusd").post(tusd::receive_tusd_hook));
}
