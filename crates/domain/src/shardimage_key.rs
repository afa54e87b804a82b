//! Keys of Shardimage's API: made by the operator who holds the database, proven by a signature over path and query.
//!
//! A key is an API key of that dialect: its digits are the name, which is unique there, and its secret is the value,
//! which is kept sealed, since each signature must be made again to be compared.

use std::collections::BTreeMap;
use std::net::IpAddr;

use countermark_core::{
    DenyReason, Dialect, Permission, Token, TokenId, TokenKind, is_shardimage_api_key,
    is_shardimage_api_signature,
};
use ipnet::IpNet;

use crate::caller::Caller;
use crate::draft::{Draft, PurposeDraft};
use crate::error::DomainError;
use crate::issue::Issued;
use crate::service::Service;
use crate::store::{AuditEntry, Inserted, ListFilter};

/// Digits of a key.
const KEY_DIGITS: usize = 12;
/// Base62 digits of its secret, 238 bits.
const SECRET_DIGITS: usize = 40;
/// How often other digits are drawn if a key has them already.
const DRAWS: usize = 8;
/// Rows of one read of all keys.
const ROWS: u32 = 500;

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardimageRights {
    /// View and exists.
    Read,
    /// Also create, update and revoke.
    ReadAndWrite,
}

/// What a signed call presents.
#[derive(Clone, Copy)]
pub struct SignedCall<'a> {
    /// The digits of the key.
    pub key: &'a str,
    /// The signature.
    pub signature: &'a str,
    /// Path and query as they were sent.
    pub uri: &'a str,
}

impl Service {
    /// Makes a key. Without a caller: whoever holds the database may.
    ///
    /// # Errors
    /// Store errors.
    pub async fn make_shardimage_key(
        &self,
        description: Option<String>,
        rights: ShardimageRights,
        networks: Vec<IpNet>,
    ) -> Result<Issued, DomainError> {
        for _ in 0..DRAWS {
            let id = self.new_token_id(TokenKind::ApiKey);
            let draft = self.key_draft(description.clone(), rights, networks.clone());
            let (issued, credential) = self.build(id, draft, None);
            let audit = self.by_operator("shardimage_key.create", id);
            if let Inserted::Done = self.store.insert(&issued.token, credential, audit, None).await? {
                return Ok(issued);
            }
        }
        Err(DomainError::NameTaken)
    }

    /// All keys, newest first, revoked ones too; for the operator.
    ///
    /// # Errors
    /// Store errors.
    pub async fn shardimage_keys(&self) -> Result<Vec<Token>, DomainError> {
        let mut filter = ListFilter {
            dialect: Some(Dialect::Shardimage),
            kind: Some(TokenKind::ApiKey),
            at_most: ROWS,
            ..ListFilter::default()
        };
        let mut keys = Vec::new();
        loop {
            let rows = self.store.list(&filter).await?;
            filter.after = rows.last().map(|key| key.terms.id);
            let is_end = rows.len() < ROWS as usize;
            keys.extend(rows);
            if is_end {
                return Ok(keys);
            }
        }
    }

    /// Ends a key, named by its digits, for ever; for the operator. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`DomainError::NotFound`] and store errors.
    pub async fn revoke_shardimage_key(&self, key: &str) -> Result<TokenId, DomainError> {
        let id = self.named(Dialect::Shardimage, key).await?.ok_or(DomainError::NotFound)?.terms.id;
        let audit = self.by_operator("shardimage_key.revoke", id);
        match self.store.revoke(id, self.now(), None, audit).await? {
            Some(revoked) if !revoked.is_empty() => Ok(id),
            _ => Err(DomainError::NotFound),
        }
    }

    /// The caller who signed a call from `address`, if his key is usable now and holds `permission`. Unknown keys, wrong
    /// signatures and ended keys are refused alike and after the same work.
    ///
    /// # Errors
    /// As [`Service::authenticate`].
    pub async fn authenticate_signed(
        &self,
        call: SignedCall<'_>,
        permission: &'static str,
        address: Option<IpAddr>,
    ) -> Result<Caller, DomainError> {
        let name = if is_shardimage_api_key(call.key) { call.key } else { NOBODY };
        let found = self.named(Dialect::Shardimage, name).await?.map(|token| token.terms.id);
        let id = found.unwrap_or(TokenId::from_uuid(TokenKind::ApiKey, [0; 16]));
        let secret = self.store.open(&[id]).await?.pop().flatten().map(|secret| secret.text);
        let compared = secret.as_ref().map_or(NO_SECRET, |secret| secret.as_str());
        let fits = is_shardimage_api_signature(call.signature, call.uri, name, compared);
        match secret {
            Some(secret) if fits => {
                let value = self.store.digest(&secret);
                self.caller_of(id, value, Dialect::Shardimage, permission, address).await
            }
            _ => Err(DomainError::Unauthenticated(DenyReason::UnknownToken)),
        }
    }

    fn key_draft(
        &self,
        description: Option<String>,
        rights: ShardimageRights,
        networks: Vec<IpNet>,
    ) -> Draft {
        let permissions: &[&str] = match rights {
            ShardimageRights::Read => &["tokens:read"],
            ShardimageRights::ReadAndWrite => &["tokens:read", "tokens:write"],
        };
        let permission = |text: &&str| Permission::parse(text).expect("these are permissions");
        Draft {
            name: Some(self.key_digits()),
            description,
            owner: None,
            labels: BTreeMap::new(),
            enabled: true,
            not_before: None,
            expiry: None,
            limit: None,
            notify: None,
            auto_delete: false,
            recoverable: true,
            dialect: Dialect::Shardimage,
            purpose: PurposeDraft::ApiKey {
                value: Some(self.foreign_value("", SECRET_DIGITS)),
                permissions: permissions.iter().map(permission).collect(),
                base_path: None,
                storages: None,
                clouds: None,
                source_networks: (!networks.is_empty()).then_some(networks),
            },
        }
    }

    /// Uniformly random digits, the first of which is not 0, so that no client reads the key as a shorter number.
    fn key_digits(&self) -> String {
        let mut digits = String::with_capacity(KEY_DIGITS);
        while digits.len() < KEY_DIGITS {
            let mut random = [0u8; 32];
            self.rng.fill(&mut random);
            // 250 to 255 would make the low digits more likely.
            for byte in random.into_iter().filter(|byte| *byte < 250) {
                let digit = char::from(b'0' + byte % 10);
                if digits.len() < KEY_DIGITS && !(digits.is_empty() && digit == '0') {
                    digits.push(digit);
                }
            }
        }
        digits
    }

    fn by_operator(&self, action: &'static str, token: TokenId) -> AuditEntry {
        AuditEntry {
            at: self.now(),
            actor: None,
            actor_revision: None,
            action,
            token: Some(token),
            address: None,
            request_id: None,
            members: Vec::new(),
        }
    }
}

/// Is looked up in the place of what can be no key: no key begins with 0.
const NOBODY: &str = "000000000000";

/// Is compared with in the place of a secret that is not there.
const NO_SECRET: &str = "0000000000000000000000000000000000000000";
