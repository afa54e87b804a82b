//! Signing secrets of one token by their versions, as Python gives them.

use std::collections::BTreeMap;

use countermark_core::{InvalidSecret, KeyVersion, SigningSecret};
use pyo3::prelude::*;
use pyo3::types::{PyMapping, PyString};

use crate::arguments::{self, wrong_type};
use crate::exceptions::invalid_argument;

/// What makes a secret of a text: which lengths are allowed depends on the dialect.
type New = fn(String) -> Result<SigningSecret, InvalidSecret>;

/// One secret, which is version 1, or all versions by their numbers; may be empty.
///
/// # Errors
/// As [`by_version`].
pub(crate) fn read_secrets(secrets: &Bound<'_, PyAny>) -> PyResult<BTreeMap<KeyVersion, SigningSecret>> {
    match secrets.cast::<PyString>() {
        Ok(secret) => Ok(BTreeMap::from([(KeyVersion::FIRST, one("secrets", secret, SigningSecret::new)?)])),
        Err(_) => by_version(secrets, SigningSecret::new),
    }
}

/// One secret.
///
/// # Errors
/// `InvalidArgument` for a secret that is too short or too long.
pub(crate) fn one(argument: &str, secret: &Bound<'_, PyString>, new: New) -> PyResult<SigningSecret> {
    let text = arguments::text(argument, secret)?;
    new(text.to_owned()).map_err(|invalid| invalid_argument(secret.py(), argument, invalid))
}

/// A mapping of versions to secrets.
///
/// # Errors
/// `TypeError` for another type; `InvalidArgument` for a version or secret that is none.
pub(crate) fn by_version(
    secrets: &Bound<'_, PyAny>,
    new: New,
) -> PyResult<BTreeMap<KeyVersion, SigningSecret>> {
    let Ok(mapping) = secrets.cast::<PyMapping>() else {
        return Err(wrong_type("secrets", "a str, or a mapping of int versions to str", secrets));
    };
    let mut versions = BTreeMap::new();
    for item in mapping.items()? {
        let (number, secret): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
        for (version, secret) in issued(&number, &secret, new)? {
            if versions.insert(version, secret).is_some() {
                let argument = format!("secrets[{version}]");
                return Err(invalid_argument(mapping.py(), &argument, "expected this version once"));
            }
        }
    }
    Ok(versions)
}

/// One secret with its version.
///
/// # Errors
/// As [`by_version`].
pub(crate) fn issued(
    version: &Bound<'_, PyAny>,
    secret: &Bound<'_, PyAny>,
    new: New,
) -> PyResult<BTreeMap<KeyVersion, SigningSecret>> {
    let version = self::version(version)?;
    let argument = format!("secrets[{version}]");
    let secret = secret.cast::<PyString>().map_err(|_| wrong_type(&argument, "str", secret))?;
    Ok(BTreeMap::from([(version, one(&argument, secret, new)?)]))
}

fn version(version: &Bound<'_, PyAny>) -> PyResult<KeyVersion> {
    let number = arguments::whole_number(version)
        .ok_or_else(|| wrong_type("secrets", "versions as int from 1 to 65535", version))?;
    number
        .and_then(|number| KeyVersion::new(u16::try_from(number).ok()?))
        .ok_or_else(|| invalid_argument(version.py(), "secrets", "expected versions from 1 to 65535"))
}
