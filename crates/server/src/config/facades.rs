//! Section `facades`: which dialects are spoken, and how.

use countermark_core::Dialect;
use reqwest::Url;

/// Section `facades`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FacadeSettings {
    /// Dialects whose rooms are open.
    pub open: Vec<Dialect>,
    /// The user name that belongs to an administrator key as password, where a dialect asks for one.
    pub admin_name: String,
    /// Seconds for which a login holds, at most 86,400.
    pub login_seconds: u64,
    /// Whether CloudPaste keys may be chosen that carry less than 64 bits.
    pub short_keys: bool,
    /// Whether new Shardimage tokens with a cloud verify `s-token2` URLs instead of `cm1`.
    pub shardimage_legacy_signatures: bool,
    /// Where the bytes of Shardimage uploads go; without it they are refused.
    pub shardimage_upload_target: Option<Url>,
    /// Most bytes of one such upload.
    pub shardimage_upload_bytes: usize,
}

impl FacadeSettings {
    /// Whether the room of this dialect is open.
    pub fn is_open(&self, dialect: Dialect) -> bool {
        self.open.contains(&dialect)
    }

    /// With every room open and everything else as by default: what the whole document shows.
    pub fn all_open() -> Self {
        super::Config::default().facades
    }
}
