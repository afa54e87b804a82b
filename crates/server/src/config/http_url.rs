//! Addresses over HTTP to which the service itself sends requests.

use reqwest::Url;

/// The address; `None` for what is none, and for one that holds a user name, a password, a query or a fragment.
pub(super) fn parse(text: &str) -> Option<Url> {
    let url: Url = text.parse().ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    let is_path = url.query().is_none() && url.fragment().is_none();
    (matches!(url.scheme(), "http" | "https") && url.has_host() && is_plain && is_path).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_address_over_http_is_taken() {
        for good in ["http://127.0.0.1:9000/shardimage", "https://images.example", "http://[::1]:80/a/b/"] {
            assert!(parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "images.example",
            "/shardimage",
            "http://",
            "ftp://images.example/",
            "file:///srv/images",
            "http://user@images.example/",
            "http://:secret@images.example/",
            "http://images.example/?key=x",
            "http://images.example/#x",
            "http://images.example:70000/",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
