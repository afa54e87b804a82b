//! `countermark keys`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use countermark_store::{Location, MasterKey, OpenError, rotate_master_key};
use serde_json::json;

use super::failure::Failure;
use super::output::Output;
use super::{block_on, system_rng};
use crate::config::{Config, ConfigFlags};
use crate::installation::{fill_random, location};
use crate::start_error::StartError;
use crate::{master_key, private_file};

/// The commands under `keys`.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Seal everything under a new master key; the service must be stopped. An interrupted run is continued by the same
    /// command
    Rotate {
        /// The file of the new key; needed if the master key comes from the configuration
        #[arg(long, value_name = "FILE")]
        new_key_file: Option<PathBuf>,
        #[command(flatten)]
        flags: ConfigFlags,
    },
}

impl Keys {
    pub(super) fn run(self, output: Output) -> Result<(), Failure> {
        let Self::Rotate { new_key_file, flags } = self;
        let config = flags.load()?;
        let done = match (&config.master_key, new_key_file) {
            (None, None) => rotate_file(&config)?,
            (Some(_), Some(path)) => rotate_configured(&config, &path)?,
            (Some(_), None) => {
                let message = "the master key comes from the configuration: write a new one to a file and name it with --new-key-file";
                return Err(Failure::usage(message));
            }
            (None, Some(_)) => {
                let message = "--new-key-file is for a master key of the configuration; without it, the file in the data directory is replaced";
                return Err(Failure::usage(message));
            }
        };
        output.result(&json!({"masterKey": done.1}), |_| done.0);
        Ok(())
    }
}

/// What to tell people, and where the new key is.
type Told = (String, String);

/// The new key is written before the first row is sealed under it, and takes the old one's place after the last.
fn rotate_file(config: &Config) -> Result<Told, Failure> {
    let location = location(config)?;
    let (path, next) = (master_key::file(config), master_key::next_file(config));
    let old = master_key::read(&path)?.ok_or_else(|| StartError::File {
        path: path.clone(),
        source: std::io::ErrorKind::NotFound.into(),
    })?;
    let was_interrupted = next.exists();
    let new = master_key::make(&next, &*system_rng())?;
    if let Err(error) = rotate(&location, &old, &new) {
        let has_not_begun = matches!(
            error,
            OpenError::InUse(_) | OpenError::Missing(_) | OpenError::WrongMasterKey | OpenError::Linked(_)
        );
        if has_not_begun && !was_interrupted {
            let _ = std::fs::remove_file(&next);
        }
        return Err(error.into());
    }
    private_file::rename(&next, &path).map_err(|source| StartError::File { path: path.clone(), source })?;
    let path = path.display().to_string();
    Ok((format!("Everything is sealed under a new master key, which is in {path}."), path))
}

fn rotate_configured(config: &Config, path: &Path) -> Result<Told, Failure> {
    let old = master_key::find(config)?.ok_or_else(|| Failure::usage("no master key is configured"))?;
    let new = master_key::read(path)?
        .ok_or_else(|| Failure::unreachable(format!("{}: there is no such file", path.display())))?;
    rotate(&location(config)?, &old, &new)?;
    let path = path.display().to_string();
    Ok((format!("Everything is sealed under the key in {path}: configure it now as the master key."), path))
}

fn rotate(location: &Location, old: &MasterKey, new: &MasterKey) -> Result<(), OpenError> {
    block_on(rotate_master_key(location, old, new, fill_random(&system_rng())))
}
