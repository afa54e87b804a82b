//! Section `clouds`: host names, each with the one cloud that it is for. In the environment `host=cloud,host=cloud`.

use std::collections::BTreeMap;

use countermark_core::{Host, is_cloud_id};

use super::ConfigError;
use super::source::split;

/// The name of the section; its keys are host names instead of names from the table.
pub(super) const SECTION: &str = "clouds";

/// Clouds by canonical host; `None` where a host or a cloud has not its form, or a host stands twice.
pub(super) fn parse(text: &str) -> Option<BTreeMap<String, String>> {
    let mut clouds = BTreeMap::new();
    for pair in split(text) {
        let (host, cloud) = pair.split_once('=')?;
        let host = Host::parse(host.trim()).ok()?.as_str().to_owned();
        let cloud = Some(cloud.trim()).filter(|cloud| is_cloud_id(cloud))?;
        if clouds.insert(host, cloud.to_owned()).is_some() {
            return None;
        }
    }
    Some(clouds)
}

/// The environment form of the section in a file.
///
/// # Errors
/// [`ConfigError::Value`] with the first key at fault.
pub(super) fn from_toml(section: &toml::Table) -> Result<String, ConfigError> {
    let mut clouds = BTreeMap::new();
    for (name, value) in section {
        let refused = |expected: &str| ConfigError::Value {
            key: format!("{SECTION}.{name:?}"),
            expected: expected.to_owned(),
        };
        let cloud = value.as_str().filter(|cloud| is_cloud_id(cloud));
        let cloud = cloud.ok_or_else(|| {
            refused("a host name in quotation marks and a cloud id of A-Z, a-z, 0-9, _ and - for it")
        })?;
        let host = Host::parse(name).map_err(|_| refused("the name of a host on the left"))?;
        if clouds.insert(host.as_str().to_owned(), cloud).is_some() {
            return Err(refused("each host once, in whatever spelling"));
        }
    }
    Ok(clouds.iter().map(|(host, cloud)| format!("{host}={cloud}")).collect::<Vec<_>>().join(","))
}
