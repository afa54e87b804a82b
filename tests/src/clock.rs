//! A clock that a test moves.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// The server's own clock, moved against the machine's by a preloaded library.
#[derive(Debug)]
pub struct Clock {
    control: PathBuf,
    _directory: tempfile::TempDir,
}

impl Clock {
    /// As the machine's.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let clock = Self { control: directory.path().join("clock"), _directory: directory };
        clock.set(0);
        clock
    }

    /// Seconds against the machine's clock, from the next look at the clock on.
    pub fn set(&self, seconds: i64) {
        // Renamed into place: the library must never read half a file.
        let new = self.control.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n")).expect("a file can be written there");
        fs::rename(new, &self.control).expect("a file can be renamed there");
    }

    /// What makes a server follow it.
    pub fn environment(&self) -> Vec<(String, OsString)> {
        let set = |name: &str, value: &Path| (name.to_owned(), value.as_os_str().to_owned());
        vec![
            set("LD_PRELOAD", &library()),
            set("FAKETIME_TIMESTAMP_FILE", &self.control),
            set("FAKETIME_NO_CACHE", Path::new("1")),
            set("FAKETIME_DONT_FAKE_MONOTONIC", Path::new("1")),
        ]
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// From the Debian package `faketime`, in the directory of the machine's architecture.
fn library() -> PathBuf {
    let directories = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut libraries = directories.map(|directory| directory.join("faketime/libfaketimeMT.so.1"));
    libraries
        .find(|library| library.is_file())
        .expect("the package faketime is installed: apt-get install faketime")
}
