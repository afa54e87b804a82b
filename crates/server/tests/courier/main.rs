//! The courier against real sockets: what it sends, what it makes of answers, and what it never reaches.

#![expect(clippy::unwrap_used, reason = "a panic is how a test's own function fails")]

mod answers;
mod attacks;
mod logs;
mod names;
mod process;
mod receiver;
mod requests;
mod tls;

use std::time::Duration;

use countermark_core::{NotificationId, UnixSeconds};
use countermark_domain::deliver::{Delivery, Parcel};
use countermark_server::config::NotificationSettings;
use countermark_server::courier::HttpCourier;

/// Longer than any attempt that is not meant to time out.
const LONG: Duration = Duration::from_secs(15);

/// Short, for attempts that are meant to time out.
const SHORT: Duration = Duration::from_millis(300);

fn settings(allowed_networks: &[&str], timeout: Duration) -> NotificationSettings {
    let allowed_networks = allowed_networks.iter().map(|network| network.parse().unwrap()).collect();
    NotificationSettings { allowed_networks, timeout, expiring_before: Duration::from_secs(60) }
}

/// Reaches every loopback address of IPv4.
fn local(timeout: Duration) -> HttpCourier {
    HttpCourier::new(&settings(&["127.0.0.0/8"], timeout)).unwrap()
}

fn parcel(address: &str) -> Parcel {
    Parcel {
        id: NotificationId::from_parts(1_800_000_000_000, [7; 10]),
        address: address.to_owned(),
        body: r#"{"type":"test.ping"}"#.to_owned(),
        // 2027-01-15T08:00:00Z.
        timestamp: UnixSeconds::new(1_800_000_000).unwrap(),
        signature: "v1,c2lnbmF0dXJl".to_owned(),
    }
}

fn answered(status: u16) -> Delivery {
    Delivery::Answered { status, retry_after: None }
}

fn failed(reason: &'static str) -> Delivery {
    Delivery::Failed { reason }
}
