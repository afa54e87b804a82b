//! The load bench: the service beside a bare 204 handler of the same framework, in one run.
//!
//! `cargo run --release -p countermark-bench` needs `wrk` and, for the gate, `nginx` (Debian packages `wrk`, `nginx-light`);
//! for the memory table and the backlog `sqlite3`.
//! Every figure is a median over interleaved repetitions; only the ratios to the bare handler mean anything elsewhere.
#![expect(clippy::print_stdout, reason = "the tables on standard output are what this program is for")]
#![expect(clippy::print_stderr, reason = "progress goes beside them")]

mod backlog;
mod cases;
mod memory;
mod nginx;
mod report;
mod subject;
mod wrk;

use std::process::ExitCode;

use cases::Cases;
use nginx::Nginx;
use report::Report;
use subject::Subject;

/// Connections of the measured columns.
const CONNECTIONS: [u32; 4] = [1, 16, 64, 256];
/// Those of the gate's table: one connection shows the added latency, 64 the throughput.
const GATE_CONNECTIONS: [u32; 3] = [1, 16, 64];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    if let Some(place) = arguments.iter().position(|argument| argument == "--subject") {
        return subject::serve(&arguments[place + 1]);
    }
    if has("--help") {
        println!("countermark-bench [--quick] [--load-only | --gate-only | --backlog-only | --memory-only]");
        return ExitCode::SUCCESS;
    }
    let only = arguments.iter().find(|argument| argument.ends_with("-only"));
    let wanted = |part: &str| only.is_none_or(|only| only == part);
    let (repetitions, seconds) = if has("--quick") { (1, 1) } else { (5, 2) };
    if wanted("--load-only") {
        load(repetitions, seconds);
    }
    if wanted("--gate-only") {
        gate(repetitions, seconds);
    }
    if wanted("--backlog-only") {
        backlog::print_table();
    }
    if wanted("--memory-only") {
        memory::print_table(seconds);
    }
    ExitCode::SUCCESS
}

fn load(repetitions: usize, seconds: u32) {
    let subject = Subject::start();
    eprintln!("issuing tokens …");
    let cases = Cases::prepare(&subject);
    let report = measure(&subject, &cases, &CONNECTIONS, repetitions, seconds);
    report.print(&cases, &CONNECTIONS, |_| cases.all[0].name);
}

/// What nginx asks is compared with nginx asking a bare handler; all else with the bare handler itself.
fn gate(repetitions: usize, seconds: u32) {
    let subject = Subject::start();
    let nginx = Nginx::start(&subject);
    let cases = Cases::at_the_gate(&subject, &nginx);
    let report = measure(&subject, &cases, &GATE_CONNECTIONS, repetitions, seconds);
    report.print(&cases, &GATE_CONNECTIONS, |case| {
        if case.starts_with("nginx") { cases::NGINX_ASKS_BARE } else { cases.all[0].name }
    });
}

fn measure(
    subject: &Subject,
    cases: &Cases,
    connections: &[u32],
    repetitions: usize,
    seconds: u32,
) -> Report {
    let mut report = Report::default();
    for repetition in 1..=repetitions {
        for &connections in connections {
            for case in &cases.all {
                eprintln!("repetition {repetition}/{repetitions}, {connections} connections, {}", case.name);
                let cpu_before = subject.cpu_micros();
                let run = wrk::run(case, connections, seconds);
                let cpu = (subject.cpu_micros() - cpu_before) as f64 / run.requests.max(1) as f64;
                report.add(case.name, connections, run, cpu);
            }
        }
    }
    report
}
