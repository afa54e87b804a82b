//! Access tokens as clients send them: the whole object, to create and to update.

use std::collections::{BTreeMap, BTreeSet};

use countermark_core::{Counting, Dialect, SigningSecret, TokenKind, UnixSeconds, UploadExtra};
use countermark_domain::{Draft, Expiry, ExtraPatch, Patch, PurposeDraft, TokenPatch, UploadPatch};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::members::{Kind, PhpObject, Secret, UserPassword, Users};
use crate::json::{List, Text, UnixTime};
use crate::native::tokens::member::{CloudId, Limit, NotificationUrl, Parsed};
use crate::problem::Problem;

/// The only member by which the others are read.
#[derive(Deserialize)]
pub struct Kinded {
    /// Which kind of token it is.
    #[serde(default, rename = "type")]
    pub kind: Option<Parsed<Kind>>,
}

/// A token with the extra of its kind. Null is the same as leaving a member out; unknown members are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound = "E: DeserializeOwned + Default")]
pub struct TokenRequest<E> {
    /// Read only: of no consequence at the creation, and at an update what the path says.
    #[serde(default)]
    pub id: Option<Text<0, 4096>>,
    #[serde(default)]
    expiry: Option<UnixTime>,
    #[serde(default)]
    limit: Option<Limit>,
    #[serde(default)]
    extra: Option<PhpObject<E>>,
    /// Read only.
    #[serde(default, rename = "createdAt")]
    _created_at: Option<UnixTime>,
}

/// `extra` of imageUrl.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageUrlExtra {
    #[serde(default)]
    cloud_id: Option<Parsed<CloudId>>,
    #[serde(default)]
    secret: Option<Parsed<Secret>>,
    #[serde(default)]
    authentication: Option<Users>,
}

/// `extra` of upload. The empty string is the same as null, but for the transformation, which it replaces by none.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadExtraRequest {
    #[serde(default)]
    notification_urls: Option<List<Parsed<NotificationUrl>, 20>>,
    #[serde(default)]
    tags: Option<List<Text<1, 200>, 100>>,
    #[serde(default)]
    add_tags: Option<List<Text<1, 200>, 100>>,
    #[serde(default)]
    transformation: Option<Text<0, 1024>>,
    #[serde(default)]
    transformation_prefix: Option<Text<0, 1024>>,
    #[serde(default)]
    transformation_postfix: Option<Text<0, 1024>>,
    #[serde(default)]
    cloud_id: Option<Parsed<CloudId>>,
    #[serde(default)]
    format: Option<Text<0, 64>>,
    #[serde(default)]
    projection: Option<Text<0, 64>>,
    #[serde(default)]
    public_id: Option<Text<0, 512>>,
}

impl TokenRequest<ImageUrlExtra> {
    /// How many passwords are to be hashed.
    pub fn new_passwords(&self) -> usize {
        let users = self.extra.iter().filter_map(|PhpObject(extra)| extra.authentication.as_ref());
        let is_new = |password: &&UserPassword| matches!(password, UserPassword::Given(_));
        users.map(|Users(users)| users.values().filter(is_new).count()).sum()
    }

    /// The token to issue; with `legacy` it verifies `s-token2` URLs if it has a cloud, without which it may not.
    pub fn draft(self, legacy: bool) -> Result<Draft, Problem> {
        let extra = self.extra.unwrap_or_default().0;
        let secret = given(extra.secret).ok_or_else(|| {
            Problem::invalid_member(
                "/extra/secret",
                "expected the secret itself, of 8 to 256 bytes without NUL",
            )
        })?;
        let (cloud_id, users) = (cloud(extra.cloud_id), extra.authentication.unwrap_or_default().0);
        let mut authentication = BTreeMap::new();
        for (user, password) in users {
            let UserPassword::Given(password) = password else {
                let expected = "expected the password of each user, not its mask";
                return Err(Problem::invalid_member("/extra/authentication", expected));
            };
            authentication.insert(user, password);
        }
        let purpose = PurposeDraft::ImageUrl {
            counting: Counting::Get,
            count_window: 0,
            legacy_signatures: legacy && cloud_id.is_some(),
            cloud_id,
            hosts: Vec::new(),
            secret: Some(secret),
            authentication,
        };
        Ok(draft(self.expiry, self.limit, purpose))
    }

    /// The change that makes the token be as sent. A secret and passwords that are masked, and a secret that is left out,
    /// stay as they are; whoever is not among the users is none any more.
    pub fn patch(self) -> Result<TokenPatch, Problem> {
        let extra = whole(self.extra)?;
        let (mut given_users, mut kept_users) = (BTreeMap::new(), BTreeSet::new());
        for (user, password) in extra.authentication.unwrap_or_default().0 {
            match password {
                UserPassword::Masked => drop(kept_users.insert(user)),
                UserPassword::Given(password) => drop(given_users.insert(user, Some(password))),
            }
        }
        let mut patch = patch(self.expiry, self.limit);
        patch.secret = given(extra.secret);
        patch.extra = ExtraPatch {
            cloud_id: set(cloud(extra.cloud_id)),
            authentication: Patch::Set(given_users),
            kept_users: Some(kept_users),
            ..ExtraPatch::default()
        };
        Ok(patch)
    }
}

impl TokenRequest<UploadExtraRequest> {
    /// The token to issue with this value, which is its id in this dialect.
    pub fn draft(self, value: Zeroizing<String>) -> Draft {
        let (cloud_id, changes) = self.extra.unwrap_or_default().0.patches();
        let mut extra = UploadExtra { cloud_id: cloud_id.into_set(), ..UploadExtra::default() };
        changes.apply(&mut extra);
        let purpose = PurposeDraft::Upload { value: Some(value), extra: Box::new(extra) };
        draft(self.expiry, self.limit, purpose)
    }

    /// The change that makes the token be as sent. What only the native API can set stays as it is.
    pub fn patch(self) -> Result<TokenPatch, Problem> {
        let (cloud_id, upload) = whole(self.extra)?.patches();
        let mut patch = patch(self.expiry, self.limit);
        patch.extra = ExtraPatch { cloud_id, upload, ..ExtraPatch::default() };
        Ok(patch)
    }
}

impl UploadExtraRequest {
    fn patches(self) -> (Patch<String>, UploadPatch) {
        let urls = self.notification_urls.map(|list| list.0.into_iter().map(|url| url.0.0).collect());
        let upload = UploadPatch {
            notification_urls: set(urls),
            tags: set(self.tags.map(texts)),
            add_tags: set(self.add_tags.map(texts)),
            transformation: set(self.transformation.map(Text::into_string)),
            transformation_prefix: set(filled(self.transformation_prefix)),
            transformation_postfix: set(filled(self.transformation_postfix)),
            format: set(filled(self.format)),
            projection: set(filled(self.projection)),
            public_id: set(filled(self.public_id)),
            ..UploadPatch::default()
        };
        (set(cloud(self.cloud_id)), upload)
    }
}

/// What an update puts in the place of the former `extra`: forgotten, it would take all of its bounds away.
fn whole<E>(extra: Option<PhpObject<E>>) -> Result<E, Problem> {
    let expected = || Problem::invalid_member("/extra", "expected an object: the whole token is replaced");
    extra.map(|PhpObject(extra)| extra).ok_or_else(expected)
}

fn draft(expiry: Option<UnixTime>, limit: Option<Limit>, purpose: PurposeDraft) -> Draft {
    Draft {
        name: None,
        description: None,
        owner: None,
        labels: BTreeMap::new(),
        enabled: true,
        not_before: None,
        expiry: expiry.map(instant).map(Expiry::At),
        limit: limit.map(Limit::get),
        notify: None,
        auto_delete: false,
        // The dialect shows no secret again, and the value of an upload token is known to whoever names it.
        recoverable: false,
        dialect: Dialect::Shardimage,
        purpose,
    }
}

fn patch(expiry: Option<UnixTime>, limit: Option<Limit>) -> TokenPatch {
    TokenPatch {
        expiry: set(expiry.map(instant)),
        limit: set(limit.map(Limit::get)),
        ..TokenPatch::default()
    }
}

/// The whole object is sent: what is not in it is taken away.
fn set<T>(member: Option<T>) -> Patch<T> {
    member.map_or(Patch::Clear, Patch::Set)
}

fn given(secret: Option<Parsed<Secret>>) -> Option<SigningSecret> {
    match secret?.0 {
        Secret::Given(secret) => Some(secret),
        Secret::Masked => None,
    }
}

fn cloud(cloud: Option<Parsed<CloudId>>) -> Option<String> {
    cloud.map(|cloud| cloud.0.0)
}

fn instant(time: UnixTime) -> UnixSeconds {
    UnixSeconds::new(time.get()).unwrap_or(UnixSeconds::MAX)
}

fn filled<const MOST: usize>(text: Option<Text<0, MOST>>) -> Option<String> {
    text.map(Text::into_string).filter(|text| !text.is_empty())
}

fn texts<const LEAST: usize, const LONGEST: usize, const MOST: usize>(
    list: List<Text<LEAST, LONGEST>, MOST>,
) -> Vec<String> {
    list.0.into_iter().map(Text::into_string).collect()
}

/// Refuses a member that contradicts the token that it is sent for; null says nothing.
pub fn must_agree(pointer: &'static str, sent: Option<&str>, stored: &str) -> Result<(), Problem> {
    match sent {
        Some(sent) if sent != stored => {
            Err(Problem::invalid_member(pointer, "expected null, or what the token has: this never changes"))
        }
        _ => Ok(()),
    }
}

/// The kind's name on the wire.
pub fn kind_name(kind: Option<Parsed<Kind>>) -> Option<&'static str> {
    kind.map(|kind| TokenKind::name(kind.0.0))
}
