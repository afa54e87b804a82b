//! Shardimage: access tokens, batches and uploads, as its official SDK calls them.

mod error;
mod message;
mod multipart;
mod packed;
mod upload;

use actix_web::web::ServiceConfig;
use utoipa::OpenApi;

pub use upload::UploadTarget;

/// What this room answers for, each with all that lies below it.
pub const PATHS: &[&str] = &["/secure/v1", "/multipart", "/upload/v1"];

/// Registers the room's routes.
pub fn routes(config: &mut ServiceConfig) {
    upload::routes(config);
}

/// The room's part of the OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Room::openapi();
    document.merge(upload::document());
    document
}

#[derive(OpenApi)]
#[openapi(tags((name = "Shardimage dialect", description = "Access tokens and uploads as Shardimage's SDK calls them.")), paths())]
struct Room;
