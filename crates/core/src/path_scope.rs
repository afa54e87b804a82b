//! Path prefixes that a token is confined to, compared by whole decoded segments.

use std::borrow::Cow;
use std::fmt;

use crate::escape::escape_at;
use crate::reason::Malformed;

/// A prefix that covers itself and everything below: `/upload` covers `/upload` and `/upload/x`, not `/upload2`.
///
/// Plain text, not percent-encoded; without trailing slash, `/` alone covers everything. Case and Unicode
/// normalisation count.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BasePath(Box<str>);

impl BasePath {
    /// Reads a prefix; one trailing slash is dropped.
    ///
    /// # Errors
    /// [`Malformed`] unless it begins with `/` and consists of segments that are not empty, `.` or `..`, nor so before a
    /// `;`, and contain no backslash, control character or percent escape (which would hint at a prefix that was encoded
    /// by mistake).
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.contains(char::is_control) {
            return Err(Malformed("the path contains a control character"));
        }
        if text.contains('\\') {
            return Err(Malformed("the path contains a backslash"));
        }
        let path = without_trailing_slash(text);
        refuse_ambiguous_segments(path)?;
        Ok(Self(path.into()))
    }

    /// The prefix without trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the undecoded path of a request, without its query, lies within; `false` for every ambiguous path.
    pub fn covers(&self, path: &str) -> bool {
        decode(path).is_ok_and(|path| self.encloses(&path))
    }

    /// Whether everything that `other` covers is covered by this prefix too.
    pub fn contains(&self, other: &Self) -> bool {
        self.encloses(&other.0)
    }

    fn encloses(&self, path: &str) -> bool {
        if &*self.0 == "/" {
            return true;
        }
        path.strip_prefix(&*self.0).is_some_and(|below| below.is_empty() || below.starts_with('/'))
    }
}

impl fmt::Debug for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Why no prefix covers this undecoded request path, not even `/`; `None` if its meaning is plain.
pub fn find_ambiguity(path: &str) -> Option<Malformed> {
    decode(path).err()
}

/// Why the prefix of a rule cannot be tried on this undecoded request path: it is ambiguous, or a segment of it contains
/// a `;`. Some servers drop what follows a `;`, so `/dav;x` could be `/dav` and slip past the rule that is meant for it.
pub fn find_rule_ambiguity(path: &str) -> Option<Malformed> {
    match decode(path) {
        Err(ambiguity) => Some(ambiguity),
        Ok(decoded) if decoded.contains(';') => Some(Malformed("the path contains a ;")),
        Ok(_) => None,
    }
}

/// The path in plain text, without trailing slash; refused if two servers could take it for different paths.
///
/// One trailing slash is no empty segment: WebDAV clients name every collection so.
fn decode(path: &str) -> Result<Cow<'_, str>, Malformed> {
    if path.bytes().any(|byte| matches!(byte, 0..=0x20 | 0x7f | b'\\' | b'?' | b'#')) {
        return Err(Malformed("the path contains a space, a control character, a backslash, a ? or a #"));
    }
    let path = without_trailing_slash(path);
    let decoded = if path.contains('%') { Cow::Owned(decode_escapes(path)?) } else { Cow::Borrowed(path) };
    refuse_ambiguous_segments(&decoded)?;
    Ok(decoded)
}

fn decode_escapes(path: &str) -> Result<String, Malformed> {
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte != b'%' {
            decoded.push(byte);
            at += 1;
            continue;
        }
        match escape_at(bytes, at) {
            None => return Err(Malformed("a % in the path is not followed by two hex digits")),
            Some(0 | b'/' | b'\\') => return Err(Malformed("the path contains %00, %2F or %5C")),
            Some(byte) => decoded.push(byte),
        }
        at += 3;
    }
    String::from_utf8(decoded).map_err(|_| Malformed("the path does not decode to UTF-8"))
}

/// `path` is decoded and without trailing slash.
fn refuse_ambiguous_segments(path: &str) -> Result<(), Malformed> {
    let below_root = path.strip_prefix('/').ok_or(Malformed("the path does not begin with /"))?;
    if below_root.is_empty() {
        return Ok(());
    }
    for segment in below_root.split('/') {
        // Servers that know matrix parameters read `..;x` as `..`.
        let (name, _) = segment.split_once(';').unwrap_or((segment, ""));
        match name {
            "" => return Err(Malformed("the path contains an empty segment")),
            "." | ".." => return Err(Malformed("the path contains a . or .. segment")),
            _ => {}
        }
    }
    // What decodes once more into something else, say %252e%252e, is read differently by servers that do so.
    let is_escape = |(at, _)| escape_at(path.as_bytes(), at).is_some();
    if path.match_indices('%').any(is_escape) {
        return Err(Malformed("the path contains an escape where plain text is expected"));
    }
    Ok(())
}

/// Neither the root nor a path that ends with more than one slash changes: its empty segment is to be seen.
fn without_trailing_slash(path: &str) -> &str {
    path.strip_suffix('/').filter(|rest| !rest.is_empty() && !rest.ends_with('/')).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> BasePath {
        BasePath::parse(text).unwrap()
    }

    #[test]
    fn a_prefix_covers_whole_segments() {
        for path in [
            "/upload",
            "/upload/",
            "/upload/x",
            "/upload/x/",
            "/%75pload/x",
            "/upload/%E2%82%AC",
            "/upload/é",
            "/upload/...",
        ] {
            assert!(base("/upload").covers(path), "{path}");
        }
        for path in ["/", "/upload2", "/uploa", "/x/upload", "/Upload", "/upload%20", "/upload;x", "/upload."]
        {
            assert!(!base("/upload").covers(path), "{path}");
        }
    }

    #[test]
    fn nothing_ambiguous_is_covered_even_by_the_root() {
        for path in [
            "",
            "upload",
            "*",
            "//",
            "/upload//",
            "//upload",
            "/upload//x",
            "/upload/.",
            "/upload/..",
            "/upload/../x",
            "/upload/%2e%2e/x",
            "/upload/.%2E",
            "/upload/%252e%252e/x",
            "/upload/%25%32%65/x",
            "/upload/%2Fx",
            "/upload%2fx",
            "/upload/%5Cx",
            "/upload\\x",
            "/upload/%00",
            "/upload/\0",
            "/upload/%",
            "/upload/%2",
            "/upload/%zz",
            "/upload/%ff",
            "/upload/%c0%ae",
            "/upload/%ed%a0%80",
            "/upload/a b",
            "/upload?x",
            "/upload#x",
            "/upload/..;/x",
            "/upload/.;a",
            "/upload/%2e%2e;/a",
            "/upload/..%3b/a",
            "/upload/..%3Ba=b;c/a",
            "/upload/;/x",
            "/upload/;",
            "/;x/upload",
        ] {
            assert!(!base("/").covers(path), "{path}");
            assert!(!base("/upload").covers(path), "{path}");
            assert!(find_ambiguity(path).is_some(), "{path}");
        }
        for path in ["/", "/a", "/a/", "/a%20b", "/100%25"] {
            assert!(base("/").covers(path), "{path}");
            assert!(find_ambiguity(path).is_none(), "{path}");
        }
    }

    #[test]
    fn a_parameter_behind_a_name_is_covered_but_keeps_rules_from_being_tried() {
        for path in ["/upload/a;v=1/x", "/upload/a%3bv=1", "/upload/..a;x"] {
            assert!(base("/upload").covers(path), "{path}");
            assert!(find_rule_ambiguity(path).is_some(), "{path}");
        }
        assert!(!base("/upload").covers("/upload;x/a"));
        assert!(find_rule_ambiguity("/upload;x/a").is_some());
        assert!(find_rule_ambiguity("/upload//a").is_some());
        assert!(find_rule_ambiguity("/upload/a").is_none());
    }

    #[test]
    fn prefixes_are_plain_and_lose_their_trailing_slash() {
        assert_eq!(base("/a b/é/").as_str(), "/a b/é");
        assert_eq!(base("/").as_str(), "/");
        assert!(base("/a b/100%").covers("/a%20b/100%25/x"));
        for text in [
            "", "a", "//", "/a//", "/a//b", "/.", "/a/..", "/a\\b", "/a\0", "/a\n", "/a%20b", "/%2e%2e",
            "/..;", "/;a",
        ] {
            assert!(BasePath::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_prefix_contains_only_those_below_it() {
        assert!(base("/").contains(&base("/a")));
        assert!(base("/a").contains(&base("/a/")));
        assert!(base("/a").contains(&base("/a/b")));
        assert!(!base("/a").contains(&base("/ab")));
        assert!(!base("/a/b").contains(&base("/a")));
        assert!(!base("/a").contains(&base("/")));
    }
}
