//! `countermark doctor`.

mod database;

use std::fs::{OpenOptions, TryLockError};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use clap::Args;
use countermark_store::Location;
use serde_json::{Value, json};

use super::failure::Failure;
use super::http::Client;
use super::output::{Output, cell, table};
use crate::config::{Config, ConfigFlags};
use crate::installation::location;
use crate::{master_key, private_file};

/// The arguments of `doctor`.
#[derive(Args, Debug)]
pub struct Doctor {
    #[command(flatten)]
    flags: ConfigFlags,
}

/// Free space below which the operator should act; a full disk stops every counted use.
const LITTLE_SPACE: u64 = 1 << 30;

impl Doctor {
    pub(super) fn run(self, output: Output) -> Result<(), Failure> {
        let mut findings = Findings::default();
        match self.flags.load() {
            Err(error) => findings.fail("configuration", &error.to_string(), "correct it"),
            Ok(config) => {
                findings.ok("configuration", "complete");
                examine(&config, &mut findings);
            }
        }
        let fails = findings.0.iter().filter(|it| it["state"] == "fail").count();
        output.result(&json!({"ok": fails == 0, "checks": findings.0}), |report| {
            let row = |check: &Value| {
                let advice = check["advice"].as_str().map(|advice| format!("; {advice}")).unwrap_or_default();
                vec![cell(&check["state"]), cell(&check["check"]), cell(&check["detail"]) + &advice]
            };
            table(&report["checks"].as_array().into_iter().flatten().map(row).collect::<Vec<_>>())
        });
        if fails == 0 { Ok(()) } else { Err(Failure::refused(format!("{fails} checks failed"))) }
    }
}

#[derive(Default)]
struct Findings(Vec<Value>);

impl Findings {
    fn ok(&mut self, check: &str, detail: &str) {
        self.0.push(json!({"check": check, "state": "ok", "detail": detail, "advice": null}));
    }

    fn warn(&mut self, check: &str, detail: &str, advice: &str) {
        self.0.push(json!({"check": check, "state": "warn", "detail": detail, "advice": advice}));
    }

    fn fail(&mut self, check: &str, detail: &str, advice: &str) {
        self.0.push(json!({"check": check, "state": "fail", "detail": detail, "advice": advice}));
    }
}

fn examine(config: &Config, findings: &mut Findings) {
    directory(&config.data.directory, findings);
    master_key_file(config, findings);
    match location(config) {
        Ok(Location::Sqlite(path)) => {
            let is_running = server(config, &path, findings);
            database::examine(config, &Location::Sqlite(path.clone()), is_running, findings);
            space(&path, findings);
        }
        // Whether nodes run, and where, is not known here.
        Ok(location) => database::examine(config, &location, true, findings),
        Err(error) => findings.fail("database", &error.to_string(), "correct it"),
    }
    public_url(config, findings);
}

fn directory(path: &Path, findings: &mut Findings) {
    const CHECK: &str = "data directory";
    let shown = path.display().to_string();
    match private_file::mode(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            findings.warn(CHECK, &format!("{shown} is not there"), "the first `countermark serve` makes it");
        }
        Err(error) => findings.fail(CHECK, &format!("{shown}: {error}"), "make it readable for this user"),
        Ok(_) if !path.is_dir() => {
            findings.fail(CHECK, &format!("{shown} is no directory"), "choose another with --data")
        }
        Ok(mode) if std::fs::read_dir(path).is_err() || mode & 0o200 == 0 => {
            findings.fail(CHECK, &format!("{shown} cannot be used"), "give it to the user of the service");
        }
        Ok(mode) if mode & 0o077 != 0 => {
            findings.warn(CHECK, &format!("{shown} has mode {mode:04o}"), &format!("chmod 700 {shown}"));
        }
        Ok(_) => findings.ok(CHECK, &shown),
    }
}

fn master_key_file(config: &Config, findings: &mut Findings) {
    const CHECK: &str = "master key";
    let (path, next) = (master_key::file(config), master_key::next_file(config));
    let shown = path.display().to_string();
    if config.master_key.is_none() && next.exists() {
        findings.fail(CHECK, "a rotation was interrupted", "finish it with `countermark keys rotate`");
    }
    match (master_key::find(config), config.master_key.is_some()) {
        (Err(error), _) => findings.fail(CHECK, &error.to_string(), "put the right key back"),
        (Ok(_), true) => findings.ok(CHECK, "configured"),
        (Ok(None), false) => {
            findings.warn(CHECK, &format!("{shown} is not there"), "the first `countermark serve` makes it");
        }
        (Ok(Some(_)), false) => match private_file::mode(&path) {
            Ok(mode) if mode & 0o077 != 0 => {
                findings.fail(CHECK, &format!("{shown} has mode {mode:04o}"), &format!("chmod 600 {shown}"));
            }
            _ => findings.ok(CHECK, &shown),
        },
    }
}

/// Whether a process holds the database, and whether it answers.
fn server(config: &Config, database: &Path, findings: &mut Findings) -> bool {
    const CHECK: &str = "service";
    // The lock stands beside the file itself, not beside a symbolic link to it.
    let mut lock = database.canonicalize().unwrap_or_else(|_| database.to_owned()).into_os_string();
    lock.push(".lock");
    let held = OpenOptions::new()
        .read(true)
        .write(true)
        .open(lock)
        .is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)));
    let mut address = config.server.listen;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    let url = format!("http://{address}");
    let answer =
        Client::new(&url, None, Duration::from_secs(3)).and_then(|it| it.ask("GET", "/readyz", None));
    match (held, answer) {
        (true, Ok((200, _))) => findings.ok(CHECK, &format!("runs and is ready at {url}")),
        (true, Ok((_, health))) => findings.fail(
            CHECK,
            &format!("runs at {url} but is not ready: {}", cell(&health["reason"])),
            "see its log",
        ),
        (true, Err(_)) => findings.fail(
            CHECK,
            &format!("a process holds the database, but {url} does not answer"),
            "see its log, and whether --listen is the same here",
        ),
        (false, Ok(_)) => findings.warn(
            CHECK,
            &format!("nobody holds this database, but something answers at {url}"),
            "see whether --data is the same here",
        ),
        (false, Err(_)) => findings.ok(CHECK, "does not run"),
    }
    held
}

/// The standard library cannot tell free space; `df -Pk` is the same on every Unix.
fn space(database: &Path, findings: &mut Findings) {
    let folder = database.ancestors().skip(1).find(|it| it.exists()).unwrap_or(Path::new("."));
    let kibibytes = Command::new("df").arg("-Pk").arg(folder).output().ok().and_then(|output| {
        let text = String::from_utf8(output.stdout).ok()?;
        text.lines().nth(1)?.split_whitespace().nth(3)?.parse::<u64>().ok()
    });
    match kibibytes.map(|kibibytes| kibibytes.saturating_mul(1024)) {
        None => findings.warn("disk space", "unknown", "see to it that the disk never fills up"),
        Some(free) if free < LITTLE_SPACE => {
            findings.warn(
                "disk space",
                &format!("{} MiB left", free >> 20),
                "make room: without it no counted use is granted",
            );
        }
        Some(free) => findings.ok("disk space", &format!("{} GiB left", free >> 30)),
    }
}

fn public_url(config: &Config, findings: &mut Findings) {
    const CHECK: &str = "public URL";
    let url = config.public_url();
    let is_local = config.server.listen.ip().is_loopback();
    match &config.server.public_url {
        None if is_local => findings.ok(CHECK, &url),
        None => findings.warn(
            CHECK,
            &format!("not set, so links begin with {url}"),
            "set COUNTERMARK__SERVER__PUBLIC_URL to what clients use",
        ),
        Some(url) if url.starts_with("https://") => findings.ok(CHECK, url),
        Some(url) if url.starts_with("http://") && is_local => findings.ok(CHECK, url),
        Some(url) if url.starts_with("http://") => {
            findings.warn(
                CHECK,
                &format!("{url} sends keys unencrypted"),
                "put something that speaks TLS in front",
            );
        }
        Some(url) => findings.fail(CHECK, &format!("{url} is no URL of HTTP"), "begin it with https://"),
    }
}
