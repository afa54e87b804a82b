//! This node beside others: it follows their changes and renews its read lease.
//!
//! A renewal is one transaction that holds the row of the position, so that no change is committed meanwhile; it takes in
//! what it has not yet, and only then acknowledges. It comes at its time only, since changes wait for it: whoever is woken
//! up between two renewals takes in and acknowledges without holding anything, and gets no new lease by that.
//!
//! A node has a connection of its own for this: uses that wait for a free one must not cost the lease.

use std::sync::Arc;
use std::time::Duration;

use countermark_domain::lease::{BootClock, BootTime, Renewal, SystemBootClock, lease_end};
use countermark_domain::store::Position;
use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::acknowledge::{Acknowledgements, sightings};
use super::connect::PostgresUrl;
use super::failure::Failure;
use super::log::Logged;
use super::transaction::Transactions;
use super::unavailable;
use super::vitals::Vitals;
use super::{log, told::Told};
use crate::OpenError;
use crate::row::signed;
use crate::seal::FillRandom;

/// How many renewals are tried within the length of one lease.
const RENEWALS_PER_LEASE: u32 = 3;

/// How often what dead nodes have left is removed.
const TIDY_EVERY: Duration = Duration::from_secs(30);

/// How long a node that does not renew stays in the table. Long after its lease: nobody waits for it any more, but people
/// can see it.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Pause before another attempt to listen.
const LISTEN_PAUSE: Duration = Duration::from_secs(1);

/// Who this node is, and how far it has followed the changes.
pub(super) struct Node {
    pub id: Arc<str>,
    pub vitals: Arc<Vitals>,
    name: String,
    length: Duration,
    applied: Position,
    renewals: u64,
    /// When the last renewal was sent that has succeeded.
    renewed: BootTime,
    clock: SystemBootClock,
}

impl Node {
    /// A node that begins now, with nothing to forget: it follows from the last change on.
    pub(super) async fn begin(
        connection: &mut PgConnection,
        lease: Duration,
        fill_random: &FillRandom,
    ) -> Result<Self, OpenError> {
        let position: i64 = sqlx::query_scalar("SELECT change_position FROM installation")
            .fetch_one(connection)
            .await
            .map_err(unavailable)?;
        let system = rustix::system::uname();
        let host = system.nodename().to_string_lossy().into_owned();
        let id: Arc<str> = new_id(fill_random).into();
        let name = format!("{host}:{}", std::process::id());
        Ok(Self {
            vitals: Arc::new(Vitals::new(Arc::clone(&id), name.clone(), lease)),
            id,
            name,
            length: lease,
            applied: Position(position.unsigned_abs()),
            renewals: 0,
            renewed: BootTime::default(),
            clock: SystemBootClock,
        })
    }

    /// Takes in every change that is committed, acknowledges them and so gets a new lease.
    pub(super) async fn renew(&mut self, connection: &mut PgConnection, told: &Told) -> Result<(), Failure> {
        let sent = self.clock.now();
        let mut transaction =
            connection.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await?;
        let position: i64 = sqlx::query_scalar("SELECT change_position FROM installation FOR SHARE")
            .fetch_one(&mut *transaction)
            .await?;
        let position = Position(position.unsigned_abs());
        let mut written = None;
        if position != self.applied {
            written = self.take_in(&mut transaction, position, told).await?;
        }
        self.renewals += 1;
        let asked = self.clock.now();
        let database_millis = self.acknowledge(&mut transaction).await?;
        transaction.commit().await?;
        self.renewed = sent;
        // The time was read somewhere between: taken as early, it is never behind the database's.
        let time = (database_millis, asked);
        let until = lease_end(sent, self.length);
        told.listener.renewed(Renewal { until, time: Some(time) });
        self.vitals.took_in(position, written.map(|written| (written, database_millis)));
        self.vitals.renewed(sent, until);
        Ok(())
    }

    /// Takes in and acknowledges what has been committed since, without a new lease.
    async fn catch_up(&mut self, connection: &mut PgConnection, told: &Told) -> Result<(), Failure> {
        // What cannot be read one by one is left to the next renewal, which knows the last position.
        let Some(changes) = log::since(connection, self.applied).await? else { return Ok(()) };
        let Some(last) = changes.last().map(|last| last.change.position) else { return Ok(()) };
        let written = tell(told, &changes);
        self.applied = last;
        let database_millis: Option<i64> = sqlx::query_scalar(
            "UPDATE nodes SET acknowledged = $2 WHERE id = $1
             RETURNING (extract(epoch FROM clock_timestamp()) * 1000)::bigint",
        )
        .bind(&*self.id)
        .bind(signed(last.0))
        .fetch_optional(connection)
        .await?;
        self.vitals.took_in(last, written.zip(database_millis.map(i64::unsigned_abs)));
        Ok(())
    }

    /// When the last change was written that had not been told before, by the database's clock in milliseconds; `None`
    /// also where changes are not known one by one.
    async fn take_in(
        &mut self,
        connection: &mut PgConnection,
        position: Position,
        told: &Told,
    ) -> Result<Option<u64>, Failure> {
        let changes = if position < self.applied {
            // As after a fail-over to a server that had not everything.
            tracing::warn!(?position, applied = ?self.applied, "the database has gone back in time");
            None
        } else {
            log::after(connection, self.applied, position).await?
        };
        let written = match changes {
            Some(changes) => tell(told, &changes),
            None => {
                told.lose_track(position);
                None
            }
        };
        self.applied = position;
        Ok(written)
    }

    /// The database's time in milliseconds. The number of renewals is this node's own count, so that it never repeats.
    async fn acknowledge(&self, connection: &mut PgConnection) -> Result<u64, Failure> {
        let millis: i64 = sqlx::query_scalar(
            "INSERT INTO nodes (id, name, started_at, lease_millis, renewals, acknowledged, renewed_at)
             VALUES ($1, $2, extract(epoch FROM clock_timestamp())::bigint, $3, $4, $5,
                     extract(epoch FROM clock_timestamp())::bigint)
             ON CONFLICT (id) DO UPDATE
             SET renewals = excluded.renewals, acknowledged = excluded.acknowledged, renewed_at = excluded.renewed_at
             RETURNING (extract(epoch FROM clock_timestamp()) * 1000)::bigint",
        )
        .bind(&*self.id)
        .bind(&self.name)
        .bind(i64::try_from(self.length.as_millis()).unwrap_or(i64::MAX))
        .bind(signed(self.renewals))
        .bind(signed(self.applied.0))
        .fetch_one(connection)
        .await?;
        Ok(millis.unsigned_abs())
    }

    /// Renews over and over and catches up when it is woken up between; for ever.
    pub(super) async fn follow(
        mut self,
        url: PostgresUrl,
        transactions: Arc<Transactions>,
        acknowledgements: Arc<Acknowledgements>,
    ) {
        let wake = Arc::new(Notify::new());
        let vitals = Arc::clone(&self.vitals);
        let listen = || {
            let channel = transactions.channel()?;
            Some(listen(url.clone(), channel, wake.clone(), vitals.clone()))
        };
        let mut listening = listen();
        let mut connection = None;
        let mut tidied = self.clock.now();
        let mut looked = BootTime::default();
        loop {
            let renewed =
                timeout(self.length, self.beat(&mut connection, &url, &transactions.told, &wake)).await;
            if !matches!(renewed, Ok(Ok(()))) {
                tracing::debug!(failure = ?renewed, "the read lease could not be renewed");
                self.vitals.not_renewed(self.clock.now(), &renewed);
                // It may hang in the middle of an exchange.
                connection = None;
                if let Some(listening) = &listening {
                    listening.abort();
                }
                sleep(self.length / 10).await;
                continue;
            }
            if listening.as_ref().is_some_and(tokio::task::JoinHandle::is_finished) {
                listening = listen();
            }
            if self.clock.now().since(looked) >= self.length {
                looked = self.clock.now();
                self.look_around(&mut connection).await;
            }
            if self.clock.now().since(tidied) > TIDY_EVERY {
                tidied = self.clock.now();
                // Beside the renewals: it may have to wait for a free connection, and they must not.
                let (transactions, acknowledgements) = (transactions.clone(), acknowledgements.clone());
                tokio::task::spawn_local(
                    async move { acknowledgements.tidy(&transactions, REMEMBERED).await },
                );
            }
        }
    }

    /// Sees who else is there, for people only.
    async fn look_around(&self, connection: &mut Option<PgConnection>) {
        let Some(open) = connection else { return };
        let seen = timeout(self.length / RENEWALS_PER_LEASE, sightings(open)).await;
        match seen {
            Ok(Ok(seen)) => {
                let others = seen.into_iter().map(|seen| seen.sighting).filter(|it| it.node != *self.id);
                self.vitals.saw(others.collect(), self.clock.now());
            }
            _ => *connection = None,
        }
    }

    /// A connection to renew on. A node that stops in the middle of a renewal holds up every change of the others: not for
    /// longer than they would wait for its lease.
    async fn connect(&self, url: &PostgresUrl) -> Result<PgConnection, sqlx::Error> {
        let mut connection = url.connect_limited().await?;
        let silence = (self.length / 2).as_millis();
        let limit = format!("SET idle_in_transaction_session_timeout = {silence}");
        connection.execute(AssertSqlSafe(limit)).await?;
        Ok(connection)
    }

    /// One renewal, and what comes before it is due.
    async fn beat(
        &mut self,
        connection: &mut Option<PgConnection>,
        url: &PostgresUrl,
        told: &Told,
        wake: &Notify,
    ) -> Result<(), Failure> {
        if connection.is_none() {
            *connection = Some(self.connect(url).await?);
        }
        let Some(connection) = connection else { return Ok(()) };
        loop {
            let since = self.clock.now().since(self.renewed);
            let left = (self.length / RENEWALS_PER_LEASE).saturating_sub(since);
            // However many wake it up, the renewal comes in time.
            if left.is_zero() || timeout(left, wake.notified()).await.is_err() {
                return self.renew(connection, told).await;
            }
            self.catch_up(connection, told).await?;
        }
    }
}

/// Tells of changes; when the last was written that had not been told before.
fn tell(told: &Told, changes: &[Logged]) -> Option<u64> {
    let mut written = None;
    for Logged { change, at_millis } in changes {
        if told.tell(change) {
            written = Some(*at_millis);
        }
    }
    written
}

/// Wakes up the node whenever the database says that there is a change; ends when the connection does.
fn listen(
    url: PostgresUrl,
    channel: Arc<str>,
    wake: Arc<Notify>,
    vitals: Arc<Vitals>,
) -> tokio::task::JoinHandle<()> {
    tokio::task::spawn_local(async move {
        let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(url.options());
        let listened = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.ignore_pool_close_event(true);
            listener.listen(&channel).await?;
            let _woken_up = vitals.woken_up();
            // Something may have come before.
            wake.notify_one();
            while listener.try_recv().await?.is_some() {
                wake.notify_one();
            }
            Ok::<(), sqlx::Error>(())
        };
        if let Err(error) = listened.await {
            tracing::debug!(%error, "changes are looked for without being woken up");
        }
        sleep(LISTEN_PAUSE).await;
    })
}

/// Where the nodes of this schema are woken up; `None` if the database cannot do that.
pub(super) async fn channel(connection: &mut PgConnection) -> Result<Option<Arc<str>>, OpenError> {
    let schema: String = sqlx::query_scalar("SELECT current_schema()::text")
        .fetch_one(&mut *connection)
        .await
        .map_err(unavailable)?;
    let name: String = format!("countermark:{schema}").chars().filter(|it| *it != '"').collect();
    // Names are cut at 63 bytes; one that is cut within a character would be none.
    let end = (0..=63.min(name.len())).rev().find(|end| name.is_char_boundary(*end)).unwrap_or_default();
    let name = &name[..end];
    let can_listen = async {
        connection.execute(AssertSqlSafe(format!("LISTEN \"{name}\""))).await?;
        connection.execute(AssertSqlSafe(format!("UNLISTEN \"{name}\""))).await
    };
    match can_listen.await {
        Ok(_) => Ok(Some(name.into())),
        Err(sqlx::Error::Database(error)) => {
            tracing::info!(%error, "the database cannot wake nodes up; they look for changes by themselves");
            Ok(None)
        }
        Err(error) => Err(unavailable(error).into()),
    }
}

/// An id that no other node has or had.
fn new_id(fill_random: &FillRandom) -> String {
    let mut random = [0; 16];
    fill_random(&mut random);
    format!("nod_{}", crate::row::hex(&random))
}

/// Ends the lease at once; to be called before this node says that it is gone.
pub(super) fn end_lease(told: &Told) {
    told.listener.renewed(Renewal { until: BootTime::default(), time: None });
}
