//! Waiting until a change is known to every node that decides.

use std::sync::Arc;
use std::time::Duration;

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

/// What is known of the other nodes, shared by all who wait.
pub(super) struct Acknowledgements {
    own: Arc<str>,
    length: Duration,
    clock: SystemBootClock,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    roster: Roster,
    /// When the read behind it began.
    read_from: BootTime,
}

impl Acknowledgements {
    pub(super) fn new(own: Arc<str>, length: Duration) -> Self {
        Self { own, length, clock: SystemBootClock, known: Mutex::default() }
    }

    /// Waits until no node decides any more without the change at `position`, which has been committed: a lease long at
    /// most.
    pub(super) async fn wait(
        &self,
        transactions: &Transactions,
        position: Position,
    ) -> Result<(), StoreError> {
        let committed_at = self.clock.now();
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
            match timeout(until.since(now), self.look(transactions, now, position, committed_at)).await {
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
        committed_at: BootTime,
    ) -> Result<Option<BootTime>, StoreError> {
        let mut known = self.known.lock().await;
        if known.read_from < from {
            self.read(transactions, &mut known).await?;
        }
        Ok(known.roster.awaited(position, committed_at, self.clock.now()))
    }

    async fn read(&self, transactions: &Transactions, known: &mut Known) -> Result<(), StoreError> {
        let read_from = self.clock.now();
        let own = Arc::clone(&self.own);
        let sightings =
            transactions.read(Length::Prompt, async |connection| sightings(connection, &own).await).await?;
        known.roster.take_in(sightings, self.clock.now());
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

/// All nodes but the own one.
async fn sightings(connection: &mut PgConnection, own: &str) -> Result<Vec<Sighting>, Failure> {
    let rows = sqlx::query("SELECT id, renewals, acknowledged, lease_millis FROM nodes WHERE id <> $1")
        .bind(own)
        .fetch_all(connection)
        .await?;
    let read = |row: &PgRow| {
        let reader = Reader::new(row, "nodes", "id");
        Ok(Sighting {
            node: reader.column("id")?,
            renewals: reader.unsigned("renewals")?,
            acknowledged: Position(reader.unsigned("acknowledged")?),
            lease: Duration::from_millis(reader.unsigned("lease_millis")?),
        })
    };
    Ok(rows.iter().map(read).collect::<Result<_, StoreError>>()?)
}
