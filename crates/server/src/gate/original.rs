//! The original request as a proxy reports it, whatever the dialect.

use std::net::IpAddr;

use actix_web::http::header::HeaderValue;

use super::heads::{Client, Heads, Names};

/// What the client asked of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Original<'a> {
    /// Raw path and query.
    pub(super) target: &'a str,
    pub(super) method: &'a str,
    /// Host, port allowed.
    pub(super) host: &'a str,
    /// An address in the proxy's spelling.
    pub(super) client: Option<&'a str>,
    pub(super) bytes: Option<u64>,
    pub(super) content_type: Option<&'a str>,
}

/// Why an ask does not tell what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Untold {
    /// The proxy's configuration lacks this header.
    Missing(&'static str),
    /// A header holds what it cannot mean.
    Unreadable,
}

impl<'a> Original<'a> {
    /// With the facts that the proxy may leave out.
    pub(super) fn new(
        target: &'a str,
        method: &'a str,
        host: &'a str,
        heads: &Heads<'a>,
        names: &Names,
    ) -> Result<Self, Untold> {
        if !is_method(method) {
            return Err(Untold::Unreadable);
        }
        Ok(Self {
            target,
            method,
            host,
            client: heads.client.and_then(|value| client(value, &names.client)),
            bytes: bytes(heads.bytes)?,
            content_type: heads.content_type.map(text).transpose()?.filter(|it| !it.is_empty()),
        })
    }
}

/// The value of a header that must be there.
pub(super) fn required<'a>(value: Option<&'a HeaderValue>, name: &'static str) -> Result<&'a str, Untold> {
    match value {
        Some(value) if !value.is_empty() => text(value),
        _ => Err(Untold::Missing(name)),
    }
}

fn text(value: &HeaderValue) -> Result<&str, Untold> {
    value.to_str().map_err(|_| Untold::Unreadable)
}

/// A token as HTTP defines it, of at most 64 characters.
fn is_method(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(is_token)
}

fn bytes(value: Option<&HeaderValue>) -> Result<Option<u64>, Untold> {
    match value.map(text).transpose()? {
        None | Some("") => Ok(None),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().map(Some).map_err(|_| Untold::Unreadable)
        }
        Some(_) => Err(Untold::Unreadable),
    }
}

/// What is no address is no client: each of its requests then counts.
fn client<'a>(value: &'a HeaderValue, named: &Client) -> Option<&'a str> {
    let text = value.to_str().ok()?;
    let address = match named {
        Client::Address(_) => text,
        Client::List(_) => text.rsplit(',').next().unwrap_or_default(),
    };
    let address = address.trim();
    address.parse::<IpAddr>().is_ok().then_some(address)
}
