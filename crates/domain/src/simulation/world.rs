//! What goes on in a schedule: actors that each take one step after a while, clocks, and what happens to nodes and
//! connections. The actor that wakes up first goes on; nothing else happens meanwhile.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use countermark_core::Token;

use super::NODES;
use super::database::{Database, Transaction};
use super::guard::Guard;
use super::node::Node;
use super::promise::Promises;
use super::random::Random;
use crate::testing::api_key;

/// No schedule needs so many steps.
const MOST_STEPS: usize = 20_000;

const NEVER: u64 = u64::MAX;

type Actor = Pin<Box<dyn Future<Output = ()>>>;

struct Slot {
    /// The node that it runs on, of which it shares the fate.
    node: Option<usize>,
    /// A node that stands still does not keep the database from going on.
    is_at_server: bool,
    actor: Option<Actor>,
}

/// A transaction whose client has gone.
struct Orphan {
    ends: u64,
    commits: bool,
    epoch: u64,
    transaction: Transaction,
}

pub(super) struct World {
    pub time: Arc<AtomicU64>,
    pub random: Random,
    pub promises: Promises,
    pub database: RefCell<Database>,
    pub nodes: [Node; NODES],
    pub base: Token,
    removed: Cell<Option<Guard>>,
    /// Raised when the database crashes: what was not committed is gone.
    pub epoch: Cell<u64>,
    /// Calls and decisions that are not over.
    pub open: Cell<usize>,
    /// How long the longest delays of this schedule are.
    storm: Cell<u64>,
    slots: RefCell<Vec<Slot>>,
    /// When each actor goes on; [`NEVER`] once it has ended.
    wakes: RefCell<Vec<u64>>,
    orphans: RefCell<Vec<Orphan>>,
    asleep: Cell<(u64, bool)>,
    trace: RefCell<Option<Vec<String>>>,
}

impl World {
    pub(super) fn new() -> Rc<Self> {
        let time = Arc::new(AtomicU64::new(0));
        Rc::new(Self {
            nodes: std::array::from_fn(|number| Node::new(number, &time)),
            time,
            random: Random::default(),
            promises: Promises::default(),
            database: RefCell::default(),
            base: api_key(),
            removed: Cell::default(),
            epoch: Cell::default(),
            open: Cell::default(),
            storm: Cell::default(),
            slots: RefCell::default(),
            wakes: RefCell::default(),
            orphans: RefCell::default(),
            asleep: Cell::default(),
            trace: RefCell::default(),
        })
    }

    /// An empty world without this guard, in which all choices follow from the seed.
    pub(super) fn reset(&self, seed: u64, removed: Option<Guard>, is_traced: bool) {
        self.random.seed(seed);
        self.time.store(1_000_000, Ordering::Relaxed);
        self.removed.set(removed);
        self.epoch.set(0);
        self.storm.set([20, 200, 900, 2_500][self.random.index(4)]);
        self.promises.reset();
        self.database.borrow_mut().reset();
        *self.trace.borrow_mut() = is_traced.then(Vec::new);
    }

    /// Plays until every call is over or a promise is broken.
    pub(super) fn play(&self) {
        let mut steps = 0;
        while self.open.get() > 0 && self.promises.is_kept() {
            steps += 1;
            if steps > MOST_STEPS {
                self.promises.break_by("the schedule does not come to an end".to_owned());
            }
            self.step();
        }
        let slots = std::mem::take(&mut *self.slots.borrow_mut());
        drop(slots);
        self.wakes.borrow_mut().clear();
        self.orphans.borrow_mut().clear();
        self.open.set(0);
    }

    fn step(&self) {
        let (mut number, mut first) = (0, NEVER);
        for (other, wakes) in self.wakes.borrow().iter().enumerate() {
            if *wakes < first {
                (number, first) = (other, *wakes);
            }
        }
        if first == NEVER {
            self.promises.break_by("nobody goes on".to_owned());
            return;
        }
        self.time.store(first.max(self.now()), Ordering::Relaxed);
        self.end_orphans();
        let slots = self.slots.borrow();
        let node = slots[number].node.filter(|_| !slots[number].is_at_server);
        drop(slots);
        if let Some(node) = node
            && self.now() < self.nodes[node].frozen_until.get()
        {
            let wakes = self.nodes[node].frozen_until.get() + self.random.below(20);
            self.wakes.borrow_mut()[number] = wakes;
            return;
        }
        self.poll(number);
    }

    fn poll(&self, number: usize) {
        let Some(mut actor) = self.slots.borrow_mut()[number].actor.take() else { return };
        self.asleep.set((self.now() + 1, false));
        let poll = actor.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let mut wakes = self.wakes.borrow_mut();
        // A node that has crashed in this very step takes its actors with it.
        if poll.is_pending() && wakes[number] != NEVER {
            let slot = &mut self.slots.borrow_mut()[number];
            (wakes[number], slot.is_at_server) = self.asleep.get();
            slot.actor = Some(actor);
        } else {
            wakes[number] = NEVER;
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.time.load(Ordering::Relaxed)
    }

    pub(super) fn lacks(&self, guard: Guard) -> bool {
        self.removed.get() == Some(guard)
    }

    /// Writes into the trace, if there is one.
    pub(super) fn note(&self, text: impl FnOnce() -> String) {
        if let Some(trace) = &mut *self.trace.borrow_mut() {
            trace.push(format!("{:>6}  {}", self.now() - 1_000_000, text()));
        }
    }

    pub(super) fn trace(&self) -> String {
        self.trace.borrow().as_ref().map(|lines| lines.join("\n")).unwrap_or_default()
    }

    pub(super) fn spawn(
        &self,
        node: Option<usize>,
        after: u64,
        actor: impl Future<Output = ()> + 'static,
    ) -> usize {
        self.wakes.borrow_mut().push(self.now() + after);
        let mut slots = self.slots.borrow_mut();
        slots.push(Slot { node, is_at_server: false, actor: Some(Box::pin(actor)) });
        slots.len() - 1
    }

    pub(super) fn wake(&self, number: usize, after: u64) {
        let wakes = &mut self.wakes.borrow_mut()[number];
        *wakes = (*wakes).min(self.now() + after);
    }

    /// Ends all actors of a node.
    pub(super) fn kill(&self, node: usize) {
        let mut dead = Vec::new();
        for (slot, wakes) in self.slots.borrow_mut().iter_mut().zip(&mut *self.wakes.borrow_mut()) {
            if slot.node == Some(node) {
                *wakes = NEVER;
                dead.push(slot.actor.take());
            }
        }
    }

    /// How long a message or a step takes: mostly a moment.
    pub(super) fn delay(&self) -> u64 {
        let longest = match self.random.below(32) {
            0..24 => 6,
            24..29 => 40,
            29..31 => 40 + self.storm.get() / 8,
            _ => self.storm.get(),
        };
        1 + self.random.below(longest)
    }

    /// The actor goes on so much later.
    pub(super) async fn pause(&self, units: u64) {
        self.sleep(units, false).await;
    }

    /// The actor goes on a delay later.
    pub(super) async fn dawdle(&self) {
        self.sleep(self.delay(), false).await;
    }

    /// A message is under way to the database, or waits there.
    pub(super) async fn reach_server(&self, units: u64) {
        self.sleep(units, true).await;
    }

    async fn sleep(&self, units: u64, is_at_server: bool) {
        let mut has_slept = false;
        poll_fn(|_| {
            if has_slept {
                return Poll::Ready(());
            }
            has_slept = true;
            self.asleep.set((self.now() + units, is_at_server));
            Poll::Pending
        })
        .await;
    }

    /// Does the work unless it takes longer than until then.
    pub(super) async fn within<T>(&self, until: u64, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|context| {
            if self.now() >= until {
                return Poll::Ready(None);
            }
            let polled = work.as_mut().poll(context).map(Some);
            if polled.is_pending() && self.asleep.get().0 > until {
                self.asleep.set((until, false));
            }
            polled
        })
        .await
    }

    /// Leaves a transaction to the database, which will notice that its client has gone.
    pub(super) fn leave_behind(&self, transaction: Transaction, epoch: u64, is_committing: bool) {
        let commits = is_committing && self.random.one_in(2);
        let ends = self.now() + self.delay() * 4;
        self.orphans.borrow_mut().push(Orphan { ends, commits, epoch, transaction });
    }

    fn end_orphans(&self) {
        if self.orphans.borrow().is_empty() {
            return;
        }
        let mut orphans = std::mem::take(&mut *self.orphans.borrow_mut());
        orphans.retain_mut(|orphan| {
            if self.now() < orphan.ends {
                return true;
            }
            if orphan.commits && orphan.epoch == self.epoch.get() {
                self.note(|| "the database commits a transaction whose client has gone".to_owned());
                self.commit(&mut orphan.transaction);
            } else {
                self.database.borrow_mut().release(orphan.transaction.id);
            }
            false
        });
        self.orphans.borrow_mut().append(&mut orphans);
    }

    /// Commits, and wakes the nodes up if there is something new, as far as the message reaches them.
    pub(super) fn commit(&self, transaction: &mut Transaction) {
        let changed = transaction.record.zip(transaction.change.as_ref().map(|change| change.position.0));
        self.database.borrow_mut().commit(transaction);
        let Some(((token, record), position)) = changed else { return };
        self.note(|| format!("change {position} is committed: token {token} {record:?}"));
        self.promises.committed(token, record, position);
        for node in self.nodes.iter().filter(|node| node.is_idle.get()) {
            if !self.random.one_in(4) {
                self.wake(node.follower.get(), self.delay());
            }
        }
    }
}
