//! The log and the metrics.

use std::io::IsTerminal;
use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use countermark_core::DenyReason;
use metrics::{Counter, Gauge, Key, Label, Level, Metadata, Recorder, SharedString, Unit};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use tracing_subscriber::filter::EnvFilter;

use crate::config::{LogFormat, LogSettings};

/// Starts the log on standard error: JSON lines, or text for people if standard error is a terminal.
///
/// # Errors
/// A level that is none, or a log that was started before.
pub fn start_log(settings: &LogSettings) -> Result<(), String> {
    let filter = EnvFilter::try_new(&settings.level).map_err(|error| format!("log.level: {error}"))?;
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

/// The metrics of one server. Not a global, so that tests can run several.
#[derive(Clone)]
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    decisions: Arc<Decisions>,
}

struct Decisions {
    allowed: Counter,
    denied: [Counter; DenyReason::ALL.len()],
}

const DECISIONS: &str = "countermark_decisions_total";

impl Metrics {
    /// Metrics with a counter ready for each code of decision.
    pub fn new() -> Self {
        let recorder = Arc::new(PrometheusBuilder::new().build_recorder());
        recorder.describe_counter(DECISIONS.into(), None, "Decisions by their code.".into());
        let counter = |code: &'static str| {
            let key = Key::from_parts(DECISIONS, vec![Label::from_static_parts("code", code)]);
            recorder.register_counter(&key, &METADATA)
        };
        let decisions = Decisions {
            allowed: counter("ALLOWED"),
            denied: DenyReason::ALL.map(|reason| counter(reason.code())),
        };
        Self { recorder, decisions: Arc::new(decisions) }
    }

    /// Counts a decision; `None` is allowed. One relaxed addition, fit for the hot path.
    pub fn count_decision(&self, denied: Option<DenyReason>) {
        match denied {
            None => self.decisions.allowed.increment(1),
            Some(reason) => self.decisions.denied[reason as usize].increment(1),
        }
    }

    /// A further counter; keep the handle, each call looks it up anew.
    pub fn counter(&self, name: &'static str, description: &'static str, labels: Vec<Label>) -> Counter {
        self.recorder.describe_counter(name.into(), None, SharedString::const_str(description));
        self.recorder.register_counter(&Key::from_parts(name, labels), &METADATA)
    }

    /// A further gauge; keep the handle.
    pub fn gauge(&self, name: &'static str, unit: Option<Unit>, description: &'static str) -> Gauge {
        self.recorder.describe_gauge(name.into(), unit, SharedString::const_str(description));
        self.recorder.register_gauge(&Key::from_name(name), &METADATA)
    }

    /// The text format of Prometheus.
    pub fn render(&self) -> String {
        self.recorder.handle().render()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// Handler of `/metrics`; needs `Data<Metrics>`.
pub async fn metrics_page(metrics: Data<Metrics>) -> impl Responder {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(metrics.render())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_counted_by_their_code() {
        let metrics = Metrics::new();
        metrics.count_decision(None);
        metrics.count_decision(None);
        for reason in DenyReason::ALL {
            metrics.count_decision(Some(reason));
        }
        let text = metrics.render();
        assert!(text.contains("countermark_decisions_total{code=\"ALLOWED\"} 2"), "{text}");
        for reason in DenyReason::ALL {
            let line = format!("countermark_decisions_total{{code=\"{}\"}} 1", reason.code());
            assert!(text.contains(&line), "{line} is missing in {text}");
        }
    }

    #[test]
    fn two_servers_do_not_share_their_figures() {
        let (one, other) = (Metrics::new(), Metrics::new());
        one.count_decision(None);
        assert!(other.render().contains("countermark_decisions_total{code=\"ALLOWED\"} 0"));
    }

    #[test]
    fn further_figures_are_rendered_with_their_description() {
        let metrics = Metrics::new();
        metrics.counter("countermark_test_total", "A test.", Vec::new()).increment(3);
        metrics.gauge("countermark_test_tokens", None, "Another.").set(7.0);
        let text = metrics.render();
        assert!(
            text.contains("# HELP countermark_test_total A test.")
                && text.contains("countermark_test_total 3")
        );
        assert!(text.contains("countermark_test_tokens 7"));
    }
}
