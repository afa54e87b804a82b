//! A caller of the native API on one kept-alive connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::connection::{Answer, Connection, request};
use crate::threads::within;

/// A management key with a connection of its own.
pub struct Client {
    address: SocketAddr,
    key: String,
    connection: Option<Connection>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Fault {
    /// Nothing was sent: certainly nothing has happened.
    NotSent(io::Error),
    /// Something was sent: it may have happened or not.
    Unknown(io::Error),
}

impl Client {
    /// Connects with the first call.
    pub fn new(address: SocketAddr, key: &str) -> Self {
        Self { address, key: key.to_owned(), connection: None }
    }

    /// The key that it presents.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// One call; `headers` come beside the key and the content type.
    ///
    /// # Errors
    /// As [`Fault`] says; the next call connects anew.
    pub fn try_call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, Fault> {
        let authorization = format!("Bearer {}", self.key);
        let mut all = vec![("authorization", authorization.as_str())];
        if body.is_some() && !headers.iter().any(|(name, _)| *name == "content-type") {
            all.push(("content-type", "application/json"));
        }
        all.extend_from_slice(headers);
        let body = body.map(Value::to_string);
        self.exchange(method, &request(method, path, &all, body.as_deref().map(str::as_bytes)))
    }

    /// As [`Client::try_call`] where the server must answer.
    pub fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.try_call(method, path, &[], body).expect("the server answers")
    }

    /// Issues a token and gives the whole answer with the value or secret that is shown once. Asks again for a while if
    /// the service cannot answer, as on a machine under heavy load.
    pub fn issue(&mut self, token: &Value) -> Value {
        let mut answer = self.call("POST", "/v1/access-tokens", Some(token));
        within(Duration::from_secs(10), || {
            if answer.status == 503 {
                answer = self.call("POST", "/v1/access-tokens", Some(token));
            }
            (answer.status != 503).then_some(())
        });
        assert_eq!(answer.status, 201, "issuing {token}: {}", answer.text());
        answer.json()
    }

    /// Issues an upload token with this limit; its id and value.
    pub fn issue_upload(&mut self, limit: Option<u64>) -> (String, String) {
        let token = self.issue(&json!({"type": "upload", "limit": limit}));
        (text(&token, "id"), text(&token, "value"))
    }

    /// Issues an imageUrl token with this limit and signs one URL with it; the id and the URL.
    pub fn issue_link(&mut self, limit: Option<u64>) -> (String, String) {
        let token = self.issue(&json!({"type": "imageUrl", "limit": limit}));
        let id = text(&token, "id");
        let url = self.sign(&id, "https://img.example.com/mycloud/i/cat.jpg");
        (id, url)
    }

    /// Issues an apiKey token with these permissions; its id and value.
    pub fn issue_key(&mut self, permissions: &[&str]) -> (String, String) {
        let token = self.issue(&json!({"type": "apiKey", "permissions": permissions}));
        (text(&token, "id"), text(&token, "value"))
    }

    /// Signs a URL on the server, without an end of its own.
    pub fn sign(&mut self, id: &str, url: &str) -> String {
        let answer = self.call("POST", "/v1/signed-urls", Some(&json!({"tokenId": id, "url": url})));
        assert_eq!(answer.status, 200, "signing: {}", answer.text());
        text(&answer.json(), "url")
    }

    /// Asks for a decision.
    ///
    /// # Errors
    /// As [`Client::try_call`].
    pub fn try_authorize(&mut self, question: &Value) -> Result<Answer, Fault> {
        self.try_call("POST", "/v1/authorize", &[], Some(question))
    }

    /// Asks for a decision that must be made, and gives its code.
    pub fn authorize(&mut self, question: &Value) -> String {
        let answer = self.try_authorize(question).expect("the server answers");
        assert_eq!(answer.status, 200, "authorizing {question}: {}", answer.text());
        answer.code()
    }

    /// The record of a token that must exist.
    pub fn view(&mut self, id: &str) -> Value {
        let answer = self.call("GET", &format!("/v1/access-tokens/{id}"), None);
        assert_eq!(answer.status, 200, "viewing: {}", answer.text());
        answer.json()
    }

    /// Uses of a token that must exist.
    pub fn used(&mut self, id: &str) -> u64 {
        self.view(id)["used"].as_u64().expect("every record counts its uses")
    }

    /// PATCH with this merge patch.
    pub fn patch(&mut self, id: &str, patch: &Value) -> Answer {
        self.call("PATCH", &format!("/v1/access-tokens/{id}"), Some(patch))
    }

    /// DELETE: revokes.
    pub fn revoke(&mut self, id: &str) -> Answer {
        self.call("DELETE", &format!("/v1/access-tokens/{id}"), None)
    }

    /// Sends a request made elsewhere on this client's connection.
    ///
    /// # Errors
    /// As [`Fault`] says.
    pub fn exchange(&mut self, method: &str, bytes: &[u8]) -> Result<Answer, Fault> {
        // The server ends idle connections; asking first keeps that from looking like a lost call.
        let kept = self.connection.take().filter(|connection| !connection.has_ended());
        let mut connection = match kept {
            Some(connection) => connection,
            None => Connection::open(self.address).map_err(Fault::NotSent)?,
        };
        connection.send(bytes).map_err(Fault::Unknown)?;
        let answer = connection.answer_to(method).map_err(Fault::Unknown)?;
        if answer.header("connection") != Some("close") {
            self.connection = Some(connection);
        }
        Ok(answer)
    }
}

/// The question whether an upload may begin with this value.
pub fn upload_question(value: &str) -> Value {
    json!({"credential": {"value": value}, "request": {"method": "POST"}})
}

/// The question whether this signed URL may be fetched.
pub fn url_question(url: &str) -> Value {
    json!({"credential": {"url": url}})
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("a member {member} in the answer")).to_owned()
}
