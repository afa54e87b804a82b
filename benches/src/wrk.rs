//! One run of wrk: one thread of load, since two cores must also carry the server.

use std::io::Write;
use std::process::Command;

use crate::cases::Case;

/// What one run gave.
pub struct Run {
    pub requests: u64,
    pub per_second: f64,
    pub p50_millis: f64,
    pub p99_millis: f64,
}

/// Runs `case` for some seconds.
pub fn run(case: &Case, connections: u32, seconds: u32) -> Run {
    let mut script = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    script.write_all(script_of(case).as_bytes()).expect("and written");
    let output = Command::new("wrk")
        .args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), "-s"])
        .arg(script.path())
        .arg(&case.base)
        .output()
        .expect("wrk is installed (Debian package wrk)");
    let text = String::from_utf8_lossy(&output.stdout);
    let figures = text
        .lines()
        .find_map(|line| line.strip_prefix("FIGURES "))
        .unwrap_or_else(|| panic!("wrk gave no figures: {text}{}", String::from_utf8_lossy(&output.stderr)));
    let figures: Vec<f64> =
        figures.split_whitespace().map(|it| it.parse().expect("figures are numbers")).collect();
    let [requests, micros, p50, p99, wrong, socket_errors] = figures[..] else {
        panic!("six figures: {text}")
    };
    assert!(
        wrong == 0.0 && socket_errors == 0.0,
        "{}: {wrong} refused answers, {socket_errors} broken",
        case.name
    );
    Run {
        requests: requests as u64,
        per_second: requests * 1e6 / micros,
        p50_millis: p50 / 1000.0,
        p99_millis: p99 / 1000.0,
    }
}

/// All requests are built before the clock starts, so that the load generator's own work is the same in every case.
fn script_of(case: &Case) -> String {
    let mut requests = String::new();
    for (path, body) in &case.requests {
        let body = body.replace('\\', "\\\\").replace('\'', "\\'");
        requests.push_str(&format!(
            "  list[#list+1] = wrk.format('{}', '{path}', headers, '{body}')\n",
            case.method
        ));
    }
    format!(
        "local list, next = {{}}, 0\n\
         function init(args)\n  local headers = {{{headers}}}\n\
         {requests}end\n\
         function request() next = next % #list + 1; return list[next] end\n\
         function done(summary, latency, requests)\n\
           local e = summary.errors\n\
           io.write(string.format('FIGURES %d %d %d %d %d %d\\n', summary.requests, summary.duration,\n\
             latency:percentile(50), latency:percentile(99), e.status, e.connect + e.read + e.write + e.timeout))\n\
         end\n",
        headers =
            case.headers.iter().map(|(name, value)| format!("['{name}']='{value}',")).collect::<String>(),
    )
}
