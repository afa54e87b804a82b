//! Sealing everything anew under another master key, in steps that may be interrupted anywhere.
//!
//! While it is under way the installation carries the check values of both keys. Each row tells by its own version
//! which of them seals it, so a repetition goes on where the former run stopped.

use countermark_domain::store::StoreError;

use crate::postgres::rotate::PostgresRotation;
use crate::row::{Reader, StoredRow, hex};
use crate::seal::{Cell, FillRandom, MasterKey, Sealer};
use crate::sqlite::rotate::SqliteRotation;
use crate::vault::{
    DIGEST_KEY, Seals, answer_cell, fits, notification_secret_cell, secret_cell, value_cell, value_row,
};
use crate::{Location, OpenError};

/// A rotation of the master key under way. That of a SQLite file holds its lock.
pub struct Rotation(Engine);

enum Engine {
    Sqlite(SqliteRotation),
    Postgres(PostgresRotation),
}

impl Rotation {
    /// Begins a rotation or takes up an interrupted one; `None` if the database is sealed under `new` already.
    ///
    /// # Errors
    /// [`OpenError::WrongMasterKey`] unless the keys are those of the database or of the interrupted rotation.
    pub async fn begin(
        location: &Location,
        old: &MasterKey,
        new: &MasterKey,
        fill_random: FillRandom,
    ) -> Result<Option<Self>, OpenError> {
        let engine = match location {
            Location::Sqlite(path) => {
                SqliteRotation::begin(path, old, new, fill_random).await?.map(Engine::Sqlite)
            }
            Location::Postgres(url) => {
                PostgresRotation::begin(url, old, new, fill_random).await?.map(Engine::Postgres)
            }
        };
        Ok(engine.map(Self))
    }

    /// Seals some hundreds of rows anew; the last step makes the new key the only one. Whether there is more to do.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for a row that neither key opens: nothing of the step is kept.
    pub async fn step(&mut self) -> Result<bool, StoreError> {
        match &mut self.0 {
            Engine::Sqlite(rotation) => rotation.step().await,
            Engine::Postgres(rotation) => rotation.step().await,
        }
    }

    /// Closes the database.
    ///
    /// # Errors
    /// What the database says.
    pub async fn close(self) -> Result<(), StoreError> {
        match self.0 {
            Engine::Sqlite(rotation) => rotation.close().await,
            Engine::Postgres(rotation) => rotation.close().await,
        }
    }
}

/// Rows that one transaction seals anew.
pub(crate) const STEP: i64 = 500;

/// The keys between which a rotation changes.
pub(crate) struct Keys {
    pub old: Sealer,
    pub new: Sealer,
}

impl Keys {
    /// `None` if all is sealed under `new` already.
    pub(crate) fn of(
        seals: &Seals,
        old: &MasterKey,
        new: &MasterKey,
        fill_random: FillRandom,
    ) -> Result<Option<Self>, OpenError> {
        if fits(&Sealer::new(new, seals.version, fill_random.clone()), &seals.check) {
            return Ok(None);
        }
        let old = Sealer::new(old, seals.version, fill_random.clone());
        let new = Sealer::new(new, seals.version + 1, fill_random);
        let new_fits = seals.next_check.as_ref().is_none_or(|check| fits(&new, check));
        if !fits(&old, &seals.check) || !new_fits {
            return Err(OpenError::WrongMasterKey);
        }
        Ok(Some(Self { old, new }))
    }

    /// The digest key, sealed under the new key.
    pub(crate) fn seal_digest_key_anew(&self, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let digest_key = self.old.open(DIGEST_KEY, sealed)?;
        Ok(self.new.seal(DIGEST_KEY, &digest_key))
    }
}

/// A table with a sealed column.
#[derive(Clone, Copy)]
pub(crate) enum SealedTable {
    SigningSecrets,
    TokenValues,
    IdempotencyKeys,
    NotificationSecrets,
}

/// By what a row is known, beside its token.
pub(crate) enum Part {
    Number(i64),
    Digest(Vec<u8>),
}

/// A row as it is to be written back.
pub(crate) struct SealedAnew {
    pub token: String,
    pub part: Part,
    pub sealed: Vec<u8>,
}

impl SealedTable {
    /// In the order in which they are sealed anew.
    pub(crate) const ALL: [Self; 4] =
        [Self::SigningSecrets, Self::TokenValues, Self::IdempotencyKeys, Self::NotificationSecrets];

    /// Reads at most `$2` rows that are sealed under version `$1`.
    pub(crate) const fn select(self) -> &'static str {
        match self {
            Self::SigningSecrets => {
                "SELECT token, version AS part, sealed FROM signing_secrets WHERE master_key_version = $1 LIMIT $2"
            }
            Self::TokenValues => {
                "SELECT token, digest AS part, sealed FROM token_values
                 WHERE master_key_version = $1 AND sealed IS NOT NULL LIMIT $2"
            }
            Self::IdempotencyKeys => {
                "SELECT '' AS token, scope AS part, answer AS sealed FROM idempotency_keys
                 WHERE master_key_version = $1 AND answer IS NOT NULL LIMIT $2"
            }
            Self::NotificationSecrets => {
                "SELECT '' AS token, version AS part, sealed FROM notification_secrets
                 WHERE master_key_version = $1 LIMIT $2"
            }
        }
    }

    /// Writes one row back: token, part, sealed text, version.
    pub(crate) const fn update(self) -> &'static str {
        match self {
            Self::SigningSecrets => {
                "UPDATE signing_secrets SET sealed = $3, master_key_version = $4 WHERE token = $1 AND version = $2"
            }
            Self::TokenValues => {
                "UPDATE token_values SET sealed = $3, master_key_version = $4 WHERE token = $1 AND digest = $2"
            }
            Self::IdempotencyKeys => {
                "UPDATE idempotency_keys SET answer = $3, master_key_version = $4 WHERE $1 = '' AND scope = $2"
            }
            Self::NotificationSecrets => {
                "UPDATE notification_secrets SET sealed = $3, master_key_version = $4 WHERE $1 = '' AND version = $2"
            }
        }
    }

    /// Seals a row of [`Self::select`] anew.
    pub(crate) fn seal_anew(self, row: &dyn StoredRow, keys: &Keys) -> Result<SealedAnew, StoreError> {
        let reader = Reader::new(row, self.cell("").table, "part");
        let token: String = reader.column("token")?;
        let part = match self {
            Self::SigningSecrets | Self::NotificationSecrets => Part::Number(reader.column("part")?),
            Self::TokenValues | Self::IdempotencyKeys => Part::Digest(reader.column("part")?),
        };
        let name = match (&self, &part) {
            (Self::SigningSecrets, Part::Number(version)) => format!("{token}/{version}"),
            (Self::TokenValues, Part::Digest(digest)) => value_row(&token, digest),
            (_, Part::Digest(scope)) => hex(scope),
            (_, Part::Number(version)) => version.to_string(),
        };
        let cell = self.cell(&name);
        let text = keys.old.open(cell, reader.column("sealed")?)?;
        Ok(SealedAnew { token, part, sealed: keys.new.seal(cell, &text) })
    }

    fn cell(self, row: &str) -> Cell<'_> {
        match self {
            Self::SigningSecrets => secret_cell(row),
            Self::TokenValues => value_cell(row),
            Self::IdempotencyKeys => answer_cell(row),
            Self::NotificationSecrets => notification_secret_cell(row),
        }
    }
}
