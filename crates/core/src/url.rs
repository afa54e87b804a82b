//! Cutting a full URL by bytes, so that what is signed is what is sent.
//!
//! URL libraries normalise (dots, escapes, default ports, fragments), and each does it a little differently.

use crate::bounds;
use crate::host::Host;
use crate::reason::Malformed;

/// A full URL in its two parts.
pub(crate) struct UrlParts<'a> {
    /// Scheme, `://` and the host with its port, unchanged.
    pub origin: &'a str,
    /// The host in canonical spelling.
    pub host: Host,
    /// Everything behind the origin; begins with `/`.
    pub target: &'a str,
}

/// Cuts at `://` and at the first `/` or `?` behind it.
///
/// A target that would begin with `?` is refused: clients send `/?…` for such a URL, other bytes than were signed.
pub(crate) fn split(url: &str) -> Result<UrlParts<'_>, Malformed> {
    if url.len() > bounds::URL {
        return Err(Malformed("the URL is longer than 8500 bytes"));
    }
    let bytes = url.as_bytes();
    let starts_with = |scheme: &str| {
        bytes.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme.as_bytes()))
    };
    let host_at = ["https://", "http://"]
        .into_iter()
        .find(|scheme| starts_with(scheme))
        .ok_or(Malformed("expected a URL that begins with http:// or https://"))?
        .len();
    let target_at = bytes[host_at..]
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .map(|length| host_at + length)
        .filter(|at| bytes[*at] == b'/')
        .ok_or(Malformed("expected a path that begins with / behind the host"))?;
    let authority = &url[host_at..target_at];
    // No host contains @.
    let host = Host::parse(authority).map_err(|malformed| {
        if authority.contains('@') { Malformed("the URL contains user info") } else { malformed }
    })?;
    Ok(UrlParts { origin: &url[..target_at], host, target: &url[target_at..] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_cut_behind_its_host() {
        let parts = split("HTTPS://Img.example.com:8443/a?b=http://c/d").unwrap();
        assert_eq!(parts.origin, "HTTPS://Img.example.com:8443");
        assert_eq!(parts.host.as_str(), "img.example.com");
        assert_eq!(parts.target, "/a?b=http://c/d");
    }

    #[test]
    fn urls_that_clients_would_send_otherwise_are_refused() {
        for url in [
            "",
            "/a",
            "http:/a/b",
            "//a/b",
            "ftp://a/b",
            "http:///b",
            "http://a",
            "http://a?x=/y",
            "http://u@a/b",
            "http://u:p@a/b",
            "http://a#x/b",
            "http://a\\b/c",
            " http://a/b",
            "http://a:99999/b",
            "http://é/b",
            "httpé://a/b",
        ] {
            assert!(split(url).is_err(), "{url}");
        }
    }
}
