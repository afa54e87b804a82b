//! Waiting until a change is known to every node that decides.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use countermark_domain::histogram::{Distribution, Histogram, MICROS};
use countermark_domain::lease::{BootClock, BootTime, Roster, Sighting, SystemBootClock};
use countermark_domain::store::{Position, StoreError};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::call::Length;
use super::failure::Failure;
use super::log;
use super::transaction::Transactions;
use crate::row::{Reader, signed};

/// The first pause between two looks at what has been acknowledged; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(1);

const LONGEST_PAUSE: Duration = Duration::from_millis(16);

/// What is known of the nodes, shared by all who wait.
pub(super) struct Acknowledgements {
    /// The id of this node.
    own: Arc<str>,
    length: Duration,
    clock: SystemBootClock,
    known: Mutex<Known>,
    /// How long changes have waited.
    waits: Histogram,
}

#[derive(Default)]
struct Known {
    roster: Roster,
    /// When the read behind it began.
    read_from: BootTime,
    /// The names of the nodes in it, for the log.
    names: HashMap<String, String>,
    /// The number of renewals with which a node was last named in the log.
    named: HashMap<String, u64>,
}

/// A node as it is found in the database.
pub(super) struct Seen {
    pub sighting: Sighting,
    /// Host name and process, for people.
    pub name: String,
}

impl Acknowledgements {
    pub(super) fn new(own: Arc<str>, length: Duration) -> Self {
        Self { own, length, clock: SystemBootClock, known: Mutex::default(), waits: Histogram::new(MICROS) }
    }

    /// For how many microseconds changes have waited, those that were answered.
    pub(super) fn waits(&self) -> Distribution {
        self.waits.distribution()
    }

    /// Waits until no node decides any more without the change at `position`, which has been committed: a lease long at
    /// most. If it `is_own`, this node has been told of it at its commit; a change that was only found is known here no
    /// sooner than elsewhere.
    pub(super) async fn wait(
        &self,
        transactions: &Transactions,
        position: Position,
        is_own: bool,
    ) -> Result<(), StoreError> {
        let told = is_own.then_some(&*self.own);
        let committed_at = self.clock.now();
        self.wait_since(committed_at, transactions, position, told).await?;
        let now = self.clock.now();
        self.waits.note_time(now.since(committed_at));
        // Whoever holds it reads; the next one that waits finds the same.
        if let Ok(mut known) = self.known.try_lock() {
            for (node, name) in known.newly_silent(&self.own, position, committed_at, now) {
                tracing::warn!(node, name, "a change has waited for a node until its lease had lapsed");
            }
        }
        Ok(())
    }

    async fn wait_since(
        &self,
        committed_at: BootTime,
        transactions: &Transactions,
        position: Position,
        told: Option<&str>,
    ) -> Result<(), StoreError> {
        let mut pause = FIRST_PAUSE;
        // Once it is known who decides without the change, and until when, nothing more need be read.
        let mut awaited = None;
        loop {
            let now = self.clock.now();
            let until = awaited.unwrap_or(committed_at.plus(self.length));
            if until <= now {
                let unknown =
                    || StoreError::Unavailable("what other nodes have acknowledged cannot be read".into());
                return awaited.map(drop).ok_or_else(unknown);
            }
            match timeout(until.since(now), self.look(transactions, now, position, told, committed_at)).await
            {
                Ok(Ok(None)) => return Ok(()),
                Ok(Ok(seen)) => awaited = seen,
                Ok(Err(_)) | Err(_) => {}
            }
            sleep(pause.min(until.since(self.clock.now()))).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Until when somebody is awaited, by a read that began at `from` or later.
    async fn look(
        &self,
        transactions: &Transactions,
        from: BootTime,
        position: Position,
        told: Option<&str>,
        committed_at: BootTime,
    ) -> Result<Option<BootTime>, StoreError> {
        let mut known = self.known.lock().await;
        if known.read_from < from {
            self.read(transactions, &mut known).await?;
        }
        Ok(known.roster.awaited(position, told, committed_at, self.clock.now()))
    }

    async fn read(&self, transactions: &Transactions, known: &mut Known) -> Result<(), StoreError> {
        let read_from = self.clock.now();
        let seen = transactions.read(Length::Prompt, sightings).await?;
        known.take_in(seen, self.clock.now());
        known.read_from = read_from;
        Ok(())
    }

    /// Removes what nodes have left that ended `ago` without saying so, and changes that all have taken in.
    pub(super) async fn tidy(&self, transactions: &Transactions, ago: Duration) {
        let mut known = self.known.lock().await;
        let read = self.read(transactions, &mut known).await;
        let lapsed = known.roster.lapsed(ago, self.clock.now());
        drop(known);
        let tidied = transactions.read(Length::Prompt, async |connection| {
            for (node, renewals) in &lapsed {
                sqlx::query("DELETE FROM nodes WHERE id = $1 AND renewals = $2")
                    .bind(node)
                    .bind(signed(*renewals))
                    .execute(&mut *connection)
                    .await?;
            }
            log::prune(connection).await
        });
        if let Err(error) = read.and(tidied.await) {
            tracing::warn!(%error, "the table of nodes could not be tidied; it is tried again");
        }
    }

    /// Takes this node out of the table, once its lease has ended.
    pub(super) async fn leave(&self, transactions: &Transactions) -> Result<(), StoreError> {
        transactions
            .read(Length::Prompt, async |connection| {
                sqlx::query("DELETE FROM nodes WHERE id = $1").bind(&*self.own).execute(connection).await?;
                Ok(())
            })
            .await
    }
}

impl Known {
    fn take_in(&mut self, seen: Vec<Seen>, read_at: BootTime) {
        self.names = seen.iter().map(|seen| (seen.sighting.node.clone(), seen.name.clone())).collect();
        self.named.retain(|node, _| self.names.contains_key(node));
        self.roster.take_in(seen.into_iter().map(|seen| seen.sighting).collect(), read_at);
    }

    /// Whom a change has waited for in vain, by id and name: each once for each time that it falls silent.
    fn newly_silent(
        &mut self,
        own: &str,
        position: Position,
        committed_at: BootTime,
        now: BootTime,
    ) -> Vec<(String, Option<String>)> {
        let mut silent = self.roster.silent(position, committed_at, now);
        silent.retain(|(node, _)| node != own);
        silent.retain(|(node, renewals)| self.named.insert(node.clone(), *renewals) != Some(*renewals));
        let names = silent.into_iter().map(|(node, _)| (self.names.get(&node).cloned(), node));
        names.map(|(name, node)| (node, name)).collect()
    }
}

/// All nodes.
pub(super) async fn sightings(connection: &mut PgConnection) -> Result<Vec<Seen>, Failure> {
    let rows = sqlx::query("SELECT id, name, renewals, acknowledged, lease_millis FROM nodes")
        .fetch_all(connection)
        .await?;
    let read = |row: &PgRow| {
        let reader = Reader::new(row, "nodes", "id");
        let sighting = Sighting {
            node: reader.column("id")?,
            renewals: reader.unsigned("renewals")?,
            acknowledged: Position(reader.unsigned("acknowledged")?),
            lease: Duration::from_millis(reader.unsigned("lease_millis")?),
        };
        Ok(Seen { sighting, name: reader.column("name")? })
    };
    Ok(rows.iter().map(read).collect::<Result<_, StoreError>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> BootTime {
        BootTime::since_boot(Duration::from_millis(millis))
    }

    fn seen(renewals: u64) -> Vec<Seen> {
        let lease = Duration::from_secs(1);
        let sighting = Sighting { node: "nod_2".into(), renewals, acknowledged: Position(7), lease };
        vec![Seen { sighting, name: "host:2".into() }]
    }

    #[test]
    fn a_node_that_lets_changes_wait_is_named_once_each_time_that_it_falls_silent() {
        let named = [("nod_2".to_owned(), Some("host:2".to_owned()))];
        let mut known = Known::default();
        known.take_in(seen(3), at(100));
        assert!(
            known.newly_silent("nod_1", Position(8), at(200), at(1000)).is_empty(),
            "it may still answer"
        );
        assert_eq!(known.newly_silent("nod_1", Position(8), at(200), at(1100)), named);
        assert!(known.newly_silent("nod_1", Position(9), at(250), at(1150)).is_empty(), "the same silence");
        known.take_in(seen(4), at(2000));
        assert_eq!(known.newly_silent("nod_1", Position(9), at(2100), at(3200)), named, "another one");
        known.take_in(Vec::new(), at(4000));
        assert!(known.named.is_empty() && known.names.is_empty(), "nothing is kept of who is gone");
    }
}
