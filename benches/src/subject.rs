//! The measured process: the real service and, on another port, a bare handler of the same framework.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::Arc;

use actix_web::{App, HttpResponse, HttpServer, web};
use countermark_core::{TokenValue, ValueKind};
use countermark_domain::clock::SystemClock;
use countermark_domain::rng::{Rng, SystemRng};
use countermark_server::config::Config;
use countermark_server::start::Background;
use serde_json::Value;
use tempfile::TempDir;

use crate::one_update;

/// A running measured process; it ends with this value.
pub struct Subject {
    child: Child,
    stdin: Option<ChildStdin>,
    pub service: String,
    pub bare: String,
    pub key: String,
    /// What it was started on; also of the other nodes of the same installation.
    place: Place,
    /// Keeps its connections: tokens are issued by the thousand.
    agent: ureq::Agent,
}

/// Where an installation is, and its key.
#[derive(Clone)]
struct Place {
    folder: Arc<TempDir>,
    key: String,
    /// Of PostgreSQL; else the database is a file in the folder.
    database_url: Option<String>,
}

impl Subject {
    /// On SQLite.
    pub fn start() -> Self {
        Self::start_at(Place::new(None))
    }

    /// On PostgreSQL.
    pub fn start_on(database_url: String) -> Self {
        Self::start_at(Place::new(Some(database_url)))
    }

    /// Another node of the same installation.
    pub fn another_node(&self) -> Self {
        Self::start_at(self.place.clone())
    }

    fn start_at(place: Place) -> Self {
        let program = std::env::current_exe().expect("a running program has a path");
        let mut child = Command::new(program)
            .arg("--subject")
            .arg(place.folder.path())
            .env("COUNTERMARK_BENCH_KEY", &place.key)
            .env("COUNTERMARK_BENCH_DATABASE", place.database_url.as_deref().unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program can start itself");
        let stdin = child.stdin.take().expect("standard input is piped");
        let mut lines = BufReader::new(child.stdout.take().expect("standard output is piped")).lines();
        let mut line =
            || lines.next().expect("the subject says where it listens").expect("and says it in text");
        let (service, bare) = (line(), line());
        let key = place.key.clone();
        Self { child, stdin: Some(stdin), service, bare, key, place, agent: ureq::Agent::new_with_defaults() }
    }

    /// Stops the process, lets `between` work on its folder, and starts it again on the same data.
    pub fn restarted(mut self, between: impl FnOnce(&Path)) -> Self {
        // The subject ends when its standard input does.
        drop(self.stdin.take());
        self.child.wait().expect("the subject ends");
        between(self.place.folder.path());
        Self::start_at(self.place.clone())
    }

    pub fn post(&self, path: &str, body: &Value) -> Value {
        let mut answer = self
            .agent
            .post(format!("{}{path}", self.service))
            .header("authorization", format!("Bearer {}", self.key))
            .send_json(body)
            .expect("the service answers with success");
        answer.body_mut().read_json().expect("and in JSON")
    }

    pub fn read(&self, path: &str) -> Value {
        let mut answer = self
            .agent
            .get(format!("{}{path}", self.service))
            .header("authorization", format!("Bearer {}", self.key))
            .call()
            .expect("the service answers with success");
        answer.body_mut().read_json().expect("and in JSON")
    }

    /// User and system time of the process so far, in microseconds.
    pub fn cpu_micros(&self) -> u64 {
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("the subject runs");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |place: usize| fields[place].parse::<u64>().expect("times are whole ticks");
        // Fields 14 and 15 of proc(5), counted from the state; a tick is 10 ms on every Linux in use.
        (ticks(11) + ticks(12)) * 10_000
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the subject runs");
        let line =
            status.lines().find(|line| line.starts_with("VmRSS:")).expect("proc tells the resident size");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("in kB") * 1024
    }
}

impl Place {
    fn new(database_url: Option<String>) -> Self {
        let folder = Arc::new(TempDir::new().expect("a temporary folder can be made"));
        Self { folder, key: new_key(), database_url }
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs SQL on the database of a stopped subject.
pub fn run_sql(folder: &Path, sql: &str) {
    let mut sqlite = Command::new("sqlite3")
        .arg(folder.join("countermark.db"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("sqlite3 is installed (Debian package sqlite3)");
    sqlite.stdin.take().expect("is piped").write_all(sql.as_bytes()).expect("sqlite3 reads");
    assert!(sqlite.wait().expect("sqlite3 ends").success(), "the statements are good");
}

/// The child's own main: serves until its standard input ends.
pub fn serve(folder: &str) -> ExitCode {
    let config = config(Path::new(folder));
    let service = Background::start(config.clone(), Box::new(SystemClock), Arc::new(SystemRng));
    let service = service.expect("a throw-away installation starts");
    actix_web::rt::System::new().block_on(serve_bare(service.address, &config));
    service.stop().expect("the service stops");
    ExitCode::SUCCESS
}

async fn serve_bare(service: SocketAddr, config: &Config) {
    let store = one_update::open(config).await;
    let app = move || {
        let store = store.clone();
        App::new()
            .route("/bare", web::to(HttpResponse::NoContent))
            .configure(|app| one_update::add_to(app, store))
    };
    let bare = HttpServer::new(app).bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    let address = bare.addrs()[0];
    actix_web::rt::spawn(bare.run());
    println!("http://{service}\nhttp://{address}");
    std::io::stdout().flush().expect("the parent reads");
    let ended = actix_web::rt::task::spawn_blocking(|| std::io::stdin().lines().count());
    ended.await.expect("reading to the end does not panic");
}

fn new_key() -> String {
    TokenValue::generate(ValueKind::ApiKey, &mut |bytes| SystemRng.fill(bytes)).expose().to_owned()
}

fn config(folder: &Path) -> Config {
    let environment = [
        ("COUNTERMARK__ADMIN_KEY", std::env::var("COUNTERMARK_BENCH_KEY").expect("the parent gives a key")),
        ("COUNTERMARK__DATA__DIRECTORY", folder.display().to_string()),
        ("COUNTERMARK__SERVER__LISTEN", "127.0.0.1:0".to_owned()),
        ("COUNTERMARK__LIMITS__CONNECTIONS", "4096".to_owned()),
        ("COUNTERMARK__NOTIFICATIONS__ALLOWED_NETWORKS", "127.0.0.0/8".to_owned()),
        ("COUNTERMARK__GATE__TRUSTED_PROXIES", "127.0.0.1".to_owned()),
    ];
    let database = std::env::var("COUNTERMARK_BENCH_DATABASE").ok().filter(|url| !url.is_empty());
    let database = database.map(|url| ("COUNTERMARK__DATA__DATABASE_URL", url));
    let environment = environment.into_iter().chain(database);
    let environment = environment.map(|(name, value)| (name.to_owned(), value));
    Config::load(None, environment, &[]).expect("these settings are good")
}
