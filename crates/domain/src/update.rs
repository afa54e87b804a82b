//! Changing a token's configuration; its value, secret and uses stay.

use std::collections::{BTreeMap, BTreeSet};

use countermark_core::{
    BasePath, Counting, Dialect, Host, MimeGlob, Notify, Permission, Purpose, SigningSecret, Token,
    TokenEvent, TokenId, TokenKind, UnixSeconds, UploadExtra, ViewerPassword, rights,
};
use subtle::ConstantTimeEq;

use crate::caller::Caller;
use crate::draft::{NewPassword, Patch};
use crate::error::DomainError;
use crate::issue::{check_notify, check_terms, settled};
use crate::service::Service;
use crate::store::NewCredential;

/// The members to change. Members of another kind of token than the changed one are refused.
#[derive(Debug, Default)]
pub struct TokenPatch {
    /// `name`.
    pub name: Patch<String>,
    /// `description`.
    pub description: Patch<String>,
    /// `owner`.
    pub owner: Patch<String>,
    /// `labels`: each name on its own; a cleared member clears all.
    pub labels: Patch<BTreeMap<String, Option<String>>>,
    /// `enabled`; cleared = enabled.
    pub enabled: Patch<bool>,
    /// `notBefore`.
    pub not_before: Patch<UnixSeconds>,
    /// `expiry`.
    pub expiry: Patch<UnixSeconds>,
    /// `limit`.
    pub limit: Patch<u64>,
    /// `notify`; its members are patched each on its own.
    pub notify: Patch<NotifyPatch>,
    /// `autoDelete`.
    pub auto_delete: Patch<bool>,
    /// `counting`, of imageUrl.
    pub counting: Patch<Counting>,
    /// `countWindow`, of imageUrl.
    pub count_window: Patch<u32>,
    /// `permissions`, of apiKey.
    pub permissions: Patch<Vec<Permission>>,
    /// `basePath`, of apiKey.
    pub base_path: Patch<BasePath>,
    /// `storages`, of apiKey.
    pub storages: Patch<Vec<String>>,
    /// `clouds`, of apiKey.
    pub clouds: Patch<Vec<String>>,
    /// `extra`, of imageUrl and upload.
    pub extra: ExtraPatch,
    /// The signing secret, of imageUrl. If it is another one than the current it becomes the next version, and the
    /// former ones end at once.
    pub secret: Option<SigningSecret>,
}

/// The members of `notify` to change.
#[derive(Clone, Debug, Default)]
pub struct NotifyPatch {
    /// `urls`.
    pub urls: Patch<Vec<String>>,
    /// `events`.
    pub events: Patch<Vec<TokenEvent>>,
}

impl NotifyPatch {
    /// What the patch makes of what was asked for before.
    pub fn over(self, former: Option<Notify>) -> Notify {
        let mut notify = former.unwrap_or(Notify { urls: Vec::new(), events: Vec::new() });
        self.urls.apply_to(&mut notify.urls);
        self.events.apply_to(&mut notify.events);
        name_once(&mut notify.urls);
        notify.events.sort_unstable();
        notify.events.dedup();
        notify
    }
}

/// Whoever is named twice is told once.
fn name_once(addresses: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    addresses.retain(|address| seen.insert(address.clone()));
}

/// The members of `extra` to change.
#[derive(Debug, Default)]
pub struct ExtraPatch {
    /// `cloudId`, of imageUrl and upload.
    pub cloud_id: Patch<String>,
    /// `hosts`, of imageUrl.
    pub hosts: Patch<Vec<Host>>,
    /// `authentication`, of imageUrl: each user on his own; `None` removes him, a cleared member removes all.
    pub authentication: Patch<BTreeMap<String, Option<NewPassword>>>,
    /// Makes a set `authentication` the whole list: besides its users only those named here stay, with their passwords.
    pub kept_users: Option<BTreeSet<String>>,
    /// The members that only upload tokens have.
    pub upload: UploadPatch,
}

/// The members of an upload token's `extra` to change.
#[derive(Clone, Debug, Default)]
pub struct UploadPatch {
    /// `notificationUrls`.
    pub notification_urls: Patch<Vec<String>>,
    /// `tags`.
    pub tags: Patch<Vec<String>>,
    /// `addTags`.
    pub add_tags: Patch<Vec<String>>,
    /// `transformation`.
    pub transformation: Patch<String>,
    /// `transformationPrefix`.
    pub transformation_prefix: Patch<String>,
    /// `transformationPostfix`.
    pub transformation_postfix: Patch<String>,
    /// `format`.
    pub format: Patch<String>,
    /// `projection`.
    pub projection: Patch<String>,
    /// `publicId`.
    pub public_id: Patch<String>,
    /// `minBytes`.
    pub min_bytes: Patch<u64>,
    /// `maxBytes`.
    pub max_bytes: Patch<u64>,
    /// `mimeTypes`.
    pub mime_types: Patch<Vec<MimeGlob>>,
    /// `publicIdPrefix`.
    pub public_id_prefix: Patch<String>,
    /// `insertOnly`.
    pub insert_only: Patch<bool>,
}

/// What the patch makes of one token, with the passwords already hashed (which is slow and needs no record).
struct PreparedPatch {
    patch: TokenPatch,
    viewers: Option<BTreeMap<Box<str>, Option<ViewerPassword>>>,
}

impl Service {
    /// Changes a token that lies within the caller's rights before and after; with `if_revision` only that revision.
    ///
    /// # Errors
    /// [`DomainError::NotFound`], [`DomainError::SelfChange`], [`DomainError::RightsExceeded`],
    /// [`DomainError::RevisionMismatch`], [`DomainError::TokenRevoked`], [`DomainError::LimitBelowUsed`],
    /// [`DomainError::Invalid`] and store errors.
    pub async fn update(
        &self,
        caller: &Caller,
        id: TokenId,
        if_revision: Option<u64>,
        patch: TokenPatch,
    ) -> Result<Token, DomainError> {
        caller.must_not_be(id)?;
        // Judged before anything costly is done for it: passwords are hashed slowly on purpose.
        self.changeable(caller, id, if_revision).await?;
        if patch.limit.is_mentioned() {
            // Uses so far without a limit are statistics in memory: they count against the new one.
            self.flush().await?;
        }
        let members = patch.mentioned();
        let prepared = self.prepare(patch).await?;
        loop {
            let mut token = self.changeable(caller, id, if_revision).await?;
            let expected = token.terms.revision;
            prepared.apply(&mut token)?;
            rights::inherit(caller.terms(), &mut token.terms);
            check_terms(&token.terms)?;
            check_notify(token.about.notify.as_ref())?;
            caller.must_reach(&token.terms)?;
            token.terms.revision += 1;
            token.about.updated_at = self.now();
            let mut audit = self.audit(caller, "token.update", Some(id));
            audit.members.clone_from(&members);
            let changed = match self.new_secret(&token, prepared.patch.secret.as_ref()).await? {
                None => self.store.update(&token, expected, audit).await?,
                Some(secret) => {
                    audit.members.push("extra.secret");
                    let credential = NewCredential::Secret(secret);
                    self.store.update_with_credential(&token, expected, credential, audit).await?
                }
            };
            if let Some(outcome) = settled(changed) {
                outcome?;
                return self.view(caller, id).await;
            }
        }
    }

    /// The given secret, if it is another one than the token has.
    async fn new_secret(
        &self,
        token: &Token,
        given: Option<&SigningSecret>,
    ) -> Result<Option<SigningSecret>, DomainError> {
        let (Some(given), Purpose::ImageUrl(image)) = (given, &token.terms.purpose) else { return Ok(None) };
        let current = self.store.open(&[token.terms.id]).await?.pop().flatten();
        let is_same = current.is_some_and(|it| it.text.as_bytes().ct_eq(given.expose().as_bytes()).into());
        if is_same {
            return Ok(None);
        }
        let newest = image.keys.iter().map(|slot| slot.version.number).max();
        if newest.is_some_and(|newest| newest.next().is_none()) {
            return Err(DomainError::VersionsExhausted);
        }
        Ok(Some(given.clone()))
    }

    /// The token as stored, if the caller may change it.
    pub(crate) async fn changeable(
        &self,
        caller: &Caller,
        id: TokenId,
        if_revision: Option<u64>,
    ) -> Result<Token, DomainError> {
        let token = self.view(caller, id).await?;
        caller.must_not_be(id)?;
        caller.must_reach(&token.terms)?;
        if if_revision.is_some_and(|revision| revision != token.terms.revision) {
            return Err(DomainError::RevisionMismatch);
        }
        if token.terms.revoked_at.is_some() {
            return Err(DomainError::TokenRevoked);
        }
        Ok(token)
    }

    async fn prepare(&self, mut patch: TokenPatch) -> Result<PreparedPatch, DomainError> {
        let authentication = std::mem::take(&mut patch.extra.authentication);
        let viewers = match authentication {
            Patch::Set(users) => {
                let mut removed: BTreeMap<Box<str>, Option<ViewerPassword>> = BTreeMap::new();
                let mut added = BTreeMap::new();
                for (user, password) in users {
                    match password {
                        Some(password) => drop(added.insert(user, password)),
                        None => drop(removed.insert(user.into(), None)),
                    }
                }
                let added = self.hash_passwords(added).await?;
                removed.extend(added.into_iter().map(|(user, password)| (user, Some(password))));
                Some(removed)
            }
            Patch::Clear => {
                patch.extra.authentication = Patch::Clear;
                None
            }
            Patch::Keep => None,
        };
        Ok(PreparedPatch { patch, viewers })
    }
}

/// A Shardimage key: its clients present the name itself, and sign it.
fn is_named_by_digits(token: &Token) -> bool {
    token.terms.dialect == Dialect::Shardimage && token.terms.kind() == TokenKind::ApiKey
}

impl PreparedPatch {
    fn apply(&self, token: &mut Token) -> Result<(), DomainError> {
        let patch = &self.patch;
        patch.refuse_other_kinds(token, self.viewers.is_some())?;
        if patch.name.is_mentioned() && is_named_by_digits(token) {
            let detail = "expected no name here: the digits of the key are its name";
            return Err(DomainError::Invalid { pointer: "/name", detail });
        }
        patch.name.clone().apply_to_optional(&mut token.about.name);
        patch.description.clone().apply_to_optional(&mut token.about.description);
        match patch.notify.clone() {
            Patch::Keep => {}
            Patch::Clear => token.about.notify = None,
            Patch::Set(patch) => token.about.notify = Some(patch.over(token.about.notify.take())),
        }
        patch.auto_delete.clone().apply_to(&mut token.about.auto_delete);
        apply_labels(&patch.labels, &mut token.about.labels)?;
        let terms = &mut token.terms;
        boxed(&patch.owner).apply_to_optional(&mut terms.owner);
        match patch.enabled {
            Patch::Keep => {}
            Patch::Clear => terms.enabled = true,
            Patch::Set(enabled) => terms.enabled = enabled,
        }
        patch.not_before.clone().apply_to_optional(&mut terms.not_before);
        patch.expiry.clone().apply_to_optional(&mut terms.expiry);
        patch.limit.clone().apply_to_optional(&mut terms.limit);
        match &mut terms.purpose {
            Purpose::ImageUrl(image) => {
                patch.counting.clone().apply_to(&mut image.counting);
                patch.count_window.clone().apply_to(&mut image.count_window);
                boxed(&patch.extra.cloud_id).apply_to_optional(&mut image.cloud_id);
                match &patch.extra.hosts {
                    Patch::Keep => {}
                    Patch::Clear => image.hosts = Box::default(),
                    Patch::Set(hosts) => image.hosts = hosts.clone().into(),
                }
                self.apply_viewers(&mut image.viewers)?;
            }
            Purpose::Upload(upload) => {
                patch.extra.cloud_id.clone().apply_to_optional(&mut upload.extra.cloud_id);
                patch.extra.upload.clone().apply(&mut upload.extra);
            }
            Purpose::ApiKey(api) => {
                match &patch.permissions {
                    Patch::Keep => {}
                    Patch::Clear => api.permissions = Vec::new().into(),
                    Patch::Set(permissions) => api.permissions = permissions.clone().into(),
                }
                patch.base_path.clone().apply_to_optional(&mut api.base_path);
                boxed_list(&patch.storages).apply_to_optional(&mut api.storages);
                boxed_list(&patch.clouds).apply_to_optional(&mut api.clouds);
            }
        }
        Ok(())
    }

    fn apply_viewers(&self, viewers: &mut BTreeMap<Box<str>, ViewerPassword>) -> Result<(), DomainError> {
        if matches!(self.patch.extra.authentication, Patch::Clear) {
            viewers.clear();
        }
        if let Some(kept) = &self.patch.extra.kept_users {
            if !kept.iter().all(|user| viewers.contains_key(user.as_str())) {
                return Err(DomainError::Invalid {
                    pointer: "/extra/authentication",
                    detail: "expected the password of each new user",
                });
            }
            viewers.retain(|user, _| kept.contains(&**user));
        }
        for (user, password) in self.viewers.iter().flatten() {
            match password {
                Some(password) => drop(viewers.insert(user.clone(), password.clone())),
                None => drop(viewers.remove(user)),
            }
        }
        Ok(())
    }
}

impl TokenPatch {
    /// The mentioned members by name, for the audit log.
    fn mentioned(&self) -> Vec<&'static str> {
        let members = [
            ("name", self.name.is_mentioned()),
            ("description", self.description.is_mentioned()),
            ("owner", self.owner.is_mentioned()),
            ("labels", self.labels.is_mentioned()),
            ("enabled", self.enabled.is_mentioned()),
            ("notBefore", self.not_before.is_mentioned()),
            ("expiry", self.expiry.is_mentioned()),
            ("limit", self.limit.is_mentioned()),
            ("notify", self.notify.is_mentioned()),
            ("autoDelete", self.auto_delete.is_mentioned()),
            ("counting", self.counting.is_mentioned()),
            ("countWindow", self.count_window.is_mentioned()),
            ("permissions", self.permissions.is_mentioned()),
            ("basePath", self.base_path.is_mentioned()),
            ("storages", self.storages.is_mentioned()),
            ("clouds", self.clouds.is_mentioned()),
            ("extra.cloudId", self.extra.cloud_id.is_mentioned()),
            ("extra.hosts", self.extra.hosts.is_mentioned()),
            ("extra.authentication", self.extra.authentication.is_mentioned()),
            ("extra", self.extra.upload.first_mentioned().is_some()),
        ];
        members.into_iter().filter(|(_, mentioned)| *mentioned).map(|(name, _)| name).collect()
    }

    fn refuse_other_kinds(&self, token: &Token, has_viewers: bool) -> Result<(), DomainError> {
        let only_image = [
            ("/counting", self.counting.is_mentioned()),
            ("/countWindow", self.count_window.is_mentioned()),
            ("/extra/hosts", self.extra.hosts.is_mentioned()),
            ("/extra/authentication", has_viewers || self.extra.authentication.is_mentioned()),
            ("/extra/secret", self.secret.is_some()),
        ];
        let only_api_key = [
            ("/permissions", self.permissions.is_mentioned()),
            ("/basePath", self.base_path.is_mentioned()),
            ("/storages", self.storages.is_mentioned()),
            ("/clouds", self.clouds.is_mentioned()),
        ];
        let not_api_key = [("/extra/cloudId", self.extra.cloud_id.is_mentioned())];
        let only_upload = self.extra.upload.first_mentioned().map(|pointer| (pointer, true));
        let foreign: Vec<(&'static str, bool)> = match &token.terms.purpose {
            Purpose::ImageUrl(_) => only_api_key.into_iter().chain(only_upload).collect(),
            Purpose::Upload(_) => only_image.into_iter().chain(only_api_key).collect(),
            Purpose::ApiKey(_) => only_image.into_iter().chain(not_api_key).chain(only_upload).collect(),
        };
        match foreign.into_iter().find(|(_, mentioned)| *mentioned) {
            Some((pointer, _)) => {
                Err(DomainError::Invalid { pointer, detail: "expected only members of this token's type" })
            }
            None => Ok(()),
        }
    }
}

impl UploadPatch {
    /// JSON pointer of the first mentioned member.
    pub fn first_mentioned(&self) -> Option<&'static str> {
        let members = [
            ("/extra/notificationUrls", self.notification_urls.is_mentioned()),
            ("/extra/tags", self.tags.is_mentioned()),
            ("/extra/addTags", self.add_tags.is_mentioned()),
            ("/extra/transformation", self.transformation.is_mentioned()),
            ("/extra/transformationPrefix", self.transformation_prefix.is_mentioned()),
            ("/extra/transformationPostfix", self.transformation_postfix.is_mentioned()),
            ("/extra/format", self.format.is_mentioned()),
            ("/extra/projection", self.projection.is_mentioned()),
            ("/extra/publicId", self.public_id.is_mentioned()),
            ("/extra/minBytes", self.min_bytes.is_mentioned()),
            ("/extra/maxBytes", self.max_bytes.is_mentioned()),
            ("/extra/mimeTypes", self.mime_types.is_mentioned()),
            ("/extra/publicIdPrefix", self.public_id_prefix.is_mentioned()),
            ("/extra/insertOnly", self.insert_only.is_mentioned()),
        ];
        members.into_iter().find(|(_, mentioned)| *mentioned).map(|(pointer, _)| pointer)
    }

    /// Makes the changes.
    pub fn apply(self, extra: &mut UploadExtra) {
        self.notification_urls.apply_to(&mut extra.notification_urls);
        name_once(&mut extra.notification_urls);
        self.tags.apply_to_optional(&mut extra.tags);
        self.add_tags.apply_to(&mut extra.add_tags);
        self.transformation.apply_to_optional(&mut extra.transformation);
        self.transformation_prefix.apply_to_optional(&mut extra.transformation_prefix);
        self.transformation_postfix.apply_to_optional(&mut extra.transformation_postfix);
        self.format.apply_to_optional(&mut extra.format);
        self.projection.apply_to_optional(&mut extra.projection);
        self.public_id.apply_to_optional(&mut extra.public_id);
        self.min_bytes.apply_to_optional(&mut extra.min_bytes);
        self.max_bytes.apply_to_optional(&mut extra.max_bytes);
        self.mime_types.apply_to(&mut extra.mime_types);
        self.public_id_prefix.apply_to_optional(&mut extra.public_id_prefix);
        self.insert_only.apply_to(&mut extra.insert_only);
    }
}

/// Most labels of one token.
pub const MAX_LABELS: usize = 20;

fn apply_labels(
    patch: &Patch<BTreeMap<String, Option<String>>>,
    labels: &mut BTreeMap<String, String>,
) -> Result<(), DomainError> {
    match patch {
        Patch::Keep => {}
        Patch::Clear => labels.clear(),
        Patch::Set(changes) => {
            for (name, value) in changes {
                match value {
                    Some(value) => drop(labels.insert(name.clone(), value.clone())),
                    None => drop(labels.remove(name)),
                }
            }
        }
    }
    if labels.len() > MAX_LABELS {
        return Err(DomainError::Invalid { pointer: "/labels", detail: "expected at most 20 labels" });
    }
    Ok(())
}

fn boxed(patch: &Patch<String>) -> Patch<Box<str>> {
    match patch {
        Patch::Keep => Patch::Keep,
        Patch::Clear => Patch::Clear,
        Patch::Set(text) => Patch::Set(text.as_str().into()),
    }
}

fn boxed_list(patch: &Patch<Vec<String>>) -> Patch<Box<[Box<str>]>> {
    match patch {
        Patch::Keep => Patch::Keep,
        Patch::Clear => Patch::Clear,
        Patch::Set(list) => Patch::Set(list.iter().map(|one| one.as_str().into()).collect()),
    }
}
