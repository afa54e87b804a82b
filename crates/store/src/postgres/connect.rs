//! Where a PostgreSQL database is, and the connections to it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Executor, PgConnection, PgPool};
use zeroize::Zeroizing;

use super::unavailable;
use crate::{InvalidLocation, OpenError};

/// Connections of one node. A database takes 100 unless told otherwise, and several nodes share it.
const CONNECTIONS: u32 = 8;

/// How long a node may trust what it remembers, unless told otherwise.
const LEASE: Duration = Duration::from_secs(1);

/// How long a free connection, or the turn of a change, is waited for before the store counts as unavailable.
const WAIT: Duration = Duration::from_millis(900);

/// Milliseconds after which the database takes the locks of a node that has fallen silent within a transaction, and for
/// which others wait for a lock: no node hangs for ever because another one does.
const LIMITS: &str = "SET idle_in_transaction_session_timeout = 5000; SET lock_timeout = 5000";

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

    /// The same database, whose free connections are waited for so long; 0.9 s unless told otherwise.
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

    /// How long a free connection, or the turn of a change, is waited for.
    pub(super) fn wait(&self) -> Duration {
        self.wait
    }

    /// Whether a database that may forget what it has committed is to be opened all the same.
    pub(super) fn may_lose_commits(&self) -> bool {
        self.may_lose_commits
    }

    pub(super) fn options(&self) -> PgConnectOptions {
        let options = PgConnectOptions::from_str(&self.text).expect("the URL was read when it was given");
        options.application_name("countermark").disable_statement_logging()
    }

    /// A connection outside of any pool.
    pub(super) async fn connect(&self) -> Result<PgConnection, OpenError> {
        Ok(self.options().connect().await.map_err(unavailable)?)
    }

    /// A connection outside of any pool under the same limits.
    pub(super) async fn connect_limited(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = self.options().connect().await?;
        connection.execute(LIMITS).await?;
        Ok(connection)
    }

    /// Opens no connection yet.
    pub(super) fn pool(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(self.connections)
            .acquire_timeout(self.wait)
            // What is first asked of a connection shows whether it is alive, and is asked again of another one.
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute(LIMITS).await.map(drop) })
            })
            .connect_lazy_with(self.options())
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
        let pool = url.pool();
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut connection = pool.acquire().await.unwrap();
            let limits: (String, String) = sqlx::query_as(
                "SELECT current_setting('idle_in_transaction_session_timeout'), current_setting('lock_timeout')",
            )
            .fetch_one(&mut *connection)
            .await
            .unwrap();
            assert_eq!(limits, ("5s".into(), "5s".into()));
            connections.push(connection);
        }
        assert!(matches!(pool.acquire().await, Err(sqlx::Error::PoolTimedOut)), "there are no more");
    }
}
