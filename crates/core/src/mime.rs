//! Content types as upload tokens constrain them.

use serde::{Deserialize, Serialize};

/// A content type or a glob such as `image/*`, lower-cased; `*/*` matches every well-formed type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MimeGlob(Box<str>);

/// The text is no content type glob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a content type such as image/png, or image/*")]
pub struct InvalidMimeGlob;

impl MimeGlob {
    /// Reads a glob: type and subtype of RFC 6838 names, either of them `*` as a whole, at most 127 characters.
    ///
    /// # Errors
    /// [`InvalidMimeGlob`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidMimeGlob> {
        let (kind, subtype) = text.split_once('/').ok_or(InvalidMimeGlob)?;
        let fits = |part: &str| part == "*" || is_name(part);
        let ordered = kind != "*" || subtype == "*";
        if text.len() <= 127 && fits(kind) && fits(subtype) && ordered {
            Ok(Self(text.to_ascii_lowercase().into()))
        } else {
            Err(InvalidMimeGlob)
        }
    }

    /// Whether a content type, of which parameters and letter case are ignored, fits.
    pub fn matches(&self, content_type: &str) -> bool {
        let essence = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        let Some((kind, subtype)) = essence.split_once('/') else { return false };
        let (wanted_kind, wanted_subtype) = self.0.split_once('/').expect("a parsed glob has a slash");
        is_name(kind)
            && is_name(subtype)
            && (wanted_kind == "*" || wanted_kind == kind)
            && (wanted_subtype == "*" || wanted_subtype == subtype)
    }

    /// The glob, lower-cased.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MimeGlob {
    type Error = InvalidMimeGlob;

    fn try_from(text: String) -> Result<Self, InvalidMimeGlob> {
        Self::parse(&text)
    }
}

impl From<MimeGlob> for String {
    fn from(glob: MimeGlob) -> Self {
        glob.0.into()
    }
}

fn is_name(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_by_type_and_ignore_case_and_parameters() {
        let matches = |glob: &str, kind: &str| MimeGlob::parse(glob).unwrap().matches(kind);
        assert!(matches("image/*", "image/png") && matches("image/*", "IMAGE/PNG; q=1"));
        assert!(matches("image/png", "image/png") && matches("*/*", "a/b"));
        assert!(
            !matches("image/*", "imagex/png") && !matches("image/*", "image/") && !matches("*/*", "nonsense")
        );
        assert!(!matches("image/png", "image/pngx"));
    }

    #[test]
    fn half_globs_are_refused() {
        for bad in ["image", "im*/png", "*/png", "image/p*", "", "/", "image/png;x", "a b/c"] {
            assert_eq!(MimeGlob::parse(bad), Err(InvalidMimeGlob), "{bad}");
        }
    }
}
