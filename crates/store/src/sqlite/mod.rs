//! The engine for one node: SQLite in WAL mode, one connection that writes, a few that read beside it.

mod attempt;
mod audit;
mod change;
mod credential;
mod figures;
pub(crate) mod files;
mod idempotency;
pub(crate) mod installation;
mod job;
mod list;
pub(crate) mod maintain;
pub(crate) mod migrate;
mod notice;
mod notification;
mod notification_secret;
#[cfg(test)]
mod plan_tests;
pub(crate) mod rotate;
mod take;
mod token;
mod upload;
mod writer;
#[cfg(test)]
mod writer_tests;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use countermark_core::{Token, TokenId, UnixSeconds, ValueDigest};
use countermark_domain::lease::{BootTime, Renewal};
use countermark_domain::store::{
    AuditEntry, AuditFilter, AuditRecord, Booked, Changed, HourlyDecisions, HourlyUse, IdempotencyKey,
    Inserted, KeptAnswer, ListFilter, Lookup, NewCredential, Recalled, Revealed, Snapshot, Statistics, Store,
    StoreError, UseOutcome, UseRequest,
};
use sqlx::{ConnectOptions, SqlitePool};
use tokio::sync::Notify;
use zeroize::Zeroizing;

use self::change::Regeneration;
use self::writer::WriterHandle;
use crate::row::{Reader, signed};
use crate::vault::Vault;
use crate::verdict::Verdict;
use crate::{OpenError, Settings};

/// A [`Store`] in one SQLite file.
pub(crate) struct SqliteStore {
    readers: SqlitePool,
    writer: WriterHandle,
    vault: Arc<Vault>,
    /// Told of every row that is put into the outbox.
    added: Arc<Notify>,
}

impl SqliteStore {
    pub(crate) async fn open(path: &Path, settings: Settings) -> Result<Self, OpenError> {
        let path = &files::create(path)?;
        let lock = files::lock(path)?;
        let options = files::writing(path);
        let mut connection = options.connect().await.map_err(unavailable)?;
        migrate::migrate(&mut connection, path, migrate::MIGRATIONS).await?;
        let vault =
            installation::vault(&mut connection, path, &settings.master_key, settings.fill_random).await?;
        let added = Arc::new(Notify::new());
        // Nobody else can write while the lock is held.
        settings.listener.renewed(Renewal { until: BootTime::FOREVER, time: None });
        let writer = WriterHandle::start(connection, options, settings.listener, added.clone(), lock).await?;
        Ok(Self { readers: files::readers(path), writer, vault: Arc::new(vault), added })
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn digest(&self, value: &str) -> ValueDigest {
        self.vault.digester.digest(value)
    }

    fn derive_key(&self, purpose: &'static str) -> Zeroizing<[u8; 32]> {
        self.vault.digester.derive_key(purpose)
    }

    async fn find(&self, by: Lookup) -> Result<Snapshot<Option<Token>>, StoreError> {
        token::find(&self.readers, &self.vault, by).await
    }

    async fn list(&self, filter: &ListFilter) -> Result<Vec<Token>, StoreError> {
        list::list(&self.readers, &self.vault, filter).await
    }

    async fn reveal(&self, id: TokenId, audit: AuditEntry) -> Result<Option<Revealed>, StoreError> {
        let vault = self.vault.clone();
        self.writer
            .run(async move |connection| credential::reveal(connection, &vault, id, &audit).await)
            .await
    }

    async fn open(&self, ids: &[TokenId]) -> Result<Vec<Option<Revealed>>, StoreError> {
        credential::open(&self.readers, &self.vault, ids).await
    }

    async fn note(&self, audit: AuditEntry) -> Result<(), StoreError> {
        self.writer
            .run(async move |connection| {
                audit::append(connection, &audit).await?;
                Ok(Verdict::Keep(()))
            })
            .await
    }

    async fn take_uses(
        &self,
        uses: &[UseRequest],
        now: UnixSeconds,
    ) -> Result<Booked<Vec<UseOutcome>>, StoreError> {
        let (vault, uses) = (self.vault.clone(), uses.to_vec());
        self.writer.run(async move |connection| take::take(connection, &vault, &uses, now).await).await
    }

    async fn add_statistics(&self, statistics: &Statistics) -> Result<Booked<()>, StoreError> {
        let statistics = statistics.clone();
        self.writer.run(async move |connection| figures::add(connection, &statistics).await).await
    }

    async fn insert(
        &self,
        token: &Token,
        credential: NewCredential,
        audit: AuditEntry,
        kept: Option<KeptAnswer>,
    ) -> Result<Inserted, StoreError> {
        let (vault, token) = (self.vault.clone(), token.clone());
        self.writer
            .run(async move |connection| {
                change::insert(connection, &vault, &token, credential, audit, kept).await
            })
            .await
    }

    async fn bootstrap(
        &self,
        token: &Token,
        credential: NewCredential,
        audit: AuditEntry,
    ) -> Result<bool, StoreError> {
        let (vault, token) = (self.vault.clone(), token.clone());
        self.writer
            .run(async move |connection| {
                change::bootstrap(connection, &vault, &token, credential, audit).await
            })
            .await
    }

    async fn is_bootstrapped(&self) -> Result<bool, StoreError> {
        sqlx::query_scalar("SELECT bootstrapped_at IS NOT NULL FROM installation")
            .fetch_one(&self.readers)
            .await
            .map_err(unavailable)
    }

    async fn update(&self, token: &Token, expected: u64, audit: AuditEntry) -> Result<Changed, StoreError> {
        let (vault, token) = (self.vault.clone(), token.clone());
        self.writer
            .run(async move |connection| {
                change::update(connection, &vault, &token, expected, None, audit).await
            })
            .await
    }

    async fn update_with_credential(
        &self,
        token: &Token,
        expected: u64,
        credential: NewCredential,
        audit: AuditEntry,
    ) -> Result<Changed, StoreError> {
        let (vault, token) = (self.vault.clone(), token.clone());
        self.writer
            .run(async move |connection| {
                change::update(connection, &vault, &token, expected, Some(credential), audit).await
            })
            .await
    }

    async fn regenerate(
        &self,
        token: &Token,
        expected: u64,
        credential: NewCredential,
        overlap_until: UnixSeconds,
        audit: AuditEntry,
        kept: Option<KeptAnswer>,
    ) -> Result<Changed, StoreError> {
        let (vault, token) = (self.vault.clone(), token.clone());
        self.writer
            .run(async move |connection| {
                let regeneration = Regeneration { token: &token, expected, credential, overlap_until };
                change::regenerate(connection, &vault, regeneration, audit, kept).await
            })
            .await
    }

    async fn descent(&self, id: TokenId) -> Result<Vec<(TokenId, u64)>, StoreError> {
        change::descent(&self.readers, id).await
    }

    async fn revoke(
        &self,
        id: TokenId,
        at: UnixSeconds,
        judged: Option<&[(TokenId, u64)]>,
        audit: AuditEntry,
    ) -> Result<Option<Vec<TokenId>>, StoreError> {
        let (vault, judged) = (self.vault.clone(), judged.map(<[_]>::to_vec));
        self.writer
            .run(async move |connection| {
                change::revoke(connection, &vault, id, at, judged.as_deref(), audit).await
            })
            .await
    }

    async fn purge(&self, id: TokenId, audit: AuditEntry) -> Result<bool, StoreError> {
        let vault = self.vault.clone();
        self.writer.run(async move |connection| change::purge(connection, &vault, id, audit).await).await
    }

    async fn sweep(&self, now: UnixSeconds, at_most: u32) -> Result<u64, StoreError> {
        self.writer.run(async move |connection| change::sweep(connection, now, at_most).await).await
    }

    async fn recall(&self, key: IdempotencyKey, now: UnixSeconds) -> Result<Recalled, StoreError> {
        idempotency::recall(&self.readers, &self.vault, key, now).await
    }

    async fn usage(
        &self,
        id: TokenId,
        from: UnixSeconds,
        to: UnixSeconds,
    ) -> Result<Vec<HourlyUse>, StoreError> {
        figures::usage(&self.readers, id, from, to).await
    }

    async fn decisions(
        &self,
        from: UnixSeconds,
        to: UnixSeconds,
    ) -> Result<Vec<HourlyDecisions>, StoreError> {
        figures::decisions(&self.readers, from, to).await
    }

    async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRecord>, StoreError> {
        audit::read(&self.readers, filter).await
    }

    async fn highest_time(&self) -> Result<UnixSeconds, StoreError> {
        let row = sqlx::query("SELECT only_row, highest_time_seen FROM installation")
            .fetch_one(&self.readers)
            .await
            .map_err(unavailable)?;
        Reader::new(&row, "installation", "only_row").instant("highest_time_seen")
    }

    async fn raise_highest_time(&self, now: UnixSeconds) -> Result<(), StoreError> {
        self.writer
            .run(async move |connection| {
                let raised = sqlx::query(
                    "UPDATE installation SET highest_time_seen = ?1 WHERE highest_time_seen < ?1",
                )
                .bind(signed(now.get()))
                .execute(connection)
                .await
                .map_err(unavailable)?;
                Ok(if raised.rows_affected() == 0 { Verdict::Undo(()) } else { Verdict::Keep(()) })
            })
            .await
    }

    async fn settle(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.is_bootstrapped().await?;
        // The same number written again is a page in the log all the same.
        self.writer
            .run(async move |connection| {
                sqlx::query("UPDATE installation SET highest_time_seen = highest_time_seen")
                    .execute(connection)
                    .await
                    .map_err(unavailable)?;
                Ok(Verdict::Keep(()))
            })
            .await
    }

    async fn close(&self) {
        // Readers first: the log can be emptied only when nobody reads from it.
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// The error of a call of which nothing has been kept. SQLite names tables and columns in it, never their contents.
pub(crate) fn unavailable(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
