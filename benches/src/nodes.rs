//! The service on PostgreSQL: one node beside one UPDATE a request, and what more nodes on the same machine bring.

use std::thread::scope;

use crate::cases::{BARE, Cases, HOT, ONE_UPDATE, PGBENCH};
use crate::postgres::Postgres;
use crate::report::{Cpu, Report};
use crate::subject::Subject;
use crate::wrk::Run;
use crate::{Plan, one_update, wrk};

/// Connections of the measured columns: where PostgreSQL has goals, and one that shows the latency.
const CONNECTIONS: [u32; 3] = [1, 64, 256];
/// Nodes at the same time.
const NODES: [u32; 3] = [1, 2, 4];
/// Connections to all nodes together.
const SPREAD: u32 = 64;

/// One node beside the bare handler and beside the two ways of one UPDATE a request.
pub fn print_one_node(plan: Plan) {
    let postgres = Postgres::start();
    let subject = Subject::start_on(postgres.new_database("one_node"));
    eprintln!("issuing tokens …");
    let cases = Cases::on_postgres(&subject);
    let mut report = Report::new("connections", true);
    plan.interleave(&CONNECTIONS, &cases, |case, connections| {
        let run = || match case.name {
            PGBENCH => one_update::run_pgbench(&postgres, "one_node", &case.base, connections, plan.seconds),
            _ => wrk::run(case, connections, plan.seconds),
        };
        let (run, cpu) = measured(&postgres, std::slice::from_ref(&subject), run);
        report.add(case.name, connections, run, cpu);
    });
    report.print(&cases, &CONNECTIONS, |_| BARE);
    println!("\n| connections | {HOT}: times {ONE_UPDATE} | times {PGBENCH} |");
    println!("|---|---|---|");
    for connections in CONNECTIONS {
        let times = |baseline| report.paired_ratio((HOT, connections), (baseline, connections));
        println!("| {connections} | {:.1} | {:.1} |", times(ONE_UPDATE), times(PGBENCH));
    }
}

/// The same load spread over one node and over more.
pub fn print_growth(plan: Plan) {
    let postgres = Postgres::start();
    let first = Subject::start_on(postgres.new_database("nodes"));
    let mut nodes = vec![first];
    let most = NODES.into_iter().max().unwrap_or(1);
    nodes.extend((1..most).map(|_| nodes[0].another_node()).collect::<Vec<_>>());
    eprintln!("issuing tokens …");
    let cases = Cases::on_nodes(&nodes);
    let mut report = Report::new("nodes", true);
    plan.interleave(&NODES, &cases[0], |case, count| {
        let place = cases[0].all.iter().position(|it| it.name == case.name).expect("is one of them");
        let spread = || spread(&cases[..count as usize], place, plan.seconds);
        let (run, cpu) = measured(&postgres, &nodes[..count as usize], spread);
        report.add(case.name, count, run, cpu);
    });
    report.print(&cases[0], &NODES, |_| BARE);
    println!(
        "\n| case | times one node, with {} |",
        NODES[1..].iter().map(u32::to_string).collect::<Vec<_>>().join(" / ")
    );
    println!("|---|---|");
    for case in &cases[0].all {
        let growth = NODES[1..]
            .iter()
            .map(|&count| format!("{:.2}", report.paired_ratio((case.name, count), (case.name, NODES[0]))));
        println!("| {} | {} |", case.name, growth.collect::<Vec<_>>().join(" / "));
    }
}

/// One wrk for each node, at the same time, with its share of the connections.
fn spread(nodes: &[Cases], place: usize, seconds: u32) -> Run {
    let share = SPREAD / u32::try_from(nodes.len()).expect("nodes are few");
    let runs: Vec<Run> = scope(|scope| {
        let started: Vec<_> = nodes
            .iter()
            .map(|node| scope.spawn(move || wrk::run(&node.all[place], share, seconds)))
            .collect();
        started.into_iter().map(|run| run.join().expect("a run ends")).collect()
    });
    // The median of medians; of the slowest requests those of the slowest node.
    let mut medians: Vec<f64> = runs.iter().map(|run| run.p50_millis).collect();
    medians.sort_by(f64::total_cmp);
    Run {
        requests: runs.iter().map(|run| run.requests).sum(),
        per_second: runs.iter().map(|run| run.per_second).sum(),
        p50_millis: medians[medians.len() / 2],
        p99_millis: runs.iter().map(|run| run.p99_millis).fold(0.0, f64::max),
    }
}

/// A run with the processor time that it has cost.
fn measured(postgres: &Postgres, nodes: &[Subject], run: impl FnOnce() -> Run) -> (Run, Cpu) {
    let spent = || (nodes.iter().map(Subject::cpu_micros).sum::<u64>(), postgres.cpu_micros());
    let (server, database) = spent();
    let run = run();
    let (server, database) = (spent().0 - server, spent().1.saturating_sub(database));
    let each = |micros: u64| micros as f64 / run.requests.max(1) as f64;
    let cpu = Cpu { server: each(server), database: each(database) };
    (run, cpu)
}
