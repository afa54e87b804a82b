//! A way to a database that can lead elsewhere from one moment to the next, as a proxy or a moved address would.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::postgres::Server;

/// Listens on a TCP port and hands every connection on to the socket of a server. Its threads end with their connections,
/// or with the test program.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    target: Arc<Mutex<PathBuf>>,
}

impl Relay {
    /// Listens on a free port of this address.
    ///
    /// # Errors
    /// The address is none of this machine's.
    pub fn listen(host: std::net::IpAddr, server: &Server) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::new(host, 0))?;
        let relay = Self { address: listener.local_addr()?, target: Arc::new(Mutex::new(socket(server))) };
        let target = Arc::clone(&relay.target);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let target = target.lock().unwrap_or_else(PoisonError::into_inner).clone();
                // Nobody there: the connection ends, as it does behind a proxy.
                if let Ok(server) = UnixStream::connect(target) {
                    drop(join(client, server));
                }
            }
        });
        Ok(relay)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Hands on to this server from the next connection on.
    pub fn lead_to(&self, server: &Server) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = socket(server);
    }
}

fn socket(server: &Server) -> PathBuf {
    server.folder().join(".s.PGSQL.5432")
}

fn join(client: TcpStream, server: UnixStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        pass_on(&mut from_client, &mut to_server);
        drop(to_server.shutdown(Shutdown::Both));
    });
    let (mut from_server, mut to_client) = (server, client);
    thread::spawn(move || {
        pass_on(&mut from_server, &mut to_client);
        drop(to_client.shutdown(Shutdown::Both));
    });
    Ok(())
}

/// Until one of both ends.
fn pass_on(from: &mut impl Read, to: &mut impl Write) {
    let mut piece = [0; 16 * 1024];
    while let Ok(bytes @ 1..) = from.read(&mut piece) {
        if to.write_all(&piece[..bytes]).is_err() {
            return;
        }
    }
}
