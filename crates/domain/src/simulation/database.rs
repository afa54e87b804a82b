//! The database as the nodes meet it: every statement sees what is committed at its moment, rows that are being written are
//! locked until the commit, and one row holds the position of the last change.

use std::rc::Rc;

use countermark_core::{Token, TokenId, UnixSeconds, ValueDigest, ValueSlot};

use crate::store::{Change, Lookup, Position};

/// Tokens of a schedule; the first is there from the beginning, the second may be issued.
pub(super) const TOKENS: usize = 2;

/// A token as it is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub revision: u64,
    pub enabled: bool,
    pub revoked: bool,
    /// How many values it has had; only the last one works.
    pub values: u8,
}

/// A row of the table of nodes.
#[derive(Clone, Debug)]
pub(super) struct NodeRow {
    pub id: Rc<str>,
    pub renewals: u64,
    pub acknowledged: Position,
    /// By the wall clock of the node; only a waiter without the guard against it looks there.
    pub renewed_at: u64,
    locked_by: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    Share,
    Exclusive,
}

/// What a transaction has written and not yet committed, and whether it goes on.
#[derive(Default)]
pub(super) struct Transaction {
    pub id: u64,
    pub record: Option<(usize, Record)>,
    pub change: Option<Rc<Change>>,
    pub node: Option<(Rc<str>, u64, Position, u64)>,
}

#[derive(Default)]
pub(super) struct Database {
    position: u64,
    changes: Vec<Rc<Change>>,
    pub nodes: Vec<NodeRow>,
    records: [Option<Record>; TOKENS],
    record_locks: [Option<u64>; TOKENS],
    sharing: Vec<u64>,
    exclusive: Option<u64>,
    next_transaction: u64,
}

pub(super) fn token_id(token: usize) -> TokenId {
    TokenId::from_uuid(countermark_core::TokenKind::ApiKey, [token as u8 + 1; 16])
}

pub(super) fn digest(token: usize, value: u8) -> ValueDigest {
    ValueDigest([(token as u8) << 6 | value; 32])
}

impl Database {
    pub(super) fn reset(&mut self) {
        self.position = 1;
        self.changes.clear();
        self.nodes.clear();
        self.records = [Some(Record { revision: 1, enabled: true, revoked: false, values: 1 }), None];
        self.record_locks = [None; TOKENS];
        self.sharing.clear();
        self.exclusive = None;
    }

    pub(super) fn begin(&mut self) -> Transaction {
        self.next_transaction += 1;
        Transaction { id: self.next_transaction, ..Transaction::default() }
    }

    pub(super) fn position(&self) -> Position {
        Position(self.position)
    }

    pub(super) fn record(&self, token: usize) -> Option<Record> {
        self.records[token]
    }

    /// The token found, by which the record of its number; one statement.
    pub(super) fn find(&self, by: Lookup) -> Option<(usize, Record)> {
        let finds = |token: &usize| {
            self.records[*token].is_some_and(|record| match by {
                Lookup::Id(id) => id == token_id(*token),
                Lookup::Value(value) => (0..record.values).any(|number| digest(*token, number) == value),
            })
        };
        let token = (0..TOKENS).find(finds)?;
        Some((token, self.records[token]?))
    }

    /// Locks the row of the position and reads it as it is then; `None` while others are in the way.
    pub(super) fn lock_position(&mut self, transaction: u64, lock: Lock) -> Option<Position> {
        if self.exclusive.is_some_and(|holder| holder != transaction) {
            return None;
        }
        match lock {
            Lock::Share => self.sharing.push(transaction),
            Lock::Exclusive if self.sharing.is_empty() => self.exclusive = Some(transaction),
            Lock::Exclusive => return None,
        }
        Some(self.position())
    }

    /// Locks a token and reads it as it is then; `None` while another transaction is in the way.
    pub(super) fn lock_record(&mut self, transaction: u64, token: usize) -> Option<Option<Record>> {
        if self.record_locks[token].is_some_and(|holder| holder != transaction) {
            return None;
        }
        self.record_locks[token] = Some(transaction);
        Some(self.records[token])
    }

    /// Locks a node's own row, if it is there; false while another transaction is in the way.
    pub(super) fn lock_node(&mut self, transaction: u64, id: &str) -> bool {
        let Some(row) = self.nodes.iter_mut().find(|row| *row.id == *id) else { return true };
        if row.locked_by.is_some_and(|holder| holder != transaction) {
            return false;
        }
        row.locked_by = Some(transaction);
        true
    }

    /// Notes in a node's own row what it has taken in, unless the row is gone. (If a renewal of the node that is still to be
    /// undone holds the row, the statement would wait for that; here the node acknowledges with its next renewal.)
    pub(super) fn acknowledge(&mut self, id: &str, position: Position) {
        let row = self.nodes.iter_mut().find(|row| *row.id == *id);
        if let Some(row) = row.filter(|row| row.locked_by.is_none()) {
            row.acknowledged = position;
        }
    }

    /// Every change after `applied`; `None` if they are not all there up to `last`.
    pub(super) fn changes(&self, applied: Position, last: Position) -> Option<Vec<Rc<Change>>> {
        let later = self.changes_after(applied);
        let expected = (applied.0 + 1..=last.0).map(Position);
        later.iter().map(|change| change.position).eq(expected).then_some(later)
    }

    pub(super) fn changes_after(&self, applied: Position) -> Vec<Rc<Change>> {
        self.changes.iter().filter(|change| applied < change.position).cloned().collect()
    }

    /// Removes a node unless it has renewed since, and what all have taken in.
    pub(super) fn tidy(&mut self, lapsed: &[(String, u64)]) {
        self.nodes.retain(|row| {
            row.locked_by.is_some()
                || !lapsed.iter().any(|(id, renewals)| **id == *row.id && *renewals == row.renewals)
        });
        if let Some(least) = self.nodes.iter().map(|row| row.acknowledged).min() {
            self.changes.retain(|change| least < change.position);
        }
    }

    /// Ends it with all that it has written.
    pub(super) fn commit(&mut self, transaction: &mut Transaction) {
        if let Some((token, record)) = transaction.record {
            self.records[token] = Some(record);
        }
        if let Some(change) = transaction.change.take() {
            self.position = change.position.0;
            self.changes.push(change);
        }
        if let Some((id, renewals, acknowledged, renewed_at)) = transaction.node.take() {
            self.nodes.retain(|row| row.id != id);
            self.nodes.push(NodeRow { id, renewals, acknowledged, renewed_at, locked_by: None });
        }
        self.release(transaction.id);
    }

    /// Gives back all locks: the database has crashed, and with it every transaction.
    pub(super) fn release_all(&mut self) {
        self.record_locks = [None; TOKENS];
        self.sharing.clear();
        self.exclusive = None;
        self.nodes.iter_mut().for_each(|row| row.locked_by = None);
    }

    /// Gives back the locks of a transaction that has ended.
    pub(super) fn release(&mut self, transaction: u64) {
        self.sharing.retain(|holder| *holder != transaction);
        self.exclusive = self.exclusive.filter(|holder| *holder != transaction);
        for lock in &mut self.record_locks {
            *lock = lock.filter(|holder| *holder != transaction);
        }
        for row in &mut self.nodes {
            row.locked_by = row.locked_by.filter(|holder| *holder != transaction);
        }
    }
}

/// The whole token of a record. Its limit is its true revision, also for whoever is shown another one.
pub(super) fn token_of(base: &Token, token: usize, record: Record) -> Token {
    let mut found = base.clone();
    found.terms.id = token_id(token);
    found.terms.revision = record.revision;
    found.terms.limit = Some(record.revision);
    found.terms.enabled = record.enabled;
    found.terms.revoked_at = record.revoked.then_some(UnixSeconds::default());
    if let countermark_core::Purpose::ApiKey(api) = &mut found.terms.purpose {
        let last = record.values.saturating_sub(1);
        api.values = vec![ValueSlot { digest: digest(token, last), valid_until: None }];
    }
    found
}
