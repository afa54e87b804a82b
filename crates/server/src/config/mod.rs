//! The configuration: defaults, then a TOML file, then the environment, then flags; checked once, at the start.

mod clouds;
mod facades;
mod flags;
mod gate;
mod http_url;
mod keys;
mod origins;
mod source;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countermark_core::Dialect;
use ipnet::IpNet;
use zeroize::Zeroizing;

use countermark_domain::UploadSettings;
pub use facades::FacadeSettings;
pub use flags::ConfigFlags;
pub use gate::{GateChallenge, GateDemand, GateRule, GateSettings};
pub(crate) use source::parse_network;
use source::{Values, split};

/// The default configuration with all its explanations; it is the manual.
pub const MANUAL: &str = include_str!("config.default.toml");

/// Everything that can be configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The first administrator key; used only while there is no installation yet.
    pub admin_key: Option<Secret>,
    /// The key under which secrets are sealed; without it, a file in the data directory holds one.
    pub master_key: Option<Secret>,
    /// Where and how to listen.
    pub server: ServerSettings,
    /// Section `clouds`: the one cloud that each of these hosts is for, by canonical host.
    pub clouds: BTreeMap<String, String>,
    /// Where the data lies.
    pub data: DataSettings,
    /// What is logged.
    pub log: LogSettings,
    /// Whether and where figures are shown.
    pub metrics: MetricsSettings,
    /// Time-outs and sizes.
    pub limits: LimitSettings,
    /// What upload servers that call by themselves must present.
    pub hooks: HookSettings,
    /// Section `uploads`: bounds of uploads.
    pub uploads: UploadSettings,
    /// Which browsers may call.
    pub cors: CorsSettings,
    /// What is told to receivers.
    pub notifications: NotificationSettings,
    /// The brake on failed authentications.
    pub throttle: ThrottleSettings,
    /// Who may ask the gate, and what it demands.
    pub gate: GateSettings,
    /// Which foreign dialects are spoken, and how.
    pub facades: FacadeSettings,
}

/// Section `server`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Port 0 takes any free one.
    pub listen: SocketAddr,
    /// As clients see the service, without a slash at its end; `None` for `http://` and the listen address.
    pub public_url: Option<String>,
    /// Threads that answer; 0 for one a core.
    pub workers: usize,
    /// Whether `/docs` and `/openapi.json` are served.
    pub docs: bool,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
}

/// Section `data`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSettings {
    /// Holds the database and the master key file.
    pub directory: PathBuf,
    /// Another database than the one in the directory; may hold a password.
    pub database_url: Option<Secret>,
    /// Connections of this node to PostgreSQL.
    pub connections: u32,
    /// How long after a renewal this node may trust what it remembers, beside others on one PostgreSQL.
    pub lease: Duration,
    /// Whether a PostgreSQL that may forget commits in a crash is used all the same.
    pub allow_lost_commits: bool,
}

/// Section `log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// A level, or a filter such as `info,countermark_store=debug`.
    pub level: String,
    /// The form of the lines.
    pub format: LogFormat,
}

/// The form of the log's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Section `metrics`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsSettings {
    /// Whether `/metrics` is served.
    pub enabled: bool,
    /// Another address than the API's.
    pub listen: Option<SocketAddr>,
}

/// Section `limits`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// How long the head of a request may take.
    pub head: Duration,
    /// How long a body may take.
    pub body: Duration,
    /// How long a connection may stay idle.
    pub keep_alive: Duration,
    /// How long running requests may take to finish when the service stops.
    pub shutdown: Duration,
    /// Most connections at once, each worker its share.
    pub connections: usize,
    /// Most tokens in the cache.
    pub cached_tokens: usize,
}

/// Section `hooks`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookSettings {
    /// The password in tusd's hook URL; `None` refuses its hooks.
    pub tusd_secret: Option<Secret>,
    /// The header in which a proxy before tusd names each request of a client; clients must not be able to set it.
    pub tusd_request_id_header: Option<String>,
}

/// Section `cors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsSettings {
    /// Origins whose pages may call what lies under `/v1`; `*` is all of them.
    pub allowed_origins: Vec<String>,
}

/// Section `notifications`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationSettings {
    /// How long before its expiry a token is told to be expiring.
    pub expiring_before: Duration,
    /// Networks that receivers may be in although they are not public.
    pub allowed_networks: Vec<IpNet>,
    /// How long one attempt may take, from the look-up of the name to the head of the answer.
    pub timeout: Duration,
}

/// Section `throttle`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThrottleSettings {
    /// Failures that an address has free.
    pub burst: NonZeroU32,
    /// Failures that it regains a second.
    pub per_second: NonZeroU32,
}

/// A configured secret; wiped when dropped, never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What is wrong with the configuration; names keys, never values.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ConfigError {
    #[error("{}: {error}", path.display())]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("the configuration file is not well-formed TOML at line {line}")]
    Syntax { line: usize },
    #[error("unknown key {key}; the nearest known one is {nearest}")]
    Unknown { key: String, nearest: &'static str },
    #[error("unknown member {key}; the nearest known one is {nearest}")]
    UnknownMember { key: String, nearest: &'static str },
    #[error("unknown variable {key}; the nearest known one is {nearest}")]
    UnknownVariable { key: String, nearest: String },
    #[error("{key}: expected {expected}")]
    Value { key: String, expected: String },
    #[error("{key} and its twin that names a file are both given")]
    Twice { key: String },
    #[error("{key}: cannot read {}: {error}", path.display())]
    File { key: String, path: PathBuf, error: std::io::Error },
}

impl Config {
    /// Reads all sources. `flags` are pairs of a key such as `server.listen` and its value.
    ///
    /// # Errors
    /// The first thing that is wrong, in the order of the sources.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        flags: &[(&str, &str)],
    ) -> Result<Self, ConfigError> {
        let mut values = Values::defaults();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
            values.overlay(source::from_toml(&text)?);
        }
        values.overlay(source::from_environment(environment)?);
        let mut given = Values::default();
        for (name, value) in flags {
            given.put(name, name, value)?;
        }
        values.overlay(given);
        Ok(Self::of(&values))
    }

    /// Where clients find the service, without a slash at its end.
    pub fn public_url(&self) -> String {
        self.server.public_url.clone().unwrap_or_else(|| format!("http://{}", self.server.listen))
    }

    fn of(values: &Values) -> Self {
        Self {
            admin_key: secret(values, "admin_key"),
            master_key: secret(values, "master_key"),
            server: ServerSettings {
                listen: required(values, "server.listen"),
                public_url: values.find("server.public_url").map(|url| url.trim_end_matches('/').to_owned()),
                workers: required(values, "server.workers"),
                docs: required(values, "server.docs"),
                trusted_proxies: list(values, "server.trusted_proxies")
                    .into_iter()
                    .map(|address: IpAddr| address.to_canonical())
                    .collect(),
            },
            clouds: values.find(clouds::SECTION).and_then(clouds::parse).expect(CHECKED),
            data: DataSettings {
                directory: required(values, "data.directory"),
                database_url: secret(values, "data.database_url"),
                connections: required(values, "data.connections"),
                lease: Duration::from_millis(required(values, "data.lease_millis")),
                allow_lost_commits: required(values, "data.allow_lost_commits"),
            },
            log: LogSettings {
                level: required(values, "log.level"),
                format: match values.find("log.format") {
                    Some("human") => LogFormat::Human,
                    Some("json") => LogFormat::Json,
                    _ => LogFormat::Auto,
                },
            },
            metrics: MetricsSettings {
                enabled: required(values, "metrics.enabled"),
                listen: values.find("metrics.listen").map(|address| address.parse().expect(CHECKED)),
            },
            limits: LimitSettings {
                head: seconds(values, "limits.head_seconds"),
                body: seconds(values, "limits.body_seconds"),
                keep_alive: seconds(values, "limits.keep_alive_seconds"),
                shutdown: seconds(values, "limits.shutdown_seconds"),
                connections: required(values, "limits.connections"),
                cached_tokens: required(values, "limits.cached_tokens"),
            },
            hooks: HookSettings {
                tusd_secret: secret(values, "hooks.tusd_secret"),
                tusd_request_id_header: values.find("hooks.tusd_request_id_header").map(str::to_owned),
            },
            uploads: UploadSettings {
                deadline_seconds: required(values, "uploads.deadline_seconds"),
                open_per_token: required(values, "uploads.open_per_token"),
            },
            cors: CorsSettings {
                allowed_origins: values.find("cors.allowed_origins").and_then(origins::parse).expect(CHECKED),
            },
            notifications: NotificationSettings {
                expiring_before: seconds(values, "notifications.expiring_before_seconds"),
                allowed_networks: networks(values, "notifications.allowed_networks"),
                timeout: seconds(values, "notifications.timeout_seconds"),
            },
            throttle: ThrottleSettings {
                burst: required(values, "throttle.burst"),
                per_second: required(values, "throttle.per_second"),
            },
            gate: GateSettings {
                trusted_proxies: networks(values, "gate.trusted_proxies"),
                shared_secret: secret(values, "gate.shared_secret"),
                max_age_seconds: required(values, "gate.max_age_seconds"),
                rules: gate::parse(gate::RULES, values.find(gate::RULES).unwrap_or("[]")).expect(CHECKED),
            },
            facades: FacadeSettings {
                open: Dialect::ALL
                    .into_iter()
                    .filter(|dialect| *dialect != Dialect::Native)
                    .filter(|dialect| values.find(&format!("facades.{}", dialect.name())) == Some("true"))
                    .collect(),
                admin_name: required(values, "facades.admin_name"),
                login_seconds: required(values, "facades.login_seconds"),
                short_keys: required(values, "facades.short_keys"),
                shardimage_legacy_signatures: required(values, "facades.shardimage_legacy_signatures"),
                shardimage_upload_target: values
                    .find("facades.shardimage_upload_target")
                    .map(|url| http_url::parse(url).expect(CHECKED)),
                shardimage_upload_bytes: required(values, "facades.shardimage_upload_bytes"),
            },
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(&Values::defaults())
    }
}

const CHECKED: &str = "each value was checked against its kind when it was read";

fn required<T: std::str::FromStr<Err: fmt::Debug>>(values: &Values, name: &str) -> T {
    values.find(name).expect("the table gives this key a default").parse().expect(CHECKED)
}

fn networks(values: &Values, name: &str) -> Vec<IpNet> {
    let networks = split(values.find(name).unwrap_or_default());
    networks.map(|network| parse_network(network).expect(CHECKED)).collect()
}

fn list<T: std::str::FromStr<Err: fmt::Debug>>(values: &Values, name: &str) -> Vec<T> {
    split(values.find(name).unwrap_or_default()).map(|element| element.parse().expect(CHECKED)).collect()
}

fn seconds(values: &Values, name: &str) -> Duration {
    Duration::from_secs(required(values, name))
}

fn secret(values: &Values, name: &str) -> Option<Secret> {
    values.find(name).map(|text| Secret(Zeroizing::new(text.to_owned())))
}

#[cfg(test)]
mod tests;
