//! What only shows on a real socket: slow clients, oversized bodies, the stop in good order.

#![expect(clippy::unwrap_used, reason = "a panic is how a test's helper fails")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::web::{Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use countermark_server::body::{BODY_LIMIT, json_bytes};
use countermark_server::config::Config;
use countermark_server::problem::Problem;
use countermark_server::request_id::RequestIds;
use countermark_server::resource::at;
use countermark_server::server::bind;
use serde::Deserialize;
use tokio::sync::Semaphore;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    text: String,
}

async fn echo_length(request: HttpRequest, payload: Payload) -> Result<String, Problem> {
    let bytes = json_bytes::<BODY_LIMIT>(&request, &mut payload.into_inner()).await?;
    let sample: Sample = countermark_server::json::read(&bytes)?;
    Ok(sample.text.len().to_string())
}

/// Waits until the test lets it go on.
async fn wait(gate: Data<Gate>) -> HttpResponse {
    gate.entered.add_permits(1);
    gate.leave.acquire().await.unwrap().forget();
    HttpResponse::Ok().body("finished")
}

struct Gate {
    entered: Semaphore,
    leave: Semaphore,
}

struct Running {
    address: SocketAddr,
    handle: ServerHandle,
    gate: Arc<Gate>,
    thread: std::thread::JoinHandle<()>,
}

fn run() -> Running {
    let mut config = Config::default();
    config.limits.head = Duration::from_millis(300);
    config.limits.body = Duration::from_millis(300);
    config.limits.keep_alive = Duration::from_millis(600);
    config.server.workers = 1;
    let gate = Arc::new(Gate { entered: Semaphore::new(0), leave: Semaphore::new(0) });
    let (send, receive) = std::sync::mpsc::channel();
    let data = Data::from(Arc::clone(&gate));
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let listen = "127.0.0.1:0".parse().unwrap();
            let routes = move |service: &mut ServiceConfig| {
                service
                    .app_data(data.clone())
                    .service(at("/length").post(echo_length))
                    .service(at("/large").get(|| async { "x".repeat(32 << 20) }))
                    .service(at("/wait").get(wait));
            };
            let bound = bind(&config, listen, RequestIds::new(1), routes).unwrap();
            send.send((bound.address, bound.server.handle())).unwrap();
            bound.server.await.unwrap();
        });
    });
    let (address, handle) = receive.recv().unwrap();
    Running { address, handle, gate, thread }
}

impl Running {
    /// Sends the bytes, then reads until the server closes the connection.
    fn exchange(&self, bytes: &[u8]) -> String {
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        // A reset after the answer is as good as an orderly end here.
        let _ = socket.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn stop(self) {
        drop(self.handle.stop(true));
        self.thread.join().unwrap();
    }
}

const HEAD: &str = "POST /length HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";

#[test]
fn a_body_that_does_not_arrive_in_time_is_answered_408_and_the_connection_closed() {
    let server = run();
    let start = Instant::now();
    let answer = server.exchange(format!("{HEAD}content-length: 20\r\n\r\n{{\"text\":").as_bytes());
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("REQUEST_TIMEOUT") && answer.contains("x-request-id: "), "{answer}");
    assert!(start.elapsed() < Duration::from_secs(10), "closed by us and not by the test's own time-out");
    server.stop();
}

#[test]
fn a_head_that_does_not_arrive_in_time_ends_the_connection() {
    let server = run();
    let start = Instant::now();
    let answer = server.exchange(b"POST /length HTTP/1.1\r\nhost: x\r\n");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(start.elapsed() < Duration::from_secs(10));
    server.stop();
}

#[test]
fn a_later_head_that_does_not_arrive_in_time_ends_the_connection() {
    let server = run();
    let start = Instant::now();
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.write_all(format!("{HEAD}content-length: 12\r\n\r\n{{\"text\":\"x\"}}").as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n1") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    // Only now: bytes that come along with the first request leave actix-web's own timer running.
    socket.write_all(b"POST /length HTTP/1.1\r\nhost:").unwrap();
    assert_eq!(socket.read(&mut [0]).unwrap_or(0), 0, "the connection has ended");
    assert!(start.elapsed() < Duration::from_secs(10), "took {:?}", start.elapsed());
    server.stop();
}

#[test]
fn a_long_answer_is_not_cut_off_for_a_client_that_reads_slowly() {
    let server = run();
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let start = Instant::now();
    let (mut bytes, mut piece) = (0, vec![0; 1 << 20]);
    while start.elapsed() < Duration::from_millis(1500) {
        // Reads byte by byte until well after the idle time has passed.
        bytes += socket.read(&mut piece[..1]).unwrap();
    }
    loop {
        match socket.read(&mut piece).unwrap() {
            0 => break,
            read => bytes += read,
        }
    }
    assert!(bytes > 32 << 20, "only {bytes} bytes came");
    server.stop();
}

#[test]
fn a_body_that_is_announced_or_turns_out_too_large_is_answered_413() {
    let server = run();
    let announced = server.exchange(format!("{HEAD}content-length: 65537\r\n\r\n").as_bytes());
    assert!(announced.starts_with("HTTP/1.1 413 "), "{announced}");
    let chunk = format!("{HEAD}transfer-encoding: chunked\r\n\r\n11000\r\n{}\r\n", "x".repeat(0x11000));
    let chunked = server.exchange(chunk.as_bytes());
    assert!(chunked.starts_with("HTTP/1.1 413 "), "{chunked}");
    server.stop();
}

#[test]
fn a_body_in_many_pieces_is_read_whole() {
    let server = run();
    let chunked = format!(
        "{HEAD}connection: close\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{{\"tex\r\n5\r\nt\":\"x\r\n3\r\nyz\"\r\n1\r\n}}\r\n0\r\n\r\n"
    );
    let answer = server.exchange(chunked.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n3"), "{answer}");
    server.stop();
}

#[test]
fn a_stop_lets_a_running_request_finish() {
    let server = run();
    let address = server.address;
    let client = std::thread::spawn(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(server.gate.entered.acquire()).unwrap().forget();
    drop(server.handle.stop(true));
    server.gate.leave.add_permits(1);
    let answer = client.join().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("finished"), "{answer}");
    server.thread.join().unwrap();
}
