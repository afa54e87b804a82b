//! Where a PostgreSQL database is, and the connections to it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgConnection, PgPool};
use zeroize::Zeroizing;

use super::unavailable;
use crate::{InvalidLocation, OpenError};

/// Connections of one node. A database takes 100 unless told otherwise, and several nodes share it.
pub(super) const CONNECTIONS: u32 = 8;

/// How long a free connection is waited for before the store counts as unavailable.
const CONNECTION_WAIT: Duration = Duration::from_millis(900);

/// A database by its URL, `postgres://user:password@host:port/database?sslmode=verify-full` with the parameters of
/// libpq. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    text: Zeroizing<String>,
    may_lose_commits: bool,
}

impl PostgresUrl {
    /// The same database, also if it runs with `fsync` or `synchronous_commit` off: then a crash of it forgets uses that
    /// were granted.
    #[must_use]
    pub fn allow_lost_commits(self) -> Self {
        Self { may_lose_commits: true, ..self }
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

    /// Opens no connection yet.
    pub(super) fn pool(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(CONNECTION_WAIT)
            // What is first asked of a connection shows whether it is alive, and is asked again of another one.
            .test_before_acquire(false)
            .connect_lazy_with(self.options())
    }
}

impl FromStr for PostgresUrl {
    type Err = InvalidLocation;

    fn from_str(text: &str) -> Result<Self, InvalidLocation> {
        let is_ours = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
        match PgConnectOptions::from_str(text) {
            Ok(_) if is_ours => Ok(Self { text: Zeroizing::new(text.to_owned()), may_lose_commits: false }),
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
