//! SIGKILL at random moments under load.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use countermark_tests::{Client, Fault, Random, TestServer, upload_question};
use serde_json::json;

use crate::alone;
use crate::load::{Account, Gone};

const CLIENTS: usize = 16;

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let _alone = alone();
    let rounds: usize = std::env::var("COUNTERMARK_CRASH_ROUNDS")
        .map_or(50, |rounds| rounds.parse().expect("COUNTERMARK_CRASH_ROUNDS is a whole number"));
    let seed = Random::seed();
    println!("{rounds} rounds; to repeat their choices: COUNTERMARK_TEST_SEED={seed}");
    let mut random = Random::new(seed);
    let mut server = TestServer::start();
    let mut book = Book::new(&server);
    let mut slowest_start = Duration::ZERO;
    for _ in 0..rounds {
        let accounts = Accounts::open(&mut server.admin(), &mut random);
        let load = Load::start(&server, &accounts, &mut book, &mut random);
        thread::sleep(Duration::from_millis(random.between(30, 300)));
        server.kill();
        load.finish(&mut book);
        let start = Instant::now();
        server.restart();
        slowest_start = slowest_start.max(start.elapsed());
        let admin = &mut server.admin();
        accounts.check(admin);
        book.check(admin, &mut random);
    }
    let uses: u64 = book.personal.iter().map(|personal| personal.acknowledged).sum();
    println!(
        "{} acknowledged changes, {uses} idempotent uses, {} retried ones; slowest start {slowest_start:?}",
        book.changes.len(),
        book.retried
    );
    assert_eq!(server.stop().code(), Some(0));
    assert!(
        book.changes.len() >= rounds && uses >= rounds as u64,
        "the load was too small to prove anything"
    );
}

/// The limited tokens of one round: one that all use, four others.
struct Accounts {
    hot: Arc<Account>,
    others: Vec<Arc<Account>>,
}

impl Accounts {
    fn open(admin: &mut Client, random: &mut Random) -> Self {
        let limit = *random.one_of(&[1, 20, 300, 100_000]);
        Self {
            hot: Account::open(admin, limit),
            others: (0..4).map(|_| Account::open(admin, 1_000_000)).collect(),
        }
    }

    fn check(&self, admin: &mut Client) {
        let used = self.hot.check(admin);
        for account in &self.others {
            account.check(admin);
        }
        if self.hot.limit <= 20 {
            let codes = (used..=self.hot.limit).map(|_| admin.authorize(&self.hot.question()));
            let allowed = codes.filter(|code| code == "ALLOWED").count() as u64;
            assert_eq!(allowed, self.hot.limit - used, "exactly the rest is left after a crash");
        }
    }
}

/// One client's own token; each of its uses has an idempotency key of its own.
#[derive(Clone)]
struct Personal {
    id: String,
    value: String,
    acknowledged: u64,
    keys: u64,
    /// The key whose answer was lost.
    pending: Option<String>,
}

impl Personal {
    fn take(&mut self, client: &mut Client) -> Result<(), Gone> {
        self.keys += 1;
        let key = format!("use-{}", self.keys);
        match self.ask(client, &key) {
            Ok(()) => {
                self.acknowledged += 1;
                Ok(())
            }
            Err(Fault::NotSent(_)) => {
                self.keys -= 1;
                Err(Gone)
            }
            Err(Fault::Unknown(_)) => {
                self.pending = Some(key);
                Err(Gone)
            }
        }
    }

    fn ask(&self, client: &mut Client, key: &str) -> Result<(), Fault> {
        let question = upload_question(&self.value);
        let answer =
            client.try_call("POST", "/v1/authorize", &[("idempotency-key", key)], Some(&question))?;
        assert_eq!((answer.status, answer.code().as_str()), (200, "ALLOWED"), "{}", answer.text());
        Ok(())
    }

    /// After a crash the use of the lost answer is there or not; its retry makes it exactly one.
    fn settle(&mut self, admin: &mut Client) -> bool {
        let used = admin.used(&self.id);
        let most = self.acknowledged + u64::from(self.pending.is_some());
        assert!((self.acknowledged..=most).contains(&used), "{used} of {}..={most}", self.acknowledged);
        let pending = self.pending.take();
        if let Some(key) = &pending {
            self.ask(admin, key).unwrap();
            self.acknowledged += 1;
            assert_eq!(
                admin.used(&self.id),
                self.acknowledged,
                "a retry after the crash takes one use in all"
            );
        } else if self.keys > 0 && self.acknowledged == self.keys {
            self.ask(admin, &format!("use-{}", self.keys)).unwrap();
            assert_eq!(
                admin.used(&self.id),
                self.acknowledged,
                "a retry of an answered use takes no second one"
            );
        }
        pending.is_some()
    }
}

/// A change that was acknowledged.
#[derive(Clone, Debug)]
struct Change {
    kind: &'static str,
    value: String,
    new_value: String,
}

const KINDS: [&str; 4] = ["revoke", "disable", "lower the limit", "regenerate"];

impl Change {
    /// Issues a token, uses it and changes it; `None` when an answer was lost on the way.
    fn make(client: &mut Client, kind: &'static str) -> Option<Self> {
        let issued = client.try_call(
            "POST",
            "/v1/access-tokens",
            &[],
            Some(&json!({"type": "upload", "limit": 1000})),
        );
        let issued = issued.ok()?.json();
        let member = |name: &str| issued[name].as_str().unwrap().to_owned();
        let (id, value) = (member("id"), member("value"));
        let used = client.try_authorize(&upload_question(&value)).ok()?;
        assert_eq!(used.code(), "ALLOWED", "{}", used.text());
        let path = format!("/v1/access-tokens/{id}");
        let answer = match kind {
            "revoke" => client.try_call("DELETE", &path, &[], None),
            "disable" => client.try_call("PATCH", &path, &[], Some(&json!({"enabled": false}))),
            "lower the limit" => client.try_call("PATCH", &path, &[], Some(&json!({"limit": 1}))),
            _ => client.try_call("POST", &format!("{path}/regenerate"), &[], Some(&json!({}))),
        };
        let answer = answer.ok()?;
        assert!(matches!(answer.status, 200..=204), "{kind}: {}", answer.text());
        let new_value = answer.json()["value"].as_str().unwrap_or_default().to_owned();
        Some(Self { kind, value, new_value })
    }

    fn check(&self, admin: &mut Client) {
        let code = admin.authorize(&upload_question(&self.value));
        let expected = match self.kind {
            "revoke" => "REVOKED",
            "disable" => "DISABLED",
            "lower the limit" => "LIMIT_REACHED",
            _ => "UNKNOWN_TOKEN",
        };
        assert_eq!(code, expected, "after a crash: {self:?}");
        if self.kind == "regenerate" {
            assert_eq!(admin.authorize(&upload_question(&self.new_value)), "ALLOWED", "{self:?}");
        }
    }
}

/// What must hold over all rounds.
struct Book {
    personal: Vec<Personal>,
    changes: Vec<Change>,
    /// Changes up to here have been looked at right after their crash.
    checked: usize,
    retried: usize,
}

impl Book {
    fn new(server: &TestServer) -> Self {
        let mut admin = server.admin();
        let personal = (0..CLIENTS).map(|_| {
            let (id, value) = admin.issue_upload(Some(1_000_000));
            Personal { id, value, acknowledged: 0, keys: 0, pending: None }
        });
        Self { personal: personal.collect(), changes: Vec::new(), checked: 0, retried: 0 }
    }

    fn check(&mut self, admin: &mut Client, random: &mut Random) {
        for personal in &mut self.personal {
            self.retried += usize::from(personal.settle(admin));
        }
        // A regenerated token's check spends uses, but never all thousand of them.
        self.changes[self.checked..].iter().for_each(|change| change.check(admin));
        self.checked = self.changes.len();
        for _ in 0..self.changes.len().min(5) {
            random.one_of(&self.changes).check(admin);
        }
    }
}

/// The clients of one round.
struct Load {
    users: Vec<thread::JoinHandle<Personal>>,
    manager: thread::JoinHandle<Vec<Change>>,
}

impl Load {
    fn start(server: &TestServer, accounts: &Accounts, book: &mut Book, random: &mut Random) -> Self {
        let users = book.personal.iter().map(|personal| {
            let (mut client, mut random) = (server.admin(), Random::new(random.bits()));
            let (hot, others) = (Arc::clone(&accounts.hot), accounts.others.clone());
            let mut personal = personal.clone();
            thread::spawn(move || {
                while one_step(&mut client, &mut random, &hot, &others, &mut personal).is_ok() {}
                personal
            })
        });
        let users = users.collect();
        let mut client = server.admin();
        let manager = thread::spawn(move || {
            let kinds = KINDS.iter().cycle();
            kinds.map_while(|kind| Change::make(&mut client, kind)).collect()
        });
        Self { users, manager }
    }

    fn finish(self, book: &mut Book) {
        book.personal = self.users.into_iter().map(|user| user.join().unwrap()).collect();
        book.changes.extend(self.manager.join().unwrap());
    }
}

fn one_step(
    client: &mut Client,
    random: &mut Random,
    hot: &Account,
    others: &[Arc<Account>],
    personal: &mut Personal,
) -> Result<(), Gone> {
    let other = random.one_of(others);
    match random.between(0, 9) {
        0..=4 => hot.take(client).map(drop),
        5..=6 => other.take(client).map(drop),
        7 => Account::take_batch(&[hot, other, hot], client),
        _ => personal.take(client),
    }
}
