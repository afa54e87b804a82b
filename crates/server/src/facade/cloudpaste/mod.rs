//! CloudPaste: API keys with permission bits, the guest key and the login of its front end.

use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

/// What this room answers for, each with all that lies below it.
pub const PATHS: &[&str] = &["/api/admin", "/api/test", "/api/public"];

/// Registers the room's routes.
pub fn routes(_config: &mut ServiceConfig) {}

/// The room's part of the OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    Room::openapi()
}

#[derive(OpenApi)]
#[openapi(tags((name = "CloudPaste dialect", description = "API keys as CloudPaste manages them.")), paths())]
struct Room;
