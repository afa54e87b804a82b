//! A clock that is set back must not bring an expired token to life.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countermark_tests::{Answer, Options, TestServer, upload_question, within};
use serde_json::json;

const HOUR: i64 = 3600;

#[test]
fn a_clock_that_is_set_back_is_reported_and_revives_nothing() {
    let clock = Clock::new();
    let mut server = TestServer::with(Options {
        environment: clock.environment(),
        may_be_unready: true,
        ..Options::default()
    });
    let mut admin = server.admin();
    let token = admin.issue(&json!({"type": "upload", "ttl": 600, "limit": 100}));
    let question = upload_question(token["value"].as_str().unwrap());
    assert_eq!(admin.authorize(&question), "ALLOWED");

    clock.set(HOUR);
    assert_eq!(admin.authorize(&question), "EXPIRED");
    assert_eq!(readyz(&server).status, 200, "a step forward is no fault");

    clock.set(HOUR - 30);
    assert_eq!(readyz(&server).status, 200, "a small step back is tolerated");
    assert_eq!(admin.authorize(&question), "EXPIRED");

    clock.set(0);
    let unready = readyz(&server);
    assert_eq!(unready.status, 503);
    assert!(unready.json()["reason"].as_str().unwrap().contains("clock"), "{}", unready.text());
    assert_eq!(admin.authorize(&question), "EXPIRED", "once expired, always expired");

    assert_eq!(server.stop().code(), Some(0));
    server.restart();
    assert_eq!(server.admin().authorize(&question), "EXPIRED", "also after a restart");
    assert_eq!(readyz(&server).status, 503, "also after a restart");

    clock.set(HOUR + 1);
    let ready = within(Duration::from_secs(10), || (readyz(&server).status == 200).then_some(()));
    assert!(ready.is_some(), "ready again once the clock has caught up");
    assert_eq!(server.admin().authorize(&question), "EXPIRED");
}

fn readyz(server: &TestServer) -> Answer {
    server.admin().call("GET", "/readyz", None)
}

/// The server's own clock, moved against the machine's by a preloaded library.
struct Clock {
    control: PathBuf,
    _directory: tempfile::TempDir,
}

impl Clock {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Self { control: directory.path().join("clock"), _directory: directory };
        clock.set(0);
        clock
    }

    /// Seconds against the machine's clock, from the next look at the clock on.
    fn set(&self, seconds: i64) {
        // Renamed into place: the library must never read half a file.
        let new = self.control.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n")).unwrap();
        fs::rename(new, &self.control).unwrap();
    }

    fn environment(&self) -> Vec<(String, std::ffi::OsString)> {
        let set = |name: &str, value: &Path| (name.to_owned(), value.as_os_str().to_owned());
        vec![
            set("LD_PRELOAD", &library()),
            set("FAKETIME_TIMESTAMP_FILE", &self.control),
            set("FAKETIME_NO_CACHE", Path::new("1")),
            set("FAKETIME_DONT_FAKE_MONOTONIC", Path::new("1")),
        ]
    }
}

/// From the Debian package `faketime`, in the directory of the machine's architecture.
fn library() -> PathBuf {
    let directories = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let mut libraries = directories.map(|directory| directory.join("faketime/libfaketimeMT.so.1"));
    libraries
        .find(|library| library.is_file())
        .expect("the package faketime is installed: apt-get install faketime")
}
