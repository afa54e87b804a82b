//! The engine for many nodes: PostgreSQL as the only truth. Whatever a node holds in memory, another one may have changed;
//! so nothing here rests on being the only writer.

mod acknowledge;
mod at_once;
mod attempt;
mod audit;
mod bounds;
mod call;
mod change;
mod connect;
mod credential;
mod failure;
mod figures;
mod idempotency;
mod installation;
mod lane;
mod lend;
mod list;
mod log;
pub(crate) mod maintain;
pub(crate) mod migrate;
mod node;
mod notice;
mod notification;
mod notification_secret;
#[cfg(test)]
mod plan_tests;
mod pulse;
pub(crate) mod rotate;
#[cfg(test)]
#[expect(dead_code, reason = "the other tests use the rest of it")]
#[path = "../../tests/fixture/postgres.rs"]
pub(crate) mod server;
mod take;
mod thread;
mod token;
mod told;
mod transaction;
mod upload;
mod vitals;

use std::sync::Arc;

use async_trait::async_trait;
use countermark_core::{Token, TokenId, UnixSeconds, ValueDigest};
use countermark_domain::lease::{BootClock, SystemBootClock};
use countermark_domain::store::{
    AuditEntry, AuditFilter, AuditRecord, Booked, Changed, Condition, ConnectionFigures, HourlyDecisions,
    HourlyUse, IdempotencyKey, Inserted, KeptAnswer, ListFilter, Lookup, NewCredential, Recalled, Revealed,
    Snapshot, Statistics, Store, StoreError, UseOutcome, UseRequest,
};
use sqlx::{Connection, PgConnection};
use tokio::sync::Notify;
use tokio::time::timeout;
use zeroize::Zeroizing;

pub use self::connect::PostgresUrl;

use self::acknowledge::Acknowledgements;
use self::call::Length;
use self::change::Regeneration;
use self::failure::Failure;
use self::lane::Lane;
use self::node::Node;
use self::thread::StoreThread;
use self::told::Told;
use self::transaction::{Transaction, Transactions};
use self::vitals::Vitals;
use crate::row::{Reader, signed};
use crate::vault::Vault;
use crate::verdict::Verdict;
use crate::{OpenError, Settings};

/// A [`Store`] in one schema of a PostgreSQL database, which other nodes may have open too.
pub(crate) struct PostgresStore {
    thread: StoreThread,
    transactions: Arc<Transactions>,
    acknowledgements: Arc<Acknowledgements>,
    vitals: Arc<Vitals>,
    /// Ends the following of changes.
    stop: Arc<Notify>,
    lane: Arc<Lane>,
    vault: Arc<Vault>,
}

impl PostgresStore {
    pub(crate) async fn open(url: &PostgresUrl, settings: Settings) -> Result<Self, OpenError> {
        let mut connection = url.connect().await?;
        if !url.may_lose_commits() {
            demand_durability(&mut connection).await?;
        }
        migrate::migrate(&mut connection, migrate::MIGRATIONS).await?;
        let Settings { master_key, fill_random, listener } = settings;
        let vault = installation::vault(&mut connection, &master_key, fill_random.clone()).await?;
        let told = Told::new(listener);
        let mut node = Node::begin(&mut connection, url.lease(), &fill_random).await?;
        // Before anything else asks for the time: it is the database's from the first moment on.
        let Ok(renewed) =
            timeout(bounds::OPEN.max(url.bounds().wait), node.renew(&mut connection, &told)).await
        else {
            return Err(StoreError::Unavailable("the database commits nothing".into()).into());
        };
        renewed.map_err(StoreError::from)?;
        let channel = node::channel(&mut connection).await?;
        connection.close().await.map_err(unavailable)?;
        let made_of = url.clone();
        let (thread, transactions) =
            StoreThread::start(move || Transactions::new(&made_of, told, channel)).await?;
        let acknowledgements = Arc::new(Acknowledgements::new(Arc::clone(&node.id), url.lease()));
        let (vitals, lane) = (Arc::clone(&node.vitals), Arc::new(Lane::new(url.clone())));
        let (stop, vault) = (Arc::default(), Arc::new(vault));
        let store = Self { thread, transactions, acknowledgements, vitals, stop, lane, vault };
        store.follow(node, url.clone()).await?;
        Ok(store)
    }

    /// Has the node follow the changes of others until the thread ends.
    async fn follow(&self, node: Node, url: PostgresUrl) -> Result<(), StoreError> {
        let (transactions, acknowledgements) = (self.transactions.clone(), self.acknowledgements.clone());
        let stop = self.stop.clone();
        let follow = async move || {
            tokio::task::spawn_local(async move {
                tokio::select! {
                    // Looked at first: once told to stop, no renewal comes to its end any more.
                    biased;
                    () = stop.notified() => {}
                    () = node.follow(url, transactions, acknowledgements) => {}
                }
            });
            Ok(())
        };
        self.thread.run(follow).await
    }

    /// Runs reading statements, for somebody who waits.
    async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFn(&mut PgConnection) -> Result<T, Failure> + Send + 'static,
    {
        let transactions = Arc::clone(&self.transactions);
        self.thread.run(async move || transactions.read(Length::Prompt, work).await).await
    }

    /// Runs statements that read as much as there is.
    async fn read_much<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFn(&mut PgConnection) -> Result<T, Failure> + Send + 'static,
    {
        let transactions = Arc::clone(&self.transactions);
        self.thread.run(async move || transactions.read(Length::Long, work).await).await
    }

    /// Runs a transaction, for somebody who waits; `work` may be run several times.
    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Transaction) -> Result<Verdict<T>, Failure> + Send + 'static,
    {
        let transactions = Arc::clone(&self.transactions);
        self.thread.run(async move || transactions.write(Length::Prompt, work).await).await
    }

    /// Runs a transaction over as many rows as there are; `work` may be run several times.
    async fn write_much<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Transaction) -> Result<Verdict<T>, Failure> + Send + 'static,
    {
        let transactions = Arc::clone(&self.transactions);
        self.thread.run(async move || transactions.write(Length::Long, work).await).await
    }

    /// Runs a statement that commits by itself: a node that is stopped in the middle of it holds up nobody, as one would
    /// within a transaction that holds the row of the position.
    async fn by_itself<F>(&self, work: F) -> Result<(), StoreError>
    where
        F: AsyncFnOnce(&mut PgConnection) -> Result<(), Failure> + Send + 'static,
    {
        let lane = Arc::clone(&self.lane);
        self.thread.run(async move || Ok(lane.run(work).await?)).await
    }

    /// Runs a transaction that may change configurations, and waits until every node decides with what it has changed or
    /// found changed.
    async fn change<T, F>(&self, length: Length, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Transaction) -> Result<Verdict<T>, Failure> + Send + 'static,
    {
        let (transactions, acknowledgements) = (self.transactions.clone(), self.acknowledgements.clone());
        self.thread
            .run(async move || {
                let (value, position) = transactions.change(length, work).await?;
                let is_own = position.is_some();
                let position = match position {
                    Some(position) => position,
                    None => transactions.committed().await?,
                };
                acknowledgements.wait(&transactions, position, is_own).await?;
                Ok(value)
            })
            .await
    }
}

/// Refuses a database that may forget what it has said to be committed: uses that were granted would be granted again.
pub(crate) async fn demand_durability(connection: &mut PgConnection) -> Result<(), OpenError> {
    for (setting, query) in [
        ("fsync = off", "SELECT current_setting('fsync') = 'off'"),
        ("synchronous_commit = off", "SELECT current_setting('synchronous_commit') = 'off'"),
        // A standby takes over without what was only local.
        (
            "synchronous_commit = local beside a synchronous standby",
            "SELECT current_setting('synchronous_commit') = 'local' AND current_setting('synchronous_standby_names') <> ''",
        ),
    ] {
        let is_off: bool =
            sqlx::query_scalar(query).fetch_one(&mut *connection).await.map_err(unavailable)?;
        if is_off {
            return Err(OpenError::NotDurable { setting });
        }
    }
    Ok(())
}

#[async_trait]
impl Store for PostgresStore {
    fn digest(&self, value: &str) -> ValueDigest {
        self.vault.digester.digest(value)
    }

    fn derive_key(&self, purpose: &'static str) -> Zeroizing<[u8; 32]> {
        self.vault.digester.derive_key(purpose)
    }

    async fn find(&self, by: Lookup) -> Result<Snapshot<Option<Token>>, StoreError> {
        let vault = self.vault.clone();
        self.read(async move |connection| token::find(connection, &vault, by).await).await
    }

    async fn list(&self, filter: &ListFilter) -> Result<Vec<Token>, StoreError> {
        let (vault, filter) = (self.vault.clone(), filter.clone());
        self.read_much(async move |connection| list::list(connection, &vault, &filter).await).await
    }

    async fn reveal(&self, id: TokenId, audit: AuditEntry) -> Result<Option<Revealed>, StoreError> {
        let vault = self.vault.clone();
        self.write(async move |transaction| credential::reveal(transaction, &vault, id, &audit).await).await
    }

    async fn open(&self, ids: &[TokenId]) -> Result<Vec<Option<Revealed>>, StoreError> {
        let (vault, ids) = (self.vault.clone(), ids.to_vec());
        self.read_much(async move |connection| credential::open(connection, &vault, &ids).await).await
    }

    async fn note(&self, audit: AuditEntry) -> Result<(), StoreError> {
        self.write(async move |transaction| {
            audit::append(transaction, &audit).await?;
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
        let (transactions, lane) = (Arc::clone(&self.transactions), Arc::clone(&self.lane));
        self.thread
            .run(async move || {
                match lane.run(async |connection| at_once::take(connection, &uses, now).await).await {
                    Ok(Some(booked)) => Ok(booked),
                    // What got in the way of something else was undone as a whole, too.
                    Ok(None) | Err(Failure::Conflict(_)) => {
                        transactions
                            .write(Length::Prompt, async |transaction| {
                                take::take(transaction, &vault, &uses, now).await
                            })
                            .await
                    }
                    Err(failure) => Err(failure.into()),
                }
            })
            .await
    }

    async fn add_statistics(&self, statistics: &Statistics) -> Result<Booked<()>, StoreError> {
        let statistics = statistics.clone();
        self.write_much(async move |transaction| figures::add(transaction, &statistics).await).await
    }

    async fn insert(
        &self,
        token: &Token,
        credential: NewCredential,
        audit: AuditEntry,
        kept: Option<KeptAnswer>,
    ) -> Result<Inserted, StoreError> {
        let (vault, token) = (self.vault.clone(), token.clone());
        self.change(Length::Prompt, async move |transaction| {
            change::insert(transaction, &vault, &token, &credential, &audit, kept.as_ref()).await
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
        self.change(Length::Prompt, async move |transaction| {
            change::bootstrap(transaction, &vault, &token, &credential, &audit).await
        })
        .await
    }

    async fn is_bootstrapped(&self) -> Result<bool, StoreError> {
        self.read(async |connection| {
            let query = sqlx::query_scalar("SELECT bootstrapped_at IS NOT NULL FROM installation");
            Ok(query.fetch_one(connection).await?)
        })
        .await
    }

    async fn update(&self, token: &Token, expected: u64, audit: AuditEntry) -> Result<Changed, StoreError> {
        let (vault, token) = (self.vault.clone(), token.clone());
        self.change(Length::Prompt, async move |transaction| {
            change::update(transaction, &vault, &token, expected, None, &audit).await
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
        self.change(Length::Prompt, async move |transaction| {
            change::update(transaction, &vault, &token, expected, Some(&credential), &audit).await
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
        self.change(Length::Prompt, async move |transaction| {
            let regeneration =
                Regeneration { token: &token, expected, credential: &credential, overlap_until };
            change::regenerate(transaction, &vault, regeneration, &audit, kept.as_ref()).await
        })
        .await
    }

    async fn descent(&self, id: TokenId) -> Result<Vec<(TokenId, u64)>, StoreError> {
        self.read_much(async move |connection| change::descent(connection, id).await).await
    }

    async fn revoke(
        &self,
        id: TokenId,
        at: UnixSeconds,
        judged: Option<&[(TokenId, u64)]>,
        audit: AuditEntry,
    ) -> Result<Option<Vec<TokenId>>, StoreError> {
        let (vault, judged) = (self.vault.clone(), judged.map(<[_]>::to_vec));
        self.change(Length::Long, async move |transaction| {
            change::revoke(transaction, &vault, id, at, judged.as_deref(), &audit).await
        })
        .await
    }

    async fn purge(&self, id: TokenId, audit: AuditEntry) -> Result<bool, StoreError> {
        let vault = self.vault.clone();
        self.change(Length::Long, async move |transaction| {
            change::purge(transaction, &vault, id, &audit).await
        })
        .await
    }

    async fn sweep(&self, now: UnixSeconds, at_most: u32) -> Result<u64, StoreError> {
        self.change(Length::Long, async move |transaction| change::sweep(transaction, now, at_most).await)
            .await
    }

    async fn recall(&self, key: IdempotencyKey, now: UnixSeconds) -> Result<Recalled, StoreError> {
        let vault = self.vault.clone();
        self.read(async move |connection| idempotency::recall(connection, &vault, key, now).await).await
    }

    async fn usage(
        &self,
        id: TokenId,
        from: UnixSeconds,
        to: UnixSeconds,
    ) -> Result<Vec<HourlyUse>, StoreError> {
        self.read_much(async move |connection| figures::usage(connection, id, from, to).await).await
    }

    async fn decisions(
        &self,
        from: UnixSeconds,
        to: UnixSeconds,
    ) -> Result<Vec<HourlyDecisions>, StoreError> {
        self.read_much(async move |connection| figures::decisions(connection, from, to).await).await
    }

    async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRecord>, StoreError> {
        let filter = filter.clone();
        self.read_much(async move |connection| audit::read(connection, &filter).await).await
    }

    async fn highest_time(&self) -> Result<UnixSeconds, StoreError> {
        self.read(async |connection| {
            let query = sqlx::query("SELECT only_row, highest_time_seen FROM installation");
            let row = query.fetch_one(connection).await?;
            Ok(Reader::new(&row, "installation", "only_row").instant("highest_time_seen")?)
        })
        .await
    }

    async fn raise_highest_time(&self, now: UnixSeconds) -> Result<(), StoreError> {
        self.by_itself(async move |connection| {
            sqlx::query("UPDATE installation SET highest_time_seen = $1 WHERE highest_time_seen < $1")
                .bind(signed(now.get()))
                .execute(connection)
                .await?;
            Ok(())
        })
        .await
    }

    async fn settle(&self) -> Result<(), StoreError> {
        let (transactions, acknowledgements) = (self.transactions.clone(), self.acknowledgements.clone());
        self.thread
            .run(async move || {
                let position = transactions.committed().await?;
                acknowledgements.wait(&transactions, position, false).await
            })
            .await
    }

    fn condition(&self) -> Condition {
        let sharing = self.vitals.sharing(SystemBootClock.now(), self.acknowledgements.waits());
        Condition::Shared(Box::new(sharing))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // Found, the row has been read. The same number written again is a record in the log all the same.
        self.by_itself(async |connection| {
            sqlx::query("UPDATE installation SET highest_time_seen = highest_time_seen")
                .execute(connection)
                .await?;
            Ok(())
        })
        .await
    }

    fn connections(&self) -> Option<ConnectionFigures> {
        Some(self.transactions.lender.figures())
    }

    async fn close(&self) {
        let (transactions, acknowledgements) = (self.transactions.clone(), self.acknowledgements.clone());
        let (stop, lane, vitals) = (self.stop.clone(), self.lane.clone(), self.vitals.clone());
        let closed = self.thread.run(async move || {
            stop.notify_one();
            node::end_lease(&transactions.told);
            vitals.leave();
            // Otherwise the others wait for its lease once more.
            let _ = acknowledgements.leave(&transactions).await;
            lane.close().await;
            transactions.lender.close().await;
            Ok(())
        });
        // It fails only if the thread has ended, and the connections with it.
        let _ = closed.await;
    }
}

/// The error of a call of which nothing has been kept, unless it comes from the commit. PostgreSQL names tables and columns
/// in it, never their contents.
fn unavailable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
