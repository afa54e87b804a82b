//! A network of the test's own: it and its servers in one namespace, one node in another, two cables between them.

use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command, Stdio};

/// Set within the test that runs in a namespace.
const INSIDE: &str = "COUNTERMARK_TEST_IN_NAMESPACE";

/// Whether this process has a network of its own already.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs the test with this full name again, in a network namespace of its own; what it has printed.
pub fn rerun(test: &str) -> String {
    let attempt = Command::new("unshare").args(["-n", "true"]).output();
    let attempt = attempt.expect("this test needs the program unshare, of the Debian package util-linux");
    assert!(
        attempt.status.success(),
        "this test needs network namespaces, and so to run as root: unshare -n says {}",
        String::from_utf8_lossy(&attempt.stderr)
    );
    let this = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.args(["-n", "--"]).arg(this).args(["--exact", test, "--nocapture"]).env(INSIDE, "1");
    let run = command.output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    let complained = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{test} in its own network:\n{said}{complained}");
    assert!(said.contains("1 passed"), "no test has this name: {test}");
    said.into_owned()
}

/// Another namespace beside the test's own, joined to it by a cable for clients and one for the database.
pub struct Namespace {
    holder: Child,
}

/// Of the test's end of the cable for the database.
pub const DATABASE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 2, 1));
/// Of the node's end of the cable for clients.
pub const NODE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 1, 2));

impl Namespace {
    /// To be called in a namespace of the test's own.
    pub fn new() -> Self {
        assert!(is_inside(), "the machine's own network is left alone");
        let mut command = Command::new("unshare");
        // It ends with its input: whatever becomes of the test.
        command.args(["-n", "--", "sh", "-c", "echo; read -r _"]);
        let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // The line comes from within the new namespace.
        std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        let namespace = Self { holder };
        sh("ip link set lo up");
        let inside = namespace.pid();
        for (name, net) in [("clients", 1), ("database", 2)] {
            sh(&format!(
                "ip link add {name} type veth peer name {name}-far netns {inside}
                 ip address add 10.77.{net}.1/24 dev {name}
                 ip link set {name} up
                 nsenter -t {inside} -n sh -ec '
                    ip link set lo up
                    ip address add 10.77.{net}.2/24 dev {name}-far
                    ip link set {name}-far up'"
            ));
        }
        namespace
    }

    /// What runs a program in it.
    pub fn entrance(&self) -> [String; 5] {
        ["nsenter", "-t", &self.pid().to_string(), "-n", "--"].map(str::to_owned)
    }

    /// Pulls the cable to the database: nothing arrives any more, and nobody is told.
    pub fn cut_database(&self) {
        sh("ip link set database down");
    }

    /// Plugs it in again.
    pub fn heal_database(&self) {
        sh("ip link set database up");
    }

    fn pid(&self) -> u32 {
        self.holder.id()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        drop(self.holder.wait());
    }
}

fn sh(script: &str) {
    let run = Command::new("sh").args(["-ec", script]).output().unwrap();
    assert!(run.status.success(), "{script}: {}", String::from_utf8_lossy(&run.stderr));
}
