//! An API key as the dialect shows it.

use countermark_core::{ApiTerms, BasePath, Purpose, Token, UnixSeconds};
use countermark_domain::Service;
use serde::Serialize;
use utoipa::ToSchema;

use super::bits;
use crate::facade::{instant, uuid};

/// The name, and the key itself, of the one key for everybody.
pub const GUEST: &str = "guest";

/// A row of the list.
#[derive(Serialize, ToSchema)]
#[schema(as = CloudpasteApiKey, example = json!({
    "id": "019a8e60-1c00-7a31-9c0e-5b1f0a6f2d11", "name": "uploader", "key": "k7Gq2ZpX9mTa", "permissions": 2,
    "role": "GENERAL", "basic_path": "/upload", "is_enable": 1, "last_used": null,
    "created_at": "2026-11-22T06:00:00.000Z", "expires_at": "2026-11-23T06:00:00.000Z", "key_masked": "k7Gq2Z...",
    "permission_names": ["FILE_SHARE"]
}))]
pub struct Row {
    /// UUID of the key.
    id: String,
    /// Unique name.
    name: String,
    /// The key in full; null if its value is not kept any more.
    key: Option<String>,
    /// Sum of the permission bits.
    permissions: u32,
    /// `GUEST` for the key whose name and value are `guest`, else `GENERAL`.
    role: &'static str,
    /// Path that it is confined to; `/` = none.
    basic_path: String,
    /// 1 if it is switched on, else 0.
    is_enable: u8,
    /// When it was last allowed, some seconds late; null if never.
    last_used: Option<String>,
    /// When it was made.
    created_at: String,
    /// First instant at which it no longer works; the end of the year 9999 for never.
    expires_at: String,
    /// The first 6 characters and `...`.
    key_masked: String,
    /// Names of the permission bits.
    permission_names: Vec<&'static str>,
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
#[schema(as = CloudpasteCreatedApiKey, example = json!({
    "id": "019a8e60-1c00-7a31-9c0e-5b1f0a6f2d11", "name": "uploader", "key": "k7Gq2ZpX9mTa",
    "key_masked": "k7Gq2Z...", "permissions": 2, "role": "GENERAL", "basic_path": "/upload", "is_enable": 0,
    "permission_names": ["FILE_SHARE"], "expires_at": "2026-11-23T06:00:00.000Z"
}))]
pub struct Created {
    /// UUID of the key.
    id: String,
    /// Unique name.
    name: String,
    /// The key in full.
    key: String,
    /// The first 6 characters and `...`.
    key_masked: String,
    /// Sum of the permission bits.
    permissions: u32,
    /// `GUEST` for the key whose name and value are `guest`, else `GENERAL`.
    role: &'static str,
    /// Path that it is confined to; `/` = none.
    basic_path: String,
    /// 1 if it is switched on, else 0.
    is_enable: u8,
    /// Names of the permission bits.
    permission_names: Vec<&'static str>,
    /// First instant at which it no longer works; the end of the year 9999 for never.
    expires_at: String,
}

impl Row {
    /// The row of a key with this value.
    pub fn of(service: &Service, token: &Token, value: Option<&str>) -> Self {
        let terms = api_terms(token);
        Self {
            id: uuid::write(token.terms.id),
            name: name(token).to_owned(),
            key: value.map(str::to_owned),
            permissions: bits::number(&terms.permissions),
            role: role(service, token),
            basic_path: basic_path(terms).to_owned(),
            is_enable: is_enable(token),
            last_used: token.usage.last_used_at.map(instant::with_millis),
            created_at: instant::with_millis(token.about.created_at),
            expires_at: expires_at(token),
            key_masked: value.map_or_else(|| "...".to_owned(), masked),
            permission_names: bits::names(&terms.permissions),
        }
    }
}

impl Created {
    /// The new key with its value.
    pub fn of(service: &Service, token: &Token, value: &str) -> Self {
        let terms = api_terms(token);
        Self {
            id: uuid::write(token.terms.id),
            name: name(token).to_owned(),
            key: value.to_owned(),
            key_masked: masked(value),
            permissions: bits::number(&terms.permissions),
            role: role(service, token),
            basic_path: basic_path(terms).to_owned(),
            is_enable: is_enable(token),
            permission_names: bits::names(&terms.permissions),
            expires_at: expires_at(token),
        }
    }
}

/// What is particular to API keys.
pub fn api_terms(token: &Token) -> &ApiTerms {
    match &token.terms.purpose {
        Purpose::ApiKey(api) => api,
        Purpose::ImageUrl(_) | Purpose::Upload(_) => unreachable!("the dialect issues API keys only"),
    }
}

/// The name; only the native API can take it away.
pub fn name(token: &Token) -> &str {
    token.about.name.as_deref().unwrap_or_default()
}

/// Whether it is the one key for everybody. The name alone does not make it that: by the native API a key with another
/// value can have it, and the guest key another name or value.
pub fn is_guest(service: &Service, token: &Token) -> bool {
    name(token) == GUEST && service.presents(token, GUEST)
}

/// `GUEST` or `GENERAL`.
pub fn role(service: &Service, token: &Token) -> &'static str {
    if is_guest(service, token) { "GUEST" } else { "GENERAL" }
}

/// The path that it is confined to; `/` for none.
pub fn basic_path(terms: &ApiTerms) -> &str {
    terms.base_path.as_ref().map_or("/", BasePath::as_str)
}

/// The dialect knows no key without an end.
pub fn expires_at(token: &Token) -> String {
    instant::with_millis(token.terms.expiry.unwrap_or(UnixSeconds::MAX))
}

fn is_enable(token: &Token) -> u8 {
    u8::from(token.terms.enabled && token.terms.revoked_at.is_none())
}

/// Made here and kept nowhere: 6 of 12 characters leave too little unknown.
fn masked(value: &str) -> String {
    let mut shown: String = value.chars().take(6).collect();
    shown.push_str("...");
    shown
}
