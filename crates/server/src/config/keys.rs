//! Every key of the configuration with its kind and default; all three sources are checked against this table.

/// A key such as `server.listen`, in the environment `COUNTERMARK__SERVER__LISTEN`.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// As it would stand in the environment; `None` for what has no default.
    pub(super) default: Option<&'static str>,
}

/// What a key holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    /// What a login with name and password can carry as the name.
    UserName,
    /// Never shown; `…_file` names a file that holds it.
    Secret,
    /// A secret that a header can carry.
    HeaderSecret,
    Flag,
    Whole(u64, u64),
    Choice(&'static [&'static str]),
    /// In the environment separated by commas.
    Addresses,
    /// IP addresses or networks, in the environment separated by commas.
    Networks,
    /// The gate's rules: in a file an array of tables, in the environment JSON.
    Rules,
    /// Address and port.
    Socket,
    /// Origins of browsers; in the environment separated by commas.
    Origins,
    /// Hosts with their clouds: in a file a section of its own.
    Clouds,
    /// An address over HTTP to which requests are sent.
    HttpUrl,
}

impl Kind {
    /// In words, for messages.
    pub(super) fn expected(self) -> String {
        match self {
            Self::Text | Self::Secret => "a string that is not empty".to_owned(),
            Self::UserName => "a name without : and control characters".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Whole(least, most) => format!("a whole number from {least} to {most}"),
            Self::Choice(choices) => format!("one of {}", choices.join(", ")),
            Self::HeaderSecret => "16 to 1024 visible ASCII characters".to_owned(),
            Self::Addresses => "a list of IP addresses".to_owned(),
            Self::Networks => {
                "a list of IP addresses and networks, such as 10.20.0.0/16, without bits behind the prefix".to_owned()
            }
            Self::Rules => "a list of rules".to_owned(),
            Self::Origins => {
                "a list of origins in lower case and without a default port, such as https://app.example.com, or *".to_owned()
            }
            Self::Clouds => {
                "host names with their cloud ids: a section in a file, host=cloud,host=cloud in the environment".to_owned()
            }
            Self::Socket => "an address and a port, such as 127.0.0.1:8080".to_owned(),
            Self::HttpUrl => {
                "an http:// or https:// address without user name, query and fragment, such as http://127.0.0.1:9000/shardimage".to_owned()
            }
        }
    }
}

const fn key(name: &'static str, kind: Kind, default: Option<&'static str>) -> Key {
    Key { name, kind, default }
}

const DAY: u64 = 86_400;

pub(super) const KEYS: &[Key] = &[
    key("admin_key", Kind::Secret, None),
    key("master_key", Kind::Secret, None),
    key("server.listen", Kind::Socket, Some("127.0.0.1:8080")),
    key("server.public_url", Kind::Text, None),
    key("server.workers", Kind::Whole(0, 1024), Some("0")),
    key("server.docs", Kind::Flag, Some("true")),
    key("server.trusted_proxies", Kind::Addresses, Some("")),
    key("clouds", Kind::Clouds, Some("")),
    key("data.directory", Kind::Text, Some("./countermark-data")),
    key("data.database_url", Kind::Secret, None),
    key("data.connections", Kind::Whole(4, 1000), Some("8")),
    key("data.lease_millis", Kind::Whole(200, 10_000), Some("1000")),
    key("data.allow_lost_commits", Kind::Flag, Some("false")),
    key("log.level", Kind::Text, Some("info")),
    key("log.format", Kind::Choice(&["auto", "human", "json"]), Some("auto")),
    key("metrics.enabled", Kind::Flag, Some("true")),
    key("metrics.listen", Kind::Socket, None),
    key("limits.head_seconds", Kind::Whole(1, 300), Some("5")),
    key("limits.body_seconds", Kind::Whole(1, 300), Some("10")),
    key("limits.keep_alive_seconds", Kind::Whole(1, DAY), Some("15")),
    key("limits.shutdown_seconds", Kind::Whole(1, 3600), Some("30")),
    key("limits.connections", Kind::Whole(1, 1_000_000), Some("25000")),
    key("limits.cached_tokens", Kind::Whole(100, 100_000_000), Some("50000")),
    key("hooks.tusd_secret", Kind::HeaderSecret, None),
    key("hooks.tusd_request_id_header", Kind::Text, None),
    key("uploads.deadline_seconds", Kind::Whole(1, 30 * DAY), Some("86400")),
    key("uploads.open_per_token", Kind::Whole(1, 1_000_000), Some("100")),
    key("cors.allowed_origins", Kind::Origins, Some("")),
    key("notifications.expiring_before_seconds", Kind::Whole(60, 365 * DAY), Some("86400")),
    key("notifications.allowed_networks", Kind::Networks, Some("")),
    key("notifications.timeout_seconds", Kind::Whole(1, 30), Some("15")),
    key("throttle.burst", Kind::Whole(1, 1_000_000), Some("20")),
    key("throttle.per_second", Kind::Whole(1, 1_000_000), Some("1")),
    key("gate.trusted_proxies", Kind::Networks, Some("")),
    key("gate.shared_secret", Kind::HeaderSecret, None),
    key("gate.max_age_seconds", Kind::Whole(0, 31_536_000), Some("3600")),
    key("gate.rules", Kind::Rules, None),
    key("facades.imgbed", Kind::Flag, Some("true")),
    key("facades.query", Kind::Flag, Some("true")),
    key("facades.shardimage", Kind::Flag, Some("true")),
    key("facades.cloudpaste", Kind::Flag, Some("true")),
    key("facades.contentive", Kind::Flag, Some("true")),
    key("facades.admin_name", Kind::UserName, Some("admin")),
    key("facades.login_seconds", Kind::Whole(60, DAY), Some("86400")),
    key("facades.short_keys", Kind::Flag, Some("false")),
    key("facades.shardimage_legacy_signatures", Kind::Flag, Some("false")),
    key("facades.shardimage_upload_target", Kind::HttpUrl, None),
    key("facades.shardimage_upload_bytes", Kind::Whole(1, 1 << 30), Some("33554432")),
];

/// The key with this name.
pub(super) fn find_key(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The known key that looks most like `name`.
pub(super) fn nearest(name: &str) -> &'static str {
    let likeness = |key: &&Key| strsim::jaro_winkler(key.name, name).max(last_part_likeness(key.name, name));
    let mut best = &KEYS[0];
    for key in KEYS {
        if likeness(&key) > likeness(&best) {
            best = key;
        }
    }
    best.name
}

/// A key in the wrong section is still recognised by its last part, at a small discount.
fn last_part_likeness(known: &str, given: &str) -> f64 {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    0.95 * strsim::jaro_winkler(&last(known), &last(given))
}
