//! `countermark admin`.

use clap::Subcommand;
use countermark_domain::clock::SystemClock;
use serde_json::json;

use super::failure::Failure;
use super::output::{Output, members};
use super::{block_on, system_rng};
use crate::config::{Config, ConfigFlags};
use crate::installation;
use crate::start_error::StartError;

/// The commands under `admin`.
#[derive(Debug, Subcommand)]
pub enum Admin {
    /// Make a key with all permissions, on the database; a service on SQLite must be stopped
    Create {
        /// What lists call it
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        flags: ConfigFlags,
    },
}

impl Admin {
    pub(super) fn run(self, output: Output) -> Result<(), Failure> {
        let Self::Create { name, flags } = self;
        let config = flags.load()?;
        let made = block_on(create(config, name))?;
        output.result(&made, |made| format!("{}The value is shown only now.", members(made)));
        Ok(())
    }
}

async fn create(config: Config, name: Option<String>) -> Result<serde_json::Value, Failure> {
    installation::demand(&installation::location(&config)?).await?;
    let service = installation::open(&config, Box::new(SystemClock), system_rng()).await?;
    let made = service.make_administrator(name).await;
    service.shut_down().await;
    let made = made.map_err(StartError::from)?;
    Ok(json!({
        "id": made.token.terms.id.to_string(),
        "name": made.token.about.name,
        "value": made.value.as_deref(),
    }))
}
