//! The figures of one node: what it has of the database, and how it stands among others. They are read from the service
//! when somebody asks, and written in the text format of Prometheus.

use std::fmt::Write;

use countermark_domain::Service;
use countermark_domain::histogram::Distribution;
use countermark_domain::store::{Condition, ConnectionFigures, Sharing};

/// The figures as they are now.
pub(crate) fn render(service: &Service) -> String {
    let mut page = Page::default();
    let condition = service.condition();
    page.histogram(
        "countermark_use_batch_size",
        "Uses that were taken by one transaction.",
        &service.use_batches(),
        1.0,
    );
    page.gauge(
        "countermark_nodes_live",
        "Nodes that hold a lease as far as this one knows, itself included.",
        condition.live_nodes() as f64,
    );
    if let Condition::Shared(sharing) = condition {
        page.shared(&sharing);
    }
    if let Some(connections) = service.connections() {
        page.pool(&connections);
    }
    page.0
}

/// Microseconds as seconds.
const MICRO: f64 = 1e6;

#[derive(Default)]
struct Page(String);

impl Page {
    fn shared(&mut self, sharing: &Sharing) {
        self.gauge(
            "countermark_lease_age_seconds",
            "Seconds since the last renewal of the read lease that succeeded.",
            sharing.lease_age.as_secs_f64(),
        );
        self.gauge(
            "countermark_lease_held",
            "1 while the read lease holds, else 0.",
            f64::from(u8::from(sharing.lapsed_for.is_none())),
        );
        self.gauge(
            "countermark_invalidation_lag_seconds",
            "How long after it was written the last change of another node was taken in; 0 before the first.",
            sharing.invalidation_lag.unwrap_or_default().as_secs_f64(),
        );
        self.histogram(
            "countermark_acknowledgement_seconds",
            "How long changes have waited until every node knew of them.",
            &sharing.waits,
            MICRO,
        );
    }

    fn pool(&mut self, figures: &ConnectionFigures) {
        const CONNECTIONS: &str = "countermark_pool_connections";
        self.head(CONNECTIONS, "Connections to the database server by what they do.", "gauge");
        let busy = figures.open.saturating_sub(figures.idle);
        for (state, count) in [("busy", busy), ("idle", figures.idle)] {
            self.line(format_args!("{CONNECTIONS}{{state=\"{state}\"}} {count}\n"));
        }
        self.histogram(
            "countermark_pool_wait_seconds",
            "How long calls have waited for a connection to the database server.",
            &figures.waits,
            MICRO,
        );
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.head(name, help, "gauge");
        self.line(format_args!("{name} {value}\n"));
    }

    /// Values are shown in units of which each is `parts` of what was counted.
    fn histogram(&mut self, name: &str, help: &str, found: &Distribution, parts: f64) {
        self.head(name, help, "histogram");
        for (bound, count) in found.up_to() {
            self.line(format_args!("{name}_bucket{{le=\"{}\"}} {count}\n", bound as f64 / parts));
        }
        let count = found.count();
        self.line(format_args!("{name}_bucket{{le=\"+Inf\"}} {count}\n"));
        self.line(format_args!("{name}_sum {}\n{name}_count {count}\n", found.sum as f64 / parts));
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        self.line(format_args!("\n# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        self.0.write_fmt(line).expect("a string takes whatever is written to it");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countermark_domain::histogram::{Histogram, MICROS};
    use countermark_domain::store::{Learning, Position};

    use super::*;

    #[test]
    fn connections_are_either_busy_or_idle() {
        let waits = Histogram::new(MICROS);
        waits.note(150);
        let waits = waits.distribution();
        let mut page = Page::default();
        page.pool(&ConnectionFigures { open: 8, idle: 3, waiting: 0, waits, refused: 0 });
        for line in [
            "countermark_pool_connections{state=\"busy\"} 5",
            "countermark_pool_connections{state=\"idle\"} 3",
            "countermark_pool_wait_seconds_bucket{le=\"0.0001\"} 0",
            "countermark_pool_wait_seconds_bucket{le=\"0.00015\"} 1",
            "countermark_pool_wait_seconds_sum 0.00015",
        ] {
            assert!(page.0.lines().any(|it| it == line), "{line} in {}", page.0);
        }
    }

    #[test]
    fn a_node_beside_others_shows_its_lease_and_how_long_changes_wait() {
        let waits = Histogram::new(MICROS);
        waits.note(1_200);
        waits.note(20_000_000);
        let mut page = Page::default();
        page.shared(&Sharing {
            node: "nod_1".into(),
            name: "host:1".into(),
            lease: Duration::from_secs(1),
            lease_age: Duration::from_millis(1250),
            lapsed_for: Some(Duration::from_millis(350)),
            applied: Position(7),
            live_neighbours: 2,
            learning: Learning::Looking,
            invalidation_lag: Some(Duration::from_millis(3)),
            waits: waits.distribution(),
        });
        for line in [
            "# TYPE countermark_lease_age_seconds gauge",
            "countermark_lease_age_seconds 1.25",
            "countermark_lease_held 0",
            "countermark_invalidation_lag_seconds 0.003",
            "# TYPE countermark_acknowledgement_seconds histogram",
            "countermark_acknowledgement_seconds_bucket{le=\"0.001\"} 0",
            "countermark_acknowledgement_seconds_bucket{le=\"0.0015\"} 1",
            "countermark_acknowledgement_seconds_bucket{le=\"10\"} 1",
            "countermark_acknowledgement_seconds_bucket{le=\"+Inf\"} 2",
            "countermark_acknowledgement_seconds_sum 20.0012",
            "countermark_acknowledgement_seconds_count 2",
        ] {
            assert!(page.0.lines().any(|it| it == line), "{line} in {}", page.0);
        }
    }
}
