//! Ids of what is recorded beside tokens: a prefix and 22 base62 digits of a big-endian `UUIDv7`, like those of tokens.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base62;
use crate::id::uuid_v7;

/// Base62 digits behind the prefix.
const DIGITS: usize = 22;

/// The text is no id of the kind that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {0} and 22 characters of 0-9A-Za-z")]
pub struct InvalidRecordId(&'static str);

macro_rules! record_id {
    ($(#[$docs:meta])* $name:ident, $prefix:literal) => {
        $(#[$docs])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 16]);

        impl $name {
            /// An id from a time in milliseconds since the epoch and 10 random bytes; ids sort by that time.
            pub fn from_parts(unix_millis: u64, random: [u8; 10]) -> Self {
                Self(uuid_v7(unix_millis, random))
            }
        }

        impl FromStr for $name {
            type Err = InvalidRecordId;

            fn from_str(text: &str) -> Result<Self, InvalidRecordId> {
                let digits = text.strip_prefix($prefix).filter(|digits| digits.len() == DIGITS);
                let uuid = digits.and_then(|digits| base62::decode(digits.as_bytes()));
                uuid.map(|uuid| Self(uuid.to_be_bytes())).ok_or(InvalidRecordId($prefix))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let digits = base62::encode::<DIGITS>(u128::from_be_bytes(self.0));
                f.write_str($prefix)?;
                f.write_str(std::str::from_utf8(&digits).expect("base62 digits are ASCII"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

record_id!(
    /// An upload's public handle: `upl_` and 22 digits. Whoever knows it can name the upload, not act on it.
    UploadId,
    "upl_"
);
record_id!(
    /// A notification's public handle, `ntf_` and 22 digits; the `webhook-id` of all its attempts.
    NotificationId,
    "ntf_"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_no_other_prefix_or_length_does() {
        let id = UploadId::from_parts(1_800_000_000_000, [7; 10]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().replace("upl_", "ntf_").parse::<UploadId>(), Err(InvalidRecordId("upl_")));
        assert!(id.to_string()[..25].parse::<UploadId>().is_err());
        assert!("upl_zzzzzzzzzzzzzzzzzzzzzz".parse::<UploadId>().is_err(), "beyond 128 bits");
    }
}
