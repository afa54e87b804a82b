//! Section `gate`: who may ask the gate, and the rules that say what it demands. In the environment the rules are JSON:
//! `COUNTERMARK__GATE__RULES=[{"path": "/dav", "permission": "files.write"}]`.

use std::fmt;

use countermark_core::{BasePath, Host, Permission, is_cloud_id};
use ipnet::IpNet;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::{ConfigError, Secret};

/// The key of the rules: in a file an array of tables.
pub(super) const RULES: &str = "gate.rules";

/// Section `gate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateSettings {
    /// Peers that may ask.
    pub trusted_proxies: Vec<IpNet>,
    /// Whoever presents it may ask, too.
    pub shared_secret: Option<Secret>,
    /// Most seconds for which clients may keep what an unlimited link gave them; 0 for none.
    pub max_age_seconds: u64,
    /// What is demanded where; the first that matches counts.
    pub rules: Vec<GateRule>,
}

/// Requests to a host, below a path, of some methods, and what they need. What it leaves open matches everything, and
/// demands nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GateRule {
    /// Canonical host.
    pub host: Option<String>,
    /// Prefix by whole segments.
    pub path: Option<BasePath>,
    /// Methods in capitals.
    pub methods: Option<Vec<String>>,
    /// What is demanded.
    pub demand: GateDemand,
    /// What clients without a known credential are asked for.
    pub challenge: GateChallenge,
}

/// What a client without a known credential is asked for, by `WWW-Authenticate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GateChallenge {
    /// A value as bearer token.
    #[default]
    Bearer,
    /// Name and password as well: many WebDAV clients send them only when asked.
    Basic,
}

/// What a rule demands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GateDemand {
    /// Permission that is needed; only API keys can have it.
    pub permission: Option<String>,
    /// Storage that is touched; only API keys can have it.
    pub storage: Option<String>,
    /// Whether signed URLs need neither.
    pub links: bool,
    /// The one cloud that this is for.
    pub cloud: Option<String>,
    /// Takes no use.
    pub free: bool,
    /// What stands before the paths that API keys are bound to. The rule's `path` is this prefix or lies below it.
    pub strip: Option<BasePath>,
}

/// Whether a header can carry it and guessing it is hopeless.
pub(super) fn is_shared_secret(text: &str) -> bool {
    (16..=1024).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The environment form of the rules in a file.
pub(super) fn from_toml(rules: &toml::Value) -> String {
    serde_json::to_string(rules).unwrap_or_default()
}

/// The rules; `shown` is the name of their key as its source writes it.
///
/// # Errors
/// [`ConfigError`] with the first member at fault.
pub(super) fn parse(shown: &str, text: &str) -> Result<Vec<GateRule>, ConfigError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let rules: Vec<Members> = serde_json::from_str(text).map_err(|_| ConfigError::Value {
        key: shown.to_owned(),
        expected: "a list of rules: [[gate.rules]] tables in a file, JSON in the environment".to_owned(),
    })?;
    rules.into_iter().enumerate().map(|(place, rule)| rule_of(&format!("{shown}[{place}]"), rule)).collect()
}

const MEMBERS: [&str; 10] =
    ["host", "path", "methods", "permission", "storage", "links", "cloud", "free", "challenge", "strip"];

fn rule_of(place: &str, members: Members) -> Result<GateRule, ConfigError> {
    let mut rule = GateRule::default();
    let mut seen = Vec::new();
    for (name, value) in members.0 {
        let key = format!("{place}.{name}");
        let Some(known) = MEMBERS.into_iter().find(|known| *known == name) else {
            return Err(ConfigError::UnknownMember { key, nearest: nearest(&name) });
        };
        if seen.contains(&known) {
            return Err(ConfigError::Value { key, expected: "each member once".to_owned() });
        }
        seen.push(known);
        take(&mut rule, known, &value)
            .ok_or_else(|| ConfigError::Value { key, expected: expected(known).to_owned() })?;
    }
    if strips_what_may_be_missing(&rule) {
        let key = format!("{place}.strip");
        return Err(ConfigError::Value { key, expected: expected("strip").to_owned() });
    }
    Ok(rule)
}

/// A request could meet the rule without the prefix that is to be taken off.
fn strips_what_may_be_missing(rule: &GateRule) -> bool {
    let Some(strip) = &rule.demand.strip else { return false };
    !rule.path.as_ref().is_some_and(|path| strip.contains(path))
}

fn take(rule: &mut GateRule, member: &str, value: &Value) -> Option<()> {
    let text = value.as_str();
    let demand = &mut rule.demand;
    match member {
        "host" => rule.host = Some(Host::parse(text?).ok()?.as_str().to_owned()),
        "path" => rule.path = Some(prefix(text?)?),
        "strip" => demand.strip = Some(prefix(text?)?),
        "methods" => rule.methods = Some(methods(value)?),
        "permission" => demand.permission = Some(text.filter(|it| Permission::parse(it).is_ok())?.to_owned()),
        "storage" => {
            demand.storage = Some(text.filter(|it| (1..=128).contains(&it.len()))?.to_owned());
        }
        "cloud" => demand.cloud = Some(text.filter(|it| is_cloud_id(it))?.to_owned()),
        "links" => demand.links = value.as_bool()?,
        "challenge" => rule.challenge = challenge(text?)?,
        _ => demand.free = value.as_bool()?,
    }
    Some(())
}

/// No request path with a `;` is matched, so a rule with one would never be met.
fn prefix(text: &str) -> Option<BasePath> {
    if text.contains(';') { None } else { BasePath::parse(text).ok() }
}

fn challenge(text: &str) -> Option<GateChallenge> {
    match text {
        "bearer" => Some(GateChallenge::Bearer),
        "basic" => Some(GateChallenge::Basic),
        _ => None,
    }
}

fn methods(value: &Value) -> Option<Vec<String>> {
    let is_method = |it: &&str| !it.is_empty() && it.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    let methods = value.as_array().filter(|list| !list.is_empty())?.iter();
    methods.map(|it| it.as_str().filter(is_method).map(str::to_owned)).collect()
}

fn expected(member: &str) -> &'static str {
    match member {
        "host" => "the name of a host",
        "path" => "a decoded path that begins with /, without empty, . and .. segments, escapes and ;",
        "methods" => "a list of at least one HTTP method in capitals",
        "permission" => "a permission such as files:read, or *",
        "storage" => "a storage id of 1 to 128 bytes",
        "cloud" => "a cloud id of A-Z, a-z, 0-9, _ and -",
        "challenge" => "bearer or basic",
        "strip" => "the rule's own path or a prefix of it, by whole segments",
        _ => "true or false",
    }
}

fn nearest(name: &str) -> &'static str {
    let mut best = MEMBERS[0];
    for known in MEMBERS {
        if strsim::jaro_winkler(known, name) > strsim::jaro_winkler(best, name) {
            best = known;
        }
    }
    best
}

/// The members of an object as they stand, repeated ones too.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rule")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                if members.is_empty() {
                    Err(de::Error::custom("a rule without members"))
                } else {
                    Ok(Members(members))
                }
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
