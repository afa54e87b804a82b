//! Sealing everything anew under another master key. Nodes should be stopped for it: one that runs seals nothing from its
//! beginning on, and does not open what is sealed anew.

use countermark_domain::store::StoreError;
use sqlx::{Connection, PgConnection};

use super::connect::PostgresUrl;
use super::failure::Failure;
use super::{installation, migrate, unavailable};
use crate::OpenError;
use crate::rotation::{Keys, Part, STEP, SealedAnew, SealedTable};
use crate::seal::{FillRandom, MasterKey};
use crate::vault::{Seals, check_value};

/// A rotation of the master key under way.
pub(crate) struct PostgresRotation {
    connection: PgConnection,
    keys: Keys,
}

impl PostgresRotation {
    pub(crate) async fn begin(
        url: &PostgresUrl,
        old: &MasterKey,
        new: &MasterKey,
        fill_random: FillRandom,
    ) -> Result<Option<Self>, OpenError> {
        let mut connection = url.connect().await?;
        migrate::migrate(&mut connection, migrate::MIGRATIONS).await?;
        installation::demand_open(&mut connection).await?;
        let seals = seals(&mut connection).await?;
        let Some(keys) = Keys::of(&seals, old, new, fill_random.clone())? else { return Ok(None) };
        // Waits for changes that are under way; those that come later find this and seal nothing.
        sqlx::query("UPDATE installation SET next_key_check = $1 WHERE next_key_check IS NULL")
            .bind(check_value(&keys.new))
            .execute(&mut connection)
            .await
            .map_err(unavailable)?;
        // Another rotation may have begun meanwhile, to another key, or have ended.
        let seals = self::seals(&mut connection).await?;
        let keys = Keys::of(&seals, old, new, fill_random)?;
        Ok(keys.map(|keys| Self { connection, keys }))
    }

    pub(crate) async fn step(&mut self) -> Result<bool, StoreError> {
        let Self { connection, keys } = self;
        let mut transaction = connection.begin().await.map_err(unavailable)?;
        let has_more = step_within(&mut transaction, keys).await?;
        transaction.commit().await.map_err(unavailable)?;
        Ok(has_more)
    }

    pub(crate) async fn close(self) -> Result<(), StoreError> {
        self.connection.close().await.map_err(unavailable)
    }
}

async fn seals(connection: &mut PgConnection) -> Result<Seals, OpenError> {
    installation::seals(connection).await?.ok_or(OpenError::NoInstallation)
}

async fn step_within(connection: &mut PgConnection, keys: &Keys) -> Result<bool, Failure> {
    for table in SealedTable::ALL {
        let rows = sqlx::query(table.select())
            .bind(i64::from(keys.old.version()))
            .bind(STEP)
            .fetch_all(&mut *connection)
            .await?;
        for row in &rows {
            write_back(connection, table, table.seal_anew(row, keys)?, keys).await?;
        }
        if !rows.is_empty() {
            return Ok(true);
        }
    }
    finish(connection, keys).await.map(|()| false)
}

async fn write_back(
    connection: &mut PgConnection,
    table: SealedTable,
    row: SealedAnew,
    keys: &Keys,
) -> Result<(), Failure> {
    let query = sqlx::query(table.update()).bind(row.token);
    let query = match row.part {
        Part::Number(number) => query.bind(number),
        Part::Digest(digest) => query.bind(digest),
    };
    query.bind(row.sealed).bind(i64::from(keys.new.version())).execute(connection).await?;
    Ok(())
}

/// Does nothing if the same rotation was finished by somebody else.
async fn finish(connection: &mut PgConnection, keys: &Keys) -> Result<(), Failure> {
    let sealed: Option<Vec<u8>> = sqlx::query_scalar(
        "SELECT sealed_digest_key FROM installation WHERE master_key_version = $1 FOR UPDATE",
    )
    .bind(i64::from(keys.old.version()))
    .fetch_optional(&mut *connection)
    .await?;
    let Some(sealed) = sealed else { return Ok(()) };
    sqlx::query(
        "UPDATE installation
         SET master_key_version = $1, master_key_check = next_key_check, next_key_check = NULL,
             sealed_digest_key = $2",
    )
    .bind(i64::from(keys.new.version()))
    .bind(keys.seal_digest_key_anew(&sealed)?)
    .execute(connection)
    .await?;
    Ok(())
}
