//! Whether this node should get requests, and how it stands.

use std::time::Duration;

use tokio::time::timeout;

use crate::clock::TOLERATED_STEP_BACK_SECONDS;
use crate::histogram::Distribution;
use crate::service::Service;
use crate::store::{Condition, ConnectionFigures, StoreError};

/// When the store has last been tried, in milliseconds of the machine's clock, and what it said.
pub(crate) type Ping = (u64, Result<(), StoreError>);

/// Milliseconds for which one try of the store answers everybody's question whether the service is ready.
const PING_HOLDS: u64 = 1000;

/// How long one try may take. Whoever asks is answered hardly later: before the two seconds after which load balancers give
/// up, who would not learn then what is missing.
const PING_WAIT: Duration = Duration::from_millis(1200);

/// A part that the service needs and does not have.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Missing {
    /// The clock has been set back; decisions go on by the highest time seen.
    #[error("the clock is {0} s behind the highest time seen; set it right, or wait until it has caught up")]
    Clock(u64),
    /// The store fails, or has not answered in time.
    #[error(transparent)]
    Database(StoreError),
    /// The read lease has not been renewed for much longer than it lasts: each look-up has to read the database.
    #[error("the read lease has lapsed {} ms ago and could not be renewed", .0.as_millis())]
    Lease(Duration),
}

impl Missing {
    /// The part, as one word.
    pub const fn part(&self) -> &'static str {
        match self {
            Self::Clock(_) => "clock",
            Self::Database(_) => "database",
            Self::Lease(_) => "lease",
        }
    }
}

/// Why the service should get no requests now.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", .missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct NotReady {
    /// What is missing, at least one part.
    pub missing: Vec<Missing>,
}

impl Service {
    /// How this node stands among others; no I/O.
    pub fn condition(&self) -> Condition {
        self.store.condition()
    }

    /// How the connections to a database server are used; `None` of a database that has none.
    pub fn connections(&self) -> Option<ConnectionFigures> {
        self.store.connections()
    }

    /// How many uses each transaction has taken since the start.
    pub fn use_batches(&self) -> Distribution {
        self.use_batches.distribution()
    }

    /// Whether the service should get requests; answered within 1.5 s. The store, which has to commit for that, is tried
    /// once a second at most, however many ask.
    ///
    /// # Errors
    /// [`NotReady`] says why not.
    pub async fn ready(&self) -> Result<(), NotReady> {
        let database = self.try_store().await.err().map(Missing::Database);
        let behind = self.time.seconds_behind();
        let clock = (behind > TOLERATED_STEP_BACK_SECONDS).then_some(Missing::Clock(behind));
        let missing: Vec<_> =
            [database, missing_lease(&self.condition()), clock].into_iter().flatten().collect();
        if missing.is_empty() { Ok(()) } else { Err(NotReady { missing }) }
    }

    async fn try_store(&self) -> Result<(), StoreError> {
        // Held over the try: whoever asks meanwhile waits for its result.
        let mut last = self.last_ping.lock().await;
        let now = self.time.clock_millis();
        if let Some((at, result)) = &*last
            && (*at..*at + PING_HOLDS).contains(&now)
        {
            return result.clone();
        }
        let result = match timeout(PING_WAIT, self.store.ping()).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::Unavailable("it has not answered in time".to_owned())),
        };
        *last = Some((self.time.clock_millis(), result.clone()));
        result
    }
}

/// Without a lease everything is still right, only slower, so a renewal that is late does not count: it must have been
/// missed for a whole lease.
fn missing_lease(condition: &Condition) -> Option<Missing> {
    let sharing = condition.sharing()?;
    sharing.lapsed_for.filter(|lapsed| *lapsed > sharing.lease).map(Missing::Lease)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::{Histogram, MICROS};
    use crate::store::{Learning, Position, Sharing};

    const LEASE: Duration = Duration::from_secs(1);

    fn lapsed(lapsed_for: Option<Duration>) -> Condition {
        Condition::Shared(Box::new(Sharing {
            node: "nod_1".into(),
            name: "host:1".into(),
            lease: LEASE,
            lease_age: LEASE,
            lapsed_for,
            applied: Position(7),
            live_neighbours: 2,
            learning: Learning::WokenUp,
            invalidation_lag: None,
            waits: Histogram::new(MICROS).distribution(),
        }))
    }

    #[test]
    fn a_lease_is_missing_only_when_it_has_lapsed_for_longer_than_it_lasts() {
        assert!(missing_lease(&Condition::Alone).is_none(), "nobody needs one alone");
        assert!(missing_lease(&lapsed(None)).is_none());
        assert!(missing_lease(&lapsed(Some(LEASE))).is_none(), "one slow renewal is none missing");
        let missing = missing_lease(&lapsed(Some(LEASE + Duration::from_millis(1)))).unwrap();
        assert_eq!(missing.part(), "lease");
        assert_eq!(missing.to_string(), "the read lease has lapsed 1001 ms ago and could not be renewed");
    }

    #[test]
    fn the_node_itself_is_counted_among_those_that_live() {
        assert_eq!((Condition::Alone.live_nodes(), lapsed(None).live_nodes()), (1, 3));
    }

    #[test]
    fn what_is_not_ready_names_each_part() {
        let database = Missing::Database(StoreError::Unavailable("no".into()));
        let missing = NotReady { missing: vec![database, Missing::Clock(61)] };
        let text = "the store is unavailable: no; the clock is 61 s behind the highest time seen; \
                    set it right, or wait until it has caught up";
        assert_eq!(missing.to_string(), text);
    }
}
