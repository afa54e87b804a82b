//! Reading the file, the environment and the flags into one set of checked values.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use ipnet::{IpNet, Ipv6Net};
use zeroize::Zeroizing;

use super::ConfigError;
use super::clouds;
use super::gate;
use super::http_url;
use super::keys::{KEYS, Key, Kind, find_key, nearest};
use super::origins;

/// Checked values by the name of their key, each in its environment form.
#[derive(Default)]
pub(super) struct Values(BTreeMap<&'static str, Zeroizing<String>>);

impl Values {
    pub(super) fn defaults() -> Self {
        let given = |key: &Key| Some((key.name, Zeroizing::new(key.default?.to_owned())));
        Self(KEYS.iter().filter_map(given).collect())
    }

    pub(super) fn find(&self, name: &str) -> Option<&str> {
        debug_assert!(find_key(name).is_some(), "{name} is not in the table");
        self.0.get(name).map(|value| value.as_str())
    }

    /// Puts the later source over this one.
    pub(super) fn overlay(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    /// Takes one value; `shown` is the name of the key as its source writes it.
    pub(super) fn put(&mut self, name: &str, shown: &str, value: &str) -> Result<(), ConfigError> {
        let Some(key) = find_key(name) else { return self.put_file(name, shown, value) };
        if matches!(key.kind, Kind::Rules) {
            gate::parse(shown, value)?;
        }
        check(key.kind, value)
            .ok_or_else(|| ConfigError::Value { key: shown.to_owned(), expected: key.kind.expected() })?;
        if self.0.insert(key.name, Zeroizing::new(value.to_owned())).is_some() {
            return Err(ConfigError::Twice { key: shown.to_owned() });
        }
        Ok(())
    }

    /// `admin_key_file` and the like: the value is the content of a file, less the line feed at its end.
    fn put_file(&mut self, name: &str, shown: &str, path: &str) -> Result<(), ConfigError> {
        let secret = name.strip_suffix("_file").and_then(find_key);
        let Some(key) = secret.filter(|key| matches!(key.kind, Kind::Secret | Kind::HeaderSecret)) else {
            return Err(ConfigError::Unknown { key: shown.to_owned(), nearest: nearest(name) });
        };
        let content = std::fs::read_to_string(path).map(Zeroizing::new);
        let content =
            content.map_err(|error| ConfigError::File { key: shown.to_owned(), path: path.into(), error })?;
        self.put(key.name, shown, content.trim_end_matches(['\r', '\n']))
    }
}

fn check(kind: Kind, value: &str) -> Option<()> {
    match kind {
        Kind::Text | Kind::Secret => !value.trim().is_empty(),
        // Basic ends the user name at the first colon (RFC 7617, section 2), and logins refuse control characters.
        Kind::UserName => !value.trim().is_empty() && !value.chars().any(|it| it == ':' || it.is_control()),
        Kind::HeaderSecret => gate::is_shared_secret(value),
        Kind::Flag => matches!(value, "true" | "false"),
        Kind::Whole(least, most) => value.parse().is_ok_and(|number: u64| (least..=most).contains(&number)),
        Kind::Choice(choices) => choices.contains(&value),
        Kind::Addresses => split(value).all(|address| address.parse::<IpAddr>().is_ok()),
        Kind::Networks => split(value).all(|network| parse_network(network).is_some()),
        // Each member at fault has been named before.
        Kind::Rules => true,
        Kind::Origins => origins::parse(value).is_some(),
        Kind::Clouds => clouds::parse(value).is_some(),
        Kind::Socket => value.parse::<SocketAddr>().is_ok(),
        Kind::HttpUrl => http_url::parse(value).is_some(),
    }
    .then_some(())
}

/// The elements of a list in its environment form.
pub(super) fn split(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|element| !element.is_empty())
}

/// A network, or an address as the network of it alone. Bits behind the prefix are mostly a slip of the prefix, which
/// would open more than was meant. IPv4 addresses in IPv6 spelling (`::ffff:10.0.0.0/104`) become plain ones, as the
/// addresses of peers do before they are looked up.
pub(crate) fn parse_network(text: &str) -> Option<IpNet> {
    let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    network.filter(|network: &IpNet| *network == network.trunc()).map(canonical)
}

fn canonical(network: IpNet) -> IpNet {
    let plain = |it: &Ipv6Net| Some((it.addr().to_ipv4_mapped()?, it.prefix_len().checked_sub(96)?));
    let plain = if let IpNet::V6(mapped) = &network { plain(mapped) } else { None };
    plain.and_then(|(address, prefix)| IpNet::new(address.into(), prefix).ok()).unwrap_or(network)
}

/// The values of a TOML file.
pub(super) fn from_toml(text: &str) -> Result<Values, ConfigError> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax {
        line: error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1)),
    })?;
    let mut values = Values::default();
    for (name, value) in &table {
        match value {
            toml::Value::Table(section) if name == clouds::SECTION => {
                values.put(name, name, &clouds::from_toml(section)?)?;
            }
            toml::Value::Table(section) => {
                for (inner, value) in section {
                    put_toml(&mut values, &format!("{name}.{inner}"), value)?;
                }
            }
            value => put_toml(&mut values, name, value)?,
        }
    }
    Ok(values)
}

fn put_toml(values: &mut Values, name: &str, value: &toml::Value) -> Result<(), ConfigError> {
    let kind = find_key(name).map_or(Kind::Text, |key| key.kind);
    let text = match (kind, value) {
        (Kind::Flag, toml::Value::Boolean(flag)) => Some(flag.to_string()),
        (Kind::Whole(..), toml::Value::Integer(number)) => Some(number.to_string()),
        (Kind::Rules, rules) => Some(gate::from_toml(rules)),
        (Kind::Addresses | Kind::Networks | Kind::Origins, toml::Value::Array(list)) => {
            list.iter().map(toml::Value::as_str).collect::<Option<Vec<_>>>().map(|list| list.join(","))
        }
        (
            Kind::Flag | Kind::Whole(..) | Kind::Addresses | Kind::Networks | Kind::Origins | Kind::Clouds,
            _,
        ) => None,
        (_, toml::Value::String(text)) => Some(text.clone()),
        _ => None,
    };
    match text {
        Some(text) => values.put(name, name, &text),
        // An unknown key is named as such whatever it holds.
        None if find_key(name).is_none() => values.put(name, name, ""),
        None => Err(ConfigError::Value { key: name.to_owned(), expected: kind.expected() }),
    }
}

const PREFIX: &str = "COUNTERMARK__";

/// The values of those environment variables that begin with `COUNTERMARK__`.
pub(super) fn from_environment(
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Values, ConfigError> {
    let mut values = Values::default();
    for (variable, value) in variables {
        if let Some(rest) = variable.strip_prefix(PREFIX) {
            let name = rest.split("__").map(str::to_lowercase).collect::<Vec<_>>().join(".");
            values.put(&name, &variable, &value).map_err(|error| in_environment(error, PREFIX))?;
        }
    }
    Ok(values)
}

fn in_environment(error: ConfigError, prefix: &str) -> ConfigError {
    match error {
        ConfigError::Unknown { key, nearest } => ConfigError::UnknownVariable {
            key,
            nearest: format!("{prefix}{}", nearest.to_uppercase().replace('.', "__")),
        },
        other => other,
    }
}
