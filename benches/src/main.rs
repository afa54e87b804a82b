//! The load bench: the service beside a bare 204 handler of the same framework, in one run.
//!
//! `cargo run --release -p countermark-bench` needs `wrk` and, for the gate, `nginx` (Debian packages `wrk`, `nginx-light`);
//! for the memory table and the backlog `sqlite3`, for PostgreSQL its server with pgbench (`postgresql`).
//! Every figure is a median over interleaved repetitions; only the ratios to the bare handler mean anything elsewhere.
#![expect(clippy::print_stdout, reason = "the tables on standard output are what this program is for")]
#![expect(clippy::print_stderr, reason = "progress goes beside them")]

mod backlog;
mod cases;
mod memory;
mod nginx;
mod nodes;
mod one_update;
mod postgres;
mod report;
mod subject;
mod wrk;

use std::process::ExitCode;

use cases::{Case, Cases};
use nginx::Nginx;
use report::{Cpu, Report};
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
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let only = arguments.iter().find(|argument| argument.ends_with("-only"));
    let wanted = |part: &str| only.is_none_or(|only| only == part);
    let plan = if has("--quick") {
        Plan { repetitions: 1, seconds: 1 }
    } else {
        Plan { repetitions: 5, seconds: 2 }
    };
    if wanted("--load-only") {
        load(plan);
    }
    if wanted("--postgres-only") {
        nodes::print_one_node(plan);
    }
    if wanted("--nodes-only") {
        nodes::print_growth(plan);
    }
    if wanted("--gate-only") {
        gate(plan);
    }
    if wanted("--backlog-only") {
        backlog::print_table();
    }
    if wanted("--memory-only") {
        memory::print_table(plan.seconds);
    }
    ExitCode::SUCCESS
}

const HELP: &str = "\
countermark-bench [--quick] [one part]

Without a part, all of them:
  --load-only      one node on SQLite, beside the bare handler
  --postgres-only  one node on PostgreSQL, beside the bare handler and beside one UPDATE a request
  --nodes-only     1, 2 and 4 nodes on one PostgreSQL and on this machine
  --gate-only      the gate, asked by wrk and by nginx
  --backlog-only   how fast waiting notifications drain
  --memory-only    resident memory by the number of stored tokens

  --quick          one short repetition";

/// How often and how long everything is measured.
#[derive(Clone, Copy)]
pub struct Plan {
    repetitions: usize,
    seconds: u32,
}

impl Plan {
    /// Calls `measure` for every case with every number, again and again, so that a slow minute hits all of them.
    fn interleave(self, numbers: &[u32], cases: &Cases, mut measure: impl FnMut(&Case, u32)) {
        for repetition in 1..=self.repetitions {
            for &number in numbers {
                for case in &cases.all {
                    eprintln!("repetition {repetition}/{}, {number}, {}", self.repetitions, case.name);
                    measure(case, number);
                }
            }
        }
    }
}

fn load(plan: Plan) {
    let subject = Subject::start();
    eprintln!("issuing tokens …");
    let cases = Cases::prepare(&subject);
    let report = measure(&subject, &cases, &CONNECTIONS, plan);
    report.print(&cases, &CONNECTIONS, |_| cases::BARE);
}

/// What nginx asks is compared with nginx asking a bare handler; all else with the bare handler itself.
fn gate(plan: Plan) {
    let subject = Subject::start();
    let nginx = Nginx::start(&subject);
    let cases = Cases::at_the_gate(&subject, &nginx);
    let report = measure(&subject, &cases, &GATE_CONNECTIONS, plan);
    report.print(&cases, &GATE_CONNECTIONS, |case| {
        if case.starts_with("nginx") { cases::NGINX_ASKS_BARE } else { cases::BARE }
    });
}

fn measure(subject: &Subject, cases: &Cases, connections: &[u32], plan: Plan) -> Report {
    let mut report = Report::new("connections", false);
    plan.interleave(connections, cases, |case, connections| {
        let cpu_before = subject.cpu_micros();
        let run = wrk::run(case, connections, plan.seconds);
        let server = (subject.cpu_micros() - cpu_before) as f64 / run.requests.max(1) as f64;
        report.add(case.name, connections, run, Cpu { server, database: 0.0 });
    });
    report
}
