//! A node that is cut off from the database, while clients still reach it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use countermark_tests::postgres::{FAST, Server};
use countermark_tests::{
    Answer, Client, Cluster, Database, Options, Relay, TestServer, upload_question, within,
};
use serde_json::json;

use crate::network::{DATABASE, NODE, Namespace, is_inside, rerun};
use crate::probe::outcome;
use crate::{HEALED_WITHIN, LEASE, MARGIN, ON_FAST_DATABASE, SLOWEST_ANSWER, alone};

#[test]
fn a_node_cut_off_from_the_database_grants_nothing_after_its_lease_and_heals() {
    if !is_inside() {
        let _alone = alone();
        let test = "partition::a_node_cut_off_from_the_database_grants_nothing_after_its_lease_and_heals";
        return println!("{}", rerun(test));
    }
    let namespace = Namespace::new();
    let postgres = Server::start(&FAST);
    let database = Database::on(&postgres);
    let relay = Relay::listen(DATABASE, &postgres).unwrap();
    let far = |node: usize| match node {
        0 => Options::default(),
        _ => Options {
            under: namespace.entrance().map(Into::into).into(),
            host: Some(NODE),
            // Of two settings of one name the later one holds.
            environment: vec![(
                "COUNTERMARK__DATA__DATABASE_URL".into(),
                database.url_at(relay.address()).into(),
            )],
            ..Options::default()
        },
    };
    let cluster = Cluster::with(2, &database.url(), &ON_FAST_DATABASE, far);
    let (near, far) = (&cluster.nodes[0], &cluster.nodes[1]);
    // The revocation meets a lease that still holds, and one that is over.
    for after in [Duration::ZERO, Duration::from_millis(400), Duration::from_secs(3)] {
        println!("{}", round(&namespace, near, far, after));
    }
}

/// What it has come to, in words.
fn round(namespace: &Namespace, near: &TestServer, far: &TestServer, revoked_after: Duration) -> String {
    let mut admin = near.admin();
    let (ended, ended_value) = admin.issue_upload(None);
    let (_, kept_value) = admin.issue_upload(None);
    let (limited, limited_value) = admin.issue_upload(Some(1_000_000));
    let load = Load::start(far, [&ended_value, &kept_value, &limited_value]);
    thread::sleep(Duration::from_millis(300));
    let cut = Instant::now();
    namespace.cut_database();
    thread::sleep(revoked_after);
    let asked = Instant::now();
    assert_eq!(admin.revoke(&ended).status, 204);
    let answered = Instant::now();
    let took = answered - asked;
    assert!(took <= LEASE + MARGIN, "the revocation was answered after {took:?}");
    thread::sleep((cut + Duration::from_secs(4)).saturating_duration_since(Instant::now()));
    let unready = far.admin().call("GET", "/readyz", None);
    assert_eq!(unready.status, 503, "{}", unready.text());

    let healed = Instant::now();
    namespace.heal_database();
    let is_well = || {
        let mut admin = far.admin();
        let codes = [&kept_value, &limited_value, &ended_value]
            .map(|value| outcome(&admin.try_authorize(&upload_question(value)).unwrap()));
        let ready = admin.call("GET", "/readyz", None).status;
        (codes == ["ALLOWED", "ALLOWED", "REVOKED"] && ready == 200).then_some(())
    };
    assert!(within(Duration::from_secs(20), is_well).is_some(), "it does not heal:\n{}", far.log());
    let healing = healed.elapsed();
    let (granted, refused) = load.finish(cut, answered, healed, &ended_value, &limited_value);
    assert!(healing <= HEALED_WITHIN, "it needed {healing:?} to heal");
    let used = admin.used(&limited);
    assert!(granted <= used, "{granted} uses were granted, {used} are counted");
    format!(
        "revoked {revoked_after:?} after the cut in {took:?}; healed in {healing:?}; \
         {refused} requests refused while it was cut off, {granted} of {used} uses granted for certain"
    )
}

/// One request, and what came of it.
struct Asked {
    value: String,
    begun: Instant,
    took: Duration,
    answer: Answer,
}

/// Clients that ask one node without a pause.
struct Load {
    is_over: Arc<AtomicBool>,
    clients: Vec<thread::JoinHandle<Vec<Asked>>>,
}

impl Load {
    fn start(node: &TestServer, values: [&str; 3]) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let clients = values.repeat(2).into_iter().map(|value| {
            let (client, value, is_over) = (node.admin(), value.to_owned(), Arc::clone(&is_over));
            thread::spawn(move || ask_over(client, &value, &is_over))
        });
        Self { clients: clients.collect(), is_over }
    }

    /// Judges every answer; gives the granted uses of the limited token, and the refusals while it was cut off.
    fn finish(
        self,
        cut: Instant,
        revoked: Instant,
        healed: Instant,
        ended: &str,
        limited: &str,
    ) -> (u64, u64) {
        self.is_over.store(true, SeqCst);
        let asked: Vec<Asked> = self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        let mut refused = 0;
        for Asked { value, begun, took, answer } in &asked {
            let (code, text) = (outcome(answer), answer.text());
            assert!(*took <= SLOWEST_ANSWER, "{took:?} for {text}");
            assert!(*begun < revoked || value != ended || code != "ALLOWED", "accepted after its revocation");
            if *begun > cut + LEASE && *begun + *took < healed {
                assert_eq!(answer.status, 503, "{:?} after the cut: {text}", *begun - cut);
                assert!(answer.header("retry-after").is_some(), "{text}");
                refused += 1;
            }
            if *begun + *took < cut {
                assert_eq!(code, "ALLOWED", "{text}");
            }
        }
        assert!(refused > 0, "nothing was asked while it was cut off");
        let granted =
            asked.iter().filter(|asked| asked.value == limited && outcome(&asked.answer) == "ALLOWED");
        (granted.count() as u64, refused)
    }
}

fn ask_over(mut client: Client, value: &str, is_over: &AtomicBool) -> Vec<Asked> {
    let question = json!({"credential": {"value": value}, "request": {"method": "POST"}});
    let mut asked = Vec::new();
    while !is_over.load(SeqCst) {
        let begun = Instant::now();
        let answer = client.try_authorize(&question).unwrap();
        let took = begun.elapsed();
        asked.push(Asked { value: value.to_owned(), begun, took, answer });
        // It is asked often, but a decision from memory is too quick to write all of them down.
        thread::sleep(Duration::from_millis(5));
    }
    asked
}
