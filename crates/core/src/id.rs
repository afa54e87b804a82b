//! Token ids: the public handles that may stand in URLs and logs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base62;

/// The three purposes of a token; the wire calls it `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TokenKind {
    /// Signs image URLs; its secret never travels.
    ImageUrl,
    /// Presented by upload clients.
    Upload,
    /// Carries permissions; also manages other tokens.
    ApiKey,
}

impl TokenKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::ImageUrl, Self::Upload, Self::ApiKey];

    /// The wire name: `imageUrl`, `upload` or `apiKey`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ImageUrl => "imageUrl",
            Self::Upload => "upload",
            Self::ApiKey => "apiKey",
        }
    }

    /// The kind with this wire name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    const fn id_prefix(self) -> &'static str {
        match self {
            Self::ImageUrl => "iu_",
            Self::Upload => "up_",
            Self::ApiKey => "ak_",
        }
    }
}

/// A token's public handle: `iu_`, `up_` or `ak_` and 22 base62 digits of a big-endian `UUIDv7`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId {
    kind: TokenKind,
    // Big-endian bytes sort like the number, and take 17 bytes where a u128 would have an id take 32.
    uuid: [u8; 16],
}

/// Characters of an id: a prefix of 3 and 22 digits.
pub const TOKEN_ID_LENGTH: usize = 25;

/// The text is no token id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected iu_, up_ or ak_ and 22 characters of 0-9A-Za-z")]
pub struct InvalidTokenId;

impl TokenId {
    /// An id from a time in milliseconds since the epoch (48 bits are kept) and 10 random bytes, laid out as RFC 9562
    /// asks of a `UUIDv7`, so that ids sort by the time of issue.
    pub fn from_parts(kind: TokenKind, unix_millis: u64, random: [u8; 10]) -> Self {
        Self { kind, uuid: uuid_v7(unix_millis, random) }
    }

    /// An id over any 128 bits, for records that come from elsewhere.
    pub const fn from_uuid(kind: TokenKind, uuid: [u8; 16]) -> Self {
        Self { kind, uuid }
    }

    /// The 128 bits behind the digits, big-endian.
    pub const fn uuid(self) -> [u8; 16] {
        self.uuid
    }

    /// The kind that the prefix names.
    pub const fn kind(self) -> TokenKind {
        self.kind
    }
}

/// The bytes of a `UUIDv7` as RFC 9562 lays it out.
pub(crate) fn uuid_v7(unix_millis: u64, random: [u8; 10]) -> [u8; 16] {
    let mut bytes = [0u8; 16];
    bytes[..6].copy_from_slice(&unix_millis.to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&random);
    bytes[6] = (bytes[6] & 0x0f) | 0x70;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    bytes
}

impl FromStr for TokenId {
    type Err = InvalidTokenId;

    fn from_str(text: &str) -> Result<Self, InvalidTokenId> {
        let (prefix, digits) = text.split_at_checked(3).ok_or(InvalidTokenId)?;
        let kind =
            TokenKind::ALL.into_iter().find(|kind| kind.id_prefix() == prefix).ok_or(InvalidTokenId)?;
        if digits.len() != TOKEN_ID_LENGTH - 3 {
            return Err(InvalidTokenId);
        }
        let uuid = base62::decode(digits.as_bytes()).ok_or(InvalidTokenId)?;
        Ok(Self { kind, uuid: uuid.to_be_bytes() })
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = base62::encode::<{ TOKEN_ID_LENGTH - 3 }>(u128::from_be_bytes(self.uuid));
        f.write_str(self.kind.id_prefix())?;
        f.write_str(std::str::from_utf8(&digits).expect("base62 digits are ASCII"))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for TokenId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TokenId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_beyond_128_bits_is_refused() {
        assert_eq!("iu_zzzzzzzzzzzzzzzzzzzzzz".parse::<TokenId>(), Err(InvalidTokenId));
        assert!("iu_7n42DGM5Tflk9n8mt7Fhc7".parse::<TokenId>().is_ok(), "2^128 - 1 fits");
        assert_eq!("iu_7n42DGM5Tflk9n8mt7Fhc8".parse::<TokenId>(), Err(InvalidTokenId), "2^128 does not");
    }

    #[test]
    fn ids_carry_version_and_variant_of_a_uuid_v7() {
        let id = TokenId::from_parts(TokenKind::Upload, 0x0123_4567_89ab, [0xff; 10]);
        assert_eq!(id.uuid[..6], [0x01, 0x23, 0x45, 0x67, 0x89, 0xab]);
        assert_eq!(id.uuid[6] >> 4, 7);
        assert_eq!(id.uuid[8] >> 6, 2);
    }

    #[test]
    fn later_ids_sort_behind_earlier_ones_as_text_too() {
        let early = TokenId::from_parts(TokenKind::ApiKey, 1_000, [0xff; 10]);
        let late = TokenId::from_parts(TokenKind::ApiKey, 1_001, [0; 10]);
        assert!(early < late && early.to_string() < late.to_string());
    }
}
