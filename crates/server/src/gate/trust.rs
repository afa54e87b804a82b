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
