//! The source of every choice of a schedule: the same seed makes the same choices.

use std::cell::Cell;

/// SplitMix64: small, fast and good enough to choose.
#[derive(Default)]
pub(super) struct Random(Cell<u64>);

impl Random {
    pub(super) fn seed(&self, seed: u64) {
        self.0.set(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    }

    fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Less than `end`, which is not 0.
    pub(super) fn below(&self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    pub(super) fn index(&self, end: usize) -> usize {
        self.below(end as u64) as usize
    }

    pub(super) fn between(&self, from: u64, to: u64) -> u64 {
        from + self.below(to - from)
    }

    /// True once in so many times.
    pub(super) fn one_in(&self, times: u64) -> bool {
        self.below(times) == 0
    }
}
