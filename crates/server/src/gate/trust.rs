//! Who may ask. Whoever may can say what he likes about the original request.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use actix_web::http::header::HeaderMap;
use ipnet::IpNet;
use subtle::ConstantTimeEq;

use super::heads::GATE_SECRET;
use crate::config::{GateSettings, Secret};

/// The proxies that are believed; nobody by default.
#[derive(Debug)]
pub(super) struct Trust {
    networks: Vec<IpNet>,
    secret: Option<Secret>,
}

impl Trust {
    pub(super) fn new(settings: &GateSettings) -> Self {
        Self { networks: settings.trusted_proxies.clone(), secret: settings.shared_secret.clone() }
    }

    /// Whether the peer of the connection is listed, or the secret is presented exactly once.
    pub(super) fn holds(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> bool {
        let is_listed = peer.is_some_and(|peer| {
            let address = peer.ip().to_canonical();
            self.networks.iter().any(|network| network.contains(&address))
        });
        is_listed || self.secret.as_ref().is_some_and(|secret| is_presented(secret, headers))
    }

    /// Whether anybody could be trusted at all.
    pub(super) fn is_configured(&self) -> bool {
        !self.networks.is_empty() || self.secret.is_some()
    }
}

fn is_presented(secret: &Secret, headers: &HeaderMap) -> bool {
    let mut presented = headers.get_all(GATE_SECRET);
    match (presented.next(), presented.next()) {
        (Some(value), None) => value.as_bytes().ct_eq(secret.expose().as_bytes()).into(),
        _ => false,
    }
}

/// Lets a log line through once a minute: anybody can cause what it tells of, without end.
#[derive(Debug)]
pub(super) struct Hourglass {
    start: Instant,
    /// Seconds since the start from which on it may be spoken again.
    free_at: AtomicU64,
}

const PAUSE_SECONDS: u64 = 60;

impl Hourglass {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), free_at: AtomicU64::new(0) }
    }

    /// Whether the line may be written now; the next one a minute later.
    pub(super) fn is_free(&self) -> bool {
        self.is_free_at(self.start.elapsed().as_secs())
    }

    fn is_free_at(&self, second: u64) -> bool {
        let free_at = self.free_at.load(Ordering::Relaxed);
        let next = second.saturating_add(PAUSE_SECONDS);
        second >= free_at
            && self.free_at.compare_exchange(free_at, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::config::Config;

    const SECRET: &str = "sixteen-or-more-characters";

    fn trust(variable: &str, value: &str) -> Trust {
        let variables = [(format!("COUNTERMARK__GATE__{variable}"), value.to_owned())];
        Trust::new(&Config::load(None, variables.into_iter(), &[]).unwrap().gate)
    }

    fn holds(trust: &Trust, peer: &str, secrets: &[&str]) -> bool {
        let mut request = TestRequest::default().insert_header(("X-Forwarded-For", "10.0.0.1"));
        for secret in secrets {
            request = request.append_header((GATE_SECRET, *secret));
        }
        trust.holds(Some(peer.parse().unwrap()), request.to_http_request().headers())
    }

    #[test]
    fn nobody_is_trusted_by_default() {
        let trust = trust("TRUSTED_PROXIES", "");
        assert!(!trust.is_configured());
        for peer in ["127.0.0.1:1", "10.0.0.1:1", "[::1]:1"] {
            assert!(!holds(&trust, peer, &[""]), "{peer}");
        }
    }

    #[test]
    fn listed_addresses_and_networks_are_trusted_and_no_others() {
        let trust = trust("TRUSTED_PROXIES", "10.0.0.1, ::ffff:192.0.2.0/120, 2001:db8::/32");
        for peer in ["10.0.0.1:1", "192.0.2.77:1", "[2001:db8::7]:1", "[::ffff:10.0.0.1]:1"] {
            assert!(holds(&trust, peer, &[]), "{peer}");
        }
        for peer in ["10.0.0.2:1", "192.0.3.1:1", "[2001:db9::7]:1", "127.0.0.1:1"] {
            assert!(!holds(&trust, peer, &[SECRET]), "{peer}");
        }
    }

    #[test]
    fn the_secret_is_presented_whole_and_once() {
        let trust = trust("SHARED_SECRET", SECRET);
        assert!(holds(&trust, "192.0.2.1:1", &[SECRET]));
        for secrets in [&[][..], &[""], &[&SECRET[1..]], &[&SECRET[..25]], &[SECRET, SECRET], &[SECRET, "x"]]
        {
            assert!(!holds(&trust, "192.0.2.1:1", secrets), "{secrets:?}");
        }
        assert!(!format!("{trust:?}").contains(SECRET));
    }

    #[test]
    fn a_line_is_let_through_once_a_minute() {
        let glass = Hourglass::new();
        let free: Vec<u64> = (0..150).filter(|second| glass.is_free_at(*second)).collect();
        assert_eq!(free, [0, 60, 120]);
    }
}
