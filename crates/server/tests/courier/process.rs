//! Runs a test a second time in a process of its own, for what belongs to a process: environment and network.

use std::process::Command;

const INSIDE: &str = "COUNTERMARK_TEST_INSIDE";

/// Whether this is the second process.
pub fn inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs the test with this full name again, by way of `launcher` if it is not empty.
pub fn rerun(test: &str, launcher: &[&str], environment: &[(&str, &str)]) {
    let this = std::env::current_exe().unwrap();
    let this = this.to_str().unwrap();
    let command: Vec<&str> = launcher.iter().copied().chain([this, "--exact", test, "--nocapture"]).collect();
    let output = Command::new(command[0])
        .args(&command[1..])
        .env(INSIDE, "1")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{test} in its own process:\n{said}{complained}");
    assert!(said.contains("1 passed"), "no test has this name: {test}");
}
