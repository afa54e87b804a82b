//! Issuing a token: its value or secret is shown here, once.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use countermark_core::{
    About, ApiTerms, ImageTerms, KeySlot, KeyVersion, Notify, Purpose, SecretVersion, SigningSecret, SlotKey,
    Terms, Token, TokenId, TokenKind, TokenValue, UnixSeconds, UploadTerms, Usage, ValueKind, ValueSlot,
    ViewerPassword, preview, rights,
};
use zeroize::Zeroizing;

use crate::caller::Caller;
use crate::draft::{Draft, Expiry, NewPassword, PurposeDraft};
use crate::error::DomainError;
use crate::idempotency::Idempotency;
use crate::service::Service;
use crate::store::{Changed, IdempotencyKey, Inserted, KeptAnswer, NewCredential, Recalled};

/// A token with its secret half, shown only now.
pub struct Issued {
    /// The record.
    pub token: Token,
    /// The value, of an upload token or API key.
    pub value: Option<Zeroizing<String>>,
    /// The signing secret and its version, of an imageUrl token.
    pub secret: Option<(KeyVersion, SigningSecret)>,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("id", &self.token.terms.id).finish_non_exhaustive()
    }
}

/// An idempotency key and how the answer is rendered that is kept under it.
pub struct Repeatable<'a> {
    /// The key as presented.
    pub idempotency: Idempotency<'a>,
    /// Renders the whole answer.
    pub render: &'a (dyn Fn(&Issued) -> Vec<u8> + Sync),
}

/// The outcome of a call that may be a repetition.
#[derive(Debug)]
pub enum Outcome {
    /// Done now.
    Done(Box<Issued>),
    /// Done before: the answer of then.
    Repeated(Zeroizing<Vec<u8>>),
}

impl Outcome {
    /// What a call without an idempotency key has come to.
    pub(crate) fn into_issued(self) -> Issued {
        match self {
            Self::Done(issued) => *issued,
            Self::Repeated(_) => unreachable!("only a call with an idempotency key is ever repeated"),
        }
    }
}

impl Service {
    /// Issues a token within the caller's rights; bounds that the draft leaves open become the caller's.
    ///
    /// # Errors
    /// [`DomainError::RightsExceeded`], [`DomainError::Invalid`], [`DomainError::ValueTaken`],
    /// [`DomainError::KeyMismatch`], [`DomainError::Overloaded`] and store errors.
    pub async fn issue(
        &self,
        caller: &Caller,
        draft: Draft,
        repeatable: Option<Repeatable<'_>>,
    ) -> Result<Outcome, DomainError> {
        let key = repeatable.as_ref().map(|it| it.idempotency.about(None));
        if let Some(answer) = self.recalled(key).await? {
            return Ok(Outcome::Repeated(answer));
        }
        let id = self.new_token_id(kind(&draft.purpose));
        self.issue_under(id, caller, draft, repeatable).await
    }

    /// As [`Service::issue`], for calls that cannot be repeated under an idempotency key.
    ///
    /// # Errors
    /// As [`Service::issue`].
    pub async fn issue_once(&self, caller: &Caller, draft: Draft) -> Result<Issued, DomainError> {
        self.issue(caller, draft, None).await.map(Outcome::into_issued)
    }

    /// Issues an upload token or API key whose value of a foreign form is made from its id and its expiry, which may be
    /// that of the caller.
    ///
    /// # Errors
    /// As [`Service::issue`], and those of `value`.
    pub async fn issue_naming(
        &self,
        caller: &Caller,
        mut draft: Draft,
        value: impl FnOnce(TokenId, Option<UnixSeconds>) -> Result<Zeroizing<String>, DomainError>,
    ) -> Result<Issued, DomainError> {
        let id = self.new_token_id(kind(&draft.purpose));
        let expiry = draft.expiry.map(|expiry| expiry.instant(self.now())).or(caller.terms().expiry);
        match &mut draft.purpose {
            PurposeDraft::Upload { value: foreign, .. } | PurposeDraft::ApiKey { value: foreign, .. } => {
                *foreign = Some(value(id, expiry)?);
            }
            PurposeDraft::ImageUrl { .. } => {}
        }
        self.issue_under(id, caller, draft, None).await.map(Outcome::into_issued)
    }

    async fn issue_under(
        &self,
        id: TokenId,
        caller: &Caller,
        mut draft: Draft,
        repeatable: Option<Repeatable<'_>>,
    ) -> Result<Outcome, DomainError> {
        let key = repeatable.as_ref().map(|it| it.idempotency.about(None));
        let passwords = take_passwords(&mut draft.purpose);
        let (mut issued, credential) = self.build(id, draft, Some(caller.id()));
        rights::inherit(caller.terms(), &mut issued.token.terms);
        check_terms(&issued.token.terms)?;
        check_notify(issued.token.about.notify.as_ref())?;
        caller.must_reach(&issued.token.terms)?;
        // Only now: hashing is slow on purpose, and whoever may not issue the token must not cause it.
        if let Purpose::ImageUrl(image) = &mut issued.token.terms.purpose {
            image.viewers = self.hash_passwords(passwords).await?;
        }
        let kept = kept(key, &repeatable, &issued);
        let audit = self.audit(caller, "token.issue", Some(id));
        match self.store.insert(&issued.token, credential, audit, kept).await? {
            Inserted::Done => Ok(Outcome::Done(Box::new(issued))),
            Inserted::ValueTaken => Err(DomainError::ValueTaken),
            Inserted::NameTaken => Err(DomainError::NameTaken),
            Inserted::KeyTaken => self.repeat(key).await,
        }
    }

    /// The token and its new credential; an imageUrl token still without the users of its `authentication`.
    pub(crate) fn build(
        &self,
        id: TokenId,
        draft: Draft,
        created_by: Option<TokenId>,
    ) -> (Issued, NewCredential) {
        let now = self.now();
        let recoverable = draft.recoverable;
        let (purpose, secret, value) = match draft.purpose {
            PurposeDraft::ImageUrl {
                counting,
                count_window,
                cloud_id,
                hosts,
                secret,
                authentication: _,
                legacy_signatures,
            } => {
                let secret = secret.unwrap_or_else(|| self.generate_secret());
                let image = ImageTerms {
                    keys: vec![first_slot(&secret, legacy_signatures, now)],
                    counting,
                    count_window,
                    cloud_id: cloud_id.map(Into::into),
                    hosts: hosts.into(),
                    viewers: BTreeMap::new(),
                    legacy_signatures,
                };
                (Purpose::ImageUrl(Box::new(image)), Some(secret), None)
            }
            PurposeDraft::Upload { value, extra } => {
                let value = value.unwrap_or_else(|| self.generate_value(ValueKind::Upload));
                let values = vec![ValueSlot { digest: self.store.digest(&value), valid_until: None }];
                (Purpose::Upload(Box::new(UploadTerms { values, extra: *extra })), None, Some(value))
            }
            PurposeDraft::ApiKey { value, permissions, base_path, storages, clouds, source_networks } => {
                let value = value.unwrap_or_else(|| self.generate_value(ValueKind::ApiKey));
                let values = vec![ValueSlot { digest: self.store.digest(&value), valid_until: None }];
                let (storages, clouds) = (storages.map(boxed), clouds.map(boxed));
                let api = ApiTerms {
                    values,
                    permissions: permissions.into(),
                    base_path,
                    storages,
                    clouds,
                    source_networks: source_networks.map(Into::into),
                };
                (Purpose::ApiKey(Box::new(api)), None, Some(value))
            }
        };
        let credential = match (&secret, &value) {
            (Some(secret), _) => NewCredential::Secret(secret.clone()),
            (None, Some(value)) => NewCredential::Value { value: value.clone(), recoverable },
            (None, None) => unreachable!("every kind has a secret or a value"),
        };
        let terms = Terms {
            id,
            dialect: draft.dialect,
            revision: 1,
            owner: draft.owner.map(Into::into),
            enabled: draft.enabled,
            revoked_at: None,
            not_before: draft.not_before,
            expiry: draft.expiry.map(|expiry| expiry.instant(now)),
            limit: draft.limit,
            purpose,
        };
        let about = About {
            name: draft.name,
            description: draft.description,
            labels: draft.labels,
            notify: draft.notify,
            auto_delete: draft.auto_delete,
            recoverable,
            preview: value.as_deref().map(|value| preview(value).to_owned()).unwrap_or_default(),
            created_at: now,
            updated_at: now,
            created_by,
        };
        let token = Token { terms, about, usage: Usage::default() };
        (Issued { token, value, secret: secret.map(|secret| (KeyVersion::FIRST, secret)) }, credential)
    }

    pub(crate) fn generate_value(&self, kind: ValueKind) -> Zeroizing<String> {
        let value = TokenValue::generate(kind, &mut |bytes| self.rng.fill(bytes));
        Zeroizing::new(value.expose().to_owned())
    }

    pub(crate) fn generate_secret(&self) -> SigningSecret {
        let secret = TokenValue::generate(ValueKind::Secret, &mut |bytes| self.rng.fill(bytes));
        SigningSecret::new(secret.expose().to_owned()).expect("a generated secret has 42 characters")
    }

    pub(crate) async fn hash_passwords(
        &self,
        passwords: BTreeMap<String, NewPassword>,
    ) -> Result<BTreeMap<Box<str>, ViewerPassword>, DomainError> {
        let mut viewers = BTreeMap::new();
        for (user, password) in passwords {
            let kept = match password {
                NewPassword::Plain(plain) => self.viewers.hash(&plain, Arc::clone(&self.rng)).await?,
                NewPassword::Hashed(hashed) => hashed,
            };
            viewers.insert(user.into(), kept);
        }
        Ok(viewers)
    }

    pub(crate) async fn recalled(
        &self,
        key: Option<IdempotencyKey>,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, DomainError> {
        let Some(key) = key else { return Ok(None) };
        match self.store.recall(key, self.now()).await? {
            Recalled::Nothing => Ok(None),
            Recalled::Answer(answer) => {
                // The first call may still be waiting for the other nodes.
                self.store.settle().await?;
                Ok(Some(answer))
            }
            Recalled::KeyMismatch => Err(DomainError::KeyMismatch),
        }
    }

    /// The answer of the call that was first with this key.
    pub(crate) async fn repeat(&self, key: Option<IdempotencyKey>) -> Result<Outcome, DomainError> {
        self.recalled(key).await?.map(Outcome::Repeated).ok_or(DomainError::KeyMismatch)
    }
}

impl Expiry {
    /// The instant, for a token issued or changed at `now`.
    pub fn instant(self, now: UnixSeconds) -> UnixSeconds {
        match self {
            Self::At(instant) => instant,
            Self::After(seconds) => now.plus(seconds),
        }
    }
}

pub(crate) fn kept(
    key: Option<IdempotencyKey>,
    repeatable: &Option<Repeatable<'_>>,
    issued: &Issued,
) -> Option<KeptAnswer> {
    let repeatable = repeatable.as_ref()?;
    Some(KeptAnswer { key: key?, answer: Zeroizing::new((repeatable.render)(issued)) })
}

/// Members that are well-formed each, but must also go together.
pub(crate) fn check_terms(terms: &Terms) -> Result<(), DomainError> {
    if let (Some(not_before), Some(expiry)) = (terms.not_before, terms.expiry)
        && not_before >= expiry
    {
        return Err(DomainError::Invalid {
            pointer: "/notBefore",
            detail: "expected an instant before the expiry",
        });
    }
    match &terms.purpose {
        Purpose::Upload(upload) => match (upload.extra.min_bytes, upload.extra.max_bytes) {
            (Some(least), Some(most)) if least > most => {
                Err(DomainError::Invalid { pointer: "/extra/minBytes", detail: "expected at most maxBytes" })
            }
            _ => Ok(()),
        },
        Purpose::ImageUrl(image) if image.legacy_signatures && image.cloud_id.is_none() => {
            Err(DomainError::Invalid {
                pointer: "/extra/cloudId",
                detail: "expected a cloud: legacySignatures demands one",
            })
        }
        Purpose::ImageUrl(image) if image.viewers.len() > MAX_VIEWERS => Err(DomainError::Invalid {
            pointer: "/extra/authentication",
            detail: "expected at most 100 users in all",
        }),
        Purpose::ImageUrl(_) | Purpose::ApiKey(_) => Ok(()),
    }
}

/// Whoever is to be told must be told of something, and somebody of it.
pub(crate) fn check_notify(notify: Option<&Notify>) -> Result<(), DomainError> {
    let Some(notify) = notify else { return Ok(()) };
    if !(1..=Notify::MAX_URLS).contains(&notify.urls.len()) {
        return Err(DomainError::Invalid { pointer: "/notify/urls", detail: "expected 1 to 10 addresses" });
    }
    if notify.events.is_empty() {
        return Err(DomainError::Invalid {
            pointer: "/notify/events",
            detail: "expected at least one event",
        });
    }
    Ok(())
}

/// Most HTTP Basic users of one token.
const MAX_VIEWERS: usize = 100;

const fn kind(purpose: &PurposeDraft) -> TokenKind {
    match purpose {
        PurposeDraft::ImageUrl { .. } => TokenKind::ImageUrl,
        PurposeDraft::Upload { .. } => TokenKind::Upload,
        PurposeDraft::ApiKey { .. } => TokenKind::ApiKey,
    }
}

fn take_passwords(purpose: &mut PurposeDraft) -> BTreeMap<String, NewPassword> {
    match purpose {
        PurposeDraft::ImageUrl { authentication, .. } => std::mem::take(authentication),
        PurposeDraft::Upload { .. } | PurposeDraft::ApiKey { .. } => BTreeMap::new(),
    }
}

fn first_slot(secret: &SigningSecret, legacy_signatures: bool, now: UnixSeconds) -> KeySlot {
    let version = SecretVersion { number: KeyVersion::FIRST, created_at: now, verify_until: None };
    KeySlot { version, key: SlotKey::of(secret, legacy_signatures) }
}

fn boxed(list: Vec<String>) -> Box<[Box<str>]> {
    list.into_iter().map(Into::into).collect()
}

/// Maps what became of a change to what the caller is told; `None` = it is to be tried again on the newest record.
pub(crate) fn settled(changed: Changed) -> Option<Result<(), DomainError>> {
    match changed {
        Changed::Done => Some(Ok(())),
        Changed::Stale => None,
        Changed::Gone => Some(Err(DomainError::NotFound)),
        Changed::LimitBelowUsed => Some(Err(DomainError::LimitBelowUsed)),
        Changed::ValueTaken => Some(Err(DomainError::ValueTaken)),
        Changed::NameTaken => Some(Err(DomainError::NameTaken)),
        Changed::KeyTaken => Some(Err(DomainError::KeyMismatch)),
    }
}
