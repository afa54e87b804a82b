//! Running the binary.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// Far longer than any command takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a command left behind.
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }

    pub fn problem(&self) -> Value {
        serde_json::from_str(&self.err).unwrap_or_else(|error| panic!("{error}: {}", self.err))
    }
}

/// A directory of a test, in which commands run.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn data(&self, name: &str) -> PathBuf {
        self.path("countermark-data").join(name)
    }

    pub fn read(&self, path: &Path) -> String {
        std::fs::read_to_string(path).unwrap().trim().to_owned()
    }

    pub fn command(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countermark"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("COUNTERMARK")) {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .envs(environment.iter().copied())
            .current_dir(self.0.path())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
        let mut command = self.command(arguments, environment);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let id = child.id().to_string();
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || send.send(child.wait_with_output()));
        // A service that starts although it should refuse would run for ever.
        let output = receive.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            Command::new("kill").args(["-9", &id]).status().unwrap();
            panic!("{arguments:?} does not end")
        });
        let output = output.unwrap();
        Ended {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// A service on a free port, ready when this returns.
    pub fn serve(&self, environment: &[(&str, &str)]) -> Server {
        let log = self.path("log");
        let mut command = self.command(&["serve", "--json", "--listen", "127.0.0.1:0"], environment);
        let stderr = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut server = Server { url: String::new(), said: String::new(), child, out };
        while server.url.is_empty() {
            let from = server.said.len();
            let read = server.out.read_line(&mut server.said).unwrap();
            assert!(read > 0, "the service ended: {}", std::fs::read_to_string(&log).unwrap());
            let line: Value = serde_json::from_str(&server.said[from..]).unwrap();
            server.url = line["address"].as_str().unwrap_or_default().to_owned();
        }
        server
    }

    /// The generated administrator key of this place.
    pub fn key(&self) -> String {
        self.read(&self.data("admin.key"))
    }
}

/// A running service; killed when dropped.
pub struct Server {
    pub url: String,
    pub said: String,
    pub child: Child,
    out: BufReader<ChildStdout>,
}

impl Server {
    /// Its exit code after SIGTERM, and all that it has printed.
    pub fn terminate(mut self) -> (Option<i32>, String) {
        let killed = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(killed.success());
        let code = self.child.wait().unwrap().code();
        let mut said = std::mem::take(&mut self.said);
        self.out.read_to_string(&mut said).unwrap();
        (code, said)
    }

    /// The status of a call with this key.
    pub fn status(&self, key: &str, path: &str) -> u16 {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
        let request =
            agent.get(format!("{}{path}", self.url)).header("authorization", format!("Bearer {key}"));
        request.call().unwrap().status().as_u16()
    }

    /// The body of the answer to a GET with this key.
    pub fn get(&self, key: &str, path: &str) -> String {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
        let request =
            agent.get(format!("{}{path}", self.url)).header("authorization", format!("Bearer {key}"));
        request.call().unwrap().into_body().read_to_string().unwrap()
    }

    /// The answer to a POST with this key.
    pub fn post(&self, key: &str, path: &str, body: &Value) -> Value {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
        let request = agent
            .post(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json");
        let answer = request.send(body.to_string()).unwrap().into_body().read_to_string().unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// Whether this key is an administrator's.
    pub fn admits(&self, key: &str) -> bool {
        self.status(key, "/v1/access-tokens") == 200
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
