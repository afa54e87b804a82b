//! Sends notifications over HTTP to addresses that strangers may have chosen, without letting them reach our own network.
//!
//! Each attempt resolves, checks and connects anew: no pool, no redirects, no proxy from the environment.

mod embedded;
mod failure;
mod guard;
mod resolver;
mod retry_after;
mod threads;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countermark_core::UnixSeconds;
use countermark_domain::deliver::{Courier, Delivery, Parcel};
use reqwest::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, Response, Url};
use tracing::{debug, warn};

use crate::config::NotificationSettings;
use failure::Failure;
pub use guard::Guard;
use resolver::GuardedResolver;
pub use resolver::{Lookup, SystemLookup};
use threads::Threads;

/// The courier over HTTP/1.1, with or without TLS.
pub struct HttpCourier {
    client: Client,
    guard: Arc<Guard>,
    timeout: Duration,
    threads: Threads,
}

impl HttpCourier {
    /// Resolves names as the machine does, and trusts the certificate authorities that the machine trusts now.
    ///
    /// # Errors
    /// The machine gives no threads.
    pub fn new(settings: &NotificationSettings) -> io::Result<Self> {
        Self::with_lookup(settings, Arc::new(SystemLookup))
    }

    /// As [`HttpCourier::new`], with another way to resolve names.
    ///
    /// # Errors
    /// As [`HttpCourier::new`].
    pub fn with_lookup(settings: &NotificationSettings, lookup: Arc<dyn Lookup>) -> io::Result<Self> {
        // An error says only that somebody else has installed one before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let guard = Arc::new(Guard::new(settings.allowed_networks.clone()));
        let resolver = Arc::new(GuardedResolver { guard: Arc::clone(&guard), lookup });
        let threads = Threads::start()?;
        Ok(Self { client: client(&resolver), guard, timeout: settings.timeout, threads })
    }

    async fn attempt(&self, url: Result<Url, Failure>, parcel: &Parcel) -> Result<Delivery, Failure> {
        let url = url?;
        // The client connects to a literal without asking the resolver.
        if literal(&url).is_some_and(|address| !self.guard.admits(address)) {
            return Err(Failure::ADDRESS_REFUSED);
        }
        let request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header(CONNECTION, "close")
            .header("webhook-id", parcel.id.to_string())
            .header("webhook-timestamp", parcel.timestamp.to_string())
            .header("webhook-signature", &parcel.signature)
            .body(parcel.body.clone());
        let now = parcel.timestamp;
        let answer =
            self.threads.run(async move { request.send().await.map(|answer| delivery(&answer, now)) });
        answer.await.ok_or(Failure::ANSWER_UNREADABLE)?.map_err(|error| Failure::of(&error))
    }
}

#[async_trait]
impl Courier for HttpCourier {
    async fn deliver(&self, parcel: &Parcel) -> Delivery {
        let url = address(&parcel.address);
        let host = url.as_ref().ok().and_then(Url::host_str).unwrap_or_default().to_owned();
        let attempt = tokio::time::timeout(self.timeout, self.attempt(url, parcel)).await;
        let delivery = attempt
            .unwrap_or(Err(Failure::TIMED_OUT))
            .unwrap_or_else(|Failure(reason)| Delivery::Failed { reason });
        debug!(notification = %parcel.id, host, ?delivery, "attempt");
        delivery
    }
}

/// Reads the head. The body is not read: dropping the answer closes the connection.
fn delivery(answer: &Response, now: UnixSeconds) -> Delivery {
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    Delivery::Answered {
        status: answer.status().as_u16(),
        retry_after: retry_after.and_then(|value| retry_after::seconds(value, now)),
    }
}

fn client(resolver: &Arc<GuardedResolver>) -> Client {
    builder(resolver).build().unwrap_or_else(|_| {
        warn!("the machine has no certificate authorities: notifications to https:// addresses will fail");
        builder(resolver).tls_certs_only([]).build().expect("only reading the machine's authorities can fail")
    })
}

fn builder(resolver: &Arc<GuardedResolver>) -> ClientBuilder {
    Client::builder()
        .http1_only()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        // Attempts are planned and counted elsewhere.
        .retry(reqwest::retry::never())
        .referer(false)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("countermark/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Arc::clone(resolver))
}

fn address(text: &str) -> Result<Url, Failure> {
    let url: Url = text.parse().map_err(|_| Failure::ADDRESS_MALFORMED)?;
    let has_user_info = !url.username().is_empty() || url.password().is_some();
    if !matches!(url.scheme(), "http" | "https") || has_user_info {
        return Err(Failure::ADDRESS_MALFORMED);
    }
    Ok(url)
}

/// The address that stands in the URL itself. Every spelling (`0x7f.1`, `2130706433`) has been made canonical when the
/// URL was parsed, so that the client and we read the same.
fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_address_is_read_as_that_address() {
        for (text, expected) in [
            ("http://127.0.0.1/", "127.0.0.1"),
            ("http://127.1/", "127.0.0.1"),
            ("http://0x7f.1:8080/", "127.0.0.1"),
            ("http://0x7f000001/", "127.0.0.1"),
            ("http://2130706433/", "127.0.0.1"),
            ("http://017700000001/", "127.0.0.1"),
            ("http://0177.0.0.01/", "127.0.0.1"),
            ("http://127.0.0.1./", "127.0.0.1"),
            ("http://%31%32%37.0.0.1/", "127.0.0.1"),
            ("http://①②⑦.0.0.1/", "127.0.0.1"),
            ("http://127。0。0。1/", "127.0.0.1"),
            ("http://0/", "0.0.0.0"),
            ("HTTPS://169.254.0xA9FE/", "169.254.169.254"),
            ("http:\\\\10.0.0.1\\x", "10.0.0.1"),
            ("http:10.0.0.1", "10.0.0.1"),
            (" http://10.0.0.1 ", "10.0.0.1"),
            ("http://10.\t0.0.\n1/", "10.0.0.1"),
            ("http://[::1]/", "::1"),
            ("http://[0:0:0:0:0:0:0:1]:80/", "::1"),
            ("http://[::ffff:127.0.0.1]/", "::ffff:127.0.0.1"),
            ("http://[::FFFF:7f00:1]/", "::ffff:127.0.0.1"),
        ] {
            let url = address(text).unwrap_or_else(|_| panic!("{text:?} is a URL"));
            assert_eq!(literal(&url), expected.parse().ok(), "{text:?}");
        }
        assert_eq!(literal(&address("http://127.0.0.1.example/").unwrap()), None);
    }

    #[test]
    fn other_schemes_user_info_zones_and_half_urls_are_malformed() {
        for text in [
            "",
            "/hook",
            "hooks.example/x",
            "ftp://hooks.example/",
            "file:///etc/passwd",
            "gopher://hooks.example/",
            "ws://hooks.example/",
            "unix:/run/docker.sock",
            "http://",
            "http:///",
            "http://user@hooks.example/",
            "http://:secret@hooks.example/",
            "http://hooks.example@127.0.0.1/",
            "http://[fe80::1%25eth0]/",
            "http://[fe80::1%eth0]/",
            "http://[::1/",
            "http://[::1]x/",
            "http://1.2.3.4.5/",
            "http://256.0.0.1/",
            "http://0x100000000/",
            "http://127.0.0.1%00/",
            "http://127.0.0.1%2f/",
            "http://hooks.example:65536/",
            "http://a b/",
        ] {
            assert_eq!(address(text), Err(Failure::ADDRESS_MALFORMED), "{text:?}");
        }
    }
}
