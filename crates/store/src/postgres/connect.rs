//! Where a PostgreSQL database is, and the connections to it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use countermark_domain::store::StoreError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, PgPool};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::bounds::{Bounds, OPEN, WAIT};
use super::lend::{Lender, Suspicion};
use super::unavailable;
use crate::{InvalidLocation, OpenError};

/// Connections of one node. A database takes 100 unless told otherwise, and several nodes share it.
const CONNECTIONS: u32 = 8;

/// How long a node may trust what it remembers, unless told otherwise.
const LEASE: Duration = Duration::from_secs(1);

/// How the server learns that a node is gone while it works or waits for it: it looks whether the connection is closed,
/// gives up sending what nobody confirms, and asks silent connections for a sign of life. Not every server and system has
/// these settings; those that are there are set.
const WATCH: &str = "
    SELECT count(set_config(name, value, false))
    FROM pg_settings
    JOIN (VALUES ('client_connection_check_interval', '500ms'), ('tcp_user_timeout', '3000'),
                 ('tcp_keepalives_idle', '2'), ('tcp_keepalives_interval', '1'), ('tcp_keepalives_count', '2'))
         AS wanted (name, value) USING (name)";

/// Each statement that is a transaction by itself sees what was committed before it, whatever the database is set to: rows
/// that were waited for are read as they are then.
const ISOLATION: &str =
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE";

/// A database by its URL, `postgres://user:password@host:port/database?sslmode=verify-full` with the parameters of
/// libpq. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    text: Zeroizing<String>,
    may_lose_commits: bool,
    wait: Duration,
    connections: u32,
    lease: Duration,
}

impl PostgresUrl {
    /// The same database, also if it runs with `fsync` or `synchronous_commit` off: then a crash of it forgets uses that
    /// were granted.
    #[must_use]
    pub fn allow_lost_commits(self) -> Self {
        Self { may_lose_commits: true, ..self }
    }

    /// The same database, whose free connections and locks are waited for so long; 0.9 s unless told otherwise. Every
    /// other bound of a call follows from it: it is answered 0.6 s later at the latest, whatever the database does,
    /// unless it is one of the long ones.
    #[must_use]
    pub fn wait_at_most(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// The same database with so many connections of this node; 8 unless told otherwise.
    #[must_use]
    pub fn with_connections(self, connections: u32) -> Self {
        Self { connections, ..self }
    }

    /// The same database, where this node trusts for so long after a renewal what it remembers; 1 s unless told
    /// otherwise. Nodes may differ in it.
    #[must_use]
    pub fn with_lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// How long this node trusts what it remembers.
    pub(super) fn lease(&self) -> Duration {
        self.lease
    }

    /// How long calls of this node may take.
    pub(super) fn bounds(&self) -> Bounds {
        Bounds { wait: self.wait }
    }

    /// Whether a database that may forget what it has committed is to be opened all the same.
    pub(crate) fn may_lose_commits(&self) -> bool {
        self.may_lose_commits
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        let options = PgConnectOptions::from_str(&self.text).expect("the URL was read when it was given");
        options.application_name("countermark").disable_statement_logging()
    }

    /// A connection outside of any pool.
    pub(crate) async fn connect(&self) -> Result<PgConnection, OpenError> {
        match timeout(self.wait.max(OPEN), self.options().connect()).await {
            Ok(connection) => Ok(connection.map_err(unavailable)?),
            Err(_) => {
                Err(StoreError::Unavailable("the database accepts connections but says nothing".into())
                    .into())
            }
        }
    }

    /// A connection outside of any pool under the same limits.
    pub(super) async fn connect_limited(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = self.options().connect().await?;
        set_up(&mut connection, self.bounds()).await?;
        Ok(connection)
    }

    /// Connections of this node.
    pub(super) fn connections(&self) -> u32 {
        self.connections
    }

    /// Opens no connection yet.
    pub(super) fn lender(&self) -> Lender {
        let (bounds, suspicion) = (self.bounds(), Arc::new(Suspicion::default()));
        Lender::new(self.pool(bounds, Arc::clone(&suspicion)), bounds, suspicion)
    }

    fn pool(&self, bounds: Bounds, suspicion: Arc<Suspicion>) -> PgPool {
        PgPoolOptions::new()
            .max_connections(self.connections)
            .acquire_timeout(self.wait)
            // What is first asked of a connection shows whether it is alive, and is asked again of another one; they are
            // asked for nothing but that only when one of them has not answered.
            .test_before_acquire(false)
            .before_acquire(move |connection, about| {
                let is_suspect = suspicion.covers(about.idle_for);
                Box::pin(async move {
                    if is_suspect {
                        ping(connection, bounds.trifle()).await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(move |connection, _| Box::pin(set_up(connection, bounds)))
            .connect_lazy_with(self.options())
    }
}

/// Whether a connection answers in this time; if not, it is of no more use.
async fn ping(connection: &mut PgConnection, bound: Duration) -> Result<(), sqlx::Error> {
    match timeout(bound, connection.ping()).await {
        Ok(answered) => answered,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// Sets after which time the database takes the locks of a node that has fallen silent within a transaction, and for how
/// long others wait for a lock: no node hangs for ever because another one does.
///
/// No `statement_timeout`: one that strikes while a commit waits for a standby would have it confirmed without.
async fn set_up(connection: &mut PgConnection, bounds: Bounds) -> Result<(), sqlx::Error> {
    let (silence, lock) = (bounds.silence().as_millis(), bounds.wait.as_millis());
    let limits = format!("SET idle_in_transaction_session_timeout = {silence}; SET lock_timeout = {lock}");
    connection.execute(AssertSqlSafe(limits)).await?;
    connection.execute(ISOLATION).await?;
    // After a fail-over the same address may still lead to a server that only follows, and knows less.
    let follows: bool = sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(&mut *connection).await?;
    if follows {
        return Err(sqlx::Error::Io(std::io::Error::other("the server is a standby")));
    }
    match connection.execute(WATCH).await {
        Err(error @ sqlx::Error::Database(_)) => {
            tracing::debug!(%error, "the server cannot watch connections");
            Ok(())
        }
        done => done.map(|_| ()),
    }
}

impl FromStr for PostgresUrl {
    type Err = InvalidLocation;

    fn from_str(text: &str) -> Result<Self, InvalidLocation> {
        let is_ours = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
        match PgConnectOptions::from_str(text) {
            Ok(_) if is_ours => Ok(Self {
                text: Zeroizing::new(text.to_owned()),
                may_lose_commits: false,
                wait: WAIT,
                connections: CONNECTIONS,
                lease: LEASE,
            }),
            // The reason may quote the URL, and with it the password.
            _ => Err(InvalidLocation),
        }
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresUrl(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::server;

    #[tokio::test]
    async fn every_connection_is_one_that_the_database_ends_when_it_falls_silent() {
        let url: PostgresUrl = server::shared().new_schema().await.parse().unwrap();
        let pool = url.lender().pool;
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut connection = pool.acquire().await.unwrap();
            let limits: (String, String, String) = sqlx::query_as(
                "SELECT current_setting('idle_in_transaction_session_timeout'), current_setting('lock_timeout'),
                        current_setting('client_connection_check_interval')",
            )
            .fetch_one(&mut *connection)
            .await
            .unwrap();
            assert_eq!(limits, ("1900ms".into(), "900ms".into(), "500ms".into()));
            connections.push(connection);
        }
        assert!(matches!(pool.acquire().await, Err(sqlx::Error::PoolTimedOut)), "there are no more");
    }

    #[tokio::test]
    async fn a_statement_that_commits_by_itself_sees_what_was_committed_before_it() {
        let url = server::shared().new_schema().await;
        let strict =
            "options[default_transaction_isolation]=serializable&options[default_transaction_read_only]=on";
        let url: PostgresUrl = format!("{url}&{strict}").parse().unwrap();
        let mut connection = url.connect_limited().await.unwrap();
        let modes: (String, String, String) = sqlx::query_as(
            "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only'),
                    current_setting('lock_timeout')",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        assert_eq!(modes, ("read committed".into(), "off".into(), "900ms".into()));
    }
}
