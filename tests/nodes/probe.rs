//! Requests whose beginning is known exactly: sent to every node first, answered afterwards.

use std::net::SocketAddr;

use countermark_tests::{Answer, Cluster, Connection, TestServer, request, upload_question, url_question};
use serde_json::Value;

/// A request that is accepted as long as a token is good for it.
#[derive(Clone)]
pub struct Probe {
    method: &'static str,
    bytes: Vec<u8>,
}

impl Probe {
    /// Asks for a decision with the administrator key.
    pub fn question(node: &TestServer, question: &Value) -> Self {
        let body = question.to_string();
        Self { method: "POST", bytes: call("POST", "/v1/authorize", node.admin_key(), Some(&body)) }
    }

    /// Asks whether an upload may begin with this value.
    pub fn value(node: &TestServer, value: &str) -> Self {
        Self::question(node, &upload_question(value))
    }

    /// Asks whether this link may be fetched.
    pub fn link(node: &TestServer, url: &str) -> Self {
        Self::question(node, &url_question(url))
    }

    /// Presents a key to the management API.
    pub fn caller(key: &str) -> Self {
        Self { method: "GET", bytes: call("GET", "/v1/access-tokens?limit=1", key, None) }
    }
}

fn call(method: &str, path: &str, key: &str, body: Option<&str>) -> Vec<u8> {
    let authorization = format!("Bearer {key}");
    let mut headers = vec![("authorization", authorization.as_str())];
    headers.extend(body.map(|_| ("content-type", "application/json")));
    request(method, path, &headers, body.map(str::as_bytes))
}

/// What was answered: `ALLOWED`, the code of a refusal or problem.
pub fn outcome(answer: &Answer) -> String {
    match answer.code() {
        code if code.is_empty() && answer.status == 200 => "ALLOWED".into(),
        code if code.is_empty() => answer.status.to_string(),
        code => code,
    }
}

/// A kept connection to each node.
pub struct Fan {
    places: Vec<(SocketAddr, Option<Connection>)>,
}

impl Fan {
    pub fn new(cluster: &Cluster) -> Self {
        Self { places: cluster.nodes.iter().map(|node| (node.address(), None)).collect() }
    }

    /// Sends the probe to all nodes.
    pub fn send(&mut self, probe: &Probe) {
        for (address, connection) in &mut self.places {
            // The server ends idle connections.
            let kept = connection.take().filter(|connection| !connection.has_ended());
            let mut open = kept.unwrap_or_else(|| Connection::open(*address).unwrap());
            open.send(&probe.bytes).unwrap();
            *connection = Some(open);
        }
    }

    /// What all nodes answer to the probe sent last.
    pub fn outcomes(&mut self, probe: &Probe) -> Vec<String> {
        let answers = self.places.iter_mut().map(|(_, connection)| {
            let answer = connection.as_mut().unwrap().answer_to(probe.method).unwrap();
            if answer.header("connection") == Some("close") {
                *connection = None;
            }
            outcome(&answer)
        });
        answers.collect()
    }

    /// Sends the probe to all nodes and gives what they answer.
    pub fn ask(&mut self, probe: &Probe) -> Vec<String> {
        self.send(probe);
        self.outcomes(probe)
    }
}

/// Sends the probe on a new connection, to be read with [`late`].
pub fn early(node: &TestServer, probe: &Probe) -> Connection {
    let mut connection = Connection::open(node.address()).unwrap();
    connection.send(&probe.bytes).unwrap();
    connection
}

/// What is answered to a probe that was sent with [`early`].
pub fn late(mut connection: Connection, probe: &Probe) -> String {
    outcome(&connection.answer_to(probe.method).unwrap())
}
