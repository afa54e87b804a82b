//! Slow heads and slow bodies are cut off, and nobody else waits for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use countermark_tests::{Connection, TestServer, in_parallel};
use serde_json::Value;

/// The server allows a head 5 s and a body 10 s; this is room for a loaded machine.
const TOLD_BY: Duration = Duration::from_secs(15);
/// A connection ends a second after its last answer; one that gets none is cut off as idle after 15 s. Plus room.
const CUT_OFF_BY: Duration = Duration::from_secs(20);
/// A test that drips for longer than this has found a server that waits for ever.
const DRIPS: usize = 60;

#[test]
fn slow_clients_are_cut_off_and_hold_up_nobody() {
    let server = TestServer::start();
    let (address, key) = (server.address(), server.admin_key().to_owned());
    let ended = Arc::new(AtomicBool::new(false));
    let bystander = {
        let (mut client, ended) = (server.admin(), Arc::clone(&ended));
        std::thread::spawn(move || {
            let (_, value) = client.issue_upload(Some(10_000_000));
            let question = countermark_tests::upload_question(&value);
            let mut slowest = Duration::ZERO;
            while !ended.load(SeqCst) {
                let start = Instant::now();
                assert_eq!(client.authorize(&question), "ALLOWED");
                slowest = slowest.max(start.elapsed());
            }
            slowest
        })
    };
    let endings = in_parallel(4 * 12, move |number| {
        let head = format!(
            "POST /v1/authorize HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
        );
        let connection = Connection::open(address).unwrap();
        match number % 4 {
            0 => drip(connection, head.as_bytes(), b"1"),
            1 => drip(connection, &head.as_bytes()[..3], b"1"),
            2 => drip(connection, format!("{head}content-length: 5000\r\n\r\n{{").as_bytes(), b"1"),
            _ => drip(
                connection,
                format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes(),
                b"1\r\n1\r\n",
            ),
        }
    });
    ended.store(true, SeqCst);
    let slowest = bystander.join().unwrap();
    for (number, ending) in endings.iter().enumerate() {
        let kind = number % 4;
        assert!(ending.told < TOLD_BY, "kind {kind} was told after {:?}", ending.told);
        assert!(ending.cut_off < CUT_OFF_BY, "kind {kind} was kept for {:?}", ending.cut_off);
        let answer = &ending.answer;
        match kind {
            0 | 1 => assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}"),
            _ => {
                assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
                let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
                assert_eq!(body["code"], "REQUEST_TIMEOUT");
            }
        }
    }
    assert!(slowest < Duration::from_secs(3), "a good client waited {slowest:?}");
    println!("slowest answer for a good client: {slowest:?}");
}

/// How the server ended a slow request.
struct Ending {
    answer: String,
    /// When the first byte of the answer came, or the end without one.
    told: Duration,
    cut_off: Duration,
}

/// Sends the beginning, then a piece from time to time, until the server answers or ends the connection.
fn drip(mut connection: Connection, beginning: &[u8], piece: &[u8]) -> Ending {
    let start = Instant::now();
    let mut sent = connection.send(beginning);
    for _ in 0..DRIPS {
        if sent.is_err() || connection.has_ended() || connection.has_answer() {
            break;
        }
        std::thread::sleep(Duration::from_millis(400));
        sent = connection.send(piece);
    }
    let told = start.elapsed();
    let answer = String::from_utf8_lossy(&connection.rest()).into_owned();
    Ending { answer, told, cut_off: start.elapsed() }
}
