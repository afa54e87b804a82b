//! What is promised, held against what happens.
//!
//! 1. A decision that begins after the answer to a change rests on that change or a later one, on whatever node, be it
//!    allowed or refused, be the token there or not.
//! 2. After the answer no decision passes its last check on a node that did not know of the change when it was answered:
//!    its lease had run out. On a node that did know, only such pass as had looked the token up before the node knew, and
//!    only within the lease of that look-up; they were begun before the answer.
//! 3. A management call that looks at the nodes a lease after its commit, or later, finds nobody left to wait for.
//!
//! An answer to a call that has found its change made already, by another call that still waits, counts as the answer.

use std::cell::{Cell, RefCell};

use super::NODES;
use super::database::{Record, TOKENS};

/// Most changes of a schedule.
pub(super) const POSITIONS: usize = 64;

#[derive(Clone, Copy)]
struct Version {
    revision: u64,
    position: u64,
    /// The moment of the first answer, and the node lives that did not know of it then.
    answered: Option<(u64, [u64; NODES])>,
}

/// What the nodes promise to keep, and the first promise that was broken.
#[derive(Default)]
pub(super) struct Promises {
    /// Counts moments.
    now: Cell<u64>,
    versions: RefCell<[Vec<Version>; TOKENS]>,
    /// From which revision on a value finds its token.
    values_since: RefCell<[Vec<u64>; TOKENS]>,
    broken: RefCell<Option<String>>,
}

/// A decision under way.
#[derive(Clone, Copy)]
pub(super) struct Begun {
    pub token: usize,
    /// The newest revision of which somebody was told.
    floor: u64,
    /// The number of the value that is presented.
    pub value: Option<u8>,
}

/// Where and when a decision looked and last checked.
pub(super) struct Checked<'a> {
    pub node: usize,
    pub life: u64,
    pub revision: u64,
    pub looked_up: u64,
    pub checked: u64,
    /// When the node was told of each change; 0 = not yet.
    pub told: &'a [u64; POSITIONS],
}

impl Promises {
    pub(super) fn reset(&self) {
        self.now.set(0);
        self.versions.borrow_mut().iter_mut().for_each(Vec::clear);
        *self.values_since.borrow_mut() = [vec![1], Vec::new()];
        *self.broken.borrow_mut() = None;
    }

    /// A new moment, after all before.
    pub(super) fn moment(&self) -> u64 {
        self.now.set(self.now.get() + 1);
        self.now.get()
    }

    pub(super) fn broken(&self) -> Option<String> {
        self.broken.borrow().clone()
    }

    pub(super) fn is_kept(&self) -> bool {
        self.broken.borrow().is_none()
    }

    pub(super) fn break_by(&self, text: String) {
        self.broken.borrow_mut().get_or_insert(text);
    }

    pub(super) fn committed(&self, token: usize, record: Record, position: u64) {
        let version = Version { revision: record.revision, position, answered: None };
        self.versions.borrow_mut()[token].push(version);
        let values = &mut self.values_since.borrow_mut()[token];
        while values.len() < usize::from(record.values) {
            values.push(record.revision);
        }
    }

    /// Somebody was told that the token has this revision. `lives` are the nodes as they are and what each was told.
    pub(super) fn answered(&self, token: usize, revision: u64, lives: [(u64, [u64; POSITIONS]); NODES]) {
        let at = self.moment();
        let mut versions = self.versions.borrow_mut();
        for version in versions[token].iter_mut().filter(|version| version.revision <= revision) {
            let ignorant =
                lives.map(|(life, told)| if told[version.position as usize] == 0 { life } else { 0 });
            version.answered.get_or_insert((at, ignorant));
        }
    }

    pub(super) fn begin(&self, token: usize, value: Option<u8>) -> Begun {
        let versions = self.versions.borrow();
        let answered = versions[token].iter().filter(|version| version.answered.is_some());
        Begun { token, floor: answered.map(|version| version.revision).max().unwrap_or(0), value }
    }

    /// The decision was answered by a record of this revision; `None`: by there being none.
    pub(super) fn decided(&self, begun: Begun, revision: Option<u64>, allowed: bool, node: usize) {
        self.moment();
        let is_old = match (revision, begun.value) {
            (Some(revision), _) => revision < begun.floor,
            (None, None) => begun.floor > 0,
            (None, Some(value)) => {
                let since = self.values_since.borrow()[begun.token].get(usize::from(value)).copied();
                since.is_some_and(|since| since <= begun.floor)
            }
        };
        if is_old {
            let said = if allowed { "allowed" } else { "refused" };
            self.break_by(format!(
                "promise 1: begun after revision {} was answered, {said} on node {node} by {revision:?}",
                begun.floor
            ));
        }
    }

    /// A decision has passed its last check.
    pub(super) fn passed(&self, token: usize, check: &Checked<'_>) {
        for version in &self.versions.borrow()[token] {
            let Some((answered, ignorant)) = version.answered else { continue };
            if version.revision <= check.revision || check.checked < answered {
                continue;
            }
            let told = check.told[version.position as usize];
            let is_lapsed = check.life == ignorant[check.node];
            if is_lapsed || check.looked_up > told {
                self.break_by(format!(
                    "promise 2: node {} passes revision {} after revision {} was answered{}",
                    check.node,
                    check.revision,
                    version.revision,
                    if is_lapsed { ", which it did not know" } else { ", which it knew" }
                ));
            }
        }
    }
}
