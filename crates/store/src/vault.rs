//! The opened keys of an installation, and the places of what is sealed under them.

use countermark_core::{NotificationId, TokenId, UnixSeconds};
use countermark_domain::store::StoreError;
use zeroize::Zeroizing;

use crate::OpenError;
use crate::row::{Reader, hex};
use crate::seal::{Cell, Digester, FillRandom, MasterKey, Sealer};

/// Seals, opens and digests.
pub(crate) struct Vault {
    pub(crate) sealer: Sealer,
    pub(crate) digester: Digester,
}

impl Vault {
    /// The keys of an installation that is being made, and the new digest key as it is to be stored.
    pub(crate) fn found(master_key: &MasterKey, fill_random: FillRandom) -> (Self, Vec<u8>) {
        let mut digest_key = Zeroizing::new([0u8; 32]);
        fill_random(&mut *digest_key);
        let sealer = Sealer::new(master_key, 1, fill_random);
        let sealed = sealer.seal(DIGEST_KEY, &*digest_key);
        (Self { sealer, digester: Digester::new(&*digest_key) }, sealed)
    }

    /// The keys of an installation that is there.
    pub(crate) fn unlock(
        seals: &Seals,
        master_key: &MasterKey,
        fill_random: FillRandom,
    ) -> Result<Self, OpenError> {
        if seals.next_check.is_some() {
            return Err(OpenError::RotationUnfinished);
        }
        let sealer = Sealer::new(master_key, seals.version, fill_random);
        if !fits(&sealer, &seals.check) {
            return Err(OpenError::WrongMasterKey);
        }
        let digest_key = sealer.open(DIGEST_KEY, &seals.digest_key)?;
        Ok(Self { sealer, digester: Digester::new(&digest_key) })
    }

    /// Opens what a row holds sealed under the version that it names.
    pub(crate) fn open(
        &self,
        cell: Cell<'_>,
        version: u64,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        self.demand(cell, version)?;
        self.sealer.open(cell, sealed)
    }

    pub(crate) fn open_text(
        &self,
        cell: Cell<'_>,
        version: u64,
        sealed: &[u8],
    ) -> Result<Zeroizing<String>, StoreError> {
        self.demand(cell, version)?;
        self.sealer.open_text(cell, sealed)
    }

    /// The id of a notification that is written at `now`.
    pub(crate) fn new_notification_id(&self, now: UnixSeconds) -> NotificationId {
        let mut random = [0; 10];
        self.sealer.fill_random(&mut random);
        NotificationId::from_parts(now.get() * 1000, random)
    }

    fn demand(&self, cell: Cell<'_>, version: u64) -> Result<(), StoreError> {
        if version == u64::from(self.sealer.version()) {
            Ok(())
        } else {
            Err(Cell { column: "master_key_version", ..cell }.corrupt())
        }
    }
}

/// What the one row of `installation` knows of its master key.
pub(crate) struct Seals {
    pub version: u32,
    pub check: Vec<u8>,
    pub next_check: Option<Vec<u8>>,
    pub digest_key: Vec<u8>,
}

impl Seals {
    /// The columns that [`Seals::read`] reads.
    pub(crate) const QUERY: &str = "SELECT only_row, master_key_version, master_key_check, next_key_check, sealed_digest_key FROM installation";

    pub(crate) fn read(reader: &Reader<'_>) -> Result<Self, StoreError> {
        let version = reader.unsigned("master_key_version")?;
        Ok(Self {
            version: u32::try_from(version).map_err(|_| reader.corrupt("master_key_version"))?,
            check: reader.column("master_key_check")?,
            next_check: reader.optional("next_key_check")?,
            digest_key: reader.column("sealed_digest_key")?,
        })
    }
}

/// Refuses a master key that is neither the one under which an installation is sealed nor, while it is being rotated, the
/// next one.
pub(crate) fn demand_fit(seals: &Seals, key: &MasterKey) -> Result<(), OpenError> {
    // Opening draws no nonces.
    let sealer = |version| Sealer::new(key, version, std::sync::Arc::new(|_| {}));
    let fits_next = |check: &Vec<u8>| fits(&sealer(seals.version + 1), check);
    if fits(&sealer(seals.version), &seals.check) || seals.next_check.as_ref().is_some_and(fits_next) {
        Ok(())
    } else {
        Err(OpenError::WrongMasterKey)
    }
}

/// The known text whose opening proves a master key.
const CHECK_TEXT: &[u8] = b"countermark master key check 1";

/// The place of the check value, of the running key and of the next one alike.
const CHECK: Cell<'static> = Cell { table: "installation", column: "master_key_check", row: "1" };

/// The place of the digest key.
pub(crate) const DIGEST_KEY: Cell<'static> =
    Cell { table: "installation", column: "sealed_digest_key", row: "1" };

/// Whether the check value was sealed under this very key.
pub(crate) fn fits(sealer: &Sealer, check: &[u8]) -> bool {
    sealer.open(CHECK, check).is_ok_and(|text| *text == CHECK_TEXT)
}

/// A check value for this key.
pub(crate) fn check_value(sealer: &Sealer) -> Vec<u8> {
    sealer.seal(CHECK, CHECK_TEXT)
}

/// How a row of `signing_secrets` is named in errors and associated data.
pub(crate) fn secret_row(id: TokenId, version: u16) -> String {
    format!("{id}/{version}")
}

/// The place of a sealed signing secret.
pub(crate) fn secret_cell(row: &str) -> Cell<'_> {
    Cell { table: "signing_secrets", column: "sealed", row }
}

/// How a row of `token_values` is named in errors and associated data; the token is part of it, so that a sealed value
/// cannot be moved to another token.
pub(crate) fn value_row(token: &str, digest: &[u8]) -> String {
    format!("{token}/{}", hex(digest))
}

/// The place of a sealed value.
pub(crate) fn value_cell(row: &str) -> Cell<'_> {
    Cell { table: "token_values", column: "sealed", row }
}

/// The place of a sealed answer; `row` is the scope in hexadecimal.
pub(crate) fn answer_cell(row: &str) -> Cell<'_> {
    Cell { table: "idempotency_keys", column: "answer", row }
}

/// The place of a sealed secret of notifications; `row` is its version.
pub(crate) fn notification_secret_cell(row: &str) -> Cell<'_> {
    Cell { table: "notification_secrets", column: "sealed", row }
}
