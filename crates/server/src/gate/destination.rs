//! The `Destination` of a MOVE or COPY.

use actix_web::http::header::HeaderValue;
use countermark_core::Host;

/// The undecoded path; `None` for another host's, and for what is neither an absolute URL nor a path.
pub(super) fn path<'a>(value: &'a HeaderValue, host: &Host) -> Option<&'a str> {
    let text = value.to_str().ok()?;
    let path = match text.split_once("://") {
        Some((scheme, rest))
            if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
        {
            let path_at = rest.find('/')?;
            let named = Host::parse(&rest[..path_at]).ok()?;
            Some(&rest[path_at..]).filter(|_| named == *host)?
        }
        _ => text,
    };
    // What begins with // names a host without its scheme.
    let is_path = path.starts_with('/') && !path.starts_with("//");
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'\\'));
    (is_path && is_plain).then_some(path)
}
