//! One installation in a temporary folder.

use std::collections::BTreeMap;
use std::sync::Arc;

use countermark_core::{
    BasePath, Counting, DenyReason, Dialect, KeyVersion, Permission, Placement, SigningSecret, TokenId,
    UnixSeconds, UploadExtra, sign,
};
use countermark_domain::cache::Cache;
use countermark_domain::clock::{FixedClock, Timekeeper};
use countermark_domain::rng::{Rng, SeededRng};
use countermark_domain::store::Position;
use countermark_domain::{
    Answer, Caller, Credential, DomainError, Draft, Facts, Issued, Outcome, PurposeDraft, Question, Service,
};
use countermark_store::{Location, MasterKey, Settings};
use tempfile::TempDir;

/// The instant at which every installation begins.
pub const START: u64 = 1_800_000_000;

pub struct Installation {
    pub service: Service,
    pub clock: FixedClock,
    pub admin: Caller,
    pub admin_value: String,
    folder: TempDir,
}

impl Installation {
    pub async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let clock = FixedClock::at(START);
        let service = open(&folder, &clock).await;
        let admin =
            service.bootstrap(None).await.unwrap().expect("a new installation has no administrator yet");
        let admin_value = admin.value.unwrap().to_string();
        let admin = service.authenticate(&admin_value, "tokens:write").await.unwrap();
        Self { service, clock, admin, admin_value, folder }
    }

    /// The same installation after a stop and a start.
    pub async fn restarted(self) -> Self {
        self.service.shut_down().await;
        let service = open(&self.folder, &self.clock).await;
        let admin = service.authenticate(&self.admin_value, "tokens:write").await.unwrap();
        Self { service, admin, ..self }
    }

    pub async fn issue(&self, draft: Draft) -> Issued {
        self.issue_by(&self.admin, draft).await.unwrap()
    }

    pub async fn issue_by(&self, caller: &Caller, draft: Draft) -> Result<Issued, DomainError> {
        match self.service.issue(caller, draft, None).await? {
            Outcome::Done(issued) => Ok(*issued),
            Outcome::Repeated(_) => panic!("no idempotency key was given"),
        }
    }

    /// A caller that holds these permissions.
    pub async fn key(&self, permissions: &[&str]) -> Caller {
        self.key_of(api_key(permissions)).await
    }

    pub async fn key_of(&self, draft: Draft) -> Caller {
        let issued = self.issue(draft).await;
        let caller = self.service.authenticate(&issued.value.unwrap(), "tokens:read").await;
        caller.expect("the keys of these tests hold tokens:read")
    }

    pub async fn ask(&self, question: Question<'_>) -> Result<Answer, DenyReason> {
        let answer = self.service.authorize(&question).await.unwrap();
        answer.verdict.map(|_| answer)
    }

    pub async fn used(&self, id: TokenId) -> u64 {
        self.service.view(&self.admin, id).await.unwrap().usage.used
    }
}

async fn open(folder: &TempDir, clock: &FixedClock) -> Service {
    let cache = Arc::new(Cache::new(1000, Position::default()));
    let rng: Arc<dyn Rng> = Arc::new(SeededRng::new(7));
    let random = Arc::clone(&rng);
    let settings = Settings {
        master_key: MasterKey::new([9; 32]),
        fill_random: Arc::new(move |bytes: &mut [u8]| random.fill(bytes)),
        listener: Arc::clone(&cache) as _,
    };
    let store =
        countermark_store::open(&Location::Sqlite(folder.path().join("test.db")), settings).await.unwrap();
    let highest = store.highest_time().await.unwrap();
    let time = Arc::new(Timekeeper::new(Box::new(clock.clone()), highest));
    Service::new(store, cache, time, rng)
}

/// What can be asked with an issued token.
pub fn ask_with<'a>(credential: Credential<'a>, facts: Facts<'a>) -> Question<'a> {
    Question { credential, facts, cost: 1, dry_run: false, idempotency: None }
}

pub fn get(url: &str) -> Question<'_> {
    ask_with(Credential::Url(url), Facts { method: Some("GET"), ..Facts::default() })
}

/// A signed URL of an issued imageUrl token without an expiry of its own.
pub fn link(issued: &Issued) -> String {
    link_by(issued.token.terms.id, issued.secret.as_ref().expect("an imageUrl token"))
}

pub fn link_by(id: TokenId, (version, secret): &(KeyVersion, SigningSecret)) -> String {
    sign("https://img.example.com/c1/i/cat.jpg", Placement::Path, id, *version, None, &secret.key()).unwrap()
}

pub fn at(seconds: u64) -> UnixSeconds {
    UnixSeconds::new(seconds).unwrap()
}

pub fn image_url(limit: Option<u64>) -> Draft {
    draft(
        limit,
        PurposeDraft::ImageUrl {
            counting: Counting::Get,
            count_window: 0,
            cloud_id: None,
            hosts: Vec::new(),
            secret: None,
            authentication: BTreeMap::new(),
            legacy_signatures: false,
        },
    )
}

pub fn upload(limit: Option<u64>) -> Draft {
    draft(limit, PurposeDraft::Upload { value: None, extra: Box::new(UploadExtra::default()) })
}

pub fn api_key(permissions: &[&str]) -> Draft {
    api_key_in(permissions, None, None)
}

pub fn api_key_in(permissions: &[&str], base_path: Option<&str>, clouds: Option<&[&str]>) -> Draft {
    let permissions = permissions.iter().map(|text| Permission::parse(text).unwrap()).collect();
    draft(
        None,
        PurposeDraft::ApiKey {
            value: None,
            permissions,
            base_path: base_path.map(|path| BasePath::parse(path).unwrap()),
            storages: None,
            clouds: clouds.map(|clouds| clouds.iter().map(|cloud| (*cloud).to_owned()).collect()),
            source_networks: None,
        },
    )
}

fn draft(limit: Option<u64>, purpose: PurposeDraft) -> Draft {
    Draft {
        name: None,
        description: None,
        owner: None,
        labels: BTreeMap::new(),
        enabled: true,
        not_before: None,
        expiry: None,
        limit,
        notify: None,
        auto_delete: false,
        recoverable: false,
        dialect: Dialect::Native,
        purpose,
    }
}
