//! Counting values by size, without forgetting and without growing.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bounds for times in microseconds: six to a power of ten, from a tenth of a millisecond to ten seconds.
pub const MICROS: &[u64] = &[
    100, 150, 200, 300, 500, 700, 1_000, 1_500, 2_000, 3_000, 5_000, 7_000, 10_000, 15_000, 20_000, 30_000,
    50_000, 70_000, 100_000, 150_000, 200_000, 300_000, 500_000, 700_000, 1_000_000, 1_500_000, 2_000_000,
    3_000_000, 5_000_000, 7_000_000, 10_000_000,
];

/// Bounds for what is packed together, up to [`crate::BATCH`].
pub const SIZES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/// Values since the start, counted in buckets.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what is above the last.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
    highest: AtomicU64,
}

impl Histogram {
    /// Buckets of the values up to each of these bounds, which ascend.
    pub fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::default()).collect();
        Self { bounds, counts, sum: AtomicU64::default(), highest: AtomicU64::default() }
    }

    /// Counts one value.
    pub fn note(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
        self.highest.fetch_max(value, Ordering::Relaxed);
    }

    /// Counts one time; to be asked of bounds in microseconds, as [`MICROS`] are.
    pub fn note_time(&self, time: std::time::Duration) {
        self.note(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// What has been counted so far.
    pub fn distribution(&self) -> Distribution {
        Distribution {
            bounds: self.bounds,
            counts: self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: self.sum.load(Ordering::Relaxed),
            highest: self.highest.load(Ordering::Relaxed),
        }
    }
}

/// What a [`Histogram`] had counted at some instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    bounds: &'static [u64],
    counts: Box<[u64]>,
    /// All values together.
    pub sum: u64,
    /// The highest of them; 0 if there are none.
    pub highest: u64,
}

impl Distribution {
    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Each bound, and how many values were not above it.
    pub fn up_to(&self) -> impl Iterator<Item = (u64, u64)> {
        let counts = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        self.bounds.iter().copied().zip(counts)
    }

    /// The value that so many of a thousand do not exceed, taken as evenly spread within its bucket, so it is wrong by less
    /// than half of itself. `None` without values.
    pub fn quantile(&self, per_mille: u64) -> Option<u64> {
        let rank = (self.count() * per_mille).div_ceil(1000).max(1);
        let (mut below, mut lower) = (0, 0);
        for (bucket, count) in self.counts.iter().enumerate() {
            let upper = self.bounds.get(bucket).map_or(self.highest, |bound| self.highest.min(*bound));
            if rank <= below + count {
                let share = u128::from(upper.saturating_sub(lower)) * u128::from(rank - below);
                let into = u64::try_from(share.div_ceil(u128::from(*count))).unwrap_or(u64::MAX);
                return Some(lower.saturating_add(into));
            }
            (below, lower) = (below + count, upper);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_counted_under_the_first_bound_that_it_does_not_exceed() {
        let histogram = Histogram::new(&[10, 20]);
        for value in [0, 10, 11, 20, 21, u64::MAX / 2] {
            histogram.note(value);
        }
        let found = histogram.distribution();
        assert_eq!(found.up_to().collect::<Vec<_>>(), [(10, 2), (20, 4)]);
        assert_eq!((found.count(), found.highest), (6, u64::MAX / 2));
        assert_eq!(found.sum, 62 + u64::MAX / 2);
    }

    #[test]
    fn a_quantile_lies_in_the_bucket_of_its_value_and_never_above_the_highest() {
        let histogram = Histogram::new(MICROS);
        assert_eq!(histogram.distribution().quantile(500), None);
        (1..=98).for_each(|_| histogram.note(1_200));
        histogram.note(40_000);
        histogram.note(20_000_000);
        let found = histogram.distribution();
        let median = found.quantile(500).unwrap();
        assert!((1_001..=1_500).contains(&median), "{median}");
        let high = found.quantile(990).unwrap();
        assert!((30_001..=50_000).contains(&high), "{high}");
        assert_eq!(found.quantile(1000), Some(20_000_000));
        let one = Histogram::new(MICROS);
        one.note(640);
        assert_eq!(one.distribution().quantile(990), Some(640));
    }

    #[test]
    fn bounds_ascend() {
        assert!(MICROS.is_sorted_by(|one, next| one < next));
        assert!(SIZES.is_sorted_by(|one, next| one < next));
        assert_eq!(SIZES.last().copied(), u64::try_from(crate::BATCH).ok());
    }
}
