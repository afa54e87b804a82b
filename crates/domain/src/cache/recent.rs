//! Tallies that the store has told lately. A read that was under way when one was told may have seen what was before it.

use std::collections::HashMap;

use countermark_core::{Tally, TokenId};

/// When a read began, by the generation of tallies that was gathered then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadBegin(u64);

/// The tallies of the last two generations, the latest of each token.
#[derive(Default)]
pub(super) struct Recent {
    generation: u64,
    current: HashMap<TokenId, Tally>,
    former: HashMap<TokenId, Tally>,
}

/// Tokens of one generation. At least so many must be told of within one read, before it has to be repeated.
const GENERATION: usize = 4_096;

impl Recent {
    pub(super) fn begin_read(&self) -> ReadBegin {
        ReadBegin(self.generation)
    }

    pub(super) fn note(&mut self, token: TokenId, tally: Tally) {
        let known = self.current.entry(token).or_insert(tally);
        if tally.is_later_than(known) {
            *known = tally;
        }
        if self.current.len() >= GENERATION {
            std::mem::swap(&mut self.current, &mut self.former);
            self.current.clear();
            self.generation += 1;
        }
    }

    /// Whether everything told since then is still known.
    pub(super) fn covers(&self, begin: ReadBegin) -> bool {
        self.generation - begin.0 <= 1
    }

    pub(super) fn of(&self, token: TokenId) -> impl Iterator<Item = Tally> {
        [&self.current, &self.former].into_iter().filter_map(move |known| known.get(&token).copied())
    }
}
