//! The one row of `installation`: whether a master key fits, and the key of the digests.

use sqlx::SqliteConnection;
use zeroize::Zeroizing;

use super::row::Reader;
use super::{Vault, unavailable};
use crate::OpenError;
use crate::seal::{Cell, Digester, FillRandom, MasterKey, Sealer};

/// The known text whose opening proves a master key.
const CHECK_TEXT: &[u8] = b"countermark master key check 1";

/// The place of the check value, of the running key and of the next one alike.
pub(crate) const CHECK: Cell<'static> = Cell { table: "installation", column: "master_key_check", row: "1" };

/// The place of the digest key.
pub(crate) const DIGEST_KEY: Cell<'static> =
    Cell { table: "installation", column: "sealed_digest_key", row: "1" };

/// What the database knows of its master key.
pub(crate) struct Seals {
    pub version: u32,
    pub check: Vec<u8>,
    pub next_check: Option<Vec<u8>>,
    pub digest_key: Vec<u8>,
}

/// `None` before the first opening.
pub(crate) async fn seals(connection: &mut SqliteConnection) -> Result<Option<Seals>, OpenError> {
    let row = sqlx::query(
        "SELECT only_row, master_key_version, master_key_check, next_key_check, sealed_digest_key FROM installation",
    )
    .fetch_optional(connection)
    .await
    .map_err(unavailable)?;
    let Some(row) = row else { return Ok(None) };
    let reader = Reader::new(&row, "installation", "only_row");
    let version = reader.unsigned("master_key_version")?;
    Ok(Some(Seals {
        version: u32::try_from(version).map_err(|_| reader.corrupt("master_key_version"))?,
        check: reader.column("master_key_check")?,
        next_check: reader.column("next_key_check")?,
        digest_key: reader.column("sealed_digest_key")?,
    }))
}

/// The keys of the installation, made at the very first opening.
pub(crate) async fn vault(
    connection: &mut SqliteConnection,
    master_key: &MasterKey,
    fill_random: FillRandom,
) -> Result<Vault, OpenError> {
    let Some(seals) = seals(connection).await? else {
        return found(connection, master_key, fill_random).await;
    };
    if seals.next_check.is_some() {
        return Err(OpenError::RotationUnfinished);
    }
    let sealer = Sealer::new(master_key, seals.version, fill_random);
    if !fits(&sealer, &seals.check) {
        return Err(OpenError::WrongMasterKey);
    }
    let digest_key = sealer.open(DIGEST_KEY, &seals.digest_key)?;
    Ok(Vault { sealer, digester: Digester::new(&digest_key) })
}

/// Whether the check value was sealed under this very key.
pub(crate) fn fits(sealer: &Sealer, check: &[u8]) -> bool {
    sealer.open(CHECK, check).is_ok_and(|text| *text == CHECK_TEXT)
}

/// A check value for this key.
pub(crate) fn check_value(sealer: &Sealer) -> Vec<u8> {
    sealer.seal(CHECK, CHECK_TEXT)
}

async fn found(
    connection: &mut SqliteConnection,
    master_key: &MasterKey,
    fill_random: FillRandom,
) -> Result<Vault, OpenError> {
    let mut digest_key = Zeroizing::new([0u8; 32]);
    fill_random(&mut *digest_key);
    let sealer = Sealer::new(master_key, 1, fill_random);
    sqlx::query(
        "INSERT INTO installation (only_row, bootstrapped_at, master_key_version, master_key_check, next_key_check,
                                   sealed_digest_key, change_position, highest_time_seen)
         VALUES (1, NULL, ?1, ?2, NULL, ?3, 0, 0)",
    )
    .bind(sealer.version())
    .bind(check_value(&sealer))
    .bind(sealer.seal(DIGEST_KEY, &*digest_key))
    .execute(connection)
    .await
    .map_err(unavailable)?;
    Ok(Vault { sealer, digester: Digester::new(&*digest_key) })
}
