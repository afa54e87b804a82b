//! The real binary as a process of its own, on a free port of the loopback address.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::client::Client;
use crate::connection::{Connection, request};
use crate::random::Random;
use crate::threads::within;

/// A running server; it is killed when dropped, and its directory removed.
pub struct TestServer {
    child: Option<Child>,
    address: SocketAddr,
    admin_key: String,
    options: Options,
    directory: TempDir,
    starts: usize,
}

/// What differs from an ordinary server.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The data directory, if not one inside the server's own temporary directory.
    pub data: Option<PathBuf>,
    /// A program with its arguments that runs the server, such as a tracer; must become the server's own process.
    pub under: Vec<OsString>,
    /// Environment variables over the usual ones.
    pub environment: Vec<(String, OsString)>,
    /// Whether `/readyz` must say 200 before a start is done, or any answer will do.
    pub may_be_unready: bool,
    /// The first administrator key, if not one of the server's own.
    pub admin_key: Option<String>,
    /// The address to listen on, if not the loopback address.
    pub host: Option<IpAddr>,
}

/// Far more than a start needs on a loaded machine.
const START: Duration = Duration::from_secs(30);
/// More than the 30 s that the server itself allows running requests.
const STOP: Duration = Duration::from_secs(40);

impl TestServer {
    /// An ordinary server, ready.
    pub fn start() -> Self {
        Self::with(Options::default())
    }

    /// A server, ready.
    pub fn with(options: Options) -> Self {
        let mut server = Self::new(options);
        server.restart();
        server
    }

    fn new(options: Options) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        Self {
            child: None,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            admin_key: options.admin_key.clone().unwrap_or_else(|| Random::fresh().value('k')),
            options,
            directory,
            starts: 0,
        }
    }

    /// Starts a server that must end by itself instead of serving; how it ended, and its log.
    pub fn refused(options: Options) -> (ExitStatus, String) {
        let mut server = Self::new(options);
        server.spawn();
        let ended = server.wait_for_end();
        (ended, server.log())
    }

    /// Starts the server again on the same data and waits until it is ready; its address changes.
    pub fn restart(&mut self) {
        assert!(self.child.is_none(), "a running server is stopped or killed first");
        // Another process may take the port between our look and the server's start.
        for _ in 0..5 {
            self.spawn();
            if within(START, || self.state_of_start()).expect("the server starts in time") {
                return;
            }
            self.child = None;
        }
        panic!("the server does not start; its log:\n{}", self.log());
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        child.kill().expect("our own child can be killed");
        child.wait().expect("our own child can be awaited");
    }

    /// SIGTERM; waits for the end.
    pub fn stop(&mut self) -> ExitStatus {
        self.terminate();
        self.wait_for_end()
    }

    /// SIGTERM, without waiting.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// SIGSTOP: it stands still, and the system goes on taking connections and requests for it.
    pub fn pause(&self) {
        self.signal("STOP");
        // The first of its threads to run stops the others: until then they go on.
        let stands = within(START, || self.stands_still().then_some(()));
        assert!(stands.is_some(), "a process that was stopped stands still");
    }

    fn stands_still(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid())).into_iter().flatten().flatten();
        let mut states = threads.map(|thread| fs::read_to_string(thread.path().join("status")));
        states.all(|state| state.is_ok_and(|state| state.contains("\nState:\tT")))
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let kill = "kill \"-$0\" \"$1\"";
        let sent = Command::new("sh").args(["-c", kill, name]).arg(self.pid().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "SIG{name} can be sent");
    }

    /// Waits until the process has ended by itself.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the server runs");
        let ended = within(STOP, || child.try_wait().expect("our own child can be awaited"));
        if ended.is_none() {
            // Not to leave it behind when the test fails.
            drop(child.kill());
        }
        ended.expect("the server ends in time")
    }

    /// A caller with the administrator key.
    pub fn admin(&self) -> Client {
        Client::new(self.address, &self.admin_key)
    }

    /// A caller with this key.
    pub fn caller(&self, key: &str) -> Client {
        Client::new(self.address, key)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The first administrator key.
    pub fn admin_key(&self) -> &str {
        &self.admin_key
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// Where database and master key lie.
    pub fn data(&self) -> PathBuf {
        self.options.data.clone().unwrap_or_else(|| self.directory.path().join("data"))
    }

    /// Everything that the server has written to standard output and standard error, over all starts.
    pub fn log(&self) -> String {
        let read = |name: String| fs::read(self.directory.path().join(name)).unwrap_or_default();
        let texts = (1..=self.starts).map(|start| {
            let [error, output] = [read(format!("stderr-{start}")), read(format!("stdout-{start}"))];
            format!("{}{}", String::from_utf8_lossy(&error), String::from_utf8_lossy(&output))
        });
        texts.collect()
    }

    fn spawn(&mut self) {
        self.starts += 1;
        let port = free_port();
        let host = self.options.host.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        self.address = SocketAddr::new(host, port);
        let file = |name: &str| {
            let path = self.directory.path().join(format!("{name}-{}", self.starts));
            File::create(path).expect("a file in the temporary directory can be made")
        };
        let mut line = self.options.under.clone();
        line.extend([binary().into_os_string(), "serve".into()]);
        let mut command = Command::new(&line[0]);
        command
            .args(&line[1..])
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("COUNTERMARK__ADMIN_KEY", &self.admin_key)
            .env("COUNTERMARK__SERVER__LISTEN", self.address.to_string())
            .env("COUNTERMARK__DATA__DIRECTORY", self.data())
            .env("COUNTERMARK__LOG__FORMAT", "json")
            // All clients share an address here, and many fail on purpose.
            .env("COUNTERMARK__THROTTLE__BURST", "1000000")
            .env("COUNTERMARK__THROTTLE__PER_SECOND", "1000000")
            .envs(self.options.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"));
        self.child = Some(command.spawn().expect("the server's process can be made"));
    }

    /// `Some(true)` when it answers as it should, `Some(false)` when the process has ended.
    fn state_of_start(&mut self) -> Option<bool> {
        let child = self.child.as_mut().expect("just spawned");
        if child.try_wait().expect("our own child can be awaited").is_some() {
            return Some(false);
        }
        let status = readiness(self.address)?;
        (status == 200 || self.options.may_be_unready).then_some(true)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
        if std::thread::panicking() && std::env::var_os("COUNTERMARK_TEST_LOG").is_some() {
            use std::io::Write;
            drop(writeln!(std::io::stderr(), "log of the server:\n{}", self.log()));
        }
    }
}

/// The binary beside the running test executable.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own executable");
    // target/{profile}/deps/{test}
    let profile = test.parent().and_then(Path::parent).expect("tests lie two levels below the profile");
    let binary = profile.join("countermark");
    assert!(binary.is_file(), "{} is missing: run `cargo build -p countermark-server`", binary.display());
    binary
}

fn readiness(address: SocketAddr) -> Option<u16> {
    let mut connection = Connection::open(address).ok()?;
    connection.send(&request("GET", "/readyz", &[("connection", "close")], None)).ok()?;
    connection.answer_to("GET").ok().map(|answer| answer.status)
}

/// Below the range from which the kernel gives ports to our own outgoing connections.
fn free_port() -> u16 {
    let mut random = Random::fresh();
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let mut ports = (0..1000).map(|_| random.between(15_000, 31_999) as u16);
    ports.find(free).expect("one of a thousand ports is free")
}
