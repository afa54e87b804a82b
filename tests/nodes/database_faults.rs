//! A database that stands still, crashes, or is replaced by its standby, under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use countermark_tests::postgres::Server;
use countermark_tests::{Client, Cluster, Database, Relay, upload_question, within};
use serde_json::{Value, json};

use crate::load::Account;
use crate::{HEALED_WITHIN, SLOWEST_ANSWER, alone, cluster};

const NODES: usize = 3;
/// Of each node and of each sort.
const CLIENTS: usize = 2;

#[test]
fn a_database_that_stands_still_for_five_seconds_costs_no_use() {
    let _alone = alone();
    let postgres = Server::start(&[]);
    let database = Database::on(&postgres);
    let cluster = Cluster::start(NODES, &database.url(), &[]);
    let load = Load::start(&cluster);
    postgres.pause();
    thread::sleep(Duration::from_secs(5));
    postgres.resume();
    println!("{}", load.finish(&cluster, &database));
}

#[test]
fn a_database_that_crashes_and_starts_again_costs_no_use() {
    let _alone = alone();
    let postgres = Server::start(&[]);
    let database = Database::on(&postgres);
    let cluster = Cluster::start(NODES, &database.url(), &[]);
    for pause in [Duration::ZERO, Duration::from_secs(2)] {
        let load = Load::start(&cluster);
        postgres.crash();
        thread::sleep(pause);
        postgres.restart();
        println!("{}", load.finish(&cluster, &database));
    }
}

#[test]
fn a_standby_that_takes_over_has_every_use_that_was_granted() {
    let _alone = alone();
    let primary = Server::start(&[]);
    let database = Database::on(&primary);
    let standby = synchronous_standby_of(&primary, &database);
    let relay = Relay::listen([127, 0, 0, 1].into(), &primary).unwrap();
    let cluster = Cluster::start(NODES, &database.url_at(relay.address()), &[]);
    let load = Load::start(&cluster);
    primary.crash();
    standby.promote();
    relay.lead_to(&standby);
    println!("{}", load.finish(&cluster, &database.as_on(&standby)));
}

/// A standby for which every commit on its primary waits.
pub fn synchronous_standby_of(primary: &Server, database: &Database) -> Server {
    let standby = Server::standby_of(primary, &["cluster_name = 'standby'"]);
    database.query("ALTER SYSTEM SET synchronous_standby_names = 'standby'");
    database.query("SELECT pg_reload_conf()");
    let follows = || (database.query("SELECT sync_state FROM pg_stat_replication") == "sync").then_some(());
    assert!(within(Duration::from_secs(20), follows).is_some(), "the standby follows");
    standby
}

#[test]
fn nodes_follow_a_database_that_has_gone_back_in_time() {
    let _alone = alone();
    let (cluster, database) = cluster(2);
    let mut admins = cluster.admins();
    for _ in 0..8 {
        admins[0].issue_upload(None);
    }
    // As after a fail-over to a standby that had not everything.
    database.query(
        "WITH lost AS (DELETE FROM changes WHERE position > (SELECT change_position - 8 FROM installation))
         UPDATE installation SET change_position = change_position - 8",
    );
    let noticed = || cluster.nodes.iter().all(|node| node.log().contains("gone back in time")).then_some(());
    assert!(within(Duration::from_secs(10), noticed).is_some(), "both notice it");
    // Positions are given for the second time.
    for trial in 0..6 {
        let (id, value) = admins[trial % 2].issue_upload(None);
        for admin in &mut admins {
            assert_eq!(admin.authorize(&upload_question(&value)), "ALLOWED");
        }
        assert_eq!(admins[trial / 2 % 2].revoke(&id).status, 204);
        for (node, admin) in admins.iter_mut().enumerate() {
            assert_eq!(admin.authorize(&upload_question(&value)), "REVOKED", "trial {trial}, node {node}");
        }
    }
}

/// Clients on every node: some take uses as fast as they can, some make sure of each by its idempotency key.
struct Load {
    is_over: Arc<AtomicBool>,
    account: Arc<Account>,
    hurried: Vec<thread::JoinHandle<Duration>>,
    sure: Sure,
    /// Also unlimited tokens are no more than the database knows.
    unlimited: String,
}

struct Sure {
    token: String,
    clients: Vec<thread::JoinHandle<(u64, Duration)>>,
}

impl Load {
    /// Returns once every client has been served.
    fn start(cluster: &Cluster) -> Self {
        let mut admin = cluster.nodes[0].admin();
        let account = Account::open(&mut admin, 1_000_000);
        let (token, value) = admin.issue_upload(Some(1_000_000));
        let (_, unlimited) = admin.issue_upload(None);
        let is_over = Arc::new(AtomicBool::new(false));
        let served = Arc::new(AtomicU64::new(0));
        let (mut hurried, mut clients) = (Vec::new(), Vec::new());
        for number in 0..NODES * CLIENTS {
            let client = || cluster.nodes[number % NODES].admin();
            let (is_over_too, served_too, account) = (is_over.clone(), served.clone(), account.clone());
            let hurrying = client();
            hurried.push(thread::spawn(move || hurry(hurrying, &account, &is_over_too, &served_too)));
            let (is_over, served, value) = (is_over.clone(), served.clone(), value.clone());
            let sure = client();
            clients.push(thread::spawn(move || make_sure(sure, number, &value, &is_over, &served)));
        }
        let all = 5 * 2 * (NODES * CLIENTS) as u64;
        within(Duration::from_secs(30), || (served.load(SeqCst) > all).then_some(())).unwrap();
        Self { is_over, account, hurried, sure: Sure { token, clients }, unlimited }
    }

    /// The fault is over: waits for every node to be well again, and judges; what it has come to, in words.
    fn finish(self, cluster: &Cluster, database: &Database) -> String {
        let over = Instant::now();
        let well = within(Duration::from_secs(20), || self.is_well(cluster).then_some(()));
        let healing = over.elapsed();
        let logs = || cluster.nodes.iter().map(|node| node.log()).collect::<String>();
        assert!(well.is_some(), "not well again after {healing:?}:\n{}", logs());
        thread::sleep(Duration::from_millis(300));
        self.is_over.store(true, SeqCst);
        let hurried: Vec<Duration> = self.hurried.into_iter().map(|client| client.join().unwrap()).collect();
        let sure: Vec<(u64, Duration)> = self.sure.clients.into_iter().map(|it| it.join().unwrap()).collect();
        for admin in &mut cluster.admins() {
            assert_eq!(self.account.check(admin), database.used(&self.account.id));
        }
        let keys: u64 = sure.iter().map(|(keys, _)| keys).sum();
        assert_eq!(database.used(&self.sure.token), keys, "one use for each idempotency key");
        let slowest = hurried.into_iter().chain(sure.into_iter().map(|(_, slowest)| slowest)).max().unwrap();
        let told = format!(
            "{} acknowledged uses, {} unavailable, {keys} made sure of; slowest answer {slowest:?}, well again in {healing:?}",
            self.account.acknowledged(),
            self.account.unavailable()
        );
        assert!(healing <= HEALED_WITHIN, "{told}");
        assert!(slowest <= SLOWEST_ANSWER, "{told}");
        told
    }

    fn is_well(&self, cluster: &Cluster) -> bool {
        let questions = [self.account.question(), upload_question(&self.unlimited)];
        cluster.admins().iter_mut().all(|admin| {
            let allowed = questions.iter().all(|question| {
                let code = admin.try_authorize(&dry(question)).unwrap().code();
                code == "ALLOWED"
            });
            allowed && admin.call("GET", "/readyz", None).status == 200
        })
    }
}

/// So that what is asked beside the load is no part of its account.
fn dry(question: &Value) -> Value {
    let mut question = question.clone();
    question["dryRun"] = json!(true);
    question
}

/// The slowest answer.
fn hurry(mut client: Client, account: &Account, is_over: &AtomicBool, served: &AtomicU64) -> Duration {
    let mut slowest = Duration::ZERO;
    while !is_over.load(SeqCst) {
        let asked = Instant::now();
        let code = account.take(&mut client).ok().expect("the nodes stay");
        slowest = slowest.max(asked.elapsed());
        served.fetch_add(u64::from(code == "ALLOWED"), SeqCst);
    }
    slowest
}

/// Repeats each use under its key until it is granted; how many there were, and the slowest answer.
fn make_sure(
    mut client: Client,
    number: usize,
    value: &str,
    is_over: &AtomicBool,
    served: &AtomicU64,
) -> (u64, Duration) {
    let (mut keys, mut slowest) = (0, Duration::ZERO);
    while !is_over.load(SeqCst) {
        let mut question = upload_question(value);
        question["idempotencyKey"] = json!(format!("{number}-{keys}"));
        keys += 1;
        loop {
            let asked = Instant::now();
            let answer = client.try_authorize(&question).unwrap();
            slowest = slowest.max(asked.elapsed());
            match (answer.status, answer.code().as_str()) {
                (200, "ALLOWED") => break,
                (503, _) | (409, "IDEMPOTENCY_IN_PROGRESS") => thread::sleep(Duration::from_millis(20)),
                _ => panic!("an answer that was not to be expected: {}", answer.text()),
            }
        }
        served.fetch_add(1, SeqCst);
    }
    (keys, slowest)
}
