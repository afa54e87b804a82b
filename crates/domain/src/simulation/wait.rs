//! Waiting until a change is known to every node that decides, as `store/src/postgres/acknowledge.rs` does.

use std::rc::Rc;
use std::time::Duration;

use super::LEASE;
use super::database::NodeRow;
use super::guard::Guard;
use super::session::{Lost, read};
use super::world::World;
use crate::lease::{BootClock, BootTime, Sighting};
use crate::store::Position;

/// Longer than the real one, for the sake of shorter schedules.
const LONGEST_PAUSE: u64 = 64;

/// What is waited for.
pub(super) struct Awaited {
    pub position: Position,
    /// Whether this node has made the change itself, and so has been told of it already.
    pub is_own: bool,
    /// The nodes that were there before the change was committed, for a waiter that knows no others.
    pub nodes_before: Option<Vec<Rc<str>>>,
}

/// Waits until no node decides without the change; an error if the database cannot be asked.
pub(super) async fn wait(world: &World, number: usize, awaited: Awaited) -> Result<(), Lost> {
    let node = &world.nodes[number];
    let length = Duration::from_nanos(LEASE);
    let committed_at = node.clock.now();
    let mut pause = 1;
    loop {
        let looked_from = node.clock.now();
        let is_late = looked_from.since(committed_at) >= length;
        let until = match look(world, number, &awaited, looked_from, committed_at).await {
            Ok(None) => return Ok(()),
            Ok(Some(until)) => {
                if is_late {
                    let text = format!("promise 3: node {number} still waits for {:?}", awaited.position);
                    world.promises.break_by(text);
                }
                until
            }
            Err(Lost) if looked_from.since(committed_at) > length => return Err(Lost),
            Err(Lost) => looked_from.plus(Duration::from_nanos(LONGEST_PAUSE)),
        };
        let left = until.since(node.clock.now()).as_nanos() as u64;
        world.pause(pause.min(left).max(1)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn look(
    world: &World,
    number: usize,
    awaited: &Awaited,
    from: BootTime,
    committed_at: BootTime,
) -> Result<Option<BootTime>, Lost> {
    let node = &world.nodes[number];
    if world.lacks(Guard::CountsItself) {
        return look_at_wall_clocks(world, number, awaited).await;
    }
    read_nodes(world, number, Some((from, awaited.nodes_before.as_deref()))).await?;
    let id = node.id.borrow();
    let besides = (awaited.is_own || world.lacks(Guard::AwaitsItself)).then_some(&**id);
    let now = node.clock.now();
    let until = node.roster.borrow().awaited(awaited.position, besides, committed_at, now);
    if world.lacks(Guard::LetsLapse) && until.is_none() {
        let is_behind = |row: &NodeRow| row.acknowledged < awaited.position && Some(&*row.id) != besides;
        let is_anybody = world.database.borrow().nodes.iter().any(is_behind);
        return Ok(is_anybody.then(|| now.plus(Duration::from_nanos(LONGEST_PAUSE))));
    }
    Ok(until)
}

/// Reads the table of nodes, unless another waiter has done so since.
pub(super) async fn read_nodes(
    world: &World,
    number: usize,
    needed: Option<(BootTime, Option<&[Rc<str>]>)>,
) -> Result<(), Lost> {
    let node = &world.nodes[number];
    while node.is_reading.get() {
        world.pause(2).await;
    }
    if needed.is_some_and(|(from, _)| node.read_from.get() >= from) {
        return Ok(());
    }
    node.is_reading.set(true);
    let read_from = node.clock.now();
    let rows = read(world, number, |database| database.nodes.clone()).await;
    node.is_reading.set(false);
    let known = needed.and_then(|(_, known)| known);
    let rows = rows?.into_iter().filter(|row| known.is_none_or(|known| known.contains(&row.id)));
    let lease = Duration::from_nanos(LEASE);
    let sighting = |row: NodeRow| Sighting {
        node: row.id.to_string(),
        renewals: row.renewals,
        acknowledged: row.acknowledged,
        lease,
    };
    node.roster.borrow_mut().take_in(rows.map(sighting).collect(), node.clock.now());
    node.read_from.set(read_from);
    Ok(())
}

/// What the guard is against: believing what other machines' clocks say.
async fn look_at_wall_clocks(
    world: &World,
    number: usize,
    awaited: &Awaited,
) -> Result<Option<BootTime>, Lost> {
    let node = &world.nodes[number];
    let rows = read(world, number, |database| database.nodes.clone()).await?;
    let (id, now) = (Rc::clone(&node.id.borrow()), node.wall(world));
    let lives = |row: &NodeRow| row.acknowledged < awaited.position && now < row.renewed_at + LEASE;
    let is_anybody = rows.iter().any(|row| lives(row) && !(awaited.is_own && row.id == id));
    Ok(is_anybody.then(|| node.clock.now().plus(Duration::from_nanos(LONGEST_PAUSE))))
}
