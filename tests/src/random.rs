//! Randomness that can be repeated: every test that uses it prints its seed.

use std::hash::{BuildHasher, RandomState};

/// A small generator (SplitMix64); good enough to choose moments and operations, not for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The seed of `COUNTERMARK_TEST_SEED`, or a new one.
    pub fn seed() -> u64 {
        match std::env::var("COUNTERMARK_TEST_SEED") {
            Ok(seed) => seed.parse().expect("COUNTERMARK_TEST_SEED is a whole number"),
            Err(_) => RandomState::new().hash_one(0_u8),
        }
    }

    /// A generator that no seed repeats, for what must differ between servers: keys and ports.
    pub fn fresh() -> Self {
        Self(RandomState::new().hash_one(0_u8))
    }

    /// The same seed gives the same sequence.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.bits() % (most - least + 1)
    }

    /// One of the elements.
    pub fn one_of<'a, T>(&mut self, elements: &'a [T]) -> &'a T {
        &elements[self.bits() as usize % elements.len()]
    }

    /// So many characters of 0-9A-Za-z.
    pub fn base62(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(*self.one_of(BASE62))).collect()
    }

    /// A well-formed value of this kind (`k` or `u`): prefix, 32 random digits, checksum.
    pub fn value(&mut self, kind: char) -> String {
        let text = format!("cm{kind}_{}", self.base62(32));
        let checksum = checksum(text.as_bytes());
        text + &checksum
    }
}

const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// CRC-32 (ISO-HDLC) as six base62 digits, written here a second time on purpose: the tests trust no code of ours.
fn checksum(text: &[u8]) -> String {
    let mut crc = u32::MAX;
    for byte in text {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    let mut rest = !crc as usize;
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[rest % 62];
        rest /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_vectors() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../vectors/values.json")).unwrap();
        let mut seen = 0;
        for vector in vectors.as_array().unwrap() {
            let value = vector["value"].as_str().unwrap();
            if vector["valid"] == true && value.len() == 42 {
                assert_eq!(checksum(&value.as_bytes()[..36]), value[36..], "{value}");
                seen += 1;
            }
        }
        assert!(seen > 0);
    }

    #[test]
    fn a_seed_repeats_its_sequence() {
        let numbers = |seed| {
            let mut random = Random::new(seed);
            [random.bits(), random.between(3, 5), random.bits()]
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
    }
}
