//! A new value, or the next version of a signing secret, for the same token with the same uses.

use countermark_core::{
    KeySlot, KeyVersion, Purpose, SecretVersion, SlotKey, Token, TokenId, UnixSeconds, ValueKind, ValueSlot,
    preview,
};
use zeroize::Zeroizing;

use crate::caller::Caller;
use crate::error::DomainError;
use crate::issue::{Issued, Outcome, Repeatable, kept, settled};
use crate::service::Service;
use crate::store::{Changed, NewCredential};

impl Service {
    /// Regenerates the value or secret; the former one ends `overlap_seconds` from now, 0 = at once.
    ///
    /// # Errors
    /// [`DomainError::NotFound`], [`DomainError::SelfChange`], [`DomainError::RightsExceeded`],
    /// [`DomainError::TokenRevoked`], [`DomainError::VersionsExhausted`], [`DomainError::KeyMismatch`] and store errors.
    pub async fn regenerate(
        &self,
        caller: &Caller,
        id: TokenId,
        overlap_seconds: u64,
        repeatable: Option<Repeatable<'_>>,
    ) -> Result<Outcome, DomainError> {
        self.replace_value(caller, id, overlap_seconds, None, repeatable).await
    }

    /// Gives an upload token or API key this value of a foreign form; the former one ends at once.
    ///
    /// # Errors
    /// As [`Service::regenerate`], [`DomainError::ValueTaken`].
    pub async fn regenerate_as(
        &self,
        caller: &Caller,
        id: TokenId,
        value: Zeroizing<String>,
    ) -> Result<Issued, DomainError> {
        self.replace_value(caller, id, 0, Some(value), None).await.map(Outcome::into_issued)
    }

    async fn replace_value(
        &self,
        caller: &Caller,
        id: TokenId,
        overlap_seconds: u64,
        given: Option<Zeroizing<String>>,
        repeatable: Option<Repeatable<'_>>,
    ) -> Result<Outcome, DomainError> {
        let key = repeatable.as_ref().map(|it| it.idempotency.about(Some(id)));
        loop {
            let token = self.changeable(caller, id, None).await?;
            if let Some(answer) = self.recalled(key).await? {
                return Ok(Outcome::Repeated(answer));
            }
            let expected = token.terms.revision;
            let overlap_until = self.now().plus(overlap_seconds);
            let (issued, credential) = self.renewed(token, given.clone(), overlap_until)?;
            let kept = kept(key, &repeatable, &issued);
            let audit = self.audit(caller, "token.regenerate", Some(id));
            let changed = self
                .store
                .regenerate(&issued.token, expected, credential, overlap_until, audit, kept)
                .await?;
            if changed == Changed::KeyTaken {
                return self.repeat(key).await;
            }
            if let Some(outcome) = settled(changed) {
                outcome?;
                return Ok(Outcome::Done(Box::new(issued)));
            }
        }
    }

    fn renewed(
        &self,
        mut token: Token,
        given: Option<Zeroizing<String>>,
        overlap_until: UnixSeconds,
    ) -> Result<(Issued, NewCredential), DomainError> {
        let now = self.now();
        let recoverable = token.about.recoverable;
        token.terms.revision += 1;
        token.about.updated_at = now;
        let (value, secret) = match &mut token.terms.purpose {
            Purpose::ImageUrl(image) => {
                let newest = image.keys.iter().map(|slot| slot.version.number).max();
                let number = newest.map_or(Some(KeyVersion::FIRST), KeyVersion::next);
                let number = number.ok_or(DomainError::VersionsExhausted)?;
                let secret = self.generate_secret();
                for slot in &mut image.keys {
                    let until = slot.version.verify_until;
                    slot.version.verify_until =
                        Some(until.map_or(overlap_until, |until| until.min(overlap_until)));
                }
                let version = SecretVersion { number, created_at: now, verify_until: None };
                image.keys.push(KeySlot { version, key: SlotKey::of(&secret, image.legacy_signatures) });
                (None, Some((number, secret)))
            }
            Purpose::Upload(upload) => {
                let value = given.unwrap_or_else(|| self.generate_value(ValueKind::Upload));
                self.renew(&value, &mut upload.values, overlap_until);
                (Some(value), None)
            }
            Purpose::ApiKey(api) => {
                let value = given.unwrap_or_else(|| self.generate_value(ValueKind::ApiKey));
                self.renew(&value, &mut api.values, overlap_until);
                (Some(value), None)
            }
        };
        let credential = match (&secret, &value) {
            (Some((_, secret)), _) => NewCredential::Secret(secret.clone()),
            (None, Some(value)) => NewCredential::Value { value: value.clone(), recoverable },
            (None, None) => unreachable!("every kind has a secret or a value"),
        };
        if let Some(value) = &value {
            token.about.preview = preview(value).to_owned();
        }
        Ok((Issued { token, value, secret }, credential))
    }

    fn renew(&self, value: &str, slots: &mut Vec<ValueSlot>, overlap_until: UnixSeconds) {
        for slot in slots.iter_mut() {
            slot.valid_until = Some(slot.valid_until.map_or(overlap_until, |until| until.min(overlap_until)));
        }
        slots.push(ValueSlot { digest: self.store.digest(value), valid_until: None });
    }
}
