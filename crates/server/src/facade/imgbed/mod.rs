//! CloudFlare-ImgBed: `/api/manage/apiTokens`.

use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

/// What this room answers for, each with all that lies below it.
pub const PATHS: &[&str] = &["/api/manage/apiTokens"];

/// Registers the room's routes.
pub fn routes(_config: &mut ServiceConfig) {}

/// The room's part of the OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    Room::openapi()
}

#[derive(OpenApi)]
#[openapi(tags((name = "ImgBed dialect", description = "API tokens as CloudFlare-ImgBed manages them.")), paths())]
struct Room;
