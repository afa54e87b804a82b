//! nginx's `auth_request`: the shipped configuration sets `X-Original-…`; everything else may be the client's.

use actix_web::HttpRequest;

use super::heads::{Client, Heads, Names};
use super::original::{Original, Untold, required};

pub(super) const NAMES: Names = Names {
    target: "x-original-uri",
    method: "x-original-method",
    host: "x-original-host",
    client: Client::Address("x-real-ip"),
    bytes: "x-original-content-length",
    content_type: "x-original-content-type",
};

/// The original request by `X-Original-…`.
pub(super) fn original<'a>(_: &'a HttpRequest, heads: &Heads<'a>) -> Result<Original<'a>, Untold> {
    let target = required(heads.target, "X-Original-URI")?;
    let method = required(heads.method, "X-Original-Method")?;
    let host = required(heads.host, "X-Original-Host")?;
    Original::new(target, method, host, heads, &NAMES)
}
