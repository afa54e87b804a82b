//! Sealing everything anew under another master key.

use std::fs::File;
use std::path::Path;

use countermark_domain::store::StoreError;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::{files, installation, migrate, unavailable};
use crate::OpenError;
use crate::rotation::{Keys, Part, STEP, SealedAnew, SealedTable};
use crate::row::signed;
use crate::seal::{FillRandom, MasterKey};
use crate::vault::check_value;

/// A rotation of the master key under way. It holds the lock of the database.
pub(crate) struct SqliteRotation {
    connection: SqliteConnection,
    keys: Keys,
    _lock: File,
}

impl SqliteRotation {
    pub(crate) async fn begin(
        path: &Path,
        old: &MasterKey,
        new: &MasterKey,
        fill_random: FillRandom,
    ) -> Result<Option<Self>, OpenError> {
        files::demand(path)?;
        let path = &files::real(path)?;
        let lock = files::lock(path)?;
        let mut connection = files::writing(path).connect().await.map_err(unavailable)?;
        migrate::migrate(&mut connection, path, migrate::MIGRATIONS).await?;
        installation::demand_open(&mut connection, path).await?;
        let Some(seals) = installation::seals(&mut connection).await? else {
            return Err(OpenError::Missing(path.to_owned()));
        };
        let Some(keys) = Keys::of(&seals, old, new, fill_random)? else { return Ok(None) };
        if seals.next_check.is_none() {
            sqlx::query("UPDATE installation SET next_key_check = ?1")
                .bind(check_value(&keys.new))
                .execute(&mut connection)
                .await
                .map_err(unavailable)?;
        }
        Ok(Some(Self { connection, keys, _lock: lock }))
    }

    pub(crate) async fn step(&mut self) -> Result<bool, StoreError> {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut self.connection).await.map_err(unavailable)?;
        let result = self.step_within().await;
        let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
        sqlx::query(end).execute(&mut self.connection).await.map_err(unavailable)?;
        result
    }

    pub(crate) async fn close(self) -> Result<(), StoreError> {
        self.connection.close().await.map_err(unavailable)
    }

    async fn step_within(&mut self) -> Result<bool, StoreError> {
        for table in SealedTable::ALL {
            let rows = sqlx::query(table.select())
                .bind(self.keys.old.version())
                .bind(STEP)
                .fetch_all(&mut self.connection)
                .await
                .map_err(unavailable)?;
            for row in &rows {
                let row = table.seal_anew(row, &self.keys)?;
                self.write_back(table, row).await?;
            }
            if !rows.is_empty() {
                return Ok(true);
            }
        }
        self.finish().await.map(|()| false)
    }

    async fn write_back(&mut self, table: SealedTable, row: SealedAnew) -> Result<(), StoreError> {
        let query = sqlx::query(table.update()).bind(row.token);
        let query = match row.part {
            Part::Number(number) => query.bind(number),
            Part::Digest(digest) => query.bind(digest),
        };
        query
            .bind(row.sealed)
            .bind(self.keys.new.version())
            .execute(&mut self.connection)
            .await
            .map_err(unavailable)?;
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), StoreError> {
        let sealed: Vec<u8> = sqlx::query_scalar("SELECT sealed_digest_key FROM installation")
            .fetch_one(&mut self.connection)
            .await
            .map_err(unavailable)?;
        sqlx::query(
            "UPDATE installation
             SET master_key_version = ?1, master_key_check = next_key_check, next_key_check = NULL,
                 sealed_digest_key = ?2",
        )
        .bind(signed(self.keys.new.version().into()))
        .bind(self.keys.seal_digest_key_anew(&sealed)?)
        .execute(&mut self.connection)
        .await
        .map_err(unavailable)?;
        Ok(())
    }
}
