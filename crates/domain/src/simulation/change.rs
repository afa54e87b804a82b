//! A management call: one transaction that changes a token, and the wait for all nodes, as
//! `store/src/postgres/{change,transaction}.rs` do it.

use std::rc::Rc;

use super::NODES;
use super::database::{Lock, Record, digest, token_id};
use super::decision::probe;
use super::guard::Guard;
use super::session::{Lost, PATIENCE, Session, read};
use super::wait::{Awaited, wait};
use super::world::World;
use crate::store::{Change, Position};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Issue,
    Revoke,
    Disable,
    Enable,
    Regenerate,
}

/// Counted as open until it is dropped, be it with its node.
pub(super) struct Open(Rc<World>);

impl Open {
    pub(super) fn new(world: &Rc<World>) -> Self {
        world.open.set(world.open.get() + 1);
        Self(Rc::clone(world))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
    }
}

/// Held from the taking of a position until this node has been told.
struct Turn(Rc<World>, usize);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.nodes[self.1].is_turn_taken.set(false);
    }
}

/// What a call has made or found.
struct Made {
    revision: u64,
    change: Option<Rc<Change>>,
}

pub(super) async fn call(world: Rc<World>, number: usize, token: usize, kind: Kind, open: Open) {
    if !world.nodes[number].is_up.get() {
        return;
    }
    if let Ok(revision) = answer(&world, number, token, kind).await {
        let lives = std::array::from_fn::<_, NODES, _>(|number| {
            let node = &world.nodes[number];
            (node.life.get(), *node.told.borrow())
        });
        world.note(|| format!("node {number}: {kind:?} of token {token} is answered, revision {revision}"));
        world.promises.answered(token, revision, lives);
        probe(&world, token);
    }
    drop(open);
}

/// The revision of which the caller is told.
async fn answer(world: &Rc<World>, number: usize, token: usize, kind: Kind) -> Result<u64, Lost> {
    let seen = read(world, number, |database| database.record(token)).await?;
    let nodes_before = if world.lacks(Guard::ReadsNodesAfterCommit) {
        let ids =
            read(world, number, |database| database.nodes.iter().map(|row| Rc::clone(&row.id)).collect());
        Some(ids.await?)
    } else {
        None
    };
    let made = make(world, number, token, kind, seen).await?;
    let is_own = made.change.is_some();
    let position = match made.change {
        Some(change) => change.position,
        None => read(world, number, |database| database.position()).await?,
    };
    wait(world, number, Awaited { position, is_own, nodes_before }).await?;
    Ok(made.revision)
}

async fn make(
    world: &Rc<World>,
    number: usize,
    token: usize,
    kind: Kind,
    seen: Option<Record>,
) -> Result<Made, Lost> {
    let node = &world.nodes[number];
    let mut session = Session::begin(world, number, node.connection.get());
    let found = session.run(|database, transaction| database.lock_record(transaction.id, token)).await?;
    let record = match next(kind, seen, found) {
        Next::Write(record) => record,
        Next::IsSo(revision) => {
            session.commit().await?;
            return Ok(Made { revision, change: None });
        }
        Next::Refuse => {
            session.roll_back();
            return Err(Lost);
        }
    };
    let turn = take_turn(world, number).await?;
    let change = session
        .run(|database, transaction| {
            let position = Position(database.lock_position(transaction.id, Lock::Exclusive)?.0 + 1);
            let values = if matches!(kind, Kind::Issue | Kind::Regenerate) {
                vec![digest(token, record.values - 1)]
            } else {
                Vec::new()
            };
            let change = Rc::new(Change { position, tokens: vec![token_id(token)], values });
            transaction.record = Some((token, record));
            transaction.change = Some(Rc::clone(&change));
            Some(change)
        })
        .await?;
    if session.commit().await.is_err() {
        world.spawn(Some(number), 1, settle_doubt(Rc::clone(world), number, change, turn));
        return Err(Lost);
    }
    node.tell(world, &change);
    drop(turn);
    Ok(Made { revision: record.revision, change: Some(change) })
}

enum Next {
    Write(Record),
    /// It is what was asked for already, by this revision.
    IsSo(u64),
    Refuse,
}

fn next(kind: Kind, seen: Option<Record>, found: Option<Record>) -> Next {
    let Some(record) = found else {
        let first = Record { revision: 1, enabled: true, revoked: false, values: 1 };
        return if kind == Kind::Issue { Next::Write(first) } else { Next::Refuse };
    };
    let revised = Record { revision: record.revision + 1, ..record };
    match kind {
        Kind::Revoke if record.revoked => Next::IsSo(record.revision),
        Kind::Revoke => Next::Write(Record { revoked: true, ..revised }),
        Kind::Issue => Next::Refuse,
        _ if record.revoked || seen.is_none_or(|seen| seen.revision != record.revision) => Next::Refuse,
        Kind::Disable => Next::Write(Record { enabled: false, ..revised }),
        Kind::Enable => Next::Write(Record { enabled: true, ..revised }),
        Kind::Regenerate => Next::Write(Record { values: record.values + 1, ..revised }),
    }
}

async fn take_turn(world: &Rc<World>, number: usize) -> Result<Turn, Lost> {
    let node = &world.nodes[number];
    let begun = world.now();
    while node.is_turn_taken.get() {
        if world.now() > begun + PATIENCE {
            return Err(Lost);
        }
        world.dawdle().await;
    }
    node.is_turn_taken.set(true);
    Ok(Turn(Rc::clone(world), number))
}

/// Tells this node of a change whose commit was not answered, once the database says that it has kept it.
async fn settle_doubt(world: Rc<World>, number: usize, change: Rc<Change>, turn: Turn) {
    let node = &world.nodes[number];
    loop {
        let mut session = Session::begin(&world, number, node.connection.get());
        let locked = session.run(|database, own| database.lock_position(own.id, Lock::Exclusive)).await;
        match locked {
            Ok(position) => {
                session.roll_back();
                if position >= change.position {
                    node.tell(&world, &change);
                }
                break;
            }
            Err(Lost) => world.pause(100).await,
        }
    }
    drop(turn);
}
