//! The secret versions of a token, as a caller gives them.

use std::collections::BTreeMap;

use countermark_core::{KeyVersion, SigningSecret};
use pyo3::prelude::*;
use pyo3::types::{PyMapping, PyString};

use crate::arguments::{self, wrong_type};
use crate::exceptions::invalid_argument;

/// One secret, which is version 1, or all versions by their numbers; may be empty.
///
/// # Errors
/// `InvalidArgument` or `TypeError`, which names the version and never shows a secret.
pub(crate) fn read_secrets(secrets: &Bound<'_, PyAny>) -> PyResult<BTreeMap<KeyVersion, SigningSecret>> {
    if let Ok(secret) = secrets.cast::<PyString>() {
        return Ok(BTreeMap::from([(KeyVersion::FIRST, read_secret("secrets", secret)?)]));
    }
    let Ok(mapping) = secrets.cast::<PyMapping>() else {
        return Err(wrong_type("secrets", "a str, or a mapping of int versions to str", secrets));
    };
    let mut versions = BTreeMap::new();
    for item in mapping.items()? {
        let (version, secret): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
        let version = read_version(&version)?;
        let argument = format!("secrets[{version}]");
        let secret = secret.cast::<PyString>().map_err(|_| wrong_type(&argument, "str", &secret))?;
        versions.insert(version, read_secret(&argument, secret)?);
    }
    Ok(versions)
}

fn read_version(version: &Bound<'_, PyAny>) -> PyResult<KeyVersion> {
    let number = arguments::whole_number(version)
        .ok_or_else(|| wrong_type("secrets", "versions as int from 1 to 65535", version))?;
    number
        .and_then(|number| KeyVersion::new(u16::try_from(number).ok()?))
        .ok_or_else(|| invalid_argument(version.py(), "secrets", "expected versions from 1 to 65535"))
}

fn read_secret(argument: &str, secret: &Bound<'_, PyString>) -> PyResult<SigningSecret> {
    let text = arguments::text(argument, secret)?;
    SigningSecret::new(text.to_owned()).map_err(|invalid| invalid_argument(secret.py(), argument, invalid))
}
