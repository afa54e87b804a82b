//! The `Destination` of a MOVE or COPY.

use actix_web::http::header::HeaderValue;
use countermark_core::Host;

/// The undecoded path; `None` for another host's or port's than `authority`'s, and for what is neither an absolute URL nor
/// a path. `authority` is as the proxy reports it: without a port it means the usual one of the URL's scheme.
pub(super) fn path<'a>(value: &'a HeaderValue, authority: &str) -> Option<&'a str> {
    let text = value.to_str().ok()?;
    let path = match text.split_once("://") {
        Some((scheme, rest)) => {
            let usual = usual_port(scheme)?;
            let (named, path) = rest.split_at(rest.find('/')?);
            let is_same = Host::parse(named).ok()? == Host::parse(authority).ok()?
                && find_port(named).unwrap_or(usual) == find_port(authority).unwrap_or(usual);
            Some(path).filter(|_| is_same)?
        }
        None => text,
    };
    // What begins with // names a host without its scheme.
    let is_path = path.starts_with('/') && !path.starts_with("//");
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'\\'));
    (is_path && is_plain).then_some(path)
}

fn usual_port(scheme: &str) -> Option<u16> {
    match scheme {
        _ if scheme.eq_ignore_ascii_case("http") => Some(80),
        _ if scheme.eq_ignore_ascii_case("https") => Some(443),
        _ => None,
    }
}

/// The port behind a host that [`Host::parse`] accepts.
fn find_port(authority: &str) -> Option<u16> {
    let (_, port) = authority.rsplit_once(':')?;
    // Within the brackets of an IPv6 address this is no number.
    port.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        read_at("a.example", text)
    }

    fn read_at(authority: &str, text: &str) -> Option<String> {
        let value = HeaderValue::from_str(text).unwrap();
        path(&value, authority).map(str::to_owned)
    }

    #[test]
    fn another_port_is_another_server() {
        for (authority, text, is_same) in [
            ("a.example", "https://a.example:443/x", true),
            ("a.example", "http://a.example:80/x", true),
            ("a.example", "https://a.example:8443/x", false),
            ("a.example", "http://a.example:443/x", false),
            ("a.example:8443", "https://a.example:8443/x", true),
            ("a.example:8443", "https://a.example/x", false),
            ("a.example:443", "https://a.example/x", true),
            ("a.example:80", "https://a.example/x", false),
            ("[::1]", "http://[::1]/x", true),
            ("[::1]:81", "http://[::1]:81/x", true),
            ("[::1]", "http://[::1]:81/x", false),
            ("a.example:8443", "/x", true),
        ] {
            assert_eq!(read_at(authority, text).is_some(), is_same, "{authority} {text}");
        }
    }

    #[test]
    fn a_path_or_a_url_on_the_same_host_is_read() {
        for text in ["/x/%20y", "http://a.example/x/%20y", "HTTPS://A.Example:443/x/%20y"] {
            assert_eq!(read(text).as_deref(), Some("/x/%20y"), "{text}");
        }
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        for text in [
            "",
            "x",
            "//b.example/x",
            "http://b.example/x",
            "http://a.example",
            "http://a.example//b.example/x",
            "http://u@a.example/x",
            "http://b.example@a.example/x",
            "http://b.example\\@a.example/x",
            "ftp://a.example/x",
            "/x?y",
            "/x#y",
            "/x\\y",
            "/x y",
            "http://a.example?/x",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
