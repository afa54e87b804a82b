//! A token as its issuer asks for it, before it has an id.

use std::collections::BTreeMap;
use std::fmt;

use countermark_core::{
    BasePath, Counting, Dialect, Host, Notify, Permission, SigningSecret, UnixSeconds, UploadExtra,
    ViewerPassword,
};
use ipnet::IpNet;
use zeroize::Zeroizing;

/// What to issue. Members that do not decide have been checked for length and form where they were parsed.
#[derive(Debug)]
pub struct Draft {
    /// Display name.
    pub name: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// On whose behalf the token acts.
    pub owner: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Whether the token may be used at once.
    pub enabled: bool,
    /// First instant at which it works.
    pub not_before: Option<UnixSeconds>,
    /// First instant at which it no longer works.
    pub expiry: Option<Expiry>,
    /// Most uses.
    pub limit: Option<u64>,
    /// What of its life is told to whom.
    pub notify: Option<Notify>,
    /// Whether the expired record may be swept.
    pub auto_delete: bool,
    /// Whether the value or secret can be shown again.
    pub recoverable: bool,
    /// Dialect of issue.
    pub dialect: Dialect,
    /// What it is for.
    pub purpose: PurposeDraft,
}

/// When a token ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// At this instant.
    At(UnixSeconds),
    /// This many seconds after its issue.
    After(u64),
}

/// The members that only one kind of token has.
#[derive(Debug)]
pub enum PurposeDraft {
    /// An imageUrl token.
    ImageUrl {
        /// Which requests count.
        counting: Counting,
        /// Counting window in seconds.
        count_window: u32,
        /// Its only cloud.
        cloud_id: Option<String>,
        /// Its only hosts.
        hosts: Vec<Host>,
        /// The signing secret; generated if absent.
        secret: Option<SigningSecret>,
        /// HTTP Basic users.
        authentication: BTreeMap<String, NewPassword>,
        /// Whether it verifies the legacy form.
        legacy_signatures: bool,
    },
    /// An upload token.
    Upload {
        /// A value of a foreign form; generated if absent.
        value: Option<Zeroizing<String>>,
        /// Directives and constraints.
        extra: Box<UploadExtra>,
    },
    /// An API key.
    ApiKey {
        /// A value of a foreign form; generated if absent.
        value: Option<Zeroizing<String>>,
        /// What it may do.
        permissions: Vec<Permission>,
        /// Where.
        base_path: Option<BasePath>,
        /// On which storages.
        storages: Option<Vec<String>>,
        /// In which clouds.
        clouds: Option<Vec<String>>,
        /// From which networks it may manage.
        source_networks: Option<Vec<IpNet>>,
    },
}

/// A viewer's password as given.
pub enum NewPassword {
    /// In clear, to be hashed.
    Plain(Zeroizing<String>),
    /// Hashed already, in a form that is accepted as it is.
    Hashed(ViewerPassword),
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword(…)")
    }
}

/// A change to one member: left alone, cleared, or set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// The member is not mentioned.
    #[default]
    Keep,
    /// The member is null: back to its default.
    Clear,
    /// The member has a new value.
    Set(T),
}

impl<T> Patch<T> {
    /// Whether the member is mentioned at all.
    pub const fn is_mentioned(&self) -> bool {
        !matches!(self, Self::Keep)
    }

    /// The new value, if there is one.
    pub fn into_set(self) -> Option<T> {
        match self {
            Self::Keep | Self::Clear => None,
            Self::Set(new) => Some(new),
        }
    }

    /// The new value over an optional old one.
    pub(crate) fn apply_to_optional(self, old: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *old = None,
            Self::Set(new) => *old = Some(new),
        }
    }
}

impl<T: Default> Patch<T> {
    /// The new value over an old one that has a default.
    pub(crate) fn apply_to(self, old: &mut T) {
        match self {
            Self::Keep => {}
            Self::Clear => *old = T::default(),
            Self::Set(new) => *old = new,
        }
    }
}
