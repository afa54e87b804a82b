//! The log and the metrics.

use std::io::IsTerminal;

use countermark_domain::Service;
use metrics::{Key, Label, Level, Metadata, Recorder, SharedString};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use tracing_subscriber::filter::{EnvFilter, ParseError};

use crate::config::{LogFormat, LogSettings};
use crate::node_metrics;
use crate::throttle::FailureThrottle;

/// Starts the log on standard error: JSON lines, or text for people if standard error is a terminal.
///
/// # Errors
/// A level that is none, or a log that was started before.
pub fn start_log(settings: &LogSettings) -> Result<(), String> {
    let filter = filter(&settings.level).map_err(|error| format!("log.level: {error}"))?;
    let for_people = match settings.format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if for_people {
        log.with_target(false).try_init()
    } else {
        log.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    };
    started.map_err(|error| error.to_string())
}

/// Writes a line for each malformed request, which anybody can send without end.
const CHATTER: &str = "actix_http::h1::dispatcher";

/// The configured filter, without what strangers could fill the disk with unless it is asked for by name.
fn filter(level: &str) -> Result<EnvFilter, ParseError> {
    let filter = EnvFilter::try_new(level)?;
    if level.contains("actix_http") {
        return Ok(filter);
    }
    Ok(filter.add_directive(format!("{CHATTER}=off").parse().expect("a target and a level")))
}

/// The metrics of one server. Not a global, so that tests can run several.
pub struct Metrics {
    recorder: PrometheusRecorder,
}

impl Metrics {
    /// Metrics that read what the service counts anyway, so that the hot path counts nothing twice.
    pub fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let describe = |name: &'static str, text: &'static str| {
            recorder.describe_gauge(name.into(), None, SharedString::const_str(text));
        };
        recorder.describe_counter(
            DECISIONS.into(),
            None,
            SharedString::const_str("Decisions by their code."),
        );
        recorder.describe_counter(
            DELIVERIES.into(),
            None,
            SharedString::const_str("Attempts to deliver notifications by what they came to."),
        );
        recorder.describe_counter(
            FAILURES.into(),
            None,
            SharedString::const_str("Failed authentications by where and whether they were braked."),
        );
        describe(OUTBOX_SIZE, "Notifications that wait for their next attempt.");
        describe(
            OUTBOX_AGE,
            "Seconds for which the longest due notification has waited for its attempt; 0 if none is due.",
        );
        describe(CACHED_TOKENS, "Tokens in the cache.");
        describe(CLOCK_BEHIND, "Seconds by which the machine's clock is behind the highest time seen.");
        Self { recorder }
    }

    /// The figures of `service` in the text format of Prometheus. Those of the outbox come from the store; while it fails
    /// they stay as they were.
    pub async fn render(&self, service: &Service, throttle: &FailureThrottle) -> String {
        let outbox = service.outbox().await;
        for (code, total) in service.decision_totals() {
            let key = Key::from_parts(DECISIONS, vec![Label::from_static_parts("code", code)]);
            self.recorder.register_counter(&key, &METADATA).absolute(total);
        }
        for (outcome, total) in service.delivery_totals() {
            let key = Key::from_parts(DELIVERIES, vec![Label::from_static_parts("outcome", outcome)]);
            self.recorder.register_counter(&key, &METADATA).absolute(total);
        }
        for (place, outcome, total) in throttle.totals() {
            let place = Label::from_static_parts("where", place);
            let labels = vec![place, Label::from_static_parts("outcome", outcome)];
            self.recorder.register_counter(&Key::from_parts(FAILURES, labels), &METADATA).absolute(total);
        }
        let gauge = |name: &'static str, value: u64| {
            self.recorder.register_gauge(&Key::from_static_name(name), &METADATA).set(value as f64);
        };
        gauge(CACHED_TOKENS, service.cached_tokens() as u64);
        gauge(CLOCK_BEHIND, service.seconds_behind());
        match outbox {
            Ok((waiting, age_seconds)) => {
                gauge(OUTBOX_SIZE, waiting);
                gauge(OUTBOX_AGE, age_seconds);
            }
            Err(error) => tracing::warn!(%error, "the outbox cannot be measured"),
        }
        self.recorder.handle().render() + &node_metrics::render(service)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

const DECISIONS: &str = "countermark_decisions_total";
const FAILURES: &str = "countermark_authentication_failures_total";
const CACHED_TOKENS: &str = "countermark_cached_tokens";
const DELIVERIES: &str = "countermark_deliveries_total";
const OUTBOX_SIZE: &str = "countermark_outbox_notifications";
const OUTBOX_AGE: &str = "countermark_outbox_age_seconds";
const CLOCK_BEHIND: &str = "countermark_clock_behind_seconds";
const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));
