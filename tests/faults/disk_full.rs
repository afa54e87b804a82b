//! A full disk under load: no answer may promise what is not on the disk, and space makes everything well again.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use countermark_tests::{Client, Options, TestServer, request, within};
use serde_json::json;

use crate::alone;
use crate::load::Account;

#[test]
fn the_gate_answers_503_on_a_full_disk_and_counts_what_it_let_through() {
    let _alone = alone();
    let disk = SmallDisk::mount("6m");
    let trusted = ("COUNTERMARK__GATE__TRUSTED_PROXIES".to_owned(), "127.0.0.1".into());
    let data = disk.0.path().join("data");
    let server =
        TestServer::with(Options { data: Some(data), environment: vec![trusted], ..Options::default() });
    let mut admin = server.admin();
    let (id, url) = admin.issue_link(Some(1_000_000));
    let headers = [
        ("x-forwarded-uri", url.strip_prefix("https://img.example.com").unwrap()),
        ("x-forwarded-method", "GET"),
        ("x-forwarded-host", "img.example.com"),
    ];
    let ask = request("GET", "/v1/forward-auth/forwarded", &headers, None);
    let mut allowed = 0;
    let mut refused = 0;
    let ballast = fill(&disk.0.path().join("ballast"));
    let starved = within(Duration::from_secs(60), || {
        drop(admin.call("POST", "/v1/access-tokens", Some(&json!({"type": "upload"}))));
        let answer = admin.exchange("GET", &ask).unwrap();
        match answer.status {
            204 => allowed += 1,
            503 => {
                assert_eq!(answer.header("x-countermark-code"), Some("UNAVAILABLE"), "{}", answer.text());
                assert!(answer.header("retry-after").is_some());
                refused += 1;
            }
            _ => panic!("{}", answer.text()),
        }
        (refused >= 20).then_some(())
    });
    assert!(starved.is_some(), "the disk was not full enough: no answer was 503");
    std::fs::remove_file(ballast).unwrap();
    let healed = within(Duration::from_secs(10), || {
        let is_allowed = admin.exchange("GET", &ask).unwrap().status == 204;
        is_allowed.then(|| allowed += 1)
    });
    assert!(healed.is_some(), "the gate decides again once there is space");
    assert_eq!(admin.used(&id), allowed);
    assert_eq!(server.log().matches("the gate cannot decide").count(), 1, "once a minute");
}

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged_and_heals_with_space() {
    let _alone = alone();
    let disk = SmallDisk::mount("6m");
    let data = disk.0.path().join("data");
    let mut server = TestServer::with(Options { data: Some(data), ..Options::default() });
    let mut admin = server.admin();
    let accounts: Vec<Arc<Account>> = (0..3).map(|_| Account::open(&mut admin, 1_000_000)).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let (account, stop) = (Arc::clone(&accounts[number % 3]), Arc::clone(&stop));
            let mut client = server.admin();
            std::thread::spawn(move || while !stop.load(SeqCst) && account.take(&mut client).is_ok() {})
        })
        .collect();

    let total = |count: fn(&Account) -> u64| accounts.iter().map(|account| count(account)).sum::<u64>();
    for _ in 0..3 {
        let before = total(Account::unavailable);
        let ballast = fill(&disk.0.path().join("ballast"));
        let starved = within(Duration::from_secs(60), || {
            // Each issue needs new pages: the log cannot go on for ever in the space that it has.
            let answer =
                admin.call("POST", "/v1/access-tokens", Some(&json!({"type": "upload", "limit": 5})));
            assert!(matches!(answer.status, 201 | 503), "{}", answer.text());
            (total(Account::unavailable) >= before + 100).then_some(())
        });
        assert!(starved.is_some(), "the disk was not full enough: no answer was 503");
        std::fs::remove_file(ballast).unwrap();
        assert_heals(&total, &mut admin, "once there is space");
    }
    stop.store(true, SeqCst);
    clients.into_iter().for_each(|client| client.join().unwrap());
    let before: Vec<u64> = accounts.iter().map(|account| account.check(&mut admin)).collect();
    server.kill();
    server.restart();
    let after: Vec<u64> = accounts.iter().map(|account| account.check(&mut server.admin())).collect();
    assert_eq!(before, after, "what the running server said is what the disk holds");
    println!(
        "{} acknowledged uses, {} answers 503",
        total(Account::acknowledged),
        total(Account::unavailable)
    );
}

/// Uses are granted, tokens issued and the service is ready again, all within seconds.
fn assert_heals(total: &impl Fn(fn(&Account) -> u64) -> u64, admin: &mut Client, when: &str) {
    let before = total(Account::acknowledged);
    let healed = || (total(Account::acknowledged) >= before + 200).then_some(());
    assert!(within(Duration::from_secs(10), healed).is_some(), "uses are granted again {when}");
    let whole = || {
        let issued = admin.call("POST", "/v1/access-tokens", Some(&json!({"type": "upload"}))).status;
        (issued == 201 && admin.call("GET", "/readyz", None).status == 200).then_some(())
    };
    assert!(
        within(Duration::from_secs(10), whole).is_some(),
        "tokens are issued and the service is ready {when}"
    );
}

/// A file system of its own, unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(directory.path());
        let mounted = mount.status().is_ok_and(|status| status.success());
        assert!(mounted, "a tmpfs cannot be mounted: this test must run as root");
        Self(directory)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a failed test may leave files open for a moment.
        drop(Command::new("umount").arg("-l").arg(self.0.path()).status());
    }
}

/// Writes until there is no space left.
fn fill(path: &Path) -> PathBuf {
    let mut file = File::create(path).unwrap();
    for size in [4096, 1] {
        let piece = vec![0; size];
        // Bounded by the size of the disk; the clients may take pages meanwhile.
        while file.write_all(&piece).is_ok() {}
    }
    path.to_owned()
}
