//! One PostgreSQL database, read past the service.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::postgres::{Server, binaries};

/// A database of its own on a server, which takes it away with it.
#[derive(Clone, Debug)]
pub struct Database {
    folder: PathBuf,
    name: String,
}

impl Database {
    /// A new one, empty.
    pub fn on(server: &Server) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("database_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        Self::named("postgres", server).query(&format!("CREATE DATABASE {name}"));
        Self::named(&name, server)
    }

    /// The same as it is on another server, such as a standby.
    #[must_use]
    pub fn as_on(&self, server: &Server) -> Self {
        Self::named(&self.name, server)
    }

    fn named(name: &str, server: &Server) -> Self {
        Self { folder: server.folder().to_owned(), name: name.to_owned() }
    }

    /// Its URL by the server's socket.
    pub fn url(&self) -> String {
        format!("postgres://countermark@localhost/{}?host={}", self.name, self.folder.display())
    }

    /// Its URL by way of something that listens on this address.
    pub fn url_at(&self, address: SocketAddr) -> String {
        format!("postgres://countermark@{address}/{}?sslmode=disable", self.name)
    }

    /// Runs one statement by `psql`; its rows as lines, members parted by `|`.
    pub fn query(&self, statement: &str) -> String {
        let mut command = Command::new(binaries().join("psql"));
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", &self.url(), "-c", statement]);
        let run = command.output().expect("psql can be started");
        assert!(run.status.success(), "{statement}: {}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8_lossy(&run.stdout).trim_end().to_owned()
    }

    /// Uses of a token, as the database has them.
    pub fn used(&self, token: &str) -> u64 {
        let used = self.query(&format!("SELECT used FROM token_counters WHERE token = '{token}'"));
        used.parse().expect("every token has one counter")
    }
}
