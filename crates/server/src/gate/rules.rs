//! Which rule of the configuration a request meets.

use countermark_core::{BasePath, Malformed, find_rule_ambiguity};

use crate::config::GateRule;

/// The first rule that matches; `host` is canonical, `path` undecoded and without query.
///
/// # Errors
/// The path could be read in two ways, and a rule would have to know which.
pub(super) fn find_rule<'r>(
    rules: &'r [GateRule],
    host: &str,
    method: &str,
    path: &str,
) -> Result<Option<&'r GateRule>, Malformed> {
    let concerns = |rule: &&GateRule| {
        rule.host.as_deref().is_none_or(|it| it == host)
            && rule.methods.as_ref().is_none_or(|methods| methods.iter().any(|it| it == method))
    };
    for rule in rules.iter().filter(concerns) {
        let Some(prefix) = &rule.path else { return Ok(Some(rule)) };
        if let Some(ambiguity) = find_rule_ambiguity(path) {
            return Err(ambiguity);
        }
        if prefix.covers(path) {
            return Ok(Some(rule));
        }
    }
    Ok(None)
}

/// The undecoded path without the prefix before it, `/` if nothing is left; `None` if the prefix does not stand there for
/// certain.
pub(super) fn without_prefix<'p>(prefix: &BasePath, path: &'p str) -> Option<&'p str> {
    if !prefix.covers(path) {
        return None;
    }
    let mut left = path;
    // Covered means that no slash hides in an escape and no segment is empty: as many slashes, as many segments.
    for _ in prefix.as_str().split('/').filter(|segment| !segment.is_empty()) {
        left = left[1..].find('/').map_or("/", |slash| &left[1 + slash..]);
    }
    Some(left)
}

/// The permission that a method needs where no rule names one.
pub(super) fn usual_permission(method: &str) -> &'static str {
    if matches!(method, "GET" | "HEAD" | "OPTIONS" | "PROPFIND") { "read" } else { "write" }
}

#[cfg(test)]
mod tests {
    use countermark_core::BasePath;

    use super::*;
    use crate::config::GateDemand;

    fn rule(host: &str, path: &str, methods: &[&str], permission: &str) -> GateRule {
        GateRule {
            host: Some(host.to_owned()).filter(|it| !it.is_empty()),
            path: BasePath::parse(path).ok(),
            methods: Some(methods.iter().map(|it| it.to_string()).collect()).filter(|_| !methods.is_empty()),
            demand: GateDemand { permission: Some(permission.to_owned()), ..GateDemand::default() },
            ..GateRule::default()
        }
    }

    fn found(rules: &[GateRule], host: &str, method: &str, path: &str) -> String {
        match find_rule(rules, host, method, path) {
            Ok(None) => "none".to_owned(),
            Ok(Some(rule)) => rule.demand.permission.clone().unwrap(),
            Err(_) => "ambiguous".to_owned(),
        }
    }

    #[test]
    fn the_first_rule_that_matches_counts() {
        let rules = [
            rule("a", "/x", &["GET", "PROPFIND"], "one"),
            rule("", "/x", &[], "two"),
            rule("b", "", &[], "three"),
        ];
        for (host, method, path, expected) in [
            ("a", "GET", "/x", "one"),
            ("a", "PROPFIND", "/x/y", "one"),
            ("a", "PUT", "/x/y", "two"),
            ("b", "GET", "/x/", "two"),
            ("b", "GET", "/x2", "three"),
            ("b", "GET", "/%78/y", "two"),
            ("a", "GET", "/X", "none"),
            ("a", "get", "/x", "two"),
        ] {
            assert_eq!(found(&rules, host, method, path), expected, "{host} {method} {path}");
        }
    }

    #[test]
    fn an_ambiguous_path_is_refused_once_a_prefix_would_have_to_be_tried() {
        let ambiguous = [
            "/x//y",
            "/y/%2e%2e/x",
            "/y%2fx",
            "//x",
            "/x%5c",
            "/%2578",
            "/x;a",
            "/x;/y",
            "/y/..;/x",
            "/x%3By",
            "/z/a;b=c",
        ];
        let rules = [rule("a", "", &["PUT"], "one"), rule("a", "/x", &["GET", "PUT"], "two")];
        for path in ambiguous {
            assert_eq!(found(&rules, "a", "GET", path), "ambiguous", "{path}");
            assert_eq!(found(&rules, "a", "PUT", path), "one", "{path}");
            assert_eq!(found(&rules, "a", "POST", path), "none", "{path}");
            assert_eq!(found(&rules, "b", "GET", path), "none", "{path}");
        }
    }

    #[test]
    fn a_prefix_is_taken_off_by_whole_segments() {
        let left = |prefix, path| without_prefix(&BasePath::parse(prefix).unwrap(), path);
        for (prefix, path, expected) in [
            ("/dav", "/dav", "/"),
            ("/dav", "/dav/", "/"),
            ("/dav", "/dav/upload/x", "/upload/x"),
            ("/dav", "/dav/upload/", "/upload/"),
            ("/dav", "/d%61v/%75pload/a%20b", "/%75pload/a%20b"),
            ("/dav", "/dav/dav/x", "/dav/x"),
            ("/a b/é", "/a%20b/%C3%A9", "/"),
            ("/a b/é", "/a%20b/%C3%A9/x", "/x"),
            ("/", "/x/y", "/x/y"),
            ("/", "/", "/"),
        ] {
            assert_eq!(left(prefix, path), Some(expected), "{prefix} {path}");
        }
        for path in
            ["/", "", "/dav2", "/dav2/x", "/x/dav", "/Dav/x", "/dav%2Fx", "/dav//x", "/dav/../x", "/dav;/x"]
        {
            assert_eq!(left("/dav", path), None, "{path}");
        }
    }

    #[test]
    fn reading_methods_need_read_and_all_others_write() {
        for method in ["GET", "HEAD", "OPTIONS", "PROPFIND"] {
            assert_eq!(usual_permission(method), "read");
        }
        for method in ["PUT", "POST", "DELETE", "MOVE", "get", "REPORT", "BREW"] {
            assert_eq!(usual_permission(method), "write");
        }
    }
}
