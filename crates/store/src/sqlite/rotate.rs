//! Sealing everything anew under another master key, in steps that may be interrupted anywhere.
//!
//! While it is under way the installation carries the check values of both keys. Each row tells by its own version
//! which of them seals it, so a repetition goes on where the former run stopped.

use std::fs::File;
use std::path::Path;

use countermark_domain::store::StoreError;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use super::{files, installation, migrate, unavailable};
use crate::OpenError;
use crate::row::{hex, signed};
use crate::seal::{FillRandom, MasterKey, Sealer};
use crate::vault::{
    DIGEST_KEY, answer_cell, check_value, fits, notification_secret_cell, secret_cell, value_cell, value_row,
};

/// Rows that one transaction seals anew.
const STEP: i64 = 500;

/// A rotation of the master key under way. It holds the lock of the database.
pub struct Rotation {
    connection: SqliteConnection,
    old: Sealer,
    new: Sealer,
    _lock: File,
}

/// The tables with sealed columns: how rows of the old version are read, and how one is written back.
const TABLES: [(&str, &str); 4] = [
    (
        "SELECT token, version AS part, sealed FROM signing_secrets WHERE master_key_version = ?1 LIMIT ?2",
        "UPDATE signing_secrets SET sealed = ?3, master_key_version = ?4 WHERE token = ?1 AND version = ?2",
    ),
    (
        "SELECT token, digest AS part, sealed FROM token_values
         WHERE master_key_version = ?1 AND sealed IS NOT NULL LIMIT ?2",
        "UPDATE token_values SET sealed = ?3, master_key_version = ?4 WHERE token = ?1 AND digest = ?2",
    ),
    (
        "SELECT '' AS token, scope AS part, answer AS sealed FROM idempotency_keys
         WHERE master_key_version = ?1 AND answer IS NOT NULL LIMIT ?2",
        "UPDATE idempotency_keys SET answer = ?3, master_key_version = ?4 WHERE ?1 = '' AND scope = ?2",
    ),
    (
        "SELECT '' AS token, version AS part, sealed FROM notification_secrets
         WHERE master_key_version = ?1 LIMIT ?2",
        "UPDATE notification_secrets SET sealed = ?3, master_key_version = ?4 WHERE ?1 = '' AND version = ?2",
    ),
];

impl Rotation {
    /// Begins a rotation or takes up an interrupted one; `None` if the database is sealed under `new` already.
    ///
    /// # Errors
    /// [`OpenError::WrongMasterKey`] unless the keys are those of the database or of the interrupted rotation.
    pub async fn begin(
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
        let Some(seals) = installation::seals(&mut connection).await? else {
            return Err(OpenError::Missing(path.to_owned()));
        };
        if fits(&Sealer::new(new, seals.version, fill_random.clone()), &seals.check) {
            return Ok(None);
        }
        let old = Sealer::new(old, seals.version, fill_random.clone());
        let new = Sealer::new(new, seals.version + 1, fill_random);
        let new_fits = seals.next_check.as_ref().is_none_or(|check| fits(&new, check));
        if !fits(&old, &seals.check) || !new_fits {
            return Err(OpenError::WrongMasterKey);
        }
        if seals.next_check.is_none() {
            sqlx::query("UPDATE installation SET next_key_check = ?1")
                .bind(check_value(&new))
                .execute(&mut connection)
                .await
                .map_err(unavailable)?;
        }
        Ok(Some(Self { connection, old, new, _lock: lock }))
    }

    /// Seals some hundreds of rows anew; the last step makes the new key the only one. Whether there is more to do.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for a row that neither key opens: nothing of the step is kept.
    pub async fn step(&mut self) -> Result<bool, StoreError> {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut self.connection).await.map_err(unavailable)?;
        let result = self.step_within().await;
        let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
        sqlx::query(end).execute(&mut self.connection).await.map_err(unavailable)?;
        result
    }

    /// Closes the database.
    pub async fn close(self) -> Result<(), StoreError> {
        self.connection.close().await.map_err(unavailable)
    }

    async fn step_within(&mut self) -> Result<bool, StoreError> {
        for (index, (select, update)) in TABLES.into_iter().enumerate() {
            let rows = sqlx::query(select)
                .bind(self.old.version())
                .bind(STEP)
                .fetch_all(&mut self.connection)
                .await
                .map_err(unavailable)?;
            for row in &rows {
                self.seal_anew(index, update, row).await?;
            }
            if !rows.is_empty() {
                return Ok(true);
            }
        }
        self.finish().await.map(|()| false)
    }

    async fn seal_anew(
        &mut self,
        table: usize,
        update: &'static str,
        row: &sqlx::sqlite::SqliteRow,
    ) -> Result<(), StoreError> {
        let token: String = row.try_get("token").map_err(unavailable)?;
        let sealed: Vec<u8> = row.try_get("sealed").map_err(unavailable)?;
        // A row is known by a number or by a digest.
        let (mut number, mut digest) = (0, Vec::new());
        if matches!(table, 0 | 3) {
            number = row.try_get::<i64, _>("part").map_err(unavailable)?;
        } else {
            digest = row.try_get::<Vec<u8>, _>("part").map_err(unavailable)?;
        }
        let name = match table {
            0 => format!("{token}/{number}"),
            1 => value_row(&token, &digest),
            2 => hex(&digest),
            _ => number.to_string(),
        };
        let cell = match table {
            0 => secret_cell(&name),
            1 => value_cell(&name),
            2 => answer_cell(&name),
            _ => notification_secret_cell(&name),
        };
        let text = self.old.open(cell, &sealed)?;
        let query = sqlx::query(update).bind(token);
        let query = if matches!(table, 0 | 3) { query.bind(number) } else { query.bind(digest) };
        query
            .bind(self.new.seal(cell, &text))
            .bind(self.new.version())
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
        let digest_key = self.old.open(DIGEST_KEY, &sealed)?;
        sqlx::query(
            "UPDATE installation
             SET master_key_version = ?1, master_key_check = next_key_check, next_key_check = NULL,
                 sealed_digest_key = ?2",
        )
        .bind(signed(self.new.version().into()))
        .bind(self.new.seal(DIGEST_KEY, &digest_key))
        .execute(&mut self.connection)
        .await
        .map_err(unavailable)?;
        Ok(())
    }
}
