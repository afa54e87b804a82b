//! SIGTERM under load: what was begun is finished, what was acknowledged is kept.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use countermark_tests::{Connection, TestServer, request, within};

use crate::alone;
use crate::load::Account;

#[test]
fn a_stop_finishes_what_was_begun_and_keeps_what_was_acknowledged() {
    let _alone = alone();
    let mut server = TestServer::start();
    let account = Account::open(&mut server.admin(), 1_000_000);
    let users: Vec<_> = (0..16)
        .map(|_| {
            let (mut client, account) = (server.admin(), Arc::clone(&account));
            std::thread::spawn(move || while account.take(&mut client).is_ok() {})
        })
        .collect();
    let begun: Vec<Begun> = (0..8).map(|_| Begun::new(&server, &account)).collect();
    within(Duration::from_secs(30), || (account.acknowledged() >= 200).then_some(())).unwrap();

    server.terminate();
    let address = server.address();
    let refused = within(Duration::from_secs(10), || TcpStream::connect(address).err());
    assert!(refused.is_some(), "a stopping server takes no new connections");
    for begun in begun {
        let answer = begun.finish();
        assert_eq!(account.book(answer.status, &answer.json()), "ALLOWED", "begun before the stop");
    }
    assert_eq!(server.wait_for_end().code(), Some(0), "its log:\n{}", server.log());
    users.into_iter().for_each(|user| user.join().unwrap());

    server.restart();
    account.check(&mut server.admin());
}

/// A request whose head the server has read for certain, since it has said 100, and whose body it waits for.
struct Begun {
    connection: Connection,
    body: Vec<u8>,
}

impl Begun {
    fn new(server: &TestServer, account: &Account) -> Self {
        let mut connection = Connection::open(server.address()).unwrap();
        let body = account.question().to_string().into_bytes();
        let authorization = format!("Bearer {}", server.admin_key());
        let length = body.len().to_string();
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("content-length", length.as_str()),
            ("expect", "100-continue"),
        ];
        connection.send(&request("POST", "/v1/authorize", &headers, None)).unwrap();
        assert_eq!(connection.answer_to("POST").unwrap().status, 100);
        Self { connection, body }
    }

    fn finish(mut self) -> countermark_tests::Answer {
        self.connection.send(&self.body).unwrap();
        self.connection.answer_to("POST").expect("a request that was begun is answered")
    }
}
