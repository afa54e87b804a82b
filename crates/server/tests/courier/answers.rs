//! What is made of answers, whole ones and others.

use std::io::Write;
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Instant;

use countermark_domain::deliver::{Courier, Delivery};

use crate::receiver::{Receiver, hung_up};
use crate::{LONG, SHORT, answered, failed, local, parcel};

#[tokio::test]
async fn every_whole_head_is_an_answer_with_its_status() {
    for (answer, status) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("HTTP/1.1 200 OK\r\n\r\na body that ends with the connection", 200),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\na body that is cut", 200),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 200),
        ("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope", 200),
        ("HTTP/1.0 200 OK\r\n\r\n", 200),
        ("HTTP/1.1 200\r\n\r\n", 200),
        ("HTTP/1.1 410 Gone\r\n\r\n", 410),
        ("HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=x\r\n\r\n", 401),
        ("HTTP/1.1 500 Oops\r\n\r\n", 500),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n", 202),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 201 Created\r\n\r\n",
            201,
        ),
        ("HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n", 101),
    ] {
        let receiver = Receiver::answering(answer);
        assert_eq!(local(LONG).deliver(&parcel(&receiver.url())).await, answered(status), "{answer}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = Receiver::answering("HTTP/1.1 204 No Content\r\n\r\n");
    let location = format!("http://{}/stolen", elsewhere.address);
    for status in [300, 301, 302, 303, 307, 308] {
        let location = location.clone();
        let receiver = Receiver::on("127.0.0.1:0", move |mut stream| {
            write!(
                stream,
                "HTTP/1.1 {status} Moved\r\nlocation: {location}\r\nrefresh: 0; {location}\r\n\r\n"
            )
            .unwrap();
        });
        assert_eq!(local(LONG).deliver(&parcel(&receiver.url())).await, answered(status));
        assert_eq!(receiver.requests().len(), 1, "{status}");
    }
    assert_eq!(elsewhere.requests().len(), 0);
}

#[tokio::test]
async fn retry_after_is_read_against_the_time_of_the_attempt() {
    for (header, retry_after) in [
        ("retry-after: 120", Some(120)),
        ("Retry-After: Fri, 15 Jan 2027 08:01:00 GMT", Some(60)),
        ("retry-after: 999999", Some(86_400)),
        ("retry-after: \u{e9}", None),
        ("retry-after:", None),
        ("retry-after: 7\r\nretry-after: 9", Some(7)),
    ] {
        let receiver = Receiver::on("127.0.0.1:0", move |mut stream| {
            write!(stream, "HTTP/1.1 429 Slow down\r\n{header}\r\n\r\n").unwrap();
        });
        let delivery = local(LONG).deliver(&parcel(&receiver.url())).await;
        assert_eq!(delivery, Delivery::Answered { status: 429, retry_after }, "{header}");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_unreadable() {
    for answer in [
        "",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "+PONG\r\n",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "\0\0\0\0\0\0\0\0",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    ] {
        let receiver = Receiver::answering(answer);
        let delivery = local(LONG).deliver(&parcel(&receiver.url())).await;
        assert_eq!(delivery, failed("answer unreadable"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_head_without_end_is_not_read_on() {
    let receiver = Receiver::on("127.0.0.1:0", |mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ");
        while stream.write_all(&[b'a'; 4096]).is_ok() {}
    });
    let delivery = local(LONG).deliver(&parcel(&receiver.url())).await;
    assert_eq!(delivery, failed("answer unreadable"));
}

#[tokio::test]
async fn a_body_without_end_is_not_read_on() {
    let (done, written) = mpsc::channel();
    let receiver = Receiver::on("127.0.0.1:0", move |mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let block = [b'a'; 65_536];
        let mut bytes = 0_usize;
        while stream.write_all(&block).is_ok() {
            bytes += block.len();
        }
        done.send(bytes).unwrap();
    });
    assert_eq!(local(LONG).deliver(&parcel(&receiver.url())).await, answered(200));
    let written = tokio::task::spawn_blocking(move || written.recv().unwrap()).await.unwrap();
    // The buffers of both sockets hold some MiB.
    assert!(written < 64 << 20, "{written} bytes were taken");
}

#[tokio::test]
async fn a_body_that_never_comes_is_not_waited_for() {
    let receiver = Receiver::on("127.0.0.1:0", |mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n").unwrap();
        while !hung_up(&mut stream) {}
    });
    let start = Instant::now();
    assert_eq!(local(LONG).deliver(&parcel(&receiver.url())).await, answered(200));
    assert!(start.elapsed() < LONG / 2);
}

#[tokio::test]
async fn silence_and_dripping_heads_end_by_the_time_out() {
    let silent = Receiver::on("127.0.0.1:0", |mut stream| while !hung_up(&mut stream) {});
    let dripping = Receiver::on("127.0.0.1:0", |mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ");
        while !hung_up(&mut stream) && stream.write_all(b"a").is_ok() {}
    });
    let continuing =
        Receiver::on(
            "127.0.0.1:0",
            |mut stream| {
                while stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_ok() {}
            },
        );
    for (what, receiver) in [("silence", silent), ("a drip", dripping), ("only 100", continuing)] {
        let start = Instant::now();
        assert_eq!(local(SHORT).deliver(&parcel(&receiver.url())).await, failed("timed out"), "{what}");
        assert!((SHORT..LONG).contains(&start.elapsed()), "{what}: {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_closed_port_is_a_connection_that_failed() {
    // Nobody else listens on this address, so that the port stays closed.
    let free = TcpListener::bind("127.0.0.9:0").unwrap().local_addr().unwrap();
    for address in [format!("http://{free}/"), format!("https://{free}/"), "http://127.0.0.1:0/".to_owned()] {
        let delivery = local(LONG).deliver(&parcel(&address)).await;
        assert_eq!(delivery, failed("connection failed"), "{address}");
    }
}

#[tokio::test]
async fn no_url_is_malformed_and_nobody_is_asked() {
    for address in
        ["", "hooks.example", "ftp://127.0.0.1/", "http://u:p@127.0.0.1/", "http://[fe80::1%25lo]/"]
    {
        assert_eq!(local(LONG).deliver(&parcel(address)).await, failed("address malformed"), "{address}");
    }
}
