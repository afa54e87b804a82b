//! Permissions of API keys.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One permission: `[a-z][A-Za-z0-9_.-]*`, optionally `:` and `[A-Za-z0-9_.*-]+`; or `*`, which makes an administrator.
/// At most 128 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Permission(Box<str>);

/// The text is no permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a permission such as read, tokens:write, files:* or *")]
pub struct InvalidPermission;

impl Permission {
    /// Reads one permission.
    ///
    /// # Errors
    /// [`InvalidPermission`] when the grammar is broken.
    pub fn parse(text: &str) -> Result<Self, InvalidPermission> {
        let (name, detail) = match text.split_once(':') {
            Some((name, detail)) => (name, Some(detail)),
            None => (text, None),
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let name_fits =
            name.as_bytes().first().is_some_and(u8::is_ascii_lowercase) && name.bytes().all(plain);
        let detail_fits = detail.is_none_or(|it| !it.is_empty() && it.bytes().all(|b| plain(b) || b == b'*'));
        if text.len() <= 128 && (text == "*" || (name_fits && detail_fits)) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidPermission)
        }
    }

    /// The permission as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether whoever holds this permission also holds `asked`: `*` covers all, `x:*` covers `x:anything`, every other
    /// permission only itself.
    pub fn covers(&self, asked: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some("") => true,
            Some(name) if name.ends_with(':') => asked.len() > name.len() && asked.starts_with(name),
            _ => *self.0 == *asked,
        }
    }
}

impl TryFrom<String> for Permission {
    type Error = InvalidPermission;

    fn try_from(text: String) -> Result<Self, InvalidPermission> {
        Self::parse(&text)
    }
}

impl From<Permission> for String {
    fn from(permission: Permission) -> Self {
        permission.0.into()
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The permissions of one API key, sorted and each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Permission>", into = "Vec<Permission>")]
pub struct PermissionSet(Box<[Permission]>);

impl PermissionSet {
    /// Whether some permission of the set covers `asked`.
    pub fn covers(&self, asked: &str) -> bool {
        self.0.iter().any(|granted| granted.covers(asked))
    }

    /// Whether every permission of `other` is covered.
    pub fn covers_all(&self, other: &Self) -> bool {
        other.0.iter().all(|asked| self.covers(asked.as_str()))
    }

    /// The permissions in order.
    pub fn iter(&self) -> impl Iterator<Item = &Permission> {
        self.0.iter()
    }
}

impl From<Vec<Permission>> for PermissionSet {
    fn from(mut permissions: Vec<Permission>) -> Self {
        permissions.sort();
        permissions.dedup();
        Self(permissions.into())
    }
}

impl From<PermissionSet> for Vec<Permission> {
    fn from(set: PermissionSet) -> Self {
        set.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_closed() {
        for good in ["*", "read", "tokens:write", "files:*", "a.b_c-D9", "x:a*b"] {
            assert!(Permission::parse(good).is_ok(), "{good}");
        }
        assert!(Permission::parse(&"x".repeat(128)).is_ok());
        for bad in ["", "Read", "1x", "x:", ":x", "x:y:z", "x y", "**", "x*", "ö", "-x", &"x".repeat(129)] {
            assert_eq!(Permission::parse(bad), Err(InvalidPermission), "{bad}");
        }
    }

    #[test]
    fn only_a_trailing_star_alone_behind_the_colon_is_a_wildcard() {
        let covers = |granted: &str, asked: &str| Permission::parse(granted).unwrap().covers(asked);
        assert!(covers("*", "tokens:write") && covers("*", "*"));
        assert!(covers("files:*", "files:read") && covers("files:*", "files:*"));
        assert!(
            !covers("files:*", "files")
                && !covers("files:*", "files:")
                && !covers("files:*", "files2:read")
                && !covers("files:*", "*")
        );
        assert!(!covers("files", "files:read") && !covers("x:a*", "x:ab") && covers("x:a*", "x:a*"));
    }

    #[test]
    fn sets_are_equal_whatever_the_order_and_repetition() {
        let set = |json: &str| serde_json::from_str::<PermissionSet>(json).unwrap();
        assert_eq!(set(r#"["sign", "read", "sign"]"#), set(r#"["read", "sign"]"#));
        assert_eq!(serde_json::to_string(&set(r#"["sign", "read", "sign"]"#)).unwrap(), r#"["read","sign"]"#);
    }

    #[test]
    fn a_set_covers_another_only_whole() {
        let set = |of: &[&str]| {
            PermissionSet::from(of.iter().map(|p| Permission::parse(p).unwrap()).collect::<Vec<_>>())
        };
        assert!(set(&["files:*", "sign"]).covers_all(&set(&["files:read", "sign"])));
        assert!(!set(&["files:read"]).covers_all(&set(&["files:*"])));
        assert!(set(&["sign"]).covers_all(&set(&[])));
    }
}
