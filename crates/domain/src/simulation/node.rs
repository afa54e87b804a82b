//! A node: its real cache, lease and roster, and how it follows the changes, statement by statement as
//! `store/src/postgres/node.rs` does.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::LEASE;
use super::database::Lock;
use super::guard::Guard;
use super::promise::POSITIONS;
use super::session::{Lost, Session, read};
use super::world::World;
use crate::cache::Cache;
use crate::lease::{BootClock, BootTime, Lease, Renewal, Roster, lease_end};
use crate::store::{Change, ChangeListener, Position};

/// A machine's clock since boot. It runs at `rate` tenths of true time.
pub(super) struct MachineClock {
    time: Arc<AtomicU64>,
    rate: AtomicU64,
    offset: AtomicU64,
}

impl BootClock for MachineClock {
    fn now(&self) -> BootTime {
        let local = self.time.load(Ordering::Relaxed) * self.rate.load(Ordering::Relaxed) / 10;
        BootTime::since_boot(Duration::from_nanos(local + self.offset.load(Ordering::Relaxed)))
    }
}

pub(super) struct Node {
    number: usize,
    pub cache: Cache,
    pub clock: Arc<MachineClock>,
    /// How often it has started.
    pub life: Cell<u64>,
    pub id: RefCell<Rc<str>>,
    pub is_up: Cell<bool>,
    pub frozen_until: Cell<u64>,
    /// The number of its connections: raised, all that were open are broken.
    pub connection: Cell<u64>,
    pub cut_until: Cell<u64>,
    pub told: RefCell<[u64; POSITIONS]>,
    pub roster: RefCell<Roster>,
    pub read_from: Cell<BootTime>,
    pub is_reading: Cell<bool>,
    pub is_turn_taken: Cell<bool>,
    pub follower: Cell<usize>,
    pub is_idle: Cell<bool>,
    wall_ahead: Cell<u64>,
    applied: Cell<Position>,
    renewals: Cell<u64>,
}

impl Node {
    pub(super) fn new(number: usize, time: &Arc<AtomicU64>) -> Self {
        let clock = Arc::new(MachineClock {
            time: Arc::clone(time),
            rate: AtomicU64::new(10),
            offset: AtomicU64::new(0),
        });
        Self {
            number,
            cache: Cache::with_lease(16, Position(0), Lease::new(clock.clone())),
            clock,
            life: Cell::default(),
            id: RefCell::new("".into()),
            is_up: Cell::default(),
            frozen_until: Cell::default(),
            connection: Cell::default(),
            cut_until: Cell::default(),
            told: RefCell::new([0; POSITIONS]),
            roster: RefCell::default(),
            read_from: Cell::default(),
            is_reading: Cell::default(),
            is_turn_taken: Cell::default(),
            follower: Cell::default(),
            is_idle: Cell::default(),
            wall_ahead: Cell::default(),
            applied: Cell::default(),
            renewals: Cell::default(),
        }
    }

    /// A machine that has never run a node.
    pub(super) fn reset(&self, world: &World) {
        self.clock.rate.store(10 + world.random.below(2), Ordering::Relaxed);
        self.clock.offset.store(world.random.below(5_000_000), Ordering::Relaxed);
        self.wall_ahead.set(world.random.below(4_000));
        self.life.set(0);
        self.frozen_until.set(0);
        self.cut_until.set(0);
        self.forget();
    }

    /// Whatever a process keeps in memory is gone.
    fn forget(&self) {
        self.is_up.set(false);
        self.is_idle.set(false);
        self.cache.renewed(Renewal { until: BootTime::default(), time: None });
        self.cache.lost_track(Position(0));
        *self.told.borrow_mut() = [0; POSITIONS];
        *self.roster.borrow_mut() = Roster::default();
        self.read_from.set(BootTime::default());
        self.is_reading.set(false);
        self.is_turn_taken.set(false);
        self.renewals.set(0);
    }

    pub(super) fn reaches(&self, connection: u64, world: &World) -> bool {
        connection == self.connection.get() && world.now() >= self.cut_until.get()
    }

    /// Breaks its connections, and any new one for so long.
    pub(super) fn cut(&self, world: &World, units: u64) {
        world.note(|| format!("node {}: connections are cut for {units}", self.number));
        self.connection.set(self.connection.get() + 1);
        self.cut_until.set(world.now() + units);
    }

    pub(super) fn crash(&self, world: &World) {
        world.note(|| format!("node {}: crashes", self.number));
        world.kill(self.number);
        self.frozen_until.set(0);
        self.forget();
    }

    /// By its wall clock, which somebody has set.
    pub(super) fn wall(&self, world: &World) -> u64 {
        world.now() + self.wall_ahead.get()
    }

    pub(super) fn tell(&self, world: &World, change: &Change) {
        self.cache.changed(change);
        let told = &mut self.told.borrow_mut()[change.position.0 as usize];
        if *told == 0 {
            *told = world.promises.moment();
        }
        world.note(|| format!("node {}: is told of change {}", self.number, change.position.0));
    }

    fn told_up_to(&self, world: &World, position: Position) {
        let moment = world.promises.moment();
        for told in &mut self.told.borrow_mut()[..=position.0 as usize] {
            *told = if *told == 0 { moment } else { *told };
        }
    }
}

/// Starts a node, which follows the changes from then on.
pub(super) fn start(world: &Rc<World>, number: usize, after: u64) {
    let node = &world.nodes[number];
    node.life.set(node.life.get() + 1);
    let life = if world.lacks(Guard::NewIdAtStart) { 0 } else { node.life.get() };
    *node.id.borrow_mut() = format!("{number}.{life}").into();
    node.connection.set(node.connection.get() + 1);
    let slot = world.spawn(Some(number), after, follow(Rc::clone(world), number));
    node.follower.set(slot);
}

async fn follow(world: Rc<World>, number: usize) {
    let node = &world.nodes[number];
    let position = loop {
        match read(&world, number, |database| database.position()).await {
            Ok(position) => break position,
            Err(Lost) => world.pause(100).await,
        }
    };
    node.applied.set(position);
    node.told_up_to(&world, position);
    loop {
        // Until it has its first lease a node does nothing else.
        match world.within(world.now() + LEASE, renew(&world, number)).await {
            Some(Ok(())) => node.is_up.set(true),
            _ => {
                world.pause(LEASE / 10).await;
                continue;
            }
        }
        if world.random.one_in(6) {
            tidy(&world, number).await;
        }
        idle(&world, number).await;
        while world.random.one_in(2) {
            // Woken up, it takes in what there is; a connection that fails at that is replaced before it renews.
            if catch_up(&world, number).await.is_err() {
                break;
            }
            idle(&world, number).await;
        }
    }
}

async fn idle(world: &World, number: usize) {
    let node = &world.nodes[number];
    node.is_idle.set(true);
    world.pause(world.random.between(LEASE / 4, LEASE / 2)).await;
    node.is_idle.set(false);
}

/// Takes in and acknowledges what has been committed since, without a lock and without a new lease.
async fn catch_up(world: &World, number: usize) -> Result<(), Lost> {
    let node = &world.nodes[number];
    let applied = node.applied.get();
    let changes = read(world, number, |database| database.changes_after(applied)).await?;
    let is_whole = (applied.0 + 1..).zip(&changes).all(|(number, change)| change.position.0 == number);
    let Some(last) = changes.last().map(|change| change.position).filter(|_| is_whole) else { return Ok(()) };
    if !world.lacks(Guard::AppliesFirst) {
        changes.iter().for_each(|change| node.tell(world, change));
    }
    node.applied.set(last);
    let id = Rc::clone(&node.id.borrow());
    read(world, number, |database| database.acknowledge(&id, last)).await?;
    if world.lacks(Guard::AppliesFirst) {
        world.dawdle().await;
        changes.iter().for_each(|change| node.tell(world, change));
    }
    Ok(())
}

/// Takes in every change that is committed, acknowledges them and so gets a new lease.
async fn renew(world: &Rc<World>, number: usize) -> Result<(), Lost> {
    let node = &world.nodes[number];
    let sent = node.clock.now();
    let mut session = Session::begin(world, number, node.connection.get());
    if world.lacks(Guard::TakesInAll) {
        let applied = node.applied.get();
        let early = session.run(move |database, _| Some(database.changes_after(applied))).await?;
        early.iter().for_each(|change| node.tell(world, change));
    }
    let is_locking = !world.lacks(Guard::LocksPosition);
    let position = session
        .run(|database, transaction| {
            if is_locking {
                database.lock_position(transaction.id, Lock::Share)
            } else {
                Some(database.position())
            }
        })
        .await?;
    let mut late = Vec::new();
    if position != node.applied.get() && !world.lacks(Guard::TakesInAll) {
        let applied = node.applied.get();
        let found = session
            .run(|database, _| Some((database.changes(applied, position), database.changes_after(applied))));
        match found.await? {
            (Some(changes), _) if world.lacks(Guard::AppliesFirst) => late = changes,
            (Some(changes), _) => changes.iter().for_each(|change| node.tell(world, change)),
            (None, known) if world.lacks(Guard::ForgetsAtGaps) => {
                known.iter().for_each(|change| node.tell(world, change));
            }
            (None, _) => {
                world.note(|| format!("node {number}: has lost track up to {}", position.0));
                node.cache.lost_track(position);
                node.told_up_to(world, position);
            }
        }
    }
    node.applied.set(position);
    node.renewals.set(node.renewals.get() + 1);
    acknowledge(world, number, &mut session).await?;
    session.commit().await?;
    if !late.is_empty() {
        world.dawdle().await;
        late.iter().for_each(|change| node.tell(world, change));
    }
    let from = if world.lacks(Guard::CountsFromSending) { node.clock.now() } else { sent };
    let length = Duration::from_nanos(LEASE);
    let until = if world.lacks(Guard::Margin) { from.plus(length) } else { lease_end(from, length) };
    world.note(|| format!("node {number}: has a lease, knowing {}", position.0));
    node.cache.renewed(Renewal { until, time: None });
    Ok(())
}

async fn acknowledge(world: &World, number: usize, session: &mut Session) -> Result<(), Lost> {
    let node = &world.nodes[number];
    let id = Rc::clone(&node.id.borrow());
    let row = (Rc::clone(&id), node.renewals.get(), node.applied.get(), node.wall(world));
    session
        .run(|database, transaction| {
            database.lock_node(transaction.id, &id).then(|| transaction.node = Some(row.clone()))
        })
        .await
}

/// Removes nodes that have lapsed, and changes that all have taken in.
async fn tidy(world: &World, number: usize) {
    let node = &world.nodes[number];
    if super::wait::read_nodes(world, number, None).await.is_err() {
        return;
    }
    let lapsed = node.roster.borrow().lapsed(Duration::from_nanos(LEASE / 4), node.clock.now());
    let _ = read(world, number, |database| database.tidy(&lapsed)).await;
}
