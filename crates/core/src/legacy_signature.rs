//! `s-token2`: the signature of image URLs that Shardimage's SDKs make for an access token. Only verified, never made.
//!
//! A plain SHA-1 over token id, secret, path and host between public constants. It covers neither the cloud nor an
//! expiry nor a version of the secret.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha1::{Digest, Sha1};

/// Characters of a signature: 24 bytes as base64url.
pub(crate) const LEGACY_SIGNATURE_LENGTH: usize = 32;

/// The signature over `path`, without its leading slash, and `host`, in lower case and without port. A token id of fewer
/// than four characters would leave some of the rest unsigned; ours are longer.
pub(crate) fn legacy_signature(
    token_id: &str,
    secret: &str,
    path: &str,
    host: &str,
) -> [u8; LEGACY_SIGNATURE_LENGTH] {
    let mut offset = 0;
    let mut pieces = Vec::with_capacity(4);
    for (byte, part) in token_id.bytes().zip([token_id, secret, path, host]) {
        offset += usize::from(byte);
        let constant = constant(offset);
        offset += usize::from(constant[0]);
        pieces.push((constant, part.as_bytes(), Sha1::digest(offset.to_string())));
    }
    // Only now is the byte known that stands between all of them.
    let separator = [offset.to_le_bytes()[0]];
    let mut sha1 = Sha1::new();
    for (at, (constant, part, digest)) in pieces.iter().enumerate() {
        if at > 0 {
            sha1.update(separator);
        }
        for piece in [constant.as_slice(), &separator, part, &separator, digest.as_slice()] {
            sha1.update(piece);
        }
    }
    let digest = sha1.finalize();
    let turned: [u8; 24] = std::array::from_fn(|at| digest[(at + offset) % digest.len()]);
    let mut signature = [0; LEGACY_SIGNATURE_LENGTH];
    URL_SAFE_NO_PAD.encode_slice(turned, &mut signature).expect("24 bytes are 32 characters of base64");
    signature
}

fn constant(offset: usize) -> Vec<u8> {
    STANDARD.decode(CONSTANTS[offset % CONSTANTS.len()]).expect("the table is base64")
}

/// From `src/helpers/SecurityHelper.php` of the Shardimage PHP SDK, in base64. Copyright (c) 2018 Shardimage, licensed
/// under the Apache License, Version 2.0.
const CONSTANTS: [&str; 13] = [
    "xXkHbhA56+PRPGwrP6yQS+YdcJZQRnZDdZyoWPkGk3dtUHKNfbiCaWtdGu83h2HBcWV3XhUI8+TCEss0gTG5jDXnIo9sbMbxmzbX7ejZ\
     FTQG01hV0eSAJ3yJeq+aqFhzxQ==",
    "M/0BQXW75sBEwCGNKwQpeSJ1uTrwbNs8Y0f5oR+7gerIyoM6BVDbAAssci5zGvHWGDhbhjT3ksGpKqmmmuEJ/FLapF/4BkzKlJdOh866\
     oE/21OtrlQiH0GoGuBpMRiryxg8A0Y56uIte0CZLc1XIjJ8GUQ3tbBTDKTy9+bOdJA==",
    "1GB9LAKCR9+YS3NmFuh2w8aS/TWW0JHX7N+n/0j+/drnrIg5m2qqj0DiEwl4+kRN80Jh3ZIo6nagbvFu61KRQp0NqzdTF9POM55/EJsW\
     UH1GiGaFxTa3GyQPXvafSJlawA==",
    "CciBCF+YW4/Q6q7cGYwheeulOVfCZnXBJ/QHlCXlDYpCsK/EQogue0cD2HrGbM7IeA/0XspCcJEdVc1ovIMojsH3PoUERP+V/fGrPofS\
     cKnitKaw+IItoDX1Vu0OP/zOevZUId2xGzoANqaunEC693PuRrN3sd8wBDzWr2r3wbJxsHecs5jbiM1vuJJzTDDnEHgjqhKQfzwyBXiB\
     rAIN8Wy3Z/dHOEC8aqI/EsQKYzFBT9/oxL6h6LY9auAj4TbQsA==",
    "v+yaA8zrTCRQhtQTzo2jsYeo55UNQ1lkfPmvJNmb1xYTJx/r85eMrfW6YdatGL+KgvDkxdjl7Gb44Z4YA89bS9FhV4e6RcAHsVg0KrYW\
     tOcpfUVajPdqGcl5v1ibuctAcAzKt4mAQyYCf0Obod/qjIegFMpdv5aCzyTkL2dXXnjjhl41aids8XccwvycAt58qIgpWSQTUrzkXSIl\
     Pj0rtniQg/6wIhKaNzs7psQ=",
    "PoUvDQZYRO0ayTQIYIsKvvLn6KDzztoS4seKbEbDxkt9l8pwqFDWPzfG+YEbaQsGU1VXp8XOePdUdzn5HuZ8cNqbPcnjdRDdlYm8XAri\
     ltauDS+2UG7jMtMHx4TrCiHJ9VqYy2veKs57aYryQt5db6nJgDE1",
    "/YV+MIahj222JxEre0571z0Vp9+MwCdflaNR78b6p0rZKASWh5qK7X4nMzAWP9IaX4r0DPH3uoL2qM++uwR8eAnirucKd0ny0494YGdg\
     nM/klGL4SpDHj3gPlE6rXdpqo43prFep37iV8K4ciO5qrjwmJhNoOPMlUtGY/BU8UWIZzcL1NqKOIYZU4xTYu0AOBTbjkfpIZKGpb5co\
     Bkhx55Y2cJ2O53fv230k/6H51uAVHT4Rjf5f1p8PpgrvlFMxaA==",
    "l0UsNnth1TWQAzTvu7rw5Sej0RPKqygGS/AD0IjKppJEn6qSSqLn7+fXwkCYJei2+ZCNFhz17srr",
    "rQlWYzVYc4QtgXS/xo4DyyYIW1Texhme7L3K0sl6wiFsyyPhCBMb8HqaExCpQKf0PSlGMy/NG8beBWxvzwGCqJRBNqMmIl5Hm/5xKlmr\
     l+sh9OONmyyLzJbmIpgC7XRxd9oVGU7KEm+ZqZly1WlmIu1ygnbiyrgDZMlCp7zfPw==",
    "w8vHkYAkCXnGnTWUaGBnE4qGFd+BpVYBnz9nwycTU+WJM1hMSerQ2/vpyJE5ygSrdx26AEZEFkaN",
    "5JeK+88Pq3Yoy9/fQvCsewaPLXmA4Km3Gf0HvRY1RzVR67+HyeH5k74+vQArEFCZ4p1tbYP5Ojz9JS73eEoZEviq3lePk5DS87AQo78t\
     grcdwEFkNOAGrP9tM8RLk39v/7FSy+K8W0xckKeFoGSxA+JFnB4XxvZa5DaOyEZxysP0YVk0FmbXAzcQ1fNcW3OgbzMo50HkcFsy6KAg\
     YDx1FjpKz7s4mETC8eWiYnBWQePkUz5cMTRyK6hi3l0rUEn1KQ==",
    "lJgr8IGJG/Ri4/mLFOBSwTmkbMUMt0hWIXZIwgtJIcCK+Ojo78BeaktNYFOGChdigbFfMQNWSWeltJi5GSIkLRZDwX2eAJiCHvsZiVV7\
     5nGVyzrYLvdjqBOTvJ1H8145RTBNaSPkb8aBNfqFkVVbiZTz6wPPdwSrXG28fRIzBZT6iNzfpHLigT8rQr6gnZ6iIoyptRVDhdOBCNuO\
     DGx5UcxF76JdRkOQfjcKkvgwxEzu+uVP2/SuTmVrXCSGnAFOaQ==",
    "cZg9X8AnusBgsf20kORxHxkLKrdzBHnFLlUK2sJ/+QgQaeDaPLoXJnuOLPMq4yS1UE1V/LpJzElzah+x0ijzTCZ9xHk1d2fk3U6iCM2x\
     ZtVOr0AeKYZJSwZDQZxHxvaoWQ==",
];

#[cfg(test)]
mod tests {
    use sha2::Sha256;

    use super::*;

    #[test]
    fn the_constants_are_those_of_the_sdk() {
        let bytes: Vec<Vec<u8>> = (0..CONSTANTS.len()).map(constant).collect();
        let lengths: Vec<usize> = bytes.iter().map(Vec::len).collect();
        assert_eq!(lengths, [97, 127, 97, 193, 173, 117, 193, 57, 127, 57, 193, 193, 97]);
        let digest: String =
            Sha256::digest(bytes.concat()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(digest.starts_with("d20e5d06") && digest.ends_with("cb6b"), "{digest}");
    }

    #[test]
    fn the_signatures_are_those_that_the_sdk_has_made() {
        const LONG: &str =
            "o-url-exp:1900000000_download/w:200_h:100/v/3/d/dflt/i/dir%2Fmy%20img.webp/seo/nice-name";
        for (path, signature) in
            [("i/pid", "6pDiupPDK3F1c4h1_4dxb28E3xjqkOK6"), (LONG, "QpZ8jSMECHME1WC3T4tsSjN46TpClnyN")]
        {
            let made = legacy_signature("tok_abc", "secretString", path, "img.example.com");
            assert_eq!(std::str::from_utf8(&made), Ok(signature));
        }
    }

    #[test]
    fn the_signatures_are_those_of_the_vectors() {
        let file = include_str!("../../../tests/vectors/shardimage.json");
        let vectors: serde_json::Value = serde_json::from_str(file).unwrap();
        let vectors = vectors["s_token2"].as_array().unwrap();
        assert_eq!(vectors.len(), 4, "no vector got lost");
        for vector in vectors {
            let text = |member: &str| vector[member].as_str().unwrap();
            let made = legacy_signature(text("token"), text("secret"), text("path"), text("host"));
            assert_eq!(std::str::from_utf8(&made), Ok(text("signature")));
        }
    }
}
