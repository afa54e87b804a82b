//! Tokens for the unit tests of this crate.

use std::collections::BTreeMap;

use countermark_core::{
    About, ApiTerms, Counting, Dialect, ImageTerms, PermissionSet, Purpose, Terms, Token, TokenId, TokenKind,
    UnixSeconds, Usage,
};

pub(crate) fn api_key() -> Token {
    let api = ApiTerms {
        values: Vec::new(),
        permissions: PermissionSet::default(),
        base_path: None,
        storages: None,
        clouds: None,
        source_networks: None,
    };
    token(TokenKind::ApiKey, Purpose::ApiKey(Box::new(api)))
}

pub(crate) fn image_url() -> Token {
    let image = ImageTerms {
        keys: Vec::new(),
        counting: Counting::Get,
        count_window: 0,
        cloud_id: None,
        hosts: Box::default(),
        viewers: BTreeMap::new(),
        legacy_signatures: false,
    };
    token(TokenKind::ImageUrl, Purpose::ImageUrl(Box::new(image)))
}

fn token(kind: TokenKind, purpose: Purpose) -> Token {
    let terms = Terms {
        id: TokenId::from_uuid(kind, [1; 16]),
        dialect: Dialect::Native,
        revision: 1,
        owner: None,
        enabled: true,
        revoked_at: None,
        not_before: None,
        expiry: None,
        limit: None,
        purpose,
    };
    let about = About {
        name: None,
        description: None,
        labels: BTreeMap::new(),
        notify: None,
        auto_delete: false,
        recoverable: false,
        preview: String::new(),
        created_at: UnixSeconds::default(),
        updated_at: UnixSeconds::default(),
        created_by: None,
    };
    Token { terms, about, usage: Usage::default() }
}
