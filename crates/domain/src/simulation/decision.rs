//! A decision: the calls that `authorize.rs` and `caller.rs` make of the cache, in their order, with the world going on
//! between them.

use std::cell::Cell;
use std::rc::Rc;

use countermark_core::{Purpose, Terms, Token};

use super::NODES;
use super::change::Open;
use super::database::{digest, token_id, token_of};
use super::guard::Guard;
use super::node::Node;
use super::promise::{Begun, Checked};
use super::session::read;
use super::world::World;
use crate::cache::{Basis, Entry, Known};
use crate::store::{Lookup, Position, Snapshot, StoreError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// `Service::authorize_from_cache`, then `Service::authorize` if the cache is not enough.
    FromCache,
    /// `Service::authorize`; with or without something to wait for in between.
    Whole { has_waited: bool },
    /// `Service::authenticate`: no check at the end, since what follows demands the revision.
    Authenticate,
}

/// Asks around as somebody would who has just been told of a change.
pub(super) fn probe(world: &Rc<World>, token: usize) {
    for _ in 0..2 {
        ask(world, token, world.random.below(12));
    }
}

/// Lets a decision begin on some node, so much later.
pub(super) fn ask(world: &Rc<World>, token: usize, after: u64) {
    let number = world.random.index(NODES);
    let values = world.database.borrow().record(token).map_or(1, |record| record.values);
    let value = world.random.one_in(2).then(|| world.random.below(u64::from(values)) as u8);
    let way = match world.random.below(8) {
        _ if world.lacks(Guard::KeepsNewer) => Way::Authenticate,
        0..4 => Way::FromCache,
        4..6 => Way::Whole { has_waited: false },
        6 => Way::Whole { has_waited: true },
        _ => Way::Authenticate,
    };
    let asker = Asker { world: Rc::clone(world), number, token, value };
    let open = Open::new(world);
    world.spawn(Some(number), after, async move {
        if asker.node().is_up.get() {
            asker.decide(way).await;
        }
        drop(open);
    });
}

struct Asker {
    world: Rc<World>,
    number: usize,
    token: usize,
    value: Option<u8>,
}

impl Asker {
    fn node(&self) -> &Node {
        &self.world.nodes[self.number]
    }

    fn by(&self) -> Lookup {
        self.value.map_or(Lookup::Id(token_id(self.token)), |value| Lookup::Value(digest(self.token, value)))
    }

    async fn decide(&self, way: Way) {
        let begun = self.world.promises.begin(self.token, self.value);
        self.note(|| format!("{way:?} begins by value {:?} of token {}", self.value, self.token));
        if way == Way::FromCache && self.by_cache_alone(begun).await {
            return;
        }
        if way == Way::Authenticate {
            if let Ok(found) = self.node().cache.read(self.by(), |by| self.find(by)).await {
                self.say(begun, found.as_deref());
            }
            return;
        }
        for _ in 0..4 {
            let has_waited = way == Way::Whole { has_waited: true };
            if self.attempt(begun, has_waited).await.unwrap_or(true) {
                return;
            }
        }
    }

    /// Whether that was enough.
    async fn by_cache_alone(&self, begun: Begun) -> bool {
        let cache = &self.node().cache;
        let trusted_until = cache.trusted_until();
        self.world.dawdle().await;
        let looked_up = self.world.promises.moment();
        let entry = match cache.look_up(self.by()) {
            Known::Token(entry) => entry,
            Known::Absent => {
                self.say(begun, None);
                return true;
            }
            Known::Unknown => return false,
        };
        self.world.dawdle().await;
        if !self.world.lacks(Guard::LooksAgain) && !cache.is_before(trusted_until) {
            return false;
        }
        let checked = self.world.promises.moment();
        self.pass(&entry, looked_up, checked);
        self.say(begun, Some(&entry));
        true
    }

    /// Whether it was decided.
    async fn attempt(&self, begun: Begun, has_waited: bool) -> Result<bool, StoreError> {
        let cache = &self.node().cache;
        let trusted_until = cache.trusted_until();
        self.world.dawdle().await;
        let looked_up = self.world.promises.moment();
        let Some(entry) = cache.read(self.by(), |by| self.find(by)).await? else {
            self.say(begun, None);
            return Ok(true);
        };
        self.world.dawdle().await;
        if has_waited {
            self.world.pause(self.world.random.below(400)).await;
        }
        let checked = Cell::new(self.world.promises.moment());
        let basis = Basis { entry: &entry, trusted_until };
        let (finder, moment) = (&self, &checked);
        let find = |by| async move {
            let (snapshot, at) = finder.find_at(by).await?;
            moment.set(at);
            Ok(snapshot)
        };
        let is_current = cache.is_current(basis, has_waited, find);
        if !self.world.lacks(Guard::LooksAgain) && !is_current.await? {
            cache.forget(&entry);
            return Ok(false);
        }
        self.pass(&entry, looked_up, checked.get());
        self.say(begun, Some(&entry));
        Ok(true)
    }

    async fn find(&self, by: Lookup) -> Result<Snapshot<Option<Token>>, StoreError> {
        self.find_at(by).await.map(|(snapshot, _)| snapshot)
    }

    /// What one statement finds, and at which moment.
    async fn find_at(&self, by: Lookup) -> Result<(Snapshot<Option<Token>>, u64), StoreError> {
        let world = &self.world;
        let found = read(world, self.number, |database| {
            (database.position(), database.find(by), world.promises.moment())
        });
        let (mut position, found, at) = found.await.map_err(|_| StoreError::Unavailable(String::new()))?;
        self.note(|| format!("has read {found:?} at {}", position.0));
        if world.lacks(Guard::StampsFills) {
            position = Position(u64::MAX);
        }
        let mut found = found.map(|(token, record)| token_of(&world.base, token, record));
        if let Some(token) = found.as_mut().filter(|_| world.lacks(Guard::KeepsNewer)) {
            token.terms.revision = 1;
        }
        Ok((Snapshot { position, found }, at))
    }

    fn pass(&self, entry: &Entry, looked_up: u64, checked: u64) {
        let (node, revision) = (self.node(), revision(&entry.terms));
        let (life, told) = (node.life.get(), node.told.borrow());
        let check = Checked { node: self.number, life, revision, looked_up, checked, told: &told };
        self.world.promises.passed(self.token, &check);
    }

    fn say(&self, begun: Begun, entry: Option<&Entry>) {
        let is_allowed = entry.is_some_and(|entry| self.allows(&entry.terms));
        let revision = entry.map(|entry| revision(&entry.terms));
        self.note(|| format!("answers by revision {revision:?}, allowed: {is_allowed}"));
        self.world.promises.decided(begun, revision, is_allowed, self.number);
    }

    fn allows(&self, terms: &Terms) -> bool {
        let Purpose::ApiKey(api) = &terms.purpose else { return false };
        let is_of = |value| api.values.iter().any(|slot| slot.digest == digest(self.token, value));
        terms.enabled && terms.revoked_at.is_none() && self.value.is_none_or(is_of)
    }

    fn note(&self, text: impl FnOnce() -> String) {
        self.world.note(|| format!("node {}: decision {}", self.number, text()));
    }
}

/// The true one, whatever revision the record was given.
fn revision(terms: &Terms) -> u64 {
    terms.limit.unwrap_or_default()
}
