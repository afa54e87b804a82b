//! How fast a backlog of notifications drains to receivers on the same machine.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::subject::{Subject, run_sql};

const WAITING: u64 = 10_000;
/// One busy receiver, and many.
const RECEIVERS: [u64; 2] = [1, 100];
/// A minute is many times what it takes; then something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// Prints one row for each number of receivers.
pub fn print_table() {
    println!("\n| notifications waiting | receivers | s until all are delivered | notifications/s |");
    println!("|---|---|---|---|");
    for receivers in RECEIVERS {
        eprintln!("draining {WAITING} notifications to {receivers} receivers …");
        let receiver = Subject::start();
        let sql = include_str!("backlog.sql")
            .replace(":count", &WAITING.to_string())
            .replace(":receivers", &receivers.to_string())
            .replace(":url", &format!("'{}/bare'", receiver.bare));
        let subject = Subject::start().restarted(|folder| run_sql(folder, &sql));
        let begin = Instant::now();
        while !is_drained(&subject) {
            assert!(begin.elapsed() < PATIENCE, "the backlog drains");
            sleep(Duration::from_millis(20));
        }
        let seconds = begin.elapsed().as_secs_f64();
        println!("| {WAITING} | {receivers} | {seconds:.1} | {:.0} |", WAITING as f64 / seconds);
    }
}

fn is_drained(subject: &Subject) -> bool {
    let list = subject.read("/v1/notifications?state=pending&limit=1");
    list["items"].as_array().is_some_and(Vec::is_empty)
}
