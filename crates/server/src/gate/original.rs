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
    /// IPv4 addresses in IPv6 spelling are plain.
    pub(super) client: Option<IpAddr>,
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

/// A token as HTTP defines it, of at most 64 characters, and without lower-case letters: every method in use is written in
/// capitals, and an origin that makes capitals of `put` would do what was not decided.
fn is_method(text: &str) -> bool {
    let is_token =
        |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
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
fn client(value: &HeaderValue, named: &Client) -> Option<IpAddr> {
    let text = value.to_str().ok()?;
    let address = match named {
        Client::Address(_) => text,
        Client::List(_) => text.rsplit(',').next().unwrap_or_default(),
    };
    address.trim().parse().ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::HttpRequest;
    use actix_web::test::TestRequest;

    use super::*;
    use crate::gate::{envoy, forwarded, nginx};

    fn of_nginx(changed: &str, value: &str) -> Result<(u64, String), Untold> {
        let mut request = TestRequest::default();
        for (name, usual) in
            [("X-Original-URI", "/a?b"), ("X-Original-Method", "PUT"), ("X-Original-Host", "h.example")]
        {
            request = request.insert_header((name, usual));
        }
        let request = request.insert_header((changed.to_owned(), value)).to_http_request();
        let heads = Heads::read(request.headers(), &nginx::NAMES).unwrap();
        let original = nginx::original(&request, &heads)?;
        let client = original.client.map_or("-".to_owned(), |it| it.to_string());
        let facts = [original.target, original.method, original.host, &client];
        Ok((original.bytes.unwrap_or(999), facts.join(" ")))
    }

    #[test]
    fn nginx_tells_target_method_host_and_what_it_may() {
        let usual = |client| format!("/a?b PUT h.example {client}");
        assert_eq!(of_nginx("X-Real-IP", "192.0.2.1"), Ok((999, usual("192.0.2.1"))));
        assert_eq!(of_nginx("X-Real-IP", "::ffff:192.0.2.1"), Ok((999, usual("192.0.2.1"))));
        assert_eq!(of_nginx("X-Real-IP", "2001:DB8:0::1"), Ok((999, usual("2001:db8::1"))));
        assert_eq!(of_nginx("X-Real-IP", "unix:"), Ok((999, usual("-"))));
        assert_eq!(of_nginx("X-Real-IP", "192.0.2.1, 192.0.2.2"), Ok((999, usual("-"))));
        assert_eq!(of_nginx("X-Original-Content-Length", "7"), Ok((7, usual("-"))));
        assert_eq!(of_nginx("X-Original-Content-Length", ""), Ok((999, usual("-"))));
        assert_eq!(of_nginx("X-Original-Content-Type", ""), Ok((999, usual("-"))));
    }

    #[test]
    fn what_must_be_told_is_named_when_it_is_not() {
        for name in ["X-Original-URI", "X-Original-Method", "X-Original-Host"] {
            assert_eq!(of_nginx(name, ""), Err(Untold::Missing(name)));
        }
        let request = TestRequest::default().to_http_request();
        let heads = Heads::read(request.headers(), &forwarded::NAMES).unwrap();
        assert_eq!(forwarded::original(&request, &heads), Err(Untold::Missing("X-Forwarded-Uri")));
        assert_eq!(envoy::original(&request, &heads), Err(Untold::Missing("Host")));
    }

    #[test]
    fn what_cannot_be_meant_is_unreadable() {
        let long = "A".repeat(65);
        for (name, values) in [
            ("X-Original-Method", vec!["GE T", "GET,PUT", "GET\t", "(", "get", "MoVE", "Put", &long]),
            ("X-Original-Content-Length", vec!["-1", "+1", "1 ", "0x1", "18446744073709551616"]),
        ] {
            for value in values {
                assert_eq!(of_nginx(name, value), Err(Untold::Unreadable), "{name} {value}");
            }
        }
        assert!(of_nginx("X-Original-Method", "M-SEARCH").is_ok());
    }

    #[test]
    fn a_header_beyond_ascii_is_unreadable() {
        let mut request = TestRequest::default().to_http_request().headers().clone();
        let name = actix_web::http::header::HeaderName::from_static("x-original-uri");
        request.insert(name, HeaderValue::from_bytes(b"/\xe9").unwrap());
        let heads = Heads::read(&request, &nginx::NAMES).unwrap();
        assert_eq!(required(heads.target, "X-Original-URI"), Err(Untold::Unreadable));
    }

    fn target_of_envoy(uri: &str) -> Result<String, Untold> {
        let request: HttpRequest = TestRequest::with_uri(uri).insert_header(("Host", "h")).to_http_request();
        let heads = Heads::read(request.headers(), &envoy::NAMES).unwrap();
        envoy::original(&request, &heads).map(|it| it.target.to_owned())
    }

    #[test]
    fn envoy_tells_the_raw_target_behind_the_prefix() {
        for target in ["/a?b", "//a/%2e%2E/b%2Fc?d?e", "", "?a", "x"] {
            assert_eq!(target_of_envoy(&format!("/v1/forward-auth/envoy{target}")).as_deref(), Ok(target));
        }
        for uri in ["/v1/forward-auth/env%6fy/a", "http://evil.example/v1/forward-auth/envoy/a", "/"] {
            assert_eq!(target_of_envoy(uri), Err(Untold::Unreadable), "{uri}");
        }
    }

    #[test]
    fn the_last_element_of_a_list_is_the_client() {
        let named = Client::List("x-forwarded-for");
        for (list, expected) in [
            ("203.0.113.9, 192.0.2.1", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("192.0.2.1,", None),
            ("192.0.2.1, evil", None),
            ("", None),
        ] {
            let expected = expected.map(|it| it.parse().unwrap());
            assert_eq!(client(&HeaderValue::from_static(list), &named), expected, "{list}");
        }
    }
}
