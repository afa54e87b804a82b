//! Contentive: API users with JWT tokens.

use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

/// What this room answers for, each with all that lies below it.
pub const PATHS: &[&str] = &["/admin/api", "/admin/auth"];

/// Registers the room's routes.
pub fn routes(_config: &mut ServiceConfig) {}

/// The room's part of the OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    Room::openapi()
}

#[derive(OpenApi)]
#[openapi(tags((name = "Contentive dialect", description = "API users as Contentive manages them.")), paths())]
struct Room;
