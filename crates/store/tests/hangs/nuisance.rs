//! What happens to a database: its processes stand still, or the way to it swallows everything.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// A server none of whose processes does anything, until it is dropped.
pub struct Frozen(Vec<String>);

impl Frozen {
    pub fn freeze(folder: &Path) -> Self {
        let text = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
        let postmaster = text.lines().next().unwrap().to_owned();
        // First the one that starts the others.
        signal("-STOP", std::slice::from_ref(&postmaster));
        let mut all = children(&postmaster);
        signal("-STOP", &all);
        all.push(postmaster);
        Self(all)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        signal("-CONT", &self.0);
    }
}

fn signal(signal: &str, processes: &[String]) {
    // One may have ended meanwhile.
    let _ = Command::new("kill").arg(signal).args(processes).status().unwrap();
}

fn children(parent: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let names = processes.filter_map(|process| process.file_name().into_string().ok());
    let is_child = |process: &String| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // The name may hold anything, parentheses included; after it come the state and the parent.
        stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)) == Some(parent)
    };
    names.filter(is_child).collect()
}

/// The way to a server over TCP, which can swallow everything without anybody being told.
pub struct Proxy {
    address: SocketAddr,
    way: watch::Sender<Way>,
}

#[derive(Clone, Copy)]
struct Way {
    is_open: bool,
    /// Connections of an earlier age are dead, and neither side knows.
    age: u64,
    /// Connections of an earlier age than this are closed on both sides.
    buried: u64,
}

impl Proxy {
    pub async fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (way, open) = watch::channel(Way { is_open: true, age: 0, buried: 0 });
        tokio::spawn(accept(listener, folder.join(".s.PGSQL.5432"), open));
        Self { address, way }
    }

    /// The URL of a schema by this way.
    pub fn url(&self, direct: &str) -> String {
        let options = &direct[direct.find("options").unwrap()..];
        format!("postgres://countermark@{}/postgres?{options}", self.address)
    }

    pub fn cut(&self) {
        self.way.send_modify(|way| way.is_open = false);
    }

    /// What was on its way arrives now.
    pub fn heal(&self) {
        self.way.send_modify(|way| way.is_open = true);
    }

    /// Only new connections lead anywhere.
    pub fn kill_silently(&self) {
        self.way.send_modify(|way| *way = Way { is_open: true, age: way.age + 1, ..*way });
    }

    /// What the keep-alive of a real network does: both sides learn which connections are dead.
    pub fn bury_the_dead(&self) {
        self.way.send_modify(|way| way.buried = way.age);
    }
}

async fn accept(listener: TcpListener, server: PathBuf, way: watch::Receiver<Way>) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        tokio::spawn(forward(client, server.clone(), way.clone()));
    }
}

async fn forward(client: TcpStream, server: PathBuf, mut way: watch::Receiver<Way>) {
    let age = way.borrow().age;
    if way.wait_for(|way| way.is_open && way.age == age).await.is_err() {
        return;
    }
    // A server that is down: the client is hung up on.
    let Ok(server) = UnixStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut burial = way.clone();
    tokio::select! {
        _ = burial.wait_for(|way| way.buried > age) => {}
        _ = async {
            tokio::join!(pass(from_client, to_server, way.clone(), age), pass(from_server, to_client, way, age))
        } => {}
    }
}

/// Also that one side has hung up is not told to the other while the way is closed.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut way: watch::Receiver<Way>,
    age: u64,
) {
    let mut buffer = vec![0; 16_384];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if way.wait_for(|way| way.is_open && way.age == age).await.is_err() {
            return;
        }
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            let _ = to.shutdown().await;
            return;
        }
    }
}
