//! Why a transaction has not come to its end, as far as it matters for what is done next.

use countermark_domain::store::StoreError;

use super::unavailable;

/// Why a transaction has not come to its end.
#[derive(Debug)]
pub(super) enum Failure {
    /// It got in the way of another one and was undone: the same work can be done again.
    Conflict(StoreError),
    /// The connection is gone, and with it what was not committed.
    Lost(StoreError),
    /// The connection, or the whole database, has not answered in time: nobody knows what became of it.
    Hung(StoreError),
    /// Anything else.
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => Self::Lost(unavailable(error)),
            sqlx::Error::Database(reason) => match reason.code().as_deref() {
                // serialization_failure, deadlock_detected; and foreign_key_violation: a token was purged by another
                // node after this transaction had seen it.
                Some("40001" | "40P01" | "23503") => Self::Conflict(unavailable(error)),
                // Another transaction was quicker with the same key, for another token: run again, this one finds it.
                Some("23505") if reason.constraint() == Some("uploads_by_key") => {
                    Self::Conflict(unavailable(error))
                }
                // admin_shutdown, crash_shutdown, cannot_connect_now, idle_session_timeout,
                // idle_in_transaction_session_timeout; and read_only_sql_transaction: the server is no longer the one
                // that takes changes.
                Some("57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25006") => {
                    Self::Lost(unavailable(error))
                }
                _ => Self::Store(unavailable(error)),
            },
            _ => Self::Store(unavailable(error)),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict(error)
            | Failure::Lost(error)
            | Failure::Hung(error)
            | Failure::Store(error) => error,
        }
    }
}
