//! Resident memory and cost per decision with 10³ and 10⁶ tokens stored, of which 10⁴ at most are hot.

use serde_json::json;

use crate::cases::{Case, issue, signed_url, with_key};
use crate::subject::{Subject, run_sql};
use crate::wrk;

const STORED: [u64; 2] = [1_000, 1_000_000];
const HOT: usize = 10_000;

/// Prints one row for each number of stored tokens.
pub fn print_table(seconds: u32) {
    println!(
        "\n| tokens stored | hot tokens | resident MiB after start | after the load | requests/s | server CPU µs/request |"
    );
    println!("|---|---|---|---|---|---|");
    for stored in STORED {
        let hot = HOT.min(stored as usize);
        eprintln!("{stored} tokens: issuing {hot} hot ones, copying the rest …");
        let subject = Subject::start();
        let urls: Vec<String> =
            (0..hot).map(|_| signed_url(&subject, &issue(&subject, json!(1u64 << 52)))).collect();
        let subject = subject.restarted(|folder| add_cold_tokens(folder, stored - hot as u64));
        let after_start = subject.resident_bytes();
        let requests = urls.iter().map(|url| {
            let body = json!({"credential": {"url": url}, "request": {"method": "HEAD"}}).to_string();
            ("/v1/authorize".to_owned(), body)
        });
        let case = Case {
            name: "hot set",
            base: subject.service.clone(),
            method: "POST",
            headers: with_key(&subject),
            requests: requests.collect(),
            decisions: 1,
        };
        wrk::run(&case, 64, seconds);
        let cpu_before = subject.cpu_micros();
        let run = wrk::run(&case, 64, seconds);
        let cpu = (subject.cpu_micros() - cpu_before) as f64 / run.requests.max(1) as f64;
        println!(
            "| {stored} | {hot} | {:.1} | {:.1} | {:.0} | {cpu:.1} |",
            mebibytes(after_start),
            mebibytes(subject.resident_bytes()),
            run.per_second,
        );
    }
}

/// Copies one stored token many times by SQL: rows that are there, but that nobody asks for.
fn add_cold_tokens(folder: &std::path::Path, count: u64) {
    if count == 0 {
        return;
    }
    let sql = include_str!("cold_tokens.sql").replace(":count", &count.to_string());
    run_sql(folder, &sql);
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
