//! The measured process: the real service and, on another port, a bare handler of the same framework.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};

use actix_web::{App, HttpResponse, HttpServer, web};
use countermark_domain::clock::SystemClock;
use countermark_domain::rng::SystemRng;
use serde_json::Value;
use tempfile::TempDir;

/// Only ever used against a throw-away installation.
const ADMIN_KEY: &str = "cmk_8vQm2Tz5LrXw0KpYb7NdHs4GfJc9RaE13aoDyi";

/// A running measured process; it ends with this value.
pub struct Subject {
    child: Child,
    _stdin: ChildStdin,
    pub service: String,
    pub bare: String,
    pub key: String,
    pub folder: TempDir,
}

impl Subject {
    pub fn start() -> Self {
        Self::start_in(TempDir::new().expect("a temporary folder can be made"))
    }

    pub fn start_in(folder: TempDir) -> Self {
        let program = std::env::current_exe().expect("a running program has a path");
        let mut child = Command::new(program)
            .arg("--subject")
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program can start itself");
        let stdin = child.stdin.take().expect("standard input is piped");
        let mut lines = BufReader::new(child.stdout.take().expect("standard output is piped")).lines();
        let mut line = || lines.next().expect("the subject says where it listens").expect("and says it in text");
        let (service, bare, key) = (line(), line(), line());
        Self { child, _stdin: stdin, service, bare, key, folder }
    }

    /// Stops the process and gives its folder back, for a start with the same data.
    pub fn stop(mut self) -> TempDir {
        // The subject ends when its standard input does.
        drop(std::mem::replace(&mut self._stdin, Command::new("true").stdin(Stdio::piped()).spawn().expect("true runs").stdin.take().expect("is piped")));
        self.child.wait().expect("the subject ends");
        let empty = TempDir::new().expect("a temporary folder can be made");
        std::mem::replace(&mut self.folder, empty)
    }

    pub fn post(&self, path: &str, body: &Value) -> Value {
        let mut answer = ureq::post(format!("{}{path}", self.service))
            .header("authorization", format!("Bearer {}", self.key))
            .send_json(body)
            .expect("the service answers with success");
        answer.body_mut().read_json().expect("and in JSON")
    }

    /// User and system time of the process so far, in microseconds.
    pub fn cpu_micros(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("the subject runs");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |place: usize| fields[place].parse::<u64>().expect("times are whole ticks");
        // Fields 14 and 15 of proc(5), counted from the state; a tick is 10 ms on every Linux in use.
        (ticks(11) + ticks(12)) * 10_000
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the subject runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("proc tells the resident size");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("in kB") * 1024
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child's own main: serves until its standard input ends.
pub fn serve(folder: &str) -> ExitCode {
    actix_web::rt::System::new().block_on(serve_both(Path::new(folder)))
}

async fn serve_both(folder: &Path) -> ExitCode {
    let config = config(folder);
    let running = countermark_server::start::start(config, Box::new(SystemClock), Box::new(SystemRng)).await;
    let running = running.expect("a throw-away installation starts");
    let bare = HttpServer::new(|| App::new().route("/bare", web::to(HttpResponse::NoContent)))
        .bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .expect("a free port");
    let bare_address = bare.addrs()[0];
    let bare = bare.run();
    actix_web::rt::spawn(bare);
    println!("http://{}\nhttp://{bare_address}\n{ADMIN_KEY}", running.address());
    std::io::stdout().flush().expect("the parent reads");
    let ended = actix_web::rt::task::spawn_blocking(|| std::io::stdin().lines().count());
    let _ = ended.await;
    running.stop().await;
    ExitCode::SUCCESS
}
