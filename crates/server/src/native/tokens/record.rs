//! A token as the API shows it.

use std::collections::BTreeMap;

use countermark_core::{
    Counting, ImageTerms, KeySlot, Permission, Purpose, SecretState, Status, Token, TokenId, UnixSeconds,
    UploadExtra, ViewerPassword,
};
use countermark_domain::Issued;
use ipnet::IpNet;
use serde::Serialize;
use utoipa::ToSchema;

use super::notify::NotifyRecord;
use super::schema::{
    AccessTokenCounting, AccessTokenDialect, AccessTokenSecretState, AccessTokenStatus, AccessTokenType,
};

/// An access token. Members that only some types have are left out for the others.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessToken, example = json!({
    "id": "iu_034YCGMODo7rNXJe1rD0Im", "type": "imageUrl", "name": "press photos", "description": null, "owner": "shop",
    "labels": {"campaign": "spring"}, "enabled": true, "status": "active", "notBefore": null, "expiry": 1900000000,
    "limit": 100, "used": 7, "remaining": 93, "counting": "get", "countWindow": 0,
    "secretVersions": [{"version": 1, "state": "active", "createdAt": 1800000000, "verifyUntil": null}],
    "legacySignatures": false, "notify": null, "autoDelete": false, "recoverable": false, "preview": null,
    "extra": {"cloudId": "mycloud", "hosts": [], "authentication": {"alice": {"scheme": "argon2id"}}},
    "dialect": "native", "revision": 1, "createdAt": 1800000000, "updatedAt": 1800000000, "lastUsedAt": 1800000123,
    "revokedAt": null, "createdBy": "ak_034UXVxixT6GLHO2styIVD"
}))]
#[serde(rename_all = "camelCase")]
pub struct Record<'a> {
    /// Public handle; may be logged.
    #[schema(value_type = String, example = "iu_034YCGMODo7rNXJe1rD0Im")]
    id: TokenId,
    /// What it is for.
    #[serde(rename = "type")]
    #[schema(value_type = AccessTokenType)]
    kind: &'static str,
    /// Display name.
    name: Option<&'a str>,
    /// Free text.
    description: Option<&'a str>,
    /// On whose behalf it acts.
    owner: Option<&'a str>,
    /// Labels by name.
    labels: &'a BTreeMap<String, String>,
    /// Reversible switch.
    enabled: bool,
    /// Derived: the first that applies of revoked, disabled, expired, exhausted, notYetValid, active.
    #[schema(value_type = AccessTokenStatus)]
    status: Status,
    /// First instant at which it works, Unix seconds; null = from the beginning.
    #[schema(value_type = Option<u64>)]
    not_before: Option<UnixSeconds>,
    /// First instant at which it no longer works, Unix seconds; null = never.
    #[schema(value_type = Option<u64>)]
    expiry: Option<UnixSeconds>,
    /// Most uses in its whole life; null = unlimited.
    limit: Option<u64>,
    /// Uses so far; without a limit a statistic, at most 5 s late.
    used: u64,
    /// Uses left; null = unlimited.
    remaining: Option<u64>,
    /// imageUrl: which requests count.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<AccessTokenCounting>)]
    counting: Option<Counting>,
    /// imageUrl: seconds within which GETs of one target by one client are the same use.
    #[serde(skip_serializing_if = "Option::is_none")]
    count_window: Option<u32>,
    /// imageUrl: the versions of its secret, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_versions: Option<Vec<SecretVersionRecord>>,
    /// imageUrl: whether it verifies the legacy form instead of `cm1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    legacy_signatures: Option<bool>,
    /// apiKey: what it may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>, example = json!(["authorize", "files:*"]))]
    permissions: Option<Vec<&'a Permission>>,
    /// apiKey: path that it is confined to; null = none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    base_path: Option<Option<&'a str>>,
    /// apiKey: storages that it may touch; null = all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    storages: Option<Option<&'a [Box<str>]>>,
    /// apiKey: clouds that it may touch; null = all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    clouds: Option<Option<&'a [Box<str>]>>,
    /// apiKey of the Shardimage dialect: networks from which it may manage; absent = any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    source_networks: Option<&'a [IpNet]>,
    /// Which events of its life are told, and to whom; null = none.
    notify: Option<NotifyRecord<'a>>,
    /// Whether the record may be swept away once it has expired.
    auto_delete: bool,
    /// Whether the value or secret can be shown again.
    recoverable: bool,
    /// Leading characters of the value; null for imageUrl.
    preview: Option<&'a str>,
    /// imageUrl, upload: further settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<ExtraRecord<'a>>,
    /// Wire format in which it was issued.
    #[schema(value_type = AccessTokenDialect)]
    dialect: &'static str,
    /// Counts changes of the configuration, not uses; also the `ETag`.
    revision: u64,
    /// When it was issued.
    #[schema(value_type = u64)]
    created_at: UnixSeconds,
    /// When its configuration last changed.
    #[schema(value_type = u64)]
    updated_at: UnixSeconds,
    /// When its last use was granted; at most 5 s late.
    #[schema(value_type = Option<u64>)]
    last_used_at: Option<UnixSeconds>,
    /// When it was revoked.
    #[schema(value_type = Option<u64>)]
    revoked_at: Option<UnixSeconds>,
    /// The key that issued it; null for the first administrator.
    #[schema(value_type = Option<String>)]
    created_by: Option<TokenId>,
    /// upload, apiKey: the value, only in the answers of issue and regenerate.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    /// imageUrl: the version of `extra.secret`, only in the answers of issue and regenerate.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_version: Option<u16>,
}

/// One version of a signing secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessTokenSecretVersion)]
#[serde(rename_all = "camelCase")]
pub struct SecretVersionRecord {
    /// The number that URLs carry.
    version: u16,
    /// What it may still do.
    #[schema(value_type = AccessTokenSecretState)]
    state: SecretState,
    /// When it was made, Unix seconds.
    #[schema(value_type = u64)]
    created_at: UnixSeconds,
    /// First instant at which it no longer verifies; null for the version that signs.
    #[schema(value_type = Option<u64>)]
    verify_until: Option<UnixSeconds>,
}

/// The further settings of a token, by its type.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessTokenExtra)]
#[serde(untagged)]
pub enum ExtraRecord<'a> {
    /// Of an imageUrl token.
    ImageUrl(ImageUrlExtraRecord<'a>),
    /// Of an upload token.
    Upload(Box<UploadExtraRecord<'a>>),
}

/// The further settings of an imageUrl token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessTokenImageUrlExtra)]
#[serde(rename_all = "camelCase")]
pub struct ImageUrlExtraRecord<'a> {
    /// The only cloud; null = any.
    cloud_id: Option<&'a str>,
    /// The only hosts; none = any.
    hosts: Vec<&'a str>,
    /// HTTP Basic users of whom the viewer must be one; their passwords are never shown.
    authentication: BTreeMap<&'a str, SchemeRecord>,
    /// The signing secret, only in the answers of issue and regenerate.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

/// How a viewer's password is kept.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessTokenPasswordScheme)]
pub struct SchemeRecord {
    /// `argon2id` or `msha1`.
    #[schema(example = "argon2id")]
    scheme: &'static str,
}

/// The further settings of an upload token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessTokenUploadExtra)]
#[serde(rename_all = "camelCase")]
pub struct UploadExtraRecord<'a> {
    /// The only cloud; null = any.
    cloud_id: Option<&'a str>,
    /// Addresses told when an upload completes.
    notification_urls: &'a [String],
    /// Replaces the client's tags; null = leaves them.
    tags: Option<&'a [String]>,
    /// Appended to the tags.
    add_tags: &'a [String],
    /// Replaces the client's transformation.
    transformation: Option<&'a str>,
    /// Stands before the transformation.
    transformation_prefix: Option<&'a str>,
    /// Stands after the transformation.
    transformation_postfix: Option<&'a str>,
    /// Replaces the client's format.
    format: Option<&'a str>,
    /// Replaces the client's projection.
    projection: Option<&'a str>,
    /// Replaces the client's public id.
    public_id: Option<&'a str>,
    /// Least size in bytes.
    min_bytes: Option<u64>,
    /// Greatest size in bytes.
    max_bytes: Option<u64>,
    /// Content types of which one must match; none = any.
    mime_types: Vec<&'a str>,
    /// What the public id must begin with.
    public_id_prefix: Option<&'a str>,
    /// Whether an upload over an existing image is refused.
    insert_only: bool,
}

impl<'a> Record<'a> {
    /// The record as it stands at `now`.
    pub fn of(token: &'a Token, now: UnixSeconds) -> Self {
        let (terms, about, used) = (&token.terms, &token.about, token.usage.used);
        let (image, api) = match &terms.purpose {
            Purpose::ImageUrl(image) => (Some(&**image), None),
            Purpose::ApiKey(api) => (None, Some(&**api)),
            Purpose::Upload(_) => (None, None),
        };
        Self {
            id: terms.id,
            kind: terms.kind().name(),
            name: about.name.as_deref(),
            description: about.description.as_deref(),
            owner: terms.owner.as_deref(),
            labels: &about.labels,
            enabled: terms.enabled,
            status: terms.status(used, now),
            not_before: terms.not_before,
            expiry: terms.expiry,
            limit: terms.limit,
            used,
            remaining: terms.remaining(used),
            counting: image.map(|image| image.counting),
            count_window: image.map(|image| image.count_window),
            secret_versions: image.map(|image| versions(&image.keys, now)),
            legacy_signatures: image.map(|image| image.legacy_signatures),
            permissions: api.map(|api| api.permissions.iter().collect()),
            base_path: api.map(|api| api.base_path.as_ref().map(|path| path.as_str())),
            storages: api.map(|api| api.storages.as_deref()),
            clouds: api.map(|api| api.clouds.as_deref()),
            source_networks: api.and_then(|api| api.source_networks.as_deref()),
            notify: about.notify.as_ref().map(NotifyRecord::of),
            auto_delete: about.auto_delete,
            recoverable: about.recoverable,
            preview: Some(about.preview.as_str()).filter(|preview| !preview.is_empty()),
            extra: ExtraRecord::of(&terms.purpose),
            dialect: terms.dialect.name(),
            revision: terms.revision,
            created_at: about.created_at,
            updated_at: about.updated_at,
            last_used_at: token.usage.last_used_at,
            revoked_at: terms.revoked_at,
            created_by: about.created_by,
            value: None,
            key_version: None,
        }
    }

    /// The record with its secret half, shown only now.
    pub fn of_issued(issued: &'a Issued, now: UnixSeconds) -> Self {
        let mut record = Self::of(&issued.token, now);
        record.value = issued.value.as_ref().map(|value| value.as_str());
        if let (Some((version, secret)), Some(ExtraRecord::ImageUrl(extra))) =
            (&issued.secret, &mut record.extra)
        {
            record.key_version = Some(version.get());
            extra.secret = Some(secret.expose());
        }
        record
    }
}

impl<'a> ExtraRecord<'a> {
    fn of(purpose: &'a Purpose) -> Option<Self> {
        match purpose {
            Purpose::ImageUrl(image) => Some(Self::ImageUrl(ImageUrlExtraRecord::of(image))),
            Purpose::Upload(upload) => Some(Self::Upload(Box::new(UploadExtraRecord::of(&upload.extra)))),
            Purpose::ApiKey(_) => None,
        }
    }
}

impl<'a> ImageUrlExtraRecord<'a> {
    fn of(image: &'a ImageTerms) -> Self {
        let scheme = |password: &ViewerPassword| SchemeRecord { scheme: password.scheme() };
        Self {
            cloud_id: image.cloud_id.as_deref(),
            hosts: image.hosts.iter().map(|host| host.as_str()).collect(),
            authentication: image.viewers.iter().map(|(user, kept)| (&**user, scheme(kept))).collect(),
            secret: None,
        }
    }
}

impl<'a> UploadExtraRecord<'a> {
    fn of(extra: &'a UploadExtra) -> Self {
        Self {
            cloud_id: extra.cloud_id.as_deref(),
            notification_urls: &extra.notification_urls,
            tags: extra.tags.as_deref(),
            add_tags: &extra.add_tags,
            transformation: extra.transformation.as_deref(),
            transformation_prefix: extra.transformation_prefix.as_deref(),
            transformation_postfix: extra.transformation_postfix.as_deref(),
            format: extra.format.as_deref(),
            projection: extra.projection.as_deref(),
            public_id: extra.public_id.as_deref(),
            min_bytes: extra.min_bytes,
            max_bytes: extra.max_bytes,
            mime_types: extra.mime_types.iter().map(|glob| glob.as_str()).collect(),
            public_id_prefix: extra.public_id_prefix.as_deref(),
            insert_only: extra.insert_only,
        }
    }
}

fn versions(keys: &[KeySlot], now: UnixSeconds) -> Vec<SecretVersionRecord> {
    let record = |slot: &KeySlot| SecretVersionRecord {
        version: slot.version.number.get(),
        state: slot.version.state(now),
        created_at: slot.version.created_at,
        verify_until: slot.version.verify_until,
    };
    keys.iter().map(record).collect()
}
