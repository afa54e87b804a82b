//! `countermark backup`.

use std::path::PathBuf;

use clap::Args;
use countermark_store::OpenError;
use serde_json::json;

use super::block_on;
use super::failure::Failure;
use super::output::Output;
use crate::config::ConfigFlags;
use crate::installation::location;
use crate::master_key;

/// The arguments of `backup`.
#[derive(Args, Debug)]
pub struct Backup {
    /// The file to write; it must not be there yet
    file: PathBuf,
    #[command(flatten)]
    flags: ConfigFlags,
}

impl Backup {
    pub(super) fn run(self, output: Output) -> Result<(), Failure> {
        let config = self.flags.load()?;
        let file = self.file.display().to_string();
        match block_on(countermark_store::backup(&location(&config)?, &self.file)) {
            Err(OpenError::File { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(Failure::refused(format!("{file} is there already; nothing is overwritten")));
            }
            done => done?,
        }
        let key = match &config.master_key {
            Some(_) => "the configured master key".to_owned(),
            None => master_key::file(&config).display().to_string(),
        };
        output.result(&json!({"file": file, "masterKeyLeftOut": key}), |_| {
            format!("Written to {file}. It does not hold the master key: keep {key} too, elsewhere.")
        });
        Ok(())
    }
}
