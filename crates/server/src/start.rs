//! Everything that `serve` does, for whoever wants a whole server: the command line, tests and benches.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::web::{Data, ServiceConfig};
use countermark_domain::clock::Clock;
use countermark_domain::rng::Rng;
use countermark_domain::{Courier, Service};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::app::routes;
use crate::config::Config;
use crate::courier::HttpCourier;
use crate::first_key::{self, FirstKey};
use crate::request_id::RequestIds;
use crate::server::bind;
pub use crate::start_error::StartError;
use crate::state::AppState;
use crate::{installation, ops};

/// A server that takes requests already.
pub struct Running {
    /// The real address, also where port 0 was asked for.
    pub address: SocketAddr,
    /// Where `/metrics` is, if it has an address of its own.
    pub metrics_address: Option<SocketAddr>,
    /// As clients see the service, without a slash at its end.
    pub public_url: String,
    /// The administrator key, if this start has made the installation and generated one.
    pub first_key: Option<FirstKey>,
    service: Arc<Service>,
    /// Without one, notifications wait in the outbox.
    courier: Arc<dyn Courier>,
    server: Server,
    metrics: Option<ServerHandle>,
}

/// Opens the installation and serves it; call it within an actix system.
///
/// # Errors
/// Any [`StartError`]; nothing runs then and the installation is closed.
pub async fn start(
    mut config: Config,
    clock: Box<dyn Clock>,
    rng: Arc<dyn Rng>,
) -> Result<Running, StartError> {
    let configured_key = first_key::configured(&config)?;
    // Before anything is made: a taken port must not cost the operator the first key.
    config.server.listen = free(&config)?;
    let courier = HttpCourier::new(&config.notifications).map_err(StartError::Courier)?;
    let service = installation::open(&config, clock, Arc::clone(&rng)).await?;
    let first_key = match configured_key {
        Some(key) => service.bootstrap(Some(key)).await.map(|_| None).map_err(StartError::from),
        None => generate_first_key(&config, &service, &*rng).await,
    };
    let served = match first_key {
        Ok(first_key) => serve(&config, &service, &*rng).map(|servers| (first_key, servers)),
        Err(error) => Err(error),
    };
    match served {
        Ok((first_key, servers)) => Ok(Running {
            address: servers.address,
            metrics_address: servers.metrics.as_ref().map(|(address, _)| *address),
            public_url: config.public_url(),
            first_key,
            service,
            courier: Arc::new(courier),
            server: servers.server,
            metrics: servers.metrics.map(|(_, handle)| handle),
        }),
        Err(error) => {
            service.shut_down().await;
            Err(error)
        }
    }
}

impl Running {
    /// The same with another sender of notifications than the configured one.
    #[must_use]
    pub fn with_courier(mut self, courier: Arc<dyn Courier>) -> Self {
        self.courier = courier;
        self
    }

    /// Stops the server: `stop(true)` lets running requests finish.
    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }

    /// The use-cases behind the server.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Runs until the server is told to stop, keeps house meanwhile, and closes the installation in good order.
    ///
    /// # Errors
    /// The server ended by itself.
    pub async fn run(self) -> io::Result<()> {
        let (stop, stopped) = oneshot::channel();
        let housekeeping = actix_web::rt::spawn(keep_house(Arc::clone(&self.service), stopped));
        let (service, courier) = (Arc::clone(&self.service), self.courier);
        let deliveries = actix_web::rt::spawn(async move { service.run_deliveries(&*courier).await });
        let ended = self.server.await;
        // Told and awaited, not aborted: a flush that is cut short has written what it does not know to be written.
        drop(stop);
        let _ = housekeeping.await;
        self.service.stop_deliveries();
        // What is cut off here is delivered again after the next start.
        let _ = timeout(LAST_DELIVERIES, deliveries).await;
        if let Some(metrics) = self.metrics {
            metrics.stop(false).await;
        }
        self.service.shut_down().await;
        ended
    }
}

/// A server on a thread of its own, for callers that block.
pub struct Background {
    /// The real address.
    pub address: SocketAddr,
    /// The administrator key, if one was generated.
    pub first_key: Option<FirstKey>,
    handle: ServerHandle,
    thread: JoinHandle<io::Result<()>>,
}

impl Background {
    /// As [`start`].
    ///
    /// # Errors
    /// As [`start`].
    pub fn start(config: Config, clock: Box<dyn Clock>, rng: Arc<dyn Rng>) -> Result<Self, StartError> {
        let (send, receive) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                match start(config, clock, rng).await {
                    Ok(mut running) => {
                        let _ = send.send(Ok((running.address, running.first_key.take(), running.handle())));
                        running.run().await
                    }
                    Err(error) => {
                        let _ = send.send(Err(error));
                        Ok(())
                    }
                }
            })
        });
        let (address, first_key, handle) =
            receive.recv().expect("the thread answers before it ends unless it panics")?;
        Ok(Self { address, first_key, handle, thread })
    }

    /// `http://` and the address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets running requests finish and closes the installation.
    ///
    /// # Errors
    /// The server had ended by itself.
    pub fn stop(self) -> io::Result<()> {
        // The command is sent at once; the thread's end is what is waited for.
        drop(self.handle.stop(true));
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the server has panicked")))
    }
}

/// How long attempts under way may take to end when the service stops.
const LAST_DELIVERIES: Duration = Duration::from_secs(5);

/// How late statistics may be in the database.
const FLUSH_EVERY: Duration = Duration::from_secs(2);

/// Flushes between two sweeps: one minute.
const FLUSHES_PER_SWEEP: u32 = 30;

/// Writes statistics and the highest time, has notifications delivered that have become due, ends uploads
/// at their deadline, tells of tokens that expire, and sweeps away what is over, for ever.
async fn keep_house(service: Arc<Service>, mut stopped: oneshot::Receiver<()>) {
    let mut beat = interval(FLUSH_EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut fails, mut uploads_fail) = (false, false);
    // Here also before the sweep: what has expired or is swept away is not told of any more.
    note("tokens told to be expiring", service.tell_expiring().await, &mut fails);
    loop {
        for _ in 0..FLUSHES_PER_SWEEP {
            tokio::select! {
                _ = beat.tick() => {}
                _ = &mut stopped => return,
            }
            note("statistics", service.flush().await.map(|()| 0), &mut fails);
            note("uploads", service.expire_uploads().await.map(|_| 0), &mut uploads_fail);
            service.wake_deliveries();
        }
        note("tokens told to be expiring", service.tell_expiring().await, &mut fails);
        note("expired tokens swept away", service.sweep().await, &mut fails);
        note("old notifications forgotten", service.forget_notifications().await, &mut fails);
    }
}

/// Logs a failure once, not every two seconds, and its end.
fn note<E: std::fmt::Display>(what: &str, result: Result<u64, E>, fails: &mut bool) {
    match result {
        Err(error) if !*fails => {
            tracing::error!(what, %error, "housekeeping fails; it is tried again");
            *fails = true;
        }
        Err(_) => {}
        Ok(count) => {
            if std::mem::take(fails) {
                tracing::info!(what, "housekeeping works again");
            }
            if count > 0 {
                tracing::info!(what, count, "housekeeping");
            }
        }
    }
}

async fn generate_first_key(
    config: &Config,
    service: &Service,
    rng: &dyn Rng,
) -> Result<Option<FirstKey>, StartError> {
    if service.is_bootstrapped().await? {
        return Ok(None);
    }
    let first_key = first_key::generate(config, rng)?;
    let made = service.bootstrap(Some(first_key.value.clone())).await?;
    Ok(made.map(|_| first_key))
}

struct Servers {
    address: SocketAddr,
    server: Server,
    metrics: Option<(SocketAddr, ServerHandle)>,
}

fn serve(config: &Config, service: &Arc<Service>, rng: &dyn Rng) -> Result<Servers, StartError> {
    let mut seed = [0; 8];
    rng.fill(&mut seed);
    let ids = RequestIds::new(u64::from_be_bytes(seed));
    let state = AppState::new(Arc::clone(service), config);
    let metrics = match metrics_address(config) {
        Some(listen) => Some(serve_metrics(config, listen, ids.clone(), state.clone())?),
        None => None,
    };
    let routes = routes(state, config.server.docs, config.metrics.enabled && metrics.is_none());
    let bound = bind(config, config.server.listen, ids, routes)
        .map_err(|source| StartError::Listen { address: config.server.listen, source })?;
    Ok(Servers { address: bound.address, server: bound.server, metrics })
}

fn serve_metrics(
    config: &Config,
    listen: SocketAddr,
    ids: RequestIds,
    state: Data<AppState>,
) -> Result<(SocketAddr, ServerHandle), StartError> {
    let mut one_worker = config.clone();
    one_worker.server.workers = 1;
    let routes = move |service: &mut ServiceConfig| {
        service.app_data(state.clone());
        ops::routes(service, true);
    };
    let bound = bind(&one_worker, listen, ids, routes)
        .map_err(|source| StartError::ListenForMetrics { address: listen, source })?;
    let handle = bound.server.handle();
    actix_web::rt::spawn(bound.server);
    Ok((bound.address, handle))
}

fn metrics_address(config: &Config) -> Option<SocketAddr> {
    config.metrics.listen.filter(|_| config.metrics.enabled)
}

/// The API's address if it and that of the metrics can be listened on, both at once; with port 0 a free port, since
/// links in answers must name it.
fn free(config: &Config) -> Result<SocketAddr, StartError> {
    let address = config.server.listen;
    let refused = |source| StartError::Listen { address, source };
    let held = TcpListener::bind(address).map_err(refused)?;
    if let Some(address) = metrics_address(config) {
        TcpListener::bind(address).map_err(|source| StartError::ListenForMetrics { address, source })?;
    }
    held.local_addr().map_err(refused)
}
