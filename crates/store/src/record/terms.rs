//! The kind-specific terms as they are stored: a JSON object in `access_tokens.terms`.

use std::collections::BTreeMap;

use countermark_core::{
    ApiTerms, BasePath, Counting, Host, ImageTerms, KeySlot, PermissionSet, Purpose, SecretVersion,
    SigningSecret, SlotKey, TokenKind, UploadExtra, UploadTerms, ValueSlot, ViewerPassword,
};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ImageRecord {
    counting: Counting,
    count_window: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cloud_id: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<Box<str>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    viewers: BTreeMap<Box<str>, ViewerPassword>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    legacy_signatures: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ApiRecord {
    permissions: PermissionSet,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base_path: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    storages: Option<Box<[Box<str>]>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clouds: Option<Box<[Box<str>]>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_networks: Option<Box<[IpNet]>>,
}

/// The credentials of a token, as they stand in their own tables.
pub(crate) struct Credentials {
    pub secrets: Vec<(SecretVersion, SigningSecret)>,
    pub values: Vec<ValueSlot>,
}

/// The JSON text of the terms without credentials.
pub(crate) fn to_json(purpose: &Purpose) -> String {
    let text = match purpose {
        Purpose::ImageUrl(image) => serde_json::to_string(&ImageRecord {
            counting: image.counting,
            count_window: image.count_window,
            cloud_id: image.cloud_id.clone(),
            hosts: image.hosts.iter().map(|host| host.as_str().into()).collect(),
            viewers: image.viewers.clone(),
            legacy_signatures: image.legacy_signatures,
        }),
        Purpose::Upload(upload) => serde_json::to_string(&upload.extra),
        Purpose::ApiKey(api) => serde_json::to_string(&ApiRecord {
            permissions: api.permissions.clone(),
            base_path: api.base_path.as_ref().map(|path| path.as_str().into()),
            storages: api.storages.clone(),
            clouds: api.clouds.clone(),
            source_networks: api.source_networks.clone(),
        }),
    };
    text.expect("strings, numbers and maps with string keys always serialise")
}

/// The terms of a token of this kind; `None` if the text is no such terms.
pub(crate) fn from_json(kind: TokenKind, text: &str, credentials: Credentials) -> Option<Purpose> {
    Some(match kind {
        TokenKind::ImageUrl => {
            let record: ImageRecord = serde_json::from_str(text).ok()?;
            let hosts: Option<Box<[Host]>> = record.hosts.iter().map(|host| Host::parse(host).ok()).collect();
            Purpose::ImageUrl(Box::new(ImageTerms {
                keys: slots(credentials.secrets, record.legacy_signatures),
                counting: record.counting,
                count_window: record.count_window,
                cloud_id: record.cloud_id,
                hosts: hosts?,
                viewers: record.viewers,
                legacy_signatures: record.legacy_signatures,
            }))
        }
        TokenKind::Upload => {
            let extra: UploadExtra = serde_json::from_str(text).ok()?;
            Purpose::Upload(Box::new(UploadTerms { values: credentials.values, extra }))
        }
        TokenKind::ApiKey => {
            let record: ApiRecord = serde_json::from_str(text).ok()?;
            let base_path = match record.base_path {
                Some(path) => Some(BasePath::parse(&path).ok()?),
                None => None,
            };
            Purpose::ApiKey(Box::new(ApiTerms {
                values: credentials.values,
                permissions: record.permissions,
                base_path,
                storages: record.storages,
                clouds: record.clouds,
                source_networks: record.source_networks,
            }))
        }
    })
}

/// A secret stays in memory only where the form demands it.
fn slots(secrets: Vec<(SecretVersion, SigningSecret)>, legacy_signatures: bool) -> Vec<KeySlot> {
    let slot = |(version, secret)| KeySlot { version, key: SlotKey::of(&secret, legacy_signatures) };
    secrets.into_iter().map(slot).collect()
}
