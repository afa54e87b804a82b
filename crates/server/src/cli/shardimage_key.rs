//! `countermark shardimage-key`.

use clap::Subcommand;
use countermark_core::{Purpose, Token};
use countermark_domain::clock::SystemClock;
use countermark_domain::{DomainError, Issued, Service, ShardimageRights};
use ipnet::IpNet;
use serde_json::{Value, json};

use super::failure::Failure;
use super::output::{Output, cell, members, table};
use super::{block_on, system_rng};
use crate::config::{Config, ConfigFlags, parse_network};
use crate::installation;
use crate::start_error::StartError;

/// What makes these keys weaker than all others; shown wherever one is made.
const WEAKNESS: &str = "The signature that Shardimage's clients make with a key covers neither method nor body nor time: \
    whoever sees one call, a view for instance, can send it again as a revocation, for ever. So bind each key to the \
    networks of its clients with --network, make it --read-only where that is enough, and let calls travel under TLS only.";

/// The commands under `shardimage-key`.
#[derive(Debug, Subcommand)]
pub enum ShardimageKey {
    /// Make a key for clients of Shardimage's API, on the database; the service must be stopped
    #[command(after_help = WEAKNESS)]
    Create {
        /// What lists say of it, at most 200 characters
        #[arg(long, value_parser = description)]
        name: Option<String>,
        /// It may view tokens and ask whether they exist, and change nothing
        #[arg(long)]
        read_only: bool,
        /// A network from which calls may come, such as 192.0.2.0/24, or an address; may be given several times; without, from anywhere
        #[arg(long, value_name = "CIDR", value_parser = network)]
        network: Vec<IpNet>,
        #[command(flatten)]
        flags: ConfigFlags,
    },
    /// List the keys, without their secrets; the service must be stopped
    List {
        #[command(flatten)]
        flags: ConfigFlags,
    },
    /// End a key for ever, on the database; the service must be stopped (while it runs: countermark token revoke ID)
    Revoke {
        /// The digits of the key
        key: String,
        #[command(flatten)]
        flags: ConfigFlags,
    },
}

impl ShardimageKey {
    pub(super) fn run(self, output: Output) -> Result<(), Failure> {
        match self {
            Self::Create { name, read_only, network, flags } => {
                let rights = if read_only { ShardimageRights::Read } else { ShardimageRights::ReadAndWrite };
                let made = on_database(flags.load()?, async |service| {
                    service.make_shardimage_key(name, rights, network).await
                })?;
                output.result(&shown(&made), |made| {
                    format!("{}The secret is shown only now.\n\n{WEAKNESS}", members(made))
                });
            }
            Self::List { flags } => {
                let keys = on_database(flags.load()?, async |service| service.shardimage_keys().await)?;
                let keys: Vec<Value> = keys.iter().map(listed).collect();
                output.result(&json!({ "keys": keys }), |_| rows(&keys));
            }
            Self::Revoke { key, flags } => {
                let id =
                    on_database(flags.load()?, async |service| service.revoke_shardimage_key(&key).await)?;
                output.result(&json!({"id": id.to_string(), "key": key}), |_| "revoked".to_owned());
            }
        }
        Ok(())
    }
}

fn description(text: &str) -> Result<String, String> {
    let fits = (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fits {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 200 characters without control characters".to_owned())
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    parse_network(text).ok_or_else(|| {
        "expected a network such as 192.0.2.0/24 without bits behind its prefix, or an address".to_owned()
    })
}

/// Does something with the service over the database that must be there, under its lock.
fn on_database<T>(
    config: Config,
    work: impl AsyncFnOnce(&Service) -> Result<T, DomainError>,
) -> Result<T, Failure> {
    block_on(async {
        installation::demand(&installation::location(&config)?).await?;
        let service = installation::open(&config, Box::new(SystemClock), system_rng()).await?;
        let done = work(&service).await;
        service.shut_down().await;
        match done {
            Err(DomainError::NotFound) => Err(Failure::refused("there is no such key")),
            done => Ok(done.map_err(StartError::from)?),
        }
    })
}

fn shown(made: &Issued) -> Value {
    let key = listed(&made.token);
    json!({
        "id": key["id"],
        "key": key["key"],
        "secret": made.value.as_deref(),
        "readOnly": key["readOnly"],
        "networks": key["networks"],
    })
}

fn listed(key: &Token) -> Value {
    let Purpose::ApiKey(api) = &key.terms.purpose else { return Value::Null };
    let may_write = api.permissions.iter().any(|permission| permission.as_str() == "tokens:write");
    json!({
        "id": key.terms.id.to_string(),
        "key": key.about.name,
        "name": key.about.description,
        "readOnly": !may_write,
        "networks": api.source_networks.as_deref(),
        "revoked": key.terms.revoked_at.is_some(),
    })
}

fn rows(keys: &[Value]) -> String {
    const COLUMNS: [&str; 6] = ["key", "id", "name", "readOnly", "networks", "revoked"];
    let head = COLUMNS.iter().map(|column| (*column).to_uppercase()).collect();
    let row = |key: &Value| COLUMNS.iter().map(|column| cell(&key[*column])).collect();
    table(&[vec![head], keys.iter().map(row).collect()].concat())
}
