//! Envoy's `ext_authz` over HTTP: the ask is the original request itself, its path behind a prefix.

use actix_web::HttpRequest;
use actix_web::http::Uri;

use super::heads::{Client, Heads, Names};
use super::original::{Original, Untold, required};

pub(super) const NAMES: Names = Names {
    target: "",
    method: "",
    host: "host",
    client: Client::List("x-forwarded-for"),
    // Envoy asks without the body and so with a length of 0.
    bytes: "",
    content_type: "content-type",
};

/// Stands before the original path.
pub(super) const PREFIX: &str = "/v1/forward-auth/envoy";

/// The original request by request line and `Host`.
pub(super) fn original<'a>(request: &'a HttpRequest, heads: &Heads<'a>) -> Result<Original<'a>, Untold> {
    let host = required(heads.host, "Host")?;
    let target = target(request.uri()).ok_or(Untold::Unreadable)?;
    Original::new(target, request.method().as_str(), host, heads, &NAMES)
}

/// The raw bytes behind the prefix. A request line that names a host of its own is refused: it would stand over `Host`.
fn target(uri: &Uri) -> Option<&str> {
    if uri.authority().is_some() {
        return None;
    }
    uri.path_and_query()?.as_str().strip_prefix(PREFIX)
}
