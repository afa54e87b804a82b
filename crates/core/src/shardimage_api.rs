//! The signature of calls to Shardimage's API: plain SHA-1 over path and query, the key and its secret, between public
//! constants. It covers neither method nor body nor time, so that whoever has seen one can repeat it.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

/// The signature of a call to `uri`, path and query as they are sent: `s-` and 40 hexadecimal digits.
///
/// `key` is one that [`is_shardimage_api_key`] accepts; of any other, the result is a signature that is never accepted.
pub fn shardimage_api_signature(uri: &str, key: &str, secret: &str) -> String {
    let mut sha1 = Sha1::new();
    // The last four bytes of the key, from the end, choose the constants around the three texts.
    let mut constants = key.bytes().rev().map(constant);
    for text in [key, uri, secret] {
        sha1.update(constants.next().unwrap_or_default());
        sha1.update(text);
    }
    sha1.update(constants.next().unwrap_or_default());
    let mut signature = String::from("s-");
    for byte in sha1.finalize() {
        write!(signature, "{byte:02x}").expect("a string takes all that is written to it");
    }
    signature
}

/// Whether `presented` is the signature of a call to `uri`, in time that does not depend on what differs. Never for a key
/// that [`is_shardimage_api_key`] refuses.
pub fn is_shardimage_api_signature(presented: &str, uri: &str, key: &str, secret: &str) -> bool {
    let expected = shardimage_api_signature(uri, key, secret);
    is_shardimage_api_key(key) && bool::from(expected.as_bytes().ct_eq(presented.as_bytes()))
}

/// Whether `text` can be a Shardimage API key: 10 ASCII digits or more. With fewer than four, the constants would run out.
pub fn is_shardimage_api_key(text: &str) -> bool {
    text.len() >= 10 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn constant(byte: u8) -> Vec<u8> {
    STANDARD.decode(CONSTANTS[usize::from(byte) % CONSTANTS.len()]).expect("the table is base64")
}

/// From `src/helpers/SecurityHelper.php` of the Shardimage PHP SDK, in base64. Copyright (c) 2018 Shardimage, licensed
/// under the Apache License, Version 2.0.
const CONSTANTS: [&str; 9] = [
    "84Gql2OBndvIwX8eT56Bf/Tk",
    "KV0YHIJDGdcWrs6ular/DA==",
    "jKoTwQ22fFll6rOOCBs=",
    "n2biPWLFdWkkgL0=",
    "JIYRT44a6DHJ",
    "dSDJG1dqwQ==",
    "JbAS9x0=",
    "6bpa",
    "vA==",
];

#[cfg(test)]
mod tests {
    use sha2::Sha256;

    use super::*;

    #[test]
    fn the_constants_are_those_of_the_sdk() {
        let bytes: Vec<Vec<u8>> = (0..9).map(constant).collect();
        let lengths: Vec<usize> = bytes.iter().map(Vec::len).collect();
        assert_eq!(lengths, [18, 16, 14, 11, 9, 7, 5, 3, 1]);
        let digest: String =
            Sha256::digest(bytes.concat()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(digest.starts_with("2480fc4d") && digest.ends_with("f57633"), "{digest}");
    }

    #[test]
    fn keys_are_ten_digits_or_more() {
        for good in ["1234567890".to_owned(), "0".repeat(64)] {
            assert!(is_shardimage_api_key(&good), "{good}");
        }
        for bad in ["", "123456789", "123456789a", "-123456789", "12345678９", " 1234567890", "1234567890\n"]
        {
            assert!(!is_shardimage_api_key(bad), "{bad}");
        }
    }

    #[test]
    fn a_signature_under_what_is_no_key_is_refused() {
        for key in ["", "1", "123", "123456789", "abcdefghij", "é"] {
            let made = shardimage_api_signature("/a", key, "secret");
            assert!(!is_shardimage_api_signature(&made, "/a", key, "secret"), "{key}");
        }
    }
}
