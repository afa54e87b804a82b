//! What receivers get, byte for byte.

use std::io::Write;
use std::time::Duration;

use countermark_domain::deliver::Courier;

use crate::process::{inside, rerun};
use crate::receiver::Receiver;
use crate::{LONG, answered, local, parcel};

#[tokio::test]
async fn a_request_is_exactly_this() {
    let receiver = Receiver::answering("HTTP/1.1 204 No Content\r\n\r\n");
    let parcel = parcel(&format!("{}/a%20b?x=1&y=%2F#fragment", receiver.url()));
    assert_eq!(local(LONG).deliver(&parcel).await, answered(204));
    let expected = [
        "POST /hook/a%20b?x=1&y=%2F HTTP/1.1",
        "content-type: application/json",
        "connection: close",
        &format!("webhook-id: {}", parcel.id),
        "webhook-timestamp: 1800000000",
        "webhook-signature: v1,c2lnbmF0dXJl",
        "accept: */*",
        &format!("user-agent: countermark/{}", env!("CARGO_PKG_VERSION")),
        &format!("host: {}", receiver.address),
        "content-length: 20",
        "",
        r#"{"type":"test.ping"}"#,
    ];
    assert_eq!(receiver.requests(), [expected.join("\r\n")]);
}

#[tokio::test]
async fn every_attempt_is_a_connection_of_its_own_and_remembers_nothing() {
    let answer = "HTTP/1.1 200 OK\r\nset-cookie: a=b; Path=/\r\nconnection: keep-alive\r\n\
                  alt-svc: h3=\":443\"\r\ncontent-length: 0\r\n\r\n";
    // A connection that stays open: only a new one would be read as a further request.
    let receiver = Receiver::on("127.0.0.1:0", move |mut stream| {
        stream.write_all(answer.as_bytes()).unwrap();
        std::mem::forget(stream);
    });
    let courier = local(LONG);
    for _ in 0..3 {
        assert_eq!(courier.deliver(&parcel(&receiver.url())).await, answered(200));
    }
    let requests = receiver.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| request == &requests[0] && !request.contains("cookie")));
}

#[test]
fn a_proxy_in_the_environment_is_not_used() {
    if !inside() {
        let proxy = Receiver::answering("HTTP/1.1 502 Bad Gateway\r\n\r\n");
        let proxy_url = format!("http://{}", proxy.address);
        let variables = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
        let environment = variables.map(|variable| (variable, proxy_url.as_str()));
        rerun("requests::a_proxy_in_the_environment_is_not_used", &[], &environment);
        assert_eq!(proxy.requests().len(), 0);
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let receiver = Receiver::answering("HTTP/1.1 204 No Content\r\n\r\n");
    let courier = local(Duration::from_secs(5));
    assert_eq!(runtime.block_on(courier.deliver(&parcel(&receiver.url()))), answered(204));
    assert_eq!(receiver.requests().len(), 1);
}
