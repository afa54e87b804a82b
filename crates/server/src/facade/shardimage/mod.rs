//! Shardimage: access tokens, batches and uploads, as its official SDK calls them.

mod batch;
mod error;
mod message;
mod multipart;
mod packed;
mod signed;
mod tokens;
mod upload;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::facade::DialectError;
use crate::problem::Problem;
use crate::resource::at;
use error::refused;

pub use upload::UploadTarget;

/// What this room answers for, each with all that lies below it.
pub const PATHS: &[&str] = &["/secure/v1", "/multipart", "/upload/v1"];

/// Registers the room's routes.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            at("/secure/v1/access-token")
                .refusing(refused)
                .post(tokens::create::shardimage_create_access_token),
        )
        .service(
            at("/secure/v1/access-token/{id}")
                .refusing(refused)
                .head(tokens::exists::shardimage_access_token_exists)
                .get(tokens::view::shardimage_view_access_token)
                .put(tokens::update::shardimage_update_access_token)
                .delete(tokens::revoke::shardimage_revoke_access_token),
        )
        .service(at("/multipart/mixed").refusing(refused).post(batch::shardimage_batch));
    upload::routes(config);
    for path in PATHS {
        config.route(path, web::to(nothing)).route(&format!("{path}/{{tail:.*}}"), web::to(nothing));
    }
}

/// The room's part of the OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Room::openapi();
    document.merge(upload::document());
    document
}

async fn nothing() -> Result<HttpResponse, DialectError> {
    Err(refused(Problem::not_found()))
}

#[derive(OpenApi)]
#[openapi(
    tags((name = "Shardimage dialect", description = "Access tokens and uploads as Shardimage's SDK calls them.")),
    paths(
        tokens::create::shardimage_create_access_token,
        tokens::view::shardimage_view_access_token,
        tokens::exists::shardimage_access_token_exists,
        tokens::update::shardimage_update_access_token,
        tokens::revoke::shardimage_revoke_access_token,
        batch::shardimage_batch
    ),
    modifiers(&Schemes)
)]
struct Room;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let header = |name: &str, text: &str| {
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name, text)))
        };
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(
            "shardimageKey",
            header(
                "X-Shardimage-Auth-Key",
                "The digits of a key made by `countermark shardimage-key create`.",
            ),
        );
        let text = "`s-` and 40 hexadecimal digits over path and query, as the SDK makes them. It covers neither method nor \
            body, so that a call that was seen can be repeated.";
        components.add_security_scheme("shardimageSignature", header("X-Shardimage-Auth-Signature", text));
    }
}
