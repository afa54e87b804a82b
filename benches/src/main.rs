//! The load bench: the service beside a bare 204 handler of the same framework, in one run.
//!
//! `cargo run --release -p countermark-bench` needs `wrk` (Debian package `wrk`) and, for the memory table, `sqlite3`.
//! Every figure is a median over interleaved repetitions; only the ratios to the bare handler mean anything elsewhere.
#![expect(clippy::print_stdout, reason = "the tables on standard output are what this program is for")]
#![expect(clippy::print_stderr, reason = "progress goes beside them")]

mod cases;
mod memory;
mod report;
mod subject;
mod wrk;

use std::process::ExitCode;

use cases::Cases;
use report::Report;
use subject::Subject;

/// Connections of the measured columns.
const CONNECTIONS: [u32; 4] = [1, 16, 64, 256];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    if let Some(place) = arguments.iter().position(|argument| argument == "--subject") {
        return subject::serve(&arguments[place + 1]);
    }
    if has("--help") {
        println!("countermark-bench [--quick] [--load-only | --memory-only]");
        return ExitCode::SUCCESS;
    }
    let (repetitions, seconds) = if has("--quick") { (1, 1) } else { (5, 2) };
    if !has("--memory-only") {
        load(repetitions, seconds);
    }
    if !has("--load-only") {
        memory::print_table(seconds);
    }
    ExitCode::SUCCESS
}

fn load(repetitions: usize, seconds: u32) {
    let subject = Subject::start();
    eprintln!("issuing tokens …");
    let cases = Cases::prepare(&subject);
    let mut report = Report::default();
    for repetition in 1..=repetitions {
        for connections in CONNECTIONS {
            for case in &cases.all {
                eprintln!("repetition {repetition}/{repetitions}, {connections} connections, {}", case.name);
                let cpu_before = subject.cpu_micros();
                let run = wrk::run(case, connections, seconds);
                let cpu = (subject.cpu_micros() - cpu_before) as f64 / run.requests.max(1) as f64;
                report.add(case.name, connections, run, cpu);
            }
        }
    }
    report.print(&cases, &CONNECTIONS);
}
