//! Many nodes on one PostgreSQL: exact, revoked everywhere at once, and steadfast when nodes, networks and databases fail.
//! One test at a time, since each loads the machine.

#![expect(clippy::unwrap_used, reason = "a panic is how a test's own function fails")]

mod clock;
mod crash;
mod database_faults;
mod ends;
mod exact;
#[expect(dead_code, reason = "the tests of one server use the rest of it")]
#[path = "../faults/load.rs"]
mod load;
mod mixed;
mod network;
mod partition;
mod probe;
mod revocation;
mod silent_nodes;
mod split;
mod start;
mod story;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countermark_tests::postgres::shared;
use countermark_tests::{Cluster, Database};

/// Held by every test of this target: a test that failed must not fail the next.
fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For the database that all tests share in which no crash of a database is looked at: it does not wait for its disk.
const ON_FAST_DATABASE: [(&str, &str); 1] = [("COUNTERMARK__DATA__ALLOW_LOST_COMMITS", "true")];

/// For how long a node trusts what it remembers, unless told otherwise.
const LEASE: Duration = Duration::from_secs(1);
/// What an answer may take longer than a lease on a machine under load.
const MARGIN: Duration = Duration::from_secs(1);

/// In which everything is answered, also while the database is not there.
const SLOWEST_ANSWER: Duration = Duration::from_secs(2);
/// In which a node is well again after whatever kept it from working is over.
const HEALED_WITHIN: Duration = Duration::from_secs(5);

/// So many nodes on a new database of the server that tests share.
fn cluster(nodes: usize) -> (Cluster, Database) {
    let database = Database::on(shared());
    (Cluster::start(nodes, &database.url(), &ON_FAST_DATABASE), database)
}
