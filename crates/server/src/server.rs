//! The HTTP server around the routes: time-outs, request ids, 404, graceful stop.

use std::io;
use std::net::SocketAddr;

use actix_web::dev::Server;
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpServer};

use crate::body::BodyTimeout;
use crate::config::Config;
use crate::connection_watch::watch;
use crate::cors::cors;
use crate::request_id::RequestIds;
use crate::resource::unknown_path;
use crate::respond::Respond;

/// A server that listens already; await `server` to run it until it is told to stop.
pub struct Bound {
    /// The real address, also where port 0 was asked for.
    pub address: SocketAddr,
    /// Ends after its handle's `stop(true)`, running requests finished first. Signals are the caller's to listen to.
    pub server: Server,
}

/// Listens on `listen` and serves what `routes` registers, in its order: hot routes first.
///
/// # Errors
/// The address cannot be listened on.
pub fn bind<F>(config: &Config, listen: SocketAddr, ids: RequestIds, routes: F) -> io::Result<Bound>
where
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    let limits = config.limits.clone();
    let respond = Respond::new(ids.clone(), &config.public_url());
    let origins = config.cors.allowed_origins.clone();
    let body_timeout = BodyTimeout(limits.body);
    let mut server = HttpServer::new(move || {
        App::new()
            .app_data(ids.clone())
            .app_data(body_timeout)
            .configure(routes.clone())
            .default_service(web::to(unknown_path))
            .wrap(respond.clone())
            .wrap(cors(&origins))
    })
    .disable_signals()
    .on_connect(watch(limits.keep_alive))
    .client_request_timeout(limits.head)
    .keep_alive(limits.keep_alive)
    .shutdown_timeout(limits.shutdown.as_secs());
    if config.server.workers > 0 {
        server = server.workers(config.server.workers);
    }
    let workers = if config.server.workers > 0 {
        config.server.workers
    } else {
        std::thread::available_parallelism().map_or(1, usize::from)
    };
    let server = server.max_connections(limits.connections.div_ceil(workers)).bind(listen)?;
    let address = server.addrs().first().copied().expect("bind gave at least one socket");
    Ok(Bound { address, server: server.run() })
}
