//! An upload target as a real HTTP server that answers as told.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use reqwest::Url;
use serde_json::Value;

/// One thread a connection.
pub struct Target {
    address: SocketAddr,
    requests: mpsc::Receiver<Handed>,
}

/// One request that has come.
pub struct Handed {
    pub head: String,
    pub body: Vec<u8>,
}

impl Target {
    /// Reads each request and hands it with its connection to `answer`, which closes it.
    pub fn with(answer: impl Fn(&Handed, TcpStream) + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, requests) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, answer) = (seen.clone(), answer.clone());
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                    let handed = read(&mut stream);
                    let again = Handed { head: handed.head.clone(), body: handed.body.clone() };
                    // The test may have ended.
                    let _ = seen.send(again);
                    answer(&handed, stream);
                });
            }
        });
        Self { address, requests }
    }

    /// Answers uploads with this status and body, and a DELETE with 204.
    pub fn answering(status: u16, body: &'static str) -> Self {
        Self::with(move |handed, stream| {
            let (status, body) = if handed.head.starts_with("DELETE ") { (204, "") } else { (status, body) };
            respond(stream, status, body);
        })
    }

    pub fn url(&self) -> Url {
        format!("http://{}/shardimage", self.address).parse().unwrap()
    }

    /// What has come since the last call.
    pub fn requests(&self) -> Vec<Handed> {
        self.requests.try_iter().collect()
    }
}

impl Handed {
    /// Method and path.
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap().trim_end_matches(" HTTP/1.1")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The bytes of its parts, each with its head.
    pub fn parts(&self) -> Vec<(String, Vec<u8>)> {
        let boundary = self.header("content-type").unwrap().split_once("boundary=").unwrap().1;
        let whole = [b"\r\n", &self.body[..]].concat();
        let parts = split(&whole, format!("\r\n--{boundary}").as_bytes());
        assert_eq!((&parts[0][..], &parts[parts.len() - 1][..]), (&b""[..], &b"--\r\n"[..]));
        let cut = |part: &Vec<u8>| {
            let at = part.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
            (String::from_utf8(part[2..at].to_vec()).unwrap(), part[at + 4..].to_vec())
        };
        parts[1..parts.len() - 1].iter().map(cut).collect()
    }

    /// What it is told of the upload.
    pub fn upload(&self) -> Value {
        let (head, json) = &self.parts()[0];
        assert!(head.contains("name=\"upload\"") && head.contains("application/json"), "{head}");
        serde_json::from_slice(json).unwrap()
    }
}

pub fn respond(mut stream: TcpStream, status: u16, body: &str) {
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
}

fn split(whole: &[u8], by: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    let mut at = 0;
    while at < whole.len() {
        if whole[at..].starts_with(by) {
            parts.push(Vec::new());
            at += by.len();
        } else {
            parts.last_mut().unwrap().push(whole[at]);
            at += 1;
        }
    }
    parts
}

fn read(stream: &mut TcpStream) -> Handed {
    let mut bytes = Vec::new();
    let mut buffer = [0; 65536];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let handed = Handed { head, body: bytes[end + 4..].to_vec() };
            let length: usize = handed.header("content-length").map_or(0, |length| length.parse().unwrap());
            if handed.body.len() >= length {
                return handed;
            }
        }
        match stream.read(&mut buffer) {
            Ok(length @ 1..) => bytes.extend_from_slice(&buffer[..length]),
            _ => return Handed { head: "nothing".into(), body: bytes },
        }
    }
}
