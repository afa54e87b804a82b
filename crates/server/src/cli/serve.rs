//! `countermark serve`.

use clap::Args;
use countermark_domain::clock::SystemClock;
use serde_json::json;

use super::failure::Failure;
use super::output::Output;
use super::{block_on, system_rng};
use crate::config::{Config, ConfigFlags};
use crate::first_key::FirstKey;
use crate::start::{Running, start};
use crate::telemetry::start_log;

/// The arguments of `serve`.
#[derive(Args, Debug)]
pub struct Serve {
    #[command(flatten)]
    flags: ConfigFlags,
}

impl Serve {
    pub(super) fn run(self, output: Output) -> Result<(), Failure> {
        let config = self.flags.load()?;
        start_log(&config.log).map_err(Failure::usage)?;
        block_on(serve(config, output))
    }
}

async fn serve(config: Config, output: Output) -> Result<(), Failure> {
    let docs = config.server.docs;
    let mut running = start(config, Box::new(SystemClock), system_rng()).await?;
    if let Some(first_key) = running.first_key.take() {
        show(&first_key, output);
    }
    announce(&running, docs, output);
    let handle = running.handle();
    actix_web::rt::spawn(async move {
        stop_signal().await;
        tracing::info!("stopping: running requests are finished");
        actix_web::rt::spawn(handle.stop(true));
        stop_signal().await;
        // Granted uses are durable, so nothing that was promised is lost.
        std::process::exit(1);
    });
    running.run().await.map_err(|error| Failure::unreachable(format!("the server ended: {error}")))
}

/// Shows the key to a person; otherwise it stays in its file, since output is often kept in a log.
fn show(first_key: &FirstKey, output: Output) {
    if output.is_terminal() {
        output.raw(&format!(
            "The administrator key of this new installation, shown only now:\n\n    {}\n",
            first_key.value.expose()
        ));
        if let Err(error) = std::fs::remove_file(&first_key.path) {
            tracing::warn!(path = %first_key.path.display(), %error, "the file of the administrator key stays");
        }
    } else {
        let path = first_key.path.display();
        output.result(&json!({"adminKeyFile": path.to_string()}), |_| {
            format!(
                "The administrator key of this new installation is in {path}; take it and remove the file."
            )
        });
    }
}

fn announce(running: &Running, docs: bool, output: Output) {
    let address = format!("http://{}", running.address);
    let docs = docs.then(|| format!("{}/docs/", running.public_url));
    tracing::info!(%address, "listening");
    output.result(&json!({"address": address, "docs": docs}), |_| match &docs {
        Some(docs) => format!("Countermark listens on {address}; documentation and Swagger UI: {docs}"),
        None => format!("Countermark listens on {address}"),
    });
}

#[cfg(unix)]
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be listened to");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

#[cfg(not(unix))]
async fn stop_signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
