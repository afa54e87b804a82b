//! Ends connections that hold back a later request's head. actix-web times only the first head of a connection, and
//! stops its keep-alive timer at the first byte of the next one: a byte would keep a connection open for ever.

use std::any::Any;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Extensions;
use actix_web::rt;
use actix_web::web::Bytes;

/// Idle ticks after which a connection ends; more ticks cut more sharply and cost more wake-ups.
const TICKS: u32 = 4;

/// One connection's second handle; it closes with the connection, since only the connection's data owns it.
struct Connection {
    socket: TcpStream,
    started: AtomicU32,
    finished: AtomicU32,
}

/// For `HttpServer::on_connect`: whoever has no request under way for `idle` is cut off, whatever bytes have come.
pub fn watch(idle: Duration) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static {
    move |connection, data| {
        let Some(stream) = connection.downcast_ref::<rt::net::TcpStream>() else { return };
        // Without a second handle the connection is served unwatched: there are no descriptors left to spare.
        let Ok(handle) = stream.as_fd().try_clone_to_owned() else { return };
        let watched = Arc::new(Connection {
            socket: TcpStream::from(handle),
            started: AtomicU32::new(0),
            finished: AtomicU32::new(0),
        });
        rt::spawn(end_when_idle(Arc::downgrade(&watched), idle / TICKS));
        data.insert(watched);
    }
}

async fn end_when_idle(connection: Weak<Connection>, tick: Duration) {
    let (mut before, mut idle_ticks) = (0, 0);
    loop {
        rt::time::sleep(tick).await;
        let Some(connection) = connection.upgrade() else { return };
        let (started, finished) = (connection.started.load(Relaxed), connection.finished.load(Relaxed));
        idle_ticks = if started == finished && started == before { idle_ticks + 1 } else { 0 };
        before = started;
        if idle_ticks >= TICKS {
            // An error means that it is closed already.
            drop(connection.socket.shutdown(Shutdown::Both));
            return;
        }
    }
}

/// How long a client has to read the answer after which its connection ends.
const TIME_TO_READ: Duration = Duration::from_secs(1);

/// Ends the connection of a request that has been answered for the last time. actix-web itself goes on reading a
/// chunked body that nobody wants any more, for as long as its bytes trickle in.
pub(crate) fn end_soon(request: &actix_web::HttpRequest) {
    let Some(connection) = request.conn_data::<Arc<Connection>>().map(Arc::downgrade) else { return };
    rt::spawn(async move {
        rt::time::sleep(TIME_TO_READ).await;
        if let Some(connection) = connection.upgrade() {
            drop(connection.socket.shutdown(Shutdown::Both));
        }
    });
}

/// A request under way; while it lives, its connection counts as busy.
pub(crate) struct UnderWay(Arc<Connection>);

impl UnderWay {
    /// `None` for a connection that is not watched.
    pub(crate) fn begin(request: &actix_web::dev::ServiceRequest) -> Option<Self> {
        let connection = request.conn_data::<Arc<Connection>>()?;
        connection.started.fetch_add(1, Relaxed);
        Some(Self(Arc::clone(connection)))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.finished.fetch_add(1, Relaxed);
    }
}

/// Whether a body may take so long to send that its connection must count as busy meanwhile.
pub(crate) fn is_long(size: BodySize) -> bool {
    !matches!(size, BodySize::None | BodySize::Sized(0..=65_536))
}

/// A long body that keeps its request under way until it is sent.
pub(crate) struct LongBody {
    pub(crate) body: BoxBody,
    pub(crate) _under_way: UnderWay,
}

impl MessageBody for LongBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Bytes, Self::Error>>> {
        std::pin::Pin::new(&mut self.body).poll_next(context)
    }
}
