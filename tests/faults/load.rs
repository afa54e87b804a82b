//! Clients that use tokens and keep a book of what they were told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use countermark_tests::{Client, Fault, upload_question};
use serde_json::{Value, json};

/// What the clients of one limited token were told, and what they could not learn.
pub struct Account {
    pub id: String,
    pub value: String,
    pub limit: u64,
    acknowledged: AtomicU64,
    unknown: AtomicU64,
    unavailable: AtomicU64,
}

/// The connection has ended: the server is gone.
pub struct Gone;

impl Account {
    pub fn open(admin: &mut Client, limit: u64) -> Arc<Self> {
        let (id, value) = admin.issue_upload(Some(limit));
        let none = || AtomicU64::new(0);
        Arc::new(Self { id, value, limit, acknowledged: none(), unknown: none(), unavailable: none() })
    }

    pub fn question(&self) -> Value {
        upload_question(&self.value)
    }

    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(SeqCst)
    }

    pub fn unavailable(&self) -> u64 {
        self.unavailable.load(SeqCst)
    }

    /// Takes one use; `Ok` tells the code.
    pub fn take(&self, client: &mut Client) -> Result<String, Gone> {
        match client.try_authorize(&self.question()) {
            Ok(answer) => Ok(self.book(answer.status, &answer.json())),
            Err(Fault::NotSent(_)) => Err(Gone),
            Err(Fault::Unknown(_)) => {
                self.unknown.fetch_add(1, SeqCst);
                Err(Gone)
            }
        }
    }

    /// Books one answer, or one result of a batch. A 503 may have taken a use, an answer of 200 may not be wrong.
    pub fn book(&self, status: u16, result: &Value) -> String {
        let code = result["code"].as_str().unwrap_or_default().to_owned();
        match (status, code.as_str()) {
            (200, "ALLOWED") => self.acknowledged.fetch_add(1, SeqCst),
            (200, "LIMIT_REACHED") => 0,
            (503, _) | (200, "UNAVAILABLE") => {
                self.unknown.fetch_add(1, SeqCst);
                self.unavailable.fetch_add(1, SeqCst)
            }
            _ => panic!("an answer that was not to be expected: {status} {result}"),
        };
        code
    }

    /// A batch of one use of each account.
    pub fn take_batch(accounts: &[&Self], client: &mut Client) -> Result<(), Gone> {
        let items: Vec<Value> = accounts.iter().map(|account| account.question()).collect();
        let body = json!({ "items": items });
        match client.try_call("POST", "/v1/authorize/batch", &[], Some(&body)) {
            Ok(answer) => {
                let results = answer.json();
                for (place, account) in accounts.iter().enumerate() {
                    account.book(answer.status, &results["results"][place]);
                }
                Ok(())
            }
            Err(Fault::NotSent(_)) => Err(Gone),
            Err(Fault::Unknown(_)) => {
                for account in accounts {
                    account.unknown.fetch_add(1, SeqCst);
                }
                Err(Gone)
            }
        }
    }

    /// The promise: acknowledged ≤ used ≤ min(limit, acknowledged + unknown). Gives what is used.
    pub fn check(&self, admin: &mut Client) -> u64 {
        let used = admin.used(&self.id);
        let (acknowledged, unknown) = (self.acknowledged(), self.unknown.load(SeqCst));
        let told =
            format!("acknowledged {acknowledged}, unknown {unknown}, used {used}, limit {}", self.limit);
        assert!(acknowledged <= used, "acknowledged uses are lost: {told}");
        assert!(used <= self.limit, "more uses than the limit: {told}");
        assert!(used <= acknowledged + unknown, "uses that nobody took: {told}");
        used
    }
}
