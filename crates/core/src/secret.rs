//! Signing secrets of imageUrl tokens and the keyed state made of them.

use std::fmt;
use std::num::NonZeroU16;

use hmac::block_api::HmacCore;
use hmac::digest::block_api::{Buffer, CoreProxy};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The string whose UTF-8 bytes are the HMAC key; wiped from memory when dropped, never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Zeroizing<String>);

/// The text cannot serve as a signing secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a secret of 32 to 256 bytes without NUL")]
pub struct InvalidSecret;

impl SigningSecret {
    /// A secret of 32 to 256 bytes (SP 800-107: at least the length of the hash) without NUL.
    ///
    /// # Errors
    /// [`InvalidSecret`] for any other length or a NUL byte.
    pub fn new(secret: String) -> Result<Self, InvalidSecret> {
        Self::of_length(secret, 32)
    }

    /// As [`SigningSecret::new`], but from 8 bytes on: only for secrets that a foreign dialect brings along.
    ///
    /// # Errors
    /// [`InvalidSecret`] for any other length or a NUL byte.
    pub fn short_foreign(secret: String) -> Result<Self, InvalidSecret> {
        Self::of_length(secret, 8)
    }

    /// The secret itself; call it only to show it once or to seal it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The keyed HMAC state; made once and kept, since keying costs as much as a short message.
    pub fn key(&self) -> SigningKey {
        SigningKey::of(self.0.as_bytes())
    }

    fn of_length(secret: String, at_least: usize) -> Result<Self, InvalidSecret> {
        let secret = Zeroizing::new(secret);
        let fits = (at_least..=256).contains(&secret.len()) && !secret.contains('\0');
        if fits { Ok(Self(secret)) } else { Err(InvalidSecret) }
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

/// HMAC-SHA256 keyed with one signing secret: only the two states of the hash behind the key, 80 bytes, since one is kept
/// for every secret of every cached token.
#[derive(Clone)]
pub struct SigningKey(HmacCore<Sha256>);

impl SigningKey {
    pub(crate) fn of(key: &[u8]) -> Self {
        Self(HmacCore::new_from_slice(key).expect("HMAC takes a key of any length"))
    }

    /// The HMAC over the concatenation of `parts`.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac =
            <Hmac<Sha256> as CoreProxy>::compose(self.0.clone(), Buffer::<HmacCore<Sha256>>::default());
        // Usually all parts fit here, and go into the hash at once: each turn costs as much as moving 50 bytes.
        let mut joined = [0; 256];
        let mut length = 0;
        for part in parts {
            if let Some(place) = joined.get_mut(length..length + part.len()) {
                place.copy_from_slice(part);
                length += part.len();
            } else {
                mac.update(&joined[..length]);
                mac.update(part);
                length = 0;
            }
        }
        mac.update(&joined[..length]);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// Which version of a token's secret signed; 1 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyVersion(NonZeroU16);

impl KeyVersion {
    /// The version that a new token starts with.
    pub const FIRST: Self = Self(NonZeroU16::MIN);

    /// `None` for 0.
    pub const fn new(version: u16) -> Option<Self> {
        match NonZeroU16::new(version) {
            Some(version) => Some(Self(version)),
            None => None,
        }
    }

    /// The version that follows, `None` after 65535.
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(next) => Some(Self(next)),
            None => None,
        }
    }

    /// The number as URLs carry it.
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for KeyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_32_to_256_bytes_without_nul() {
        assert!(SigningSecret::new("x".repeat(31)).is_err());
        assert!(SigningSecret::new("x".repeat(32)).is_ok());
        assert!(SigningSecret::new("x".repeat(256)).is_ok());
        assert!(SigningSecret::new("x".repeat(257)).is_err());
        assert!(SigningSecret::new(format!("{}\0", "x".repeat(40))).is_err());
        assert!(SigningSecret::short_foreign("secretSt".into()).is_ok());
        assert!(SigningSecret::short_foreign("secretS".into()).is_err());
    }

    #[test]
    fn debug_shows_no_secret() {
        let secret = SigningSecret::new("canary-canary-canary-canary-canary".into()).unwrap();
        assert!(!format!("{secret:?}{:?}", secret.key()).contains("canary"));
    }

    #[test]
    fn the_mac_is_that_of_rfc_4231() {
        let cases: [(Vec<u8>, Vec<u8>, &str); 7] = [
            (
                vec![0x0b; 20],
                b"Hi There".to_vec(),
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe".to_vec(),
                b"what do ya want for nothing?".to_vec(),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                vec![0xaa; 20],
                vec![0xdd; 50],
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
            ),
            (
                (1..=25).collect(),
                vec![0xcd; 50],
                "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
            ),
            // The one case that is published truncated to 128 bits.
            (vec![0x0c; 20], b"Test With Truncation".to_vec(), "a3b6167473100ee06e0c796c2955552b"),
            (
                vec![0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                vec![0xaa; 131],
                b"This is a test using a larger than block-size key and a larger than block-size data. \
                  The key needs to be hashed before being used by the HMAC algorithm."
                    .to_vec(),
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
            ),
        ];
        for (key, data, expected) in cases {
            let key = SigningKey::of(&key);
            let hex = |mac: [u8; 32]| mac.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            assert!(hex(key.mac(&[&data])).starts_with(expected), "{expected}");
            let (head, tail) = data.split_at(3);
            assert!(hex(key.mac(&[head, tail])).starts_with(expected), "the parts are simply concatenated");
        }
    }
}
