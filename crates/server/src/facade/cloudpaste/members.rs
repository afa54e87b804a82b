//! Members of requests that making and changing a key have in common.

use countermark_core::{BasePath, Permission, UnixSeconds};
use serde::Deserialize;

use super::bits;
use crate::facade::instant;
use crate::json::{Text, Whole};
use crate::problem::Problem;

/// A sum of permission bits.
pub type Bits = Whole<0, 204_559>;

/// Who a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Role {
    /// Whoever has it.
    General,
    /// Everybody.
    Guest,
}

/// The trimmed name.
///
/// # Errors
/// 400 where nothing is left of it.
pub fn name(given: &str) -> Result<String, Problem> {
    match given.trim() {
        "" => Err(Problem::invalid_member("/name", "expected a name that is not blank")),
        name => Ok(name.to_owned()),
    }
}

/// The permissions behind a sum of bits.
///
/// # Errors
/// 400 for a bit that stands for nothing.
pub fn permissions(given: Bits) -> Result<Vec<Permission>, Problem> {
    let bits = u32::try_from(given.get()).unwrap_or(u32::MAX);
    bits::permissions(bits).ok_or_else(|| {
        Problem::invalid_member("/permissions", "expected a sum of known permission bits, at most 204559")
    })
}

/// The path that a key is confined to; `None` for `/`, which is everywhere.
///
/// # Errors
/// 400 for a path that two servers could take for different ones.
pub fn base_path(given: &str) -> Result<Option<BasePath>, Problem> {
    if matches!(given, "" | "/") {
        return Ok(None);
    }
    let path = BasePath::parse(given).ok().filter(|_| given.len() <= 1024);
    let refused = || {
        let expected = "expected a plain path of at most 1024 bytes such as /upload, without empty, . and .. segments, escapes and backslashes";
        Problem::invalid_member("/basic_path", expected)
    };
    path.map(Some).ok_or_else(refused)
}

/// When a key ends; `None` for never, also as answers write it.
///
/// # Errors
/// 400 for what is no instant.
pub fn expiry(given: &Text<0, 64>) -> Result<Option<UnixSeconds>, Problem> {
    if &**given == "never" {
        return Ok(None);
    }
    let read = instant::read(given).ok_or_else(|| {
        let expected =
            "expected null, \"never\" or an instant from 1970 to 9999 such as 2027-01-31T12:00:00.000Z";
        Problem::invalid_member("/expires_at", expected)
    })?;
    Ok(Some(read).filter(|instant| *instant != UnixSeconds::MAX))
}
