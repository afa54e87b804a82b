//! Terms for the unit tests of this crate.

use crate::{ApiTerms, Permission, Purpose, Terms, TokenId, TokenKind, UnixSeconds};

pub(crate) fn at(seconds: u64) -> UnixSeconds {
    UnixSeconds::new(seconds).unwrap()
}

/// An enabled API key without bounds, holding `permissions`.
pub(crate) fn api_key(permissions: &[&str]) -> Terms {
    let permissions: Vec<_> = permissions.iter().map(|text| Permission::parse(text).unwrap()).collect();
    Terms {
        id: TokenId::from_uuid(TokenKind::ApiKey, [1; 16]),
        dialect: crate::token::Dialect::Native,
        revision: 1,
        owner: None,
        enabled: true,
        revoked_at: None,
        not_before: None,
        expiry: None,
        limit: None,
        purpose: Purpose::ApiKey(Box::new(ApiTerms {
            values: Vec::new(),
            permissions: permissions.into(),
            base_path: None,
            storages: None,
            clouds: None,
            source_networks: None,
        })),
    }
}
