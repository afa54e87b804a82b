//! Many clients at one instant.

use std::net::SocketAddr;

use crate::connection::{Answer, Connection};

/// Sends all requests but for their last bytes, each on a connection of its own, then the last bytes, then reads all
/// answers; requests are of POST.
pub fn burst(requests: &[(SocketAddr, Vec<u8>)]) -> Vec<Answer> {
    let open = |(address, _): &(SocketAddr, Vec<u8>)| Connection::open(*address).expect("the server listens");
    let mut connections: Vec<Connection> = requests.iter().map(open).collect();
    for (connection, (_, request)) in connections.iter_mut().zip(requests) {
        connection.send(&request[..request.len() - 1]).expect("the server takes a request");
    }
    for (connection, (_, request)) in connections.iter_mut().zip(requests) {
        connection.send(&request[request.len() - 1..]).expect("the server takes a request");
    }
    let answers = connections.iter_mut().map(|connection| connection.answer_to("POST"));
    answers.map(|answer| answer.expect("the server answers")).collect()
}
