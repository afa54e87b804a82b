//! A PostgreSQL server of the bench's own: durable, in a temporary folder, spoken to through a socket in it.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running server; it ends with this value.
pub struct Postgres {
    keeper: Child,
    folder: PathBuf,
}

/// Starts the server and keeps it until its standard input ends, as it does however the bench ends.
const KEEPER: &str = r#"
set -eu
bin=$1
folder=$(mktemp -d /tmp/countermark-bench-XXXXXX)
trap '"$bin/pg_ctl" -D "$folder/data" -m immediate -w stop > /dev/null 2>&1 || true; rm -rf "$folder"' EXIT
trap exit HUP INT TERM
"$bin/initdb" -D "$folder/data" -U countermark -A trust -E UTF8 --locale=C > "$folder/log"
cat >> "$folder/data/postgresql.conf" <<SETTINGS
listen_addresses = ''
unix_socket_directories = '$folder'
max_connections = 400
fsync = on
synchronous_commit = on
full_page_writes = on
SETTINGS
"$bin/pg_ctl" -D "$folder/data" -w -l "$folder/log" start > /dev/null
echo "$folder"
cat > /dev/null
"#;

impl Postgres {
    pub fn start() -> Self {
        // The server refuses to run as root.
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0);
        let mut command = Command::new(if is_root { "runuser" } else { "sh" });
        if is_root {
            command.args(["-u", "postgres", "--", "sh"]);
        }
        command.args(["-c", KEEPER, "sh"]).arg(binaries()).current_dir("/");
        let mut keeper =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh and runuser are there");
        let mut lines = BufReader::new(keeper.stdout.take().expect("standard output is piped")).lines();
        let folder = lines.next().expect("PostgreSQL starts").expect("and its folder has a name in UTF-8");
        Self { keeper, folder: PathBuf::from(folder) }
    }

    /// Of an empty database of its own.
    pub fn new_database(&self, name: &str) -> String {
        self.run(&["-c", &format!("CREATE DATABASE {name}")], "postgres");
        format!("postgres://countermark@localhost/{name}?host={}", self.folder.display())
    }

    /// What psql prints, without headings.
    pub fn run(&self, arguments: &[&str], database: &str) -> String {
        let mut command = self.client("psql", database);
        let output = command
            .args(["-v", "ON_ERROR_STOP=1", "-qAt"])
            .args(arguments)
            .output()
            .expect("psql is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// One of PostgreSQL's programs, told where the server is.
    pub fn client(&self, program: &str, database: &str) -> Command {
        let mut command = Command::new(binaries().join(program));
        command.env("PGHOST", &self.folder).env("PGUSER", "countermark").env("PGDATABASE", database);
        command
    }

    /// User and system time of the server and of all its processes so far, in microseconds.
    pub fn cpu_micros(&self) -> u64 {
        let file = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).expect("the server runs");
        let server = file.lines().next().expect("the first line is its process").to_owned();
        let processes = std::fs::read_dir("/proc").expect("this is Linux").flatten();
        let stats = processes.filter_map(|it| std::fs::read_to_string(it.path().join("stat")).ok());
        stats.filter_map(|stat| ticks_of(&stat, &server)).sum::<u64>() * 10_000
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The ticks of a line of proc(5) `stat`, if it is of the server (with those of its ended children) or of its child.
fn ticks_of(stat: &str, server: &str) -> Option<u64> {
    let (process, rest) = (stat.split(' ').next()?, stat.rsplit(')').next()?);
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let own = if process == server {
        11..15
    } else if fields.get(1) == Some(&server) {
        11..13
    } else {
        return None;
    };
    Some(fields.get(own)?.iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum())
}

/// Those of the newest server on this machine.
fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |bin: &Path| bin.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|it| it.path().join("bin")).filter(|it| it.join("initdb").exists());
    newest.max_by_key(|bin| number(bin)).expect("PostgreSQL is installed (Debian package postgresql)")
}
