//! How many uploads are under way at once, in all and by one token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countermark_core::TokenId;

/// Seats of one kind, of which no token takes all.
pub(super) struct Seats {
    most: usize,
    most_of_one: usize,
    /// Only tokens with a seat stand here, so there are never more than seats.
    taken: Arc<Mutex<HashMap<TokenId, usize>>>,
}

/// Is free again when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    token: TokenId,
    taken: Arc<Mutex<HashMap<TokenId, usize>>>,
}

impl Seats {
    /// So many in all, and so many of them for one token.
    pub(super) fn new(most: usize, most_of_one: usize) -> Self {
        Self { most, most_of_one, taken: Arc::default() }
    }

    /// A seat; `None` if all are taken, or all that this token may have.
    pub(super) fn take(&self, token: TokenId) -> Option<Seat> {
        let mut taken = lock(&self.taken);
        let (in_all, own) = (taken.values().sum::<usize>(), taken.get(&token).copied().unwrap_or(0));
        if in_all >= self.most || own >= self.most_of_one {
            return None;
        }
        taken.insert(token, own + 1);
        Some(Seat { token, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        match taken.get(&self.token) {
            Some(own @ 2..) => {
                let left = own - 1;
                taken.insert(self.token, left);
            }
            _ => drop(taken.remove(&self.token)),
        }
    }
}

/// Nothing can panic while it is held half changed.
fn lock(taken: &Mutex<HashMap<TokenId, usize>>) -> MutexGuard<'_, HashMap<TokenId, usize>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use countermark_core::TokenKind;

    use super::*;

    #[test]
    fn a_token_takes_its_share_and_all_take_no_more_than_there_are() {
        let seats = Seats::new(3, 2);
        let [one, two, three] = [1, 2, 3].map(|it| TokenId::from_uuid(TokenKind::Upload, [it; 16]));
        let first = seats.take(one).unwrap();
        let second = seats.take(one).unwrap();
        assert!(seats.take(one).is_none(), "its share");
        let third = seats.take(two).unwrap();
        assert!(seats.take(three).is_none(), "all");
        drop(first);
        let again = seats.take(one).unwrap();
        assert!(seats.take(one).is_none());
        drop((second, third, again));
        assert!(lock(&seats.taken).is_empty(), "nobody without a seat is remembered");
    }
}
