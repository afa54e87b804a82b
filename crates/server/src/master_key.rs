//! Where the master key comes from: the configuration, or a file in the data directory.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use countermark_domain::rng::Rng;
use countermark_store::MasterKey;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::private_file;
use crate::start_error::StartError;

/// The master key file of an installation.
pub fn file(config: &Config) -> PathBuf {
    config.data.directory.join("master.key")
}

/// The file that holds the new key while a rotation is under way.
pub fn next_file(config: &Config) -> PathBuf {
    config.data.directory.join("master.key.next")
}

/// The configured key, or that of the file; `None` if there is neither.
///
/// # Errors
/// [`StartError::MasterKeyForm`], [`StartError::File`].
pub fn find(config: &Config) -> Result<Option<MasterKey>, StartError> {
    match &config.master_key {
        Some(secret) => match parse(secret.expose()) {
            Some(key) => Ok(Some(key)),
            None => Err(StartError::MasterKeyForm("master_key".to_owned())),
        },
        None => read(&file(config)),
    }
}

/// The key of an installation that is there.
///
/// # Errors
/// As [`find`], and [`StartError::MasterKeyMissing`].
pub fn demand(config: &Config) -> Result<MasterKey, StartError> {
    find(config)?.ok_or_else(|| StartError::MasterKeyMissing(file(config)))
}

/// The key in this file; `None` if there is no such file.
///
/// # Errors
/// [`StartError::MasterKeyForm`], [`StartError::File`].
pub fn read(path: &Path) -> Result<Option<MasterKey>, StartError> {
    match std::fs::read_to_string(path).map(Zeroizing::new) {
        Ok(text) => {
            parse(&text).map(Some).ok_or_else(|| StartError::MasterKeyForm(path.display().to_string()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(StartError::MasterKeyForm(path.display().to_string()))
        }
        Err(source) => Err(StartError::File { path: path.to_owned(), source }),
    }
}

/// Writes a new key to a file unless it is there, and reads what the file then holds.
///
/// # Errors
/// [`StartError::MasterKeyForm`], [`StartError::File`].
pub fn make(path: &Path, rng: &dyn Rng) -> Result<MasterKey, StartError> {
    let mut key = Zeroizing::new([0; 32]);
    rng.fill(&mut *key);
    let mut text = Zeroizing::new(STANDARD.encode(*key));
    text.push('\n');
    private_file::create(path, text.as_bytes())
        .map_err(|source| StartError::File { path: path.to_owned(), source })?;
    // Another process may have been faster: its key counts.
    read(path)?.ok_or_else(|| StartError::MasterKeyForm(path.display().to_string()))
}

/// 32 bytes in base64 (either alphabet, padded or not) or 64 hexadecimal digits.
fn parse(text: &str) -> Option<MasterKey> {
    let text = text.trim();
    let mut key = Zeroizing::new([0; 32]);
    if text.len() == 64 {
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digit = |place: usize| char::from(digits[place]).to_digit(16);
            *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
        }
        return Some(MasterKey::new(*key));
    }
    let engines = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD];
    let bytes = engines.iter().find_map(|engine| engine.decode(text).ok().map(Zeroizing::new))?;
    if bytes.len() != key.len() {
        return None;
    }
    key.copy_from_slice(&bytes);
    Some(MasterKey::new(*key))
}

#[cfg(test)]
mod tests {
    use countermark_domain::rng::SeededRng;

    use super::*;

    #[test]
    fn a_key_is_32_bytes_in_base64_or_hexadecimal_and_nothing_else() {
        assert!(parse(&"0f".repeat(32)).is_some());
        assert!(parse(&STANDARD.encode([7; 32])).is_some());
        assert!(parse(&format!("{}\n", URL_SAFE_NO_PAD.encode([255; 32]))).is_some());
        for wrong in ["", "0f", &"0g".repeat(32), &STANDARD.encode([7; 31]), &STANDARD.encode([7; 33]), "é"]
        {
            assert!(parse(wrong).is_none());
        }
    }

    #[test]
    fn a_made_key_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        make(&path, &SeededRng::new(1)).unwrap();
        let first = std::fs::read(&path).unwrap();
        make(&path, &SeededRng::new(2)).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
        assert_eq!(private_file::mode(&path).unwrap(), 0o600);
    }
}
