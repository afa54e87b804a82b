//! SIGKILL of nodes at random moments under load, while the others go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use countermark_tests::{Cluster, Random};

use crate::load::{Account, Gone};
use crate::{alone, cluster};

const NODES: usize = 5;
const CLIENTS: usize = 3;
const ROUNDS: usize = 8;

#[test]
fn nodes_that_are_killed_lose_no_use_and_disturb_no_other_node() {
    let _alone = alone();
    let seed = Random::seed();
    println!("to repeat the choices: COUNTERMARK_TEST_SEED={seed}");
    let mut random = Random::new(seed);
    let (mut cluster, database) = cluster(NODES);
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let limit = *random.one_of(&[20, 100, 1_000_000]);
        let hot = Account::open(&mut cluster.nodes[0].admin(), limit);
        let other = Account::open(&mut cluster.nodes[1].admin(), 1_000_000);
        let victims = victims(&mut random);
        let load = Load::start(&cluster, &hot, &other);
        thread::sleep(Duration::from_millis(random.between(30, 400)));
        for victim in &victims {
            cluster.nodes[*victim].kill();
        }
        thread::sleep(Duration::from_millis(200));
        load.finish(&victims);
        for victim in &victims {
            cluster.nodes[*victim].restart();
        }
        for (node, admin) in cluster.admins().iter_mut().enumerate() {
            for account in [&hot, &other] {
                assert_eq!(account.check(admin), database.used(&account.id), "round {round}, node {node}");
            }
        }
        let rest = limit - database.used(&hot.id);
        if rest <= 100 {
            let admins = &mut cluster.admins();
            let mut codes = (0..=rest).map(|ask| admins[ask as usize % NODES].authorize(&hot.question()));
            assert!(codes.by_ref().take(rest as usize).all(|code| code == "ALLOWED"), "the rest is left");
            assert_eq!(codes.next().as_deref(), Some("LIMIT_REACHED"), "and no more");
        }
        acknowledged += hot.acknowledged() + other.acknowledged();
    }
    println!("{acknowledged} acknowledged uses");
    assert!(acknowledged > 20 * ROUNDS as u64, "the load was too small to prove anything");
}

/// One or two nodes.
fn victims(random: &mut Random) -> Vec<usize> {
    let first = random.between(0, NODES as u64 - 1) as usize;
    let second = random.between(0, NODES as u64 - 1) as usize;
    if first == second { vec![first] } else { vec![first, second] }
}

/// Clients that use two tokens on every node until they are told to stop, or their node is gone.
struct Load {
    is_over: Arc<AtomicBool>,
    /// By node: whether it was gone, and the slowest answer.
    clients: Vec<thread::JoinHandle<(bool, Duration)>>,
}

impl Load {
    fn start(cluster: &Cluster, hot: &Arc<Account>, other: &Arc<Account>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let clients = (0..NODES * CLIENTS).map(|number| {
            let mut client = cluster.nodes[number % NODES].admin();
            let (hot, other, is_over) = (Arc::clone(hot), Arc::clone(other), Arc::clone(&is_over));
            thread::spawn(move || {
                let mut slowest = Duration::ZERO;
                for turn in 0.. {
                    if is_over.load(SeqCst) {
                        break;
                    }
                    let asked = Instant::now();
                    let account = if turn % 3 == 0 { &other } else { &hot };
                    if let Err(Gone) = account.take(&mut client) {
                        return (true, slowest);
                    }
                    slowest = slowest.max(asked.elapsed());
                }
                (false, slowest)
            })
        });
        Self { clients: clients.collect(), is_over }
    }

    fn finish(self, victims: &[usize]) {
        self.is_over.store(true, SeqCst);
        for (number, client) in self.clients.into_iter().enumerate() {
            let (was_gone, slowest) = client.join().unwrap();
            let node = number % NODES;
            if !victims.contains(&node) {
                assert!(!was_gone, "node {node} is gone though {victims:?} were killed");
                assert!(slowest < Duration::from_secs(2), "node {node} needed {slowest:?}");
            }
        }
    }
}
