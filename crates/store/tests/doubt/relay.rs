//! The way to a server over TCP, which loses one commit on order.

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// The whole statement: the beginning of a transaction speaks of what is committed, too.
const COMMIT: &[u8] = b"COMMIT\0";

/// What gets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lets {
    All,
    /// The connection of the next commit ends before it, and then nothing gets through any more.
    AllButTheNextCommit,
    Nothing,
    /// What the database says on connections that listen is kept back.
    AllThatDoesNotListen,
}

pub struct Relay {
    address: SocketAddr,
    /// Of the schema, by the server's socket.
    direct: String,
    lets: watch::Sender<Lets>,
}

impl Relay {
    /// A way to the server of this URL, which lets everything through.
    pub async fn start(direct: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let folder = direct.split("host=").nth(1).unwrap().split('&').next().unwrap();
        let server = PathBuf::from(folder).join(".s.PGSQL.5432");
        let (lets, way) = watch::channel(Lets::All);
        let closing = lets.clone();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = UnixStream::connect(&server).await.unwrap();
                let way = Way { lets: way.clone(), closing: closing.clone(), does_listen: false };
                tokio::spawn(way.lead(client, server));
            }
        });
        Self { address, direct: direct.to_owned(), lets }
    }

    /// The URL of the schema by this way.
    pub fn url(&self) -> String {
        let options = &self.direct[self.direct.find("options").unwrap()..];
        format!("postgres://countermark@{}/postgres?{options}", self.address)
    }

    pub fn let_through(&self, lets: Lets) {
        self.lets.send_replace(lets);
    }
}

/// That of one connection.
struct Way {
    lets: watch::Receiver<Lets>,
    closing: watch::Sender<Lets>,
    does_listen: bool,
}

impl Way {
    /// Until one side hangs up, or a commit is lost; then both are hung up on.
    async fn lead(mut self, mut client: TcpStream, mut server: UnixStream) {
        let (mut from_client, mut from_server) = (vec![0; 16_384], vec![0; 16_384]);
        loop {
            tokio::select! {
                read = client.read(&mut from_client) => {
                    let Ok(read @ 1..) = read else { return };
                    let said = &from_client[..read];
                    if contains(said, COMMIT) && *self.lets.borrow() == Lets::AllButTheNextCommit {
                        self.closing.send_replace(Lets::Nothing);
                        return;
                    }
                    self.does_listen |= contains(said, b"LISTEN");
                    self.opens().await;
                    if server.write_all(said).await.is_err() {
                        return;
                    }
                }
                read = server.read(&mut from_server) => {
                    let Ok(read @ 1..) = read else { return };
                    self.opens().await;
                    if client.write_all(&from_server[..read]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Returns when this connection may speak.
    async fn opens(&mut self) {
        let does_listen = self.does_listen;
        let is_open = |lets: &Lets| match lets {
            Lets::All | Lets::AllButTheNextCommit => true,
            Lets::Nothing => false,
            Lets::AllThatDoesNotListen => !does_listen,
        };
        // The sender lives as long as this.
        let _ = self.lets.wait_for(is_open).await;
    }
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|part| part == word)
}
