//! The first administrator key: which ones are acceptable, and where a generated one waits for the operator.

use std::path::PathBuf;

use countermark_core::{TokenValue, ValueKind};
use countermark_domain::rng::Rng;

use crate::config::Config;
use crate::start_error::StartError;
use crate::{api_docs, native, private_file};

/// A generated administrator key, and the 0600 file that holds it until the operator has taken it.
#[derive(Debug)]
pub struct FirstKey {
    /// The key.
    pub value: TokenValue,
    /// The file.
    pub path: PathBuf,
}

/// The file that holds a generated key.
pub fn file(config: &Config) -> PathBuf {
    config.data.directory.join("admin.key")
}

/// The configured key, which must be fit to guard an installation.
///
/// # Errors
/// [`StartError::AdminKey`] for a key that is malformed, published in our documents, or repetitive.
pub fn configured(config: &Config) -> Result<Option<TokenValue>, StartError> {
    let Some(secret) = &config.admin_key else { return Ok(None) };
    let value = TokenValue::parse(secret.expose()).ok().filter(|value| value.kind() == ValueKind::ApiKey);
    let value = value.ok_or(StartError::AdminKey("not a well-formed key"))?;
    if is_published(value.expose()) {
        return Err(StartError::AdminKey("an example that everybody can read in our documents"));
    }
    if is_repetitive(value.expose()) {
        return Err(StartError::AdminKey("too regular to be random"));
    }
    Ok(Some(value))
}

/// A new key, written to its file before anything depends on it: a crash cannot lose the only key.
///
/// # Errors
/// [`StartError::File`].
pub fn generate(config: &Config, rng: &dyn Rng) -> Result<FirstKey, StartError> {
    let value = TokenValue::generate(ValueKind::ApiKey, &mut |bytes| rng.fill(bytes));
    let path = file(config);
    private_file::replace(&path, format!("{}\n", value.expose()).as_bytes())
        .map_err(|source| StartError::File { path: path.clone(), source })?;
    Ok(FirstKey { value, path })
}

/// Vectors and examples: whoever reads the repository knows these keys.
fn is_published(key: &str) -> bool {
    include_str!("../../../tests/vectors/values.json").contains(key)
        || crate::config::MANUAL.contains(key)
        || api_docs::to_json(&native::document()).contains(key)
}

/// Of 32 random digits out of 62, about 25 differ; fewer than 12 do not happen, nor do periods and long sequences.
fn is_repetitive(key: &str) -> bool {
    let random = &key.as_bytes()[4..36];
    let distinct: std::collections::BTreeSet<_> = random.iter().collect();
    let has_period =
        (1..=16).any(|period| random.iter().zip(&random[period..]).all(|(one, other)| one == other));
    let steps = random.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) == 1).count();
    distinct.len() < 12 || has_period || steps > 12
}

#[cfg(test)]
mod tests {
    use countermark_domain::rng::SeededRng;

    use super::*;

    fn accept(key: &str) -> Result<(), String> {
        let variables = [("COUNTERMARK__ADMIN_KEY".to_owned(), key.to_owned())];
        let config = Config::load(None, variables.into_iter(), &[]).unwrap();
        configured(&config).map(drop).map_err(|error| error.to_string())
    }

    /// A well-formed key whose random part is this.
    fn key_of(random: &str) -> String {
        let mut bytes = random.bytes().cycle();
        let value = TokenValue::generate(ValueKind::ApiKey, &mut |buffer| {
            for byte in buffer {
                let digit = bytes.next().unwrap();
                *byte = (0..=255)
                    .find(|raw| {
                        let one = TokenValue::generate(ValueKind::ApiKey, &mut |it| it.fill(*raw % 248));
                        one.expose().as_bytes()[4] == digit
                    })
                    .unwrap()
                    % 248;
            }
        });
        value.expose().to_owned()
    }

    #[test]
    fn generated_keys_are_acceptable() {
        let rng = SeededRng::new(3);
        for _ in 0..50 {
            let value = TokenValue::generate(ValueKind::ApiKey, &mut |bytes| rng.fill(bytes));
            assert_eq!(accept(value.expose()), Ok(()));
        }
    }

    #[test]
    fn published_keys_are_refused_wherever_they_stand() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let mut texts = vec![api_docs::to_json(&native::document())];
        let mut folders =
            ["tests/vectors", "docs", "openapi", "bindings"].map(|it| format!("{root}/{it}").into()).to_vec();
        texts.extend(std::fs::read_to_string(format!("{root}/README.md")));
        while let Some(folder) = folders.pop() as Option<PathBuf> {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                // Caches of tools are no documents: nobody publishes them.
                if entry.file_name().to_string_lossy().starts_with('.') {
                    continue;
                }
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    texts.extend(std::fs::read_to_string(entry.path()));
                }
            }
        }
        let mut found = 0;
        for text in &texts {
            for (at, _) in text.match_indices("cmk_") {
                let Some(key) = text.get(at..at + 42) else { continue };
                if TokenValue::parse(key).is_ok() {
                    found += 1;
                    assert!(accept(key).unwrap_err().contains("everybody"), "{key}");
                }
            }
        }
        assert!(found >= 2);
    }

    #[test]
    fn malformed_and_repetitive_keys_are_refused() {
        assert!(accept("secret").unwrap_err().contains("well-formed"));
        assert!(accept("cmu_5EhDN0wMXmtvfR1DCtdB8GdjrdNuNORx1E6m8p").unwrap_err().contains("well-formed"));
        for random in ["a", "0123456789", "abcdefghijklmnopqrstuvwxyz012345", "q7Zr2Lx9Wc4Tn8Yv"] {
            assert!(accept(&key_of(random)).unwrap_err().contains("regular"), "{random}");
        }
    }
}
