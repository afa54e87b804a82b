//! Instants as the wire shows them: whole Unix seconds.

use serde::{Deserialize, Serialize};

/// An instant in whole seconds since 1970-01-01 UTC, at most [`UnixSeconds::MAX`].
///
/// The upper bound is the last second of the year 9999; it also catches milliseconds given by mistake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct UnixSeconds(u64);

impl UnixSeconds {
    /// 9999-12-31T23:59:59Z.
    pub const MAX: Self = Self(253_402_300_799);

    /// `None` beyond the year 9999.
    pub const fn new(seconds: u64) -> Option<Self> {
        if seconds <= Self::MAX.0 { Some(Self(seconds)) } else { None }
    }

    /// The number of seconds since the epoch.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// This instant `seconds` later, at most [`UnixSeconds::MAX`].
    pub const fn plus(self, seconds: u64) -> Self {
        match self.0.checked_add(seconds) {
            Some(sum) if sum <= Self::MAX.0 => Self(sum),
            _ => Self::MAX,
        }
    }

    /// Rounded up to a multiple of `bucket` seconds, so that all links made within a bucket are the same and can be
    /// cached; 0 and 1 change nothing.
    pub const fn round_up(self, bucket: u64) -> Self {
        if bucket < 2 {
            return self;
        }
        match self.0 % bucket {
            0 => self,
            past => self.plus(bucket - past),
        }
    }
}

impl TryFrom<u64> for UnixSeconds {
    type Error = &'static str;

    fn try_from(seconds: u64) -> Result<Self, Self::Error> {
        Self::new(seconds).ok_or("expected Unix seconds from 0 to 253402300799")
    }
}

impl From<UnixSeconds> for u64 {
    fn from(instant: UnixSeconds) -> Self {
        instant.0
    }
}

impl std::fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_out_of_range() {
        assert_eq!(UnixSeconds::new(1_900_000_000_000), None);
        assert_eq!(UnixSeconds::new(253_402_300_799), Some(UnixSeconds::MAX));
        assert_eq!(UnixSeconds::new(253_402_300_800), None);
    }

    #[test]
    fn a_bucket_rounds_up_and_never_down() {
        let at = |s| UnixSeconds::new(s).unwrap();
        assert_eq!(at(1201).round_up(600), at(1800));
        assert_eq!(at(1200).round_up(600), at(1200));
        assert_eq!(at(1201).round_up(0), at(1201));
        assert_eq!(UnixSeconds::MAX.round_up(1000), UnixSeconds::MAX);
    }
}
