//! Connections to the database: a statement travels there, may wait for a lock, and its answer travels back; each can be lost.

use std::rc::Rc;

use super::database::{Database, Transaction};
use super::world::World;

/// The connection is gone, or the database has given up.
#[derive(Debug)]
pub(super) struct Lost;

/// How long the database waits for a lock, and for a client in the middle of a transaction: two leases.
pub(super) const PATIENCE: u64 = 2_000;

/// An open transaction of a node. Dropped, it is left to the database.
pub(super) struct Session {
    world: Rc<World>,
    node: usize,
    connection: u64,
    epoch: u64,
    transaction: Option<Transaction>,
    is_committing: bool,
}

impl Session {
    pub(super) fn begin(world: &Rc<World>, node: usize, connection: u64) -> Self {
        let transaction = Some(world.database.borrow_mut().begin());
        let (world, epoch) = (Rc::clone(world), world.epoch.get());
        Self { world, node, connection, epoch, transaction, is_committing: false }
    }

    /// One statement; it waits as long as `work` gives nothing.
    pub(super) async fn run<T>(
        &mut self,
        mut work: impl FnMut(&mut Database, &mut Transaction) -> Option<T>,
    ) -> Result<T, Lost> {
        self.world.reach_server(self.world.delay()).await;
        let begun = self.world.now();
        let result = loop {
            self.is_there()?;
            let transaction = self.transaction.as_mut().ok_or(Lost)?;
            if let Some(result) = work(&mut self.world.database.borrow_mut(), transaction) {
                break result;
            }
            if self.world.now() > begun + PATIENCE {
                return Err(Lost);
            }
            self.world.reach_server(4 + self.world.random.below(40)).await;
        };
        self.world.dawdle().await;
        self.is_there()?;
        Ok(result)
    }

    /// Whether it is committed is not known if this fails.
    pub(super) async fn commit(mut self) -> Result<(), Lost> {
        self.is_committing = true;
        self.world.reach_server(self.world.delay()).await;
        self.is_there()?;
        let mut transaction = self.transaction.take().ok_or(Lost)?;
        self.world.commit(&mut transaction);
        self.world.dawdle().await;
        self.is_there()
    }

    pub(super) fn roll_back(mut self) {
        if let Some(transaction) = self.transaction.take() {
            self.world.database.borrow_mut().release(transaction.id);
        }
    }

    fn is_there(&self) -> Result<(), Lost> {
        if self.epoch == self.world.epoch.get()
            && self.world.nodes[self.node].reaches(self.connection, &self.world)
        {
            Ok(())
        } else {
            Err(Lost)
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            self.world.leave_behind(transaction, self.epoch, self.is_committing);
        }
    }
}

/// One reading statement, which sees what is committed at its moment; once more if the connection has died.
pub(super) async fn read<T>(
    world: &World,
    node: usize,
    work: impl Fn(&mut Database) -> T,
) -> Result<T, Lost> {
    for _ in 0..2 {
        let connection = world.nodes[node].connection.get();
        world.reach_server(world.delay()).await;
        if !world.nodes[node].reaches(connection, world) {
            continue;
        }
        let result = work(&mut world.database.borrow_mut());
        world.dawdle().await;
        if world.nodes[node].reaches(connection, world) {
            return Ok(result);
        }
    }
    Err(Lost)
}
