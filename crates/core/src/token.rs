//! The token record: the terms that decide about a use, and everything that only describes it.

use std::collections::BTreeMap;
use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::host::Host;
use crate::id::{TokenId, TokenKind};
use crate::notify::Notify;
use crate::path_scope::BasePath;
use crate::permission::PermissionSet;
use crate::secret::{KeyVersion, SigningKey, SigningSecret};
use crate::signed_url::{SignatureForm, SignedUrl};
use crate::time::UnixSeconds;
use crate::upload::UploadExtra;

/// One token as it is stored, without its value or secrets.
#[derive(Clone, Debug)]
pub struct Token {
    /// What decides about its uses.
    pub terms: Terms,
    /// What only describes it.
    pub about: About,
    /// What has been used of it.
    pub usage: Usage,
}

/// The terms under which a token may be used: all that [`crate::decide`] reads of a record.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Public handle.
    pub id: TokenId,
    /// In which dialect the token was issued: whose clients manage it.
    pub dialect: Dialect,
    /// Counts configuration changes, from 1; uses do not change it.
    pub revision: u64,
    /// On whose behalf the token acts; answered with every decision.
    pub owner: Option<Box<str>>,
    /// Reversible switch.
    pub enabled: bool,
    /// Set once, for ever.
    pub revoked_at: Option<UnixSeconds>,
    /// First instant at which the token works; `None` = from the beginning.
    pub not_before: Option<UnixSeconds>,
    /// First instant at which the token no longer works; `None` = never.
    pub expiry: Option<UnixSeconds>,
    /// Most uses in the whole life; `None` = unlimited, 0 = none.
    pub limit: Option<u64>,
    /// What the token is for.
    pub purpose: Purpose,
}

/// The terms that only one kind of token has.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// Signs image URLs.
    ImageUrl(Box<ImageTerms>),
    /// Presented by upload clients.
    Upload(Box<UploadTerms>),
    /// Carries permissions.
    ApiKey(Box<ApiTerms>),
}

/// Terms of an imageUrl token.
#[derive(Clone, Debug)]
pub struct ImageTerms {
    /// The secret versions, oldest first.
    pub keys: Vec<KeySlot>,
    /// Which requests count.
    pub counting: Counting,
    /// Seconds within which further GETs of one target by one client address are the same use; 0 = none are.
    pub count_window: u32,
    /// The only cloud whose images it opens.
    pub cloud_id: Option<Box<str>>,
    /// The only hosts it is valid at; empty = any.
    pub hosts: Box<[Host]>,
    /// HTTP Basic users of whom the viewer must be one; empty = no authentication.
    pub viewers: BTreeMap<Box<str>, ViewerPassword>,
    /// Whether it verifies `s-token2` URLs instead of `cm1`.
    pub legacy_signatures: bool,
}

/// Terms of an upload token.
#[derive(Clone, Debug)]
pub struct UploadTerms {
    /// The values that present it, newest last.
    pub values: Vec<ValueSlot>,
    /// Directives and constraints.
    pub extra: UploadExtra,
}

/// Terms of an API key.
#[derive(Clone, Debug)]
pub struct ApiTerms {
    /// The values that present it, newest last.
    pub values: Vec<ValueSlot>,
    /// What it may do.
    pub permissions: PermissionSet,
    /// Where it may do it.
    pub base_path: Option<BasePath>,
    /// Storage ids it may touch; `None` = all.
    pub storages: Option<Box<[Box<str>]>>,
    /// Cloud ids it may touch; `None` = all.
    pub clouds: Option<Box<[Box<str>]>>,
    /// Networks from which it may manage; `None` = any. Uses do not look at it.
    pub source_networks: Option<Box<[IpNet]>>,
}

/// One version of a signing secret, keyed and ready.
#[derive(Clone, Debug)]
pub struct KeySlot {
    /// Version and times.
    pub version: SecretVersion,
    /// What verifies.
    pub key: SlotKey,
}

/// What a signing secret is kept as: whatever the one form needs that its token verifies.
#[derive(Clone, Debug)]
pub enum SlotKey {
    /// The keyed HMAC of `cm1`.
    Hmac(SigningKey),
    /// The secret itself: `s-token2` hashes it in the middle of other things.
    Legacy(SigningSecret),
}

impl SlotKey {
    /// What a token keeps of `secret` that has `legacy_signatures`, or has not.
    pub fn of(secret: &SigningSecret, legacy_signatures: bool) -> Self {
        if legacy_signatures { Self::Legacy(secret.clone()) } else { Self::Hmac(secret.key()) }
    }

    /// Whether this made the signature, under whichever version; never one of the other form.
    pub fn verifies(&self, url: &SignedUrl<'_>) -> bool {
        match self {
            Self::Hmac(key) => url.verify(key).is_ok(),
            Self::Legacy(secret) => url.verify_legacy(secret).is_ok(),
        }
    }
}

impl KeySlot {
    /// Whether this version is the one that a URL names, or may be the one where it names none.
    pub fn is_named_by(&self, form: SignatureForm) -> bool {
        form.key_version().is_none_or(|named| named == self.version.number)
    }
}

/// Version and times of one signing secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretVersion {
    /// Number that URLs carry.
    pub number: KeyVersion,
    /// When it was made.
    pub created_at: UnixSeconds,
    /// First instant at which it no longer verifies; `None` for the version that signs.
    pub verify_until: Option<UnixSeconds>,
}

/// What a secret version may still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SecretState {
    /// Signs and verifies.
    Active,
    /// Only verifies, until its `verifyUntil`.
    VerifyOnly,
    /// Does nothing any more.
    Retired,
}

impl SecretVersion {
    /// What this version may do at `now`.
    pub fn state(&self, now: UnixSeconds) -> SecretState {
        match self.verify_until {
            None => SecretState::Active,
            Some(until) if now < until => SecretState::VerifyOnly,
            Some(_) => SecretState::Retired,
        }
    }
}

/// The keyed digest by which a presented value is found.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueDigest(pub [u8; 32]);

impl ValueDigest {
    /// HMAC-SHA256 of a value under `key`, which may have any length and must not be known to who presents values.
    pub fn keyed(key: &[u8], value: &str) -> Self {
        Self(SigningKey::of(key).mac(&[value.as_bytes()]))
    }
}

impl fmt::Debug for ValueDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ValueDigest(…)")
    }
}

/// One value of a token, known by its digest only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueSlot {
    /// Keyed digest of the value.
    pub digest: ValueDigest,
    /// First instant at which it no longer works, after a regeneration; `None` for the current value.
    pub valid_until: Option<UnixSeconds>,
}

/// Which allowed requests of a signed URL are uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Counting {
    /// Only GET; HEAD is free.
    #[default]
    Get,
    /// Every allowed request.
    Request,
}

/// A viewer's password as it is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ViewerPassword {
    /// PHC string of an argon2id hash.
    Argon2id(Box<str>),
    /// Shardimage's unsalted double SHA-1, in hexadecimal; accepted, never made.
    Msha1(Box<str>),
}

impl ViewerPassword {
    /// The name of the scheme, the only part that is ever shown.
    pub const fn scheme(&self) -> &'static str {
        match self {
            Self::Argon2id(_) => "argon2id",
            Self::Msha1(_) => "msha1",
        }
    }
}

impl fmt::Debug for ViewerPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ViewerPassword({}, …)", self.scheme())
    }
}

/// What describes a token without deciding anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Display name.
    pub name: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// At most 20 short strings by name.
    pub labels: BTreeMap<String, String>,
    /// What of its life is told to whom; `None` = nothing.
    pub notify: Option<Notify>,
    /// Whether the expired record may be swept away.
    pub auto_delete: bool,
    /// Whether the value or secret is kept sealed and can be shown again.
    pub recoverable: bool,
    /// Leading characters of the current value; empty for imageUrl tokens.
    pub preview: String,
    /// When it was issued.
    pub created_at: UnixSeconds,
    /// When its configuration last changed.
    pub updated_at: UnixSeconds,
    /// The API key that issued it; `None` for the first administrator.
    pub created_by: Option<TokenId>,
}

/// The wire format in which a token was issued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Dialect {
    /// Our own.
    #[default]
    Native,
    /// `CloudFlare` `ImgBed`.
    Imgbed,
    /// Query Server.
    Query,
    /// Shardimage.
    Shardimage,
    /// `CloudPaste`.
    Cloudpaste,
    /// Contentive.
    Contentive,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 6] =
        [Self::Native, Self::Imgbed, Self::Query, Self::Shardimage, Self::Cloudpaste, Self::Contentive];

    /// The wire name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Imgbed => "imgbed",
            Self::Query => "query",
            Self::Shardimage => "shardimage",
            Self::Cloudpaste => "cloudpaste",
            Self::Contentive => "contentive",
        }
    }

    /// The dialect with this wire name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }
}

/// What has been used of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Uses so far; exact under a limit, else a statistic that is written at most 5 s late.
    pub used: u64,
    /// Uses that have gone back in the whole life.
    pub given_back: u64,
    /// When the last use was granted.
    pub last_used_at: Option<UnixSeconds>,
}

impl Usage {
    /// The two figures that only together tell which of two readings is the later one.
    pub const fn tally(&self) -> Tally {
        Tally { used: self.used, given_back: self.given_back }
    }
}

/// How many uses of a token had been taken and given back at one instant of its life.
///
/// Each use taken raises `used` by one; each one given back lowers it by one and raises `given_back` by one. So
/// `used + 2 * given_back` grows with every change, and whoever gets readings in any order can tell the latest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Uses so far, without those that have gone back.
    pub used: u64,
    /// Uses that have gone back.
    pub given_back: u64,
}

impl Tally {
    /// Whether this was read of the same token after `other`, with a change in between.
    pub fn is_later_than(&self, other: &Self) -> bool {
        let changes = |it: &Self| u128::from(it.used) + 2 * u128::from(it.given_back);
        changes(self) > changes(other)
    }
}

/// What a token amounts to at one instant: the first that applies, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Permanently ended.
    Revoked,
    /// Switched off.
    Disabled,
    /// `expiry` has come.
    Expired,
    /// No use is left.
    Exhausted,
    /// `notBefore` lies ahead.
    NotYetValid,
    /// Usable.
    Active,
}

impl Status {
    /// Every status, in the order in which they are tried.
    pub const ALL: [Self; 6] =
        [Self::Revoked, Self::Disabled, Self::Expired, Self::Exhausted, Self::NotYetValid, Self::Active];

    /// The wire name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Exhausted => "exhausted",
            Self::NotYetValid => "notYetValid",
            Self::Active => "active",
        }
    }

    /// The status with this wire name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

impl Terms {
    /// What the token is for.
    pub const fn kind(&self) -> TokenKind {
        self.id.kind()
    }

    /// Whether `expiry` has come: at that very second the token no longer works.
    pub fn is_expired(&self, now: UnixSeconds) -> bool {
        self.expiry.is_some_and(|expiry| now >= expiry)
    }

    /// Whether `notBefore` lies ahead.
    pub fn is_early(&self, now: UnixSeconds) -> bool {
        self.not_before.is_some_and(|not_before| now < not_before)
    }

    /// Whether `cost` more uses would take `used` over the limit.
    pub fn would_exceed_limit(&self, used: u64, cost: u64) -> bool {
        self.limit.is_some_and(|limit| used.checked_add(cost).is_none_or(|sum| sum > limit))
    }

    /// The derived status.
    pub fn status(&self, used: u64, now: UnixSeconds) -> Status {
        if self.revoked_at.is_some() {
            Status::Revoked
        } else if !self.enabled {
            Status::Disabled
        } else if self.is_expired(now) {
            Status::Expired
        } else if self.would_exceed_limit(used, 1) {
            Status::Exhausted
        } else if self.is_early(now) {
            Status::NotYetValid
        } else {
            Status::Active
        }
    }

    /// Uses left, `None` without a limit.
    pub fn remaining(&self, used: u64) -> Option<u64> {
        self.limit.map(|limit| limit.saturating_sub(used))
    }

    /// The secret version that signs, with its key; `None` for other kinds.
    pub fn signing_slot(&self) -> Option<&KeySlot> {
        match &self.purpose {
            Purpose::ImageUrl(image) => {
                image.keys.iter().rev().find(|slot| slot.version.verify_until.is_none())
            }
            _ => None,
        }
    }

    /// Whether the value with this digest presents the token at `now`: it is the current one, or overlaps with it still.
    /// Compares in constant time.
    pub fn presents(&self, digest: ValueDigest, now: UnixSeconds) -> bool {
        self.values().iter().any(|slot| {
            bool::from(slot.digest.0.ct_eq(&digest.0)) && slot.valid_until.is_none_or(|until| now < until)
        })
    }

    /// The values by which the token is presented, newest last; empty for imageUrl.
    pub fn values(&self) -> &[ValueSlot] {
        match &self.purpose {
            Purpose::ImageUrl(_) => &[],
            Purpose::Upload(upload) => &upload.values,
            Purpose::ApiKey(api) => &api.values,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{api_key, at};

    #[test]
    fn a_keyed_digest_is_the_hmac_of_the_value() {
        let ValueDigest(digest) = ValueDigest::keyed(b"Jefe", "what do ya want for nothing?");
        assert_eq!(digest[..4], [0x5b, 0xdc, 0xc1, 0x46], "case 2 of RFC 4231");
        assert_ne!(ValueDigest::keyed(b"a", "x"), ValueDigest::keyed(b"b", "x"));
    }

    #[test]
    fn status_is_the_first_that_applies() {
        let mut terms = api_key(&[]);
        terms.not_before = Some(at(2000));
        assert_eq!(terms.status(0, at(1000)), Status::NotYetValid);
        terms.limit = Some(0);
        assert_eq!(terms.status(0, at(1000)), Status::Exhausted);
        terms.expiry = Some(at(1000));
        assert_eq!(terms.status(0, at(999)), Status::Exhausted);
        assert_eq!(terms.status(0, at(1000)), Status::Expired);
        terms.enabled = false;
        assert_eq!(terms.status(0, at(1000)), Status::Disabled);
        terms.revoked_at = Some(at(1));
        assert_eq!(terms.status(0, at(1000)), Status::Revoked);
    }

    #[test]
    fn a_cost_near_the_end_of_numbers_does_not_wrap() {
        let mut terms = api_key(&[]);
        terms.limit = Some(u64::MAX);
        assert!(!terms.would_exceed_limit(u64::MAX - 1, 1));
        assert!(terms.would_exceed_limit(u64::MAX, 1));
        terms.limit = Some(10);
        assert!(terms.would_exceed_limit(1, u64::MAX));
    }

    #[test]
    fn a_secret_version_is_small_enough_to_be_kept_for_every_cached_token() {
        // A list of one then takes the same block of the system's allocator as 112 bytes, without the legacy form, would.
        assert!(size_of::<KeySlot>() <= 120, "{}", size_of::<KeySlot>());
    }

    #[test]
    fn a_secret_version_is_retired_at_the_very_second() {
        let version =
            SecretVersion { number: KeyVersion::FIRST, created_at: at(1), verify_until: Some(at(10)) };
        assert_eq!(version.state(at(9)), SecretState::VerifyOnly);
        assert_eq!(version.state(at(10)), SecretState::Retired);
    }
}
