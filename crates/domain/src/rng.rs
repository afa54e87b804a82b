//! Randomness, injected.

use std::sync::Mutex;

use sha2::{Digest, Sha256};

/// A source of uniformly random bytes, fit for secrets.
pub trait Rng: Send + Sync + 'static {
    /// Overwrites all of `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's generator: the one home of randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    #[expect(clippy::disallowed_methods, reason = "this is the one home of randomness")]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("a machine without random numbers cannot issue tokens");
    }
}

/// The same bytes for the same seed, for exact tests; never for secrets.
#[derive(Debug)]
pub struct SeededRng {
    seed: u64,
    blocks: Mutex<u64>,
}

impl SeededRng {
    /// A generator that begins anew at `seed`.
    pub const fn new(seed: u64) -> Self {
        Self { seed, blocks: Mutex::new(0) }
    }
}

impl Rng for SeededRng {
    fn fill(&self, bytes: &mut [u8]) {
        let mut blocks = self.blocks.lock().expect("no holder of this lock panics");
        for chunk in bytes.chunks_mut(32) {
            let block =
                Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(blocks.to_be_bytes());
            chunk.copy_from_slice(&block.finalize()[..chunk.len()]);
            *blocks += 1;
        }
    }
}
