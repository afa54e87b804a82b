//! Caddy, Traefik, APISIX: they set `X-Forwarded-…` themselves, whatever the client sent.

use actix_web::HttpRequest;

use super::heads::{Client, Heads, Names};
use super::original::{Original, Untold, required};

pub(super) const NAMES: Names = Names {
    target: "x-forwarded-uri",
    method: "x-forwarded-method",
    host: "x-forwarded-host",
    client: Client::List("x-forwarded-for"),
    // The body is left out on the way, so its length is not told.
    bytes: "",
    content_type: "content-type",
};

/// The original request by `X-Forwarded-…`.
pub(super) fn original<'a>(_: &'a HttpRequest, heads: &Heads<'a>) -> Result<Original<'a>, Untold> {
    let target = required(heads.target, "X-Forwarded-Uri")?;
    let method = required(heads.method, "X-Forwarded-Method")?;
    let host = required(heads.host, "X-Forwarded-Host")?;
    Original::new(target, method, host, heads, &NAMES)
}
