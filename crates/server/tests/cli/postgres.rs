//! Databases on a PostgreSQL server of the test program's own.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

#[expect(dead_code, reason = "the other tests use the rest of it")]
#[path = "../../../store/tests/fixture/postgres_server.rs"]
mod server;

/// An empty database of its own, which goes away with the server.
pub struct Database {
    name: String,
}

impl Database {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("database_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        run("postgres", &format!("CREATE DATABASE {name}"));
        Self { name }
    }

    /// Its URL, with a password that nothing may ever show.
    pub fn url(&self) -> String {
        url(&self.name)
    }

    /// What lets a service use it.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [
            ("COUNTERMARK__DATA__DATABASE_URL", self.url()),
            // The server of the tests syncs nothing.
            ("COUNTERMARK__DATA__ALLOW_LOST_COMMITS", "true".to_owned()),
        ]
    }

    /// Runs statements by `psql`; the rows as lines.
    pub fn query(&self, statements: &str) -> String {
        run(&self.name, statements)
    }
}

pub const PASSWORD: &str = "the-password-of-the-database";

fn url(database: &str) -> String {
    let folder = server::shared().folder().display();
    format!("postgres://countermark:{PASSWORD}@localhost/{database}?host={folder}")
}

fn run(database: &str, statements: &str) -> String {
    let mut psql = Command::new(server::binaries().join("psql"));
    psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", &url(database), "-c", statements]);
    let run = psql.output().unwrap();
    assert!(run.status.success(), "{statements}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap().trim_end().to_owned()
}
