//! What makes the database useless to whoever has only the database: sealing and keyed digests.

use std::fmt;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use countermark_core::ValueDigest;
use countermark_domain::store::StoreError;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Fills a buffer with uniformly random bytes of cryptographic quality.
pub type FillRandom = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// The key under which everything recoverable is sealed; it is never in the database. Wiped when dropped, never shown
/// by `Debug`.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// A key of exactly 32 random bytes.
    pub fn new(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// The place of a sealed text; a ciphertext that is moved to any other place does not open there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell<'a> {
    pub table: &'static str,
    pub column: &'static str,
    pub row: &'a str,
}

impl Cell<'_> {
    pub(crate) fn corrupt(self) -> StoreError {
        StoreError::Corrupt { table: self.table, column: self.column, row: self.row.to_owned() }
    }

    /// NUL cannot stand in any of the parts, so distinct cells have distinct data.
    fn associated_data(self, version: u32) -> String {
        format!("{}\0{}\0{}\0{version}", self.table, self.row, self.column)
    }
}

const NONCE_LENGTH: usize = 24;

/// Seals and opens under one version of the master key.
pub(crate) struct Sealer {
    cipher: XChaCha20Poly1305,
    version: u32,
    fill_random: FillRandom,
}

impl Sealer {
    pub(crate) fn new(key: &MasterKey, version: u32, fill_random: FillRandom) -> Self {
        let cipher =
            XChaCha20Poly1305::new_from_slice(&*key.0).expect("a master key has the cipher's length");
        Self { cipher, version, fill_random }
    }

    /// The version of the master key, stored beside what it seals.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    /// Random bytes of the source that nonces come from.
    pub(crate) fn fill_random(&self, bytes: &mut [u8]) {
        (self.fill_random)(bytes);
    }

    /// Nonce and ciphertext. The nonce is random: 192 bits never repeat.
    pub(crate) fn seal(&self, cell: Cell<'_>, text: &[u8]) -> Vec<u8> {
        let mut nonce = [0u8; NONCE_LENGTH];
        (self.fill_random)(&mut nonce);
        let associated = cell.associated_data(self.version);
        let payload = Payload { msg: text, aad: associated.as_bytes() };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .expect("texts are far below the cipher's 256 GiB");
        [nonce.as_slice(), &sealed].concat()
    }

    /// # Errors
    /// [`StoreError::Corrupt`] for another key, version, place or any changed byte.
    pub(crate) fn open(&self, cell: Cell<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LENGTH>().ok_or_else(|| cell.corrupt())?;
        let associated = cell.associated_data(self.version);
        let payload = Payload { msg: ciphertext, aad: associated.as_bytes() };
        let text = self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| cell.corrupt())?;
        Ok(Zeroizing::new(text))
    }

    pub(crate) fn open_text(&self, cell: Cell<'_>, sealed: &[u8]) -> Result<Zeroizing<String>, StoreError> {
        let mut bytes = self.open(cell, sealed)?;
        let text = String::from_utf8(std::mem::take(&mut *bytes)).map_err(|_| cell.corrupt())?;
        Ok(Zeroizing::new(text))
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer(version {}, …)", self.version)
    }
}

/// Keyed digests, so that a stolen database does not even confirm a guessed value.
#[derive(Clone)]
pub(crate) struct Digester(Hmac<Sha256>);

impl Digester {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes a key of any length"))
    }

    pub(crate) fn digest(&self, value: &str) -> ValueDigest {
        let mut mac = self.0.clone();
        mac.update(value.as_bytes());
        ValueDigest(mac.finalize().into_bytes().into())
    }

    /// Behind a NUL, which no value holds, so that no digest is ever such a key.
    pub(crate) fn derive_key(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut mac = self.0.clone();
        mac.update(b"\0derived key\0");
        mac.update(purpose.as_bytes());
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Digester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digester(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELL: Cell<'_> = Cell { table: "token_values", column: "sealed", row: "up_1" };

    fn sealer(key: u8, version: u32) -> Sealer {
        Sealer::new(&MasterKey::new([key; 32]), version, Arc::new(|bytes| bytes.fill(9)))
    }

    #[test]
    fn what_is_sealed_opens_at_its_own_place_only() {
        let sealed = sealer(1, 1).seal(CELL, b"canary");
        assert_eq!(sealer(1, 1).open(CELL, &sealed).unwrap().as_slice(), b"canary");
        assert!(sealer(2, 1).open(CELL, &sealed).is_err(), "another key");
        assert!(sealer(1, 2).open(CELL, &sealed).is_err(), "another version of the key");
        for cell in [
            Cell { row: "up_2", ..CELL },
            Cell { column: "answer", ..CELL },
            Cell { table: "signing_secrets", ..CELL },
        ] {
            assert!(sealer(1, 1).open(cell, &sealed).is_err(), "{cell:?}");
        }
    }

    #[test]
    fn any_changed_byte_and_any_shortening_is_corrupt() {
        let sealed = sealer(1, 1).seal(CELL, b"canary");
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(sealer(1, 1).open(CELL, &changed).is_err(), "byte {index}");
            assert!(sealer(1, 1).open(CELL, &sealed[..index]).is_err(), "cut at {index}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let shown = format!("{:?}{:?}{:?}", MasterKey::new([7; 32]), sealer(7, 1), Digester::new(&[7; 32]));
        assert_eq!(shown, "MasterKey(…)Sealer(version 1, …)Digester(…)");
    }
}
