//! The rooms of foreign dialects. A room parses, translates and renders; it decides nothing. Rooms know nothing of each
//! other: to take one out, delete its folder and its row here (Shardimage's has its upload target in the state, too).

pub mod call;
mod dialect_error;
pub mod instant;
mod log;
pub mod uuid;

mod cloudpaste;
mod contentive;
mod imgbed;
mod query;
mod shardimage;

use actix_web::web::ServiceConfig;
use countermark_core::Dialect;
use utoipa::openapi::OpenApi;

use crate::config::FacadeSettings;
pub use dialect_error::{DialectError, Fault, told};
pub use shardimage::UploadTarget;

/// One room, as the house sees it.
struct Room {
    dialect: Dialect,
    /// Paths that are the room's own, each with all that lies below it.
    paths: &'static [&'static str],
    routes: fn(&mut ServiceConfig),
    document: fn() -> OpenApi,
}

static ROOMS: [Room; 5] = [
    Room {
        dialect: Dialect::Imgbed,
        paths: imgbed::PATHS,
        routes: imgbed::routes,
        document: imgbed::document,
    },
    Room { dialect: Dialect::Query, paths: query::PATHS, routes: query::routes, document: query::document },
    Room {
        dialect: Dialect::Shardimage,
        paths: shardimage::PATHS,
        routes: shardimage::routes,
        document: shardimage::document,
    },
    Room {
        dialect: Dialect::Cloudpaste,
        paths: cloudpaste::PATHS,
        routes: cloudpaste::routes,
        document: cloudpaste::document,
    },
    Room {
        dialect: Dialect::Contentive,
        paths: contentive::PATHS,
        routes: contentive::routes,
        document: contentive::document,
    },
];

/// Registers the routes of the rooms that are open.
pub fn routes(config: &mut ServiceConfig, settings: &FacadeSettings) {
    for room in ROOMS.iter().filter(|room| settings.is_open(room.dialect)) {
        (room.routes)(config);
    }
}

/// Adds what the open rooms offer to the document of the native API.
pub fn add_to(document: &mut OpenApi, settings: &FacadeSettings) {
    for room in ROOMS.iter().filter(|room| settings.is_open(room.dialect)) {
        document.merge((room.document)());
    }
}

/// Whether a path, as the router reads it, belongs to a room, open or not.
pub fn owns(path: &str) -> bool {
    find_room(path).is_some()
}

/// The dialect that is spoken at a path; the native one outside of all rooms.
fn dialect_of(path: &str) -> Dialect {
    find_room(path).map_or(Dialect::Native, |room| room.dialect)
}

fn find_room(path: &str) -> Option<&'static Room> {
    let is_at =
        |own: &&str| path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    ROOMS.iter().find(|room| room.paths.iter().any(is_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_owns_its_paths_by_whole_segments_and_no_native_one() {
        for path in ["/api/manage/apiTokens", "/_/token/value", "/secure/v1/access-token/x", "/admin/api/1"] {
            assert!(owns(path), "{path}");
        }
        for path in
            ["/", "/v1/access-tokens", "/admin/apis", "/_/tokens", "/docs", "/healthz", "/oauth2/introspect"]
        {
            assert!(!owns(path), "{path}");
        }
    }

    #[test]
    fn no_two_rooms_share_a_path() {
        let all: Vec<&str> = ROOMS.iter().flat_map(|room| room.paths).copied().collect();
        for (index, path) in all.iter().enumerate() {
            for other in &all[index + 1..] {
                let below = |a: &str, b: &str| {
                    a.strip_prefix(b).is_some_and(|it| it.is_empty() || it.starts_with('/'))
                };
                assert!(!below(path, other) && !below(other, path), "{path} {other}");
            }
        }
    }
}
