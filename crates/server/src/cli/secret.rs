//! Secrets of the command line: from the environment or from files, never from arguments, which every user can see.

use std::path::Path;

use zeroize::Zeroizing;

use super::failure::Failure;

/// The value of the variable `name`, or the content of the file that `{name}_FILE` names.
///
/// # Errors
/// Both are given, or the file cannot be read.
pub fn from_environment(name: &str) -> Result<Option<Zeroizing<String>>, Failure> {
    let file = format!("{name}_FILE");
    match (variable(name)?, variable(&file)?) {
        (Some(_), Some(_)) => Err(Failure::usage(format!("{name} and {file} are both given"))),
        (Some(value), None) => Ok(Some(value)),
        (None, Some(path)) => from_file(Path::new(&*path)).map(Some),
        (None, None) => Ok(None),
    }
}

/// The content of a file less the line feed at its end.
///
/// # Errors
/// The file cannot be read, or is not UTF-8.
pub fn from_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|error| Failure::unreachable(format!("{}: {error}", path.display())))?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn variable(name: &str) -> Result<Option<Zeroizing<String>>, Failure> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(Zeroizing::new(value)).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::usage(format!("{name}: expected UTF-8"))),
    }
}
