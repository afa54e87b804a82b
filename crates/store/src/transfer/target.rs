//! A PostgreSQL database that a copy goes to.

use countermark_domain::store::StoreError;
use sqlx::PgConnection;

use super::side::Side;
use crate::OpenError;
use crate::marks::{Filling, MARKED_SCHEMA};
use crate::postgres::{PostgresUrl, demand_durability, migrate};
use crate::sqlite::unavailable;

/// A PostgreSQL database that a copy goes to, its schema up to date.
pub(super) struct Target {
    pub side: Side,
    pub state: State,
    /// Where it is, without a password.
    pub place: String,
}

/// What is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Empty,
    /// The beginning of a copy with this name.
    Begun(Filling, Option<Vec<u8>>),
    /// An installation, which may have come by a copy with this name.
    Whole(Option<Vec<u8>>),
}

impl Target {
    /// Connects and sees what is there. Whatever holds an installation is left as it is.
    ///
    /// # Errors
    /// [`OpenError::ForeignSchema`], [`OpenError::NewerSchema`], [`OpenError::NotDurable`], [`OpenError::NotEmpty`] for an
    /// installation of an older schema.
    pub(super) async fn open(url: &PostgresUrl) -> Result<Self, OpenError> {
        let mut side = Side::connect(url).await.map_err(|error| match error {
            // There are two databases, and this says which.
            OpenError::Store(StoreError::Unavailable(why)) => {
                StoreError::Unavailable(format!("the target: {why}")).into()
            }
            error => error,
        })?;
        let Side::Postgres(connection) = &mut side else { return Err(OpenError::WrongWay) };
        if !url.may_lose_commits() {
            demand_durability(connection).await?;
        }
        let place = place(url, connection).await?;
        let schema = migrate::schema(connection).await?;
        let known = migrate::known(migrate::MIGRATIONS);
        if schema > known {
            return Err(OpenError::NewerSchema { found: schema, known });
        }
        if (1..MARKED_SCHEMA).contains(&schema) && holds_installation(connection).await? {
            return Err(OpenError::NotEmpty(place));
        }
        let mut state = if schema < MARKED_SCHEMA { State::Empty } else { state(&mut side).await? };
        if !matches!(state, State::Whole(_)) {
            state = bring_up(&mut side).await?;
        }
        Ok(Self { side, state, place })
    }

    /// Throws the beginning of a copy away, which nobody has ever opened.
    pub(super) async fn clear(&mut self) -> Result<(), OpenError> {
        self.side.run(CLEAR).await?;
        self.state = bring_up(&mut self.side).await?;
        Ok(())
    }
}

/// Only in a database that is still being filled; otherwise it fails and leaves everything as it is.
const CLEAR: &str = "
    BEGIN;
    DO $$ BEGIN
        PERFORM 1 FROM installation WHERE filling IS NOT NULL FOR UPDATE;
        IF NOT FOUND THEN RAISE EXCEPTION 'the database is in use already'; END IF;
    END $$;
    DROP TABLE notification_attempts, notifications, notification_secrets, disabled_addresses, uploads, audit_log,
        decisions_hourly, usage_hourly, idempotency_keys, signing_secrets, token_values, token_counters, access_tokens,
        installation, changes, nodes, schema_version;
    DROP FUNCTION refuse_to_change_audit_log;
    COMMIT";

async fn bring_up(side: &mut Side) -> Result<State, OpenError> {
    let Side::Postgres(connection) = side else { return Err(OpenError::WrongWay) };
    migrate::migrate(connection, migrate::MIGRATIONS).await?;
    Ok(state(side).await?)
}

async fn state(side: &mut Side) -> Result<State, StoreError> {
    Ok(match side.marks().await? {
        None => State::Empty,
        Some(marks) => match marks.filling {
            Some(filling) => State::Begun(filling, marks.transfer),
            None => State::Whole(marks.transfer),
        },
    })
}

async fn holds_installation(connection: &mut PgConnection) -> Result<bool, OpenError> {
    let query = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM installation)");
    Ok(query.fetch_one(connection).await.map_err(unavailable)?)
}

async fn place(url: &PostgresUrl, connection: &mut PgConnection) -> Result<String, OpenError> {
    let (database, schema): (String, Option<String>) =
        sqlx::query_as("SELECT current_database()::text, current_schema()::text")
            .fetch_one(connection)
            .await
            .map_err(unavailable)?;
    let options = url.options();
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let schema = schema.unwrap_or_default();
    Ok(format!("PostgreSQL at {host}, database {database}, schema {schema}"))
}
