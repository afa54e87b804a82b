//! Names whose addresses the test chooses, also such as change from one look-up to the next.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use countermark_domain::deliver::Courier;
use countermark_server::courier::{HttpCourier, Lookup};

use crate::receiver::Receiver;
use crate::{LONG, SHORT, answered, failed, parcel, settings};

/// Answers the first look-up with the first list, and so on.
pub struct Changing {
    answers: Mutex<std::vec::IntoIter<Vec<IpAddr>>>,
    pub lookups: AtomicUsize,
}

impl Changing {
    pub fn new(answers: &[&[&str]]) -> Arc<Self> {
        let read = |list: &&[&str]| list.iter().map(|address| address.parse().unwrap()).collect();
        let answers: Vec<Vec<IpAddr>> = answers.iter().map(read).collect();
        Arc::new(Self { answers: Mutex::new(answers.into_iter()), lookups: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl Lookup for Changing {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.lookups.fetch_add(1, SeqCst);
        self.answers.lock().unwrap().next().ok_or_else(|| io::Error::other("no such name"))
    }
}

/// Never answers.
struct Silent;

#[async_trait]
impl Lookup for Silent {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_name_is_looked_up_once_an_attempt_and_the_connection_goes_to_what_was_checked() {
    let good = Receiver::on("127.0.0.2:0", |_| {});
    let port = good.address.port();
    let bad = Receiver::on(&format!("127.0.0.3:{port}"), |_| {});
    let names = Changing::new(&[
        &["127.0.0.2"],
        &["127.0.0.3"],
        &["127.0.0.2", "127.0.0.3"],
        &["127.0.0.3", "127.0.0.2"],
        &["127.0.0.2", "::1"],
        &["127.0.0.2"],
    ]);
    let courier = HttpCourier::with_lookup(&settings(&["127.0.0.2/32"], LONG), names.clone()).unwrap();
    let parcel = parcel(&format!("http://rebinding.example:{port}/hook"));
    let refused = failed("address refused");
    // Both receivers hang up without an answer.
    let reached = failed("answer unreadable");
    for (attempt, expected) in [&reached, &refused, &refused, &refused, &refused, &reached].iter().enumerate()
    {
        assert_eq!(courier.deliver(&parcel).await, **expected, "attempt {attempt}");
        assert_eq!(names.lookups.load(SeqCst), attempt + 1, "one look-up an attempt");
    }
    assert_eq!(good.requests().len(), 2);
    assert_eq!(bad.requests().len(), 0);
}

#[tokio::test]
async fn the_host_header_is_the_name_and_not_its_address() {
    let receiver = Receiver::answering("HTTP/1.1 204 No Content\r\n\r\n");
    let names = Changing::new(&[&["127.0.0.1"]]);
    let courier = HttpCourier::with_lookup(&settings(&["127.0.0.0/8"], LONG), names).unwrap();
    let address = format!("http://Hooks.Example:{}/", receiver.address.port());
    assert_eq!(courier.deliver(&parcel(&address)).await, answered(204));
    let host = format!("\r\nhost: hooks.example:{}\r\n", receiver.address.port());
    assert!(receiver.requests()[0].contains(&host));
}

#[tokio::test]
async fn a_name_without_an_address_is_not_resolved() {
    let courier = HttpCourier::with_lookup(&settings(&[], LONG), Changing::new(&[&[]])).unwrap();
    for reason in ["an empty answer", "an error"] {
        let delivery = courier.deliver(&parcel("http://hooks.example/")).await;
        assert_eq!(delivery, failed("name not resolved"), "{reason}");
    }
}

#[tokio::test]
async fn a_look_up_without_end_is_ended_by_the_time_out() {
    let courier = HttpCourier::with_lookup(&settings(&[], SHORT), Arc::new(Silent)).unwrap();
    assert_eq!(courier.deliver(&parcel("http://hooks.example/")).await, failed("timed out"));
}

#[tokio::test]
async fn the_machine_s_own_names_of_itself_are_refused() {
    let courier = HttpCourier::new(&settings(&[], LONG)).unwrap();
    for address in ["http://localhost/", "https://LOCALHOST:8443/x"] {
        assert_eq!(courier.deliver(&parcel(address)).await, failed("address refused"), "{address}");
    }
}
