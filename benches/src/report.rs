//! Medians and their ratios to the bare handler, as Markdown.

use std::collections::BTreeMap;

use crate::cases::Cases;
use crate::wrk::Run;

/// Processor time of one request, in microseconds.
#[derive(Clone, Copy, Default)]
pub struct Cpu {
    pub server: f64,
    /// Of PostgreSQL; 0 where the service has its database in itself.
    pub database: f64,
}

/// All runs so far, by case and connections (or nodes, or whatever the columns differ in).
pub struct Report {
    /// Heading of that column.
    column: &'static str,
    has_database: bool,
    runs: BTreeMap<(&'static str, u32), Vec<(Run, Cpu)>>,
}

impl Report {
    pub fn new(column: &'static str, has_database: bool) -> Self {
        Self { column, has_database, runs: BTreeMap::new() }
    }

    pub fn add(&mut self, case: &'static str, column: u32, run: Run, cpu: Cpu) {
        self.runs.entry((case, column)).or_default().push((run, cpu));
    }

    /// Each case beside the baseline that `baseline_of` names for it.
    pub fn print(&self, cases: &Cases, columns: &[u32], baseline_of: impl Fn(&'static str) -> &'static str) {
        let (database, rule) =
            if self.has_database { (" database CPU µs/request |", "---|") } else { ("", "") };
        println!(
            "\n| case | {} | requests/s | ratio to its baseline | decisions/s | server CPU µs/request |{database} p50 ms | p99 ms |",
            self.column
        );
        println!("|---|---|---|---|---|---|{rule}---|---|");
        for case in &cases.all {
            for &column in columns {
                let of = |figure: fn(&(Run, Cpu)) -> f64| self.median_of(case.name, column, figure);
                let per_second = of(|run| run.0.per_second);
                let ratio = self.paired_ratio((case.name, column), (baseline_of(case.name), column));
                let mut cells = vec![
                    format!("{per_second:.0}"),
                    format!("{ratio:.2}"),
                    format!("{:.0}", per_second * f64::from(case.decisions)),
                    format!("{:.1}", of(|run| run.1.server)),
                ];
                if self.has_database {
                    cells.push(format!("{:.1}", of(|run| run.1.database)));
                }
                cells.extend([of(|run| run.0.p50_millis), of(|run| run.0.p99_millis)].map(millis));
                println!("| {} | {column} | {} |", case.name, cells.join(" | "));
            }
        }
    }

    /// The median of the ratios within each repetition: the machine drifts less within one than between them.
    pub fn paired_ratio(&self, case: (&'static str, u32), baseline: (&'static str, u32)) -> f64 {
        let runs = self.runs[&case].iter().zip(&self.runs[&baseline]);
        median(runs.map(|(run, baseline)| run.0.per_second / baseline.0.per_second).collect())
    }

    fn median_of(&self, case: &'static str, column: u32, figure: fn(&(Run, Cpu)) -> f64) -> f64 {
        median(self.runs[&(case, column)].iter().map(figure).collect())
    }
}

/// What is not known is NaN.
fn millis(figure: f64) -> String {
    if figure.is_nan() { "–".to_owned() } else { format!("{figure:.2}") }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
