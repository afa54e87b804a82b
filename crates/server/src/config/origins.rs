//! Origins of browsers, such as `https://app.example.com`.

use countermark_core::Host;

use super::source::split;

/// The origins, each as a browser sends it; `None` where one has not its form.
pub(super) fn parse(text: &str) -> Option<Vec<String>> {
    split(text).map(|origin| is_origin(origin).then(|| origin.to_owned())).collect()
}

/// Scheme, host and port as browsers write them: lower case, no path, no default port. Any other form would never match.
fn is_origin(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let has_user_or_path = authority.contains(['/', '@', '?', '#']);
    let is_lower_case = !authority.bytes().any(|byte| byte.is_ascii_uppercase());
    !has_user_or_path && is_lower_case && !authority.ends_with(default_port) && Host::parse(authority).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_browser_sends_as_an_origin_is_taken() {
        for good in ["*", "https://app.example.com", "http://localhost:5173", "http://[::1]:8080"] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "",
            "null",
            "app.example.com",
            "https://",
            "https://App.example.com",
            "https://a.example/",
            "https://a.example/x",
            "https://a.example:443",
            "http://a.example:80",
            "ftp://a.example",
            "https://*.example",
            "https://u@a.example",
            "https://a.example:",
            "https://a.example:x",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
