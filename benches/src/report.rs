//! Medians and their ratios to the bare handler, as Markdown.

use std::collections::BTreeMap;

use crate::cases::Cases;
use crate::wrk::Run;

/// All runs so far, by case and connections.
#[derive(Default)]
pub struct Report {
    runs: BTreeMap<(&'static str, u32), Vec<(Run, f64)>>,
}

impl Report {
    pub fn add(&mut self, case: &'static str, connections: u32, run: Run, cpu_micros: f64) {
        self.runs.entry((case, connections)).or_default().push((run, cpu_micros));
    }

    /// Each case beside the baseline that `baseline_of` names for it.
    pub fn print(
        &self,
        cases: &Cases,
        connections: &[u32],
        baseline_of: impl Fn(&'static str) -> &'static str,
    ) {
        println!(
            "\n| case | connections | requests/s | ratio to its baseline | decisions/s | server CPU µs/request | p50 ms | p99 ms |"
        );
        println!("|---|---|---|---|---|---|---|---|");
        for case in &cases.all {
            for count in connections {
                let of = |name, figure: fn(&(Run, f64)) -> f64| {
                    median(self.runs[&(name, *count)].iter().map(figure).collect())
                };
                let per_second = of(case.name, |run| run.0.per_second);
                let ratio = self.paired_ratio(case.name, baseline_of(case.name), *count);
                println!(
                    "| {} | {count} | {per_second:.0} | {ratio:.2} | {:.0} | {:.1} | {:.2} | {:.2} |",
                    case.name,
                    per_second * f64::from(case.decisions),
                    of(case.name, |run| run.1),
                    of(case.name, |run| run.0.p50_millis),
                    of(case.name, |run| run.0.p99_millis),
                );
            }
        }
    }

    /// The median of the ratios within each repetition: the machine drifts less within one than between them.
    fn paired_ratio(&self, case: &'static str, baseline: &'static str, connections: u32) -> f64 {
        let runs = self.runs[&(case, connections)].iter().zip(&self.runs[&(baseline, connections)]);
        median(runs.map(|(run, bare)| run.0.per_second / bare.0.per_second).collect())
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
