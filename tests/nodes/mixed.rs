//! Everything at once: uses, issues and ends on all nodes, while nodes are killed and stand still.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use countermark_tests::{Client, Cluster, Random, within};

use crate::load::Account;
use crate::{HEALED_WITHIN, alone, cluster};

const NODES: usize = 5;
const LASTS: Duration = Duration::from_secs(20);

#[test]
fn with_nodes_that_die_and_stand_still_uses_stay_exact_and_ends_hold() {
    let _alone = alone();
    let seed = Random::seed();
    println!("to repeat the choices: COUNTERMARK_TEST_SEED={seed}");
    let mut random = Random::new(seed);
    let (mut cluster, database) = cluster(NODES);
    let accounts: Arc<Vec<_>> = {
        let admin = &mut cluster.nodes[0].admin();
        Arc::new([50, 2_000, 1_000_000].map(|limit| Account::open(admin, limit)).into())
    };
    let world = Arc::new(World {
        addresses: Mutex::new(addresses(&cluster)),
        key: cluster.nodes[0].admin_key().to_owned(),
        is_over: AtomicBool::new(false),
    });
    let users: Vec<_> = (0..NODES)
        .map(|node| {
            let (world, accounts) = (world.clone(), accounts.clone());
            let random = Random::new(random.bits());
            thread::spawn(move || take_uses(&world, node, &accounts, random))
        })
        .collect();
    let enders: Vec<_> = (0..NODES)
        .map(|_| {
            let (world, random) = (world.clone(), Random::new(random.bits()));
            thread::spawn(move || end_tokens(&world, random))
        })
        .collect();
    let faults = make_faults(&mut cluster, &world, &mut random);
    world.is_over.store(true, SeqCst);
    users.into_iter().for_each(|user| user.join().unwrap());
    let ended: BTreeMap<String, Ended> = enders.into_iter().flat_map(|ender| ender.join().unwrap()).collect();

    let mut admins = cluster.admins();
    let ready = within(HEALED_WITHIN, || {
        admins.iter_mut().all(|admin| admin.call("GET", "/readyz", None).status == 200).then_some(())
    });
    assert!(ready.is_some(), "every node is well again");
    for (node, admin) in admins.iter_mut().enumerate() {
        for account in &*accounts {
            assert_eq!(account.check(admin), database.used(&account.id), "node {node}");
        }
        for (id, end) in &ended {
            let answer = admin.try_authorize(&end.question).unwrap();
            assert_eq!(answer.code(), end.code, "node {node}, {id}");
        }
    }
    assert_eq!(database.query("SELECT count(*) FROM token_counters WHERE used > use_limit"), "0");
    let uses: u64 = accounts.iter().map(|account| account.acknowledged()).sum();
    println!("{uses} acknowledged uses, {} ends, {faults} faults", ended.len());
    assert!(uses > 100 && ended.len() > 20 && faults > 5, "too little happened to prove anything");
}

/// What the clients know of the nodes, whose addresses change.
struct World {
    addresses: Mutex<Vec<SocketAddr>>,
    key: String,
    is_over: AtomicBool,
}

impl World {
    fn client(&self, node: usize) -> Client {
        Client::new(self.addresses.lock().unwrap()[node], &self.key)
    }

    fn is_over(&self) -> bool {
        self.is_over.load(SeqCst)
    }
}

fn addresses(cluster: &Cluster) -> Vec<SocketAddr> {
    cluster.nodes.iter().map(|node| node.address()).collect()
}

/// Kills nodes and starts them again, stops them and lets them go on; how often.
fn make_faults(cluster: &mut Cluster, world: &World, random: &mut Random) -> u32 {
    let (start, mut faults) = (Instant::now(), 0);
    while start.elapsed() < LASTS {
        thread::sleep(Duration::from_millis(random.between(100, 700)));
        let node = random.between(0, NODES as u64 - 1) as usize;
        let lasts = Duration::from_millis(random.between(10, 2_000));
        if random.between(0, 2) == 0 {
            cluster.nodes[node].kill();
            thread::sleep(lasts / 4);
            cluster.nodes[node].restart();
            *world.addresses.lock().unwrap() = addresses(cluster);
        } else {
            cluster.nodes[node].pause();
            thread::sleep(lasts);
            cluster.nodes[node].resume();
        }
        faults += 1;
    }
    faults
}

fn take_uses(world: &World, node: usize, accounts: &[Arc<Account>], mut random: Random) {
    let mut client = world.client(node);
    while !world.is_over() {
        if random.one_of(accounts).take(&mut client).is_err() {
            thread::sleep(Duration::from_millis(50));
            client = world.client(node);
        }
    }
}

/// How a token was ended, and what is answered since.
struct Ended {
    question: serde_json::Value,
    code: &'static str,
}

/// Issues a token on one node, uses it on another, ends it on a third and asks all of them; those whose answers are lost
/// with a node are left out.
fn end_tokens(world: &World, mut random: Random) -> BTreeMap<String, Ended> {
    let mut ended = BTreeMap::new();
    while !world.is_over() {
        match end_one(world, &mut random) {
            Some((id, end)) => drop(ended.insert(id, end)),
            None => thread::sleep(Duration::from_millis(20)),
        }
    }
    ended
}

fn end_one(world: &World, random: &mut Random) -> Option<(String, Ended)> {
    let mut any = || world.client(random.between(0, NODES as u64 - 1) as usize);
    let token = serde_json::json!({"type": "upload", "limit": null});
    let issued = any().try_call("POST", "/v1/access-tokens", &[], Some(&token)).ok()?;
    if issued.status == 503 {
        return None;
    }
    assert_eq!(issued.status, 201, "{}", issued.text());
    let issued = issued.json();
    let text = |member: &str| issued[member].as_str().unwrap().to_owned();
    let (path, question) =
        (format!("/v1/access-tokens/{}", text("id")), countermark_tests::upload_question(&text("value")));
    for _ in 0..3 {
        let warm = any().try_authorize(&question).ok()?;
        assert!(matches!(warm.code().as_str(), "ALLOWED" | "UNAVAILABLE"), "{}", warm.text());
    }
    let disable = serde_json::json!({"enabled": false});
    let (code, answer) = match random.between(0, 2) {
        0 => ("REVOKED", world.client(0).try_call("DELETE", &path, &[], None)),
        1 => ("UNKNOWN_TOKEN", world.client(1).try_call("DELETE", &format!("{path}?purge=true"), &[], None)),
        _ => ("DISABLED", world.client(2).try_call("PATCH", &path, &[], Some(&disable))),
    };
    let answer = answer.ok()?;
    if answer.status == 503 {
        return None;
    }
    assert!(matches!(answer.status, 200 | 204), "{}", answer.text());
    for node in 0..NODES {
        if let Ok(answer) = world.client(node).try_authorize(&question) {
            let found = answer.code();
            assert!(
                found == code || found == "UNAVAILABLE",
                "node {node}: {found} after {code} was answered"
            );
        }
    }
    Some((text("id"), Ended { question, code }))
}
