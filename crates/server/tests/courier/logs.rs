//! What the log tells of attempts: even at its most talkative the host, and never more.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countermark_domain::deliver::{Courier, Parcel};
use countermark_server::courier::HttpCourier;
use tracing::Level;

use crate::names::Changing;
use crate::process::{inside, rerun};
use crate::receiver::Receiver;
use crate::{local, parcel, settings, tls};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_log_names_the_host_at_most() {
    if !inside() {
        return rerun("logs::the_log_names_the_host_at_most", &[], &[]);
    }
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(Level::TRACE)
        .with_writer(move || writer.clone())
        .init();
    let receiver =
        Receiver::answering("HTTP/1.1 302 Canary\r\nlocation: /canary\r\nx-canary: canary\r\n\r\ncanary");
    let port = receiver.address.port();
    let timeout = Duration::from_secs(5);
    let names = Changing::new(&[&["127.0.0.1"], &[]]);
    let named = HttpCourier::with_lookup(&settings(&["127.0.0.0/8"], timeout), names).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (courier, origin) in [
        (&named, format!("http://hooks.example:{port}")),
        (&named, format!("http://hooks.example:{port}")),
        (&named, format!("https://127.0.0.1:{port}")),
        (&local(timeout), "http://10.0.0.1".to_owned()),
        (&local(timeout), "http://canary:canary@127.0.0.1".to_owned()),
    ] {
        let parcel = Parcel {
            body: r#"{"data":"canary"}"#.to_owned(),
            signature: "v1,canary".to_owned(),
            ..parcel(&format!("{origin}/canary?token=canary#canary"))
        };
        runtime.block_on(courier.deliver(&parcel));
    }
    let folder = tls::certificates();
    let stranger = tls::receiver(folder.path(), "stranger");
    runtime.block_on(local(timeout).deliver(&parcel(&format!("https://127.0.0.1:{stranger}/"))));
    let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(said.contains("hooks.example") && said.contains("address refused"), "{said}");
    assert!(!said.to_lowercase().contains("canary"), "{said}");
    // Receivers are chosen by others: they must not fill the log of a service that is left at its default.
    assert!(![" INFO ", " WARN ", "ERROR "].iter().any(|level| said.contains(level)), "{said}");
}
