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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        let value = HeaderValue::from_str(text).unwrap();
        path(&value, &Host::parse("a.example").unwrap()).map(str::to_owned)
    }

    #[test]
    fn a_path_or_a_url_on_the_same_host_is_read() {
        for text in ["/x/%20y", "http://a.example/x/%20y", "HTTPS://A.Example:8443/x/%20y"] {
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
