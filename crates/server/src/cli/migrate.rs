//! `countermark migrate`.

use clap::Args;
use serde_json::json;

use super::block_on;
use super::failure::Failure;
use super::output::Output;
use crate::config::ConfigFlags;
use crate::installation::location;
use crate::private_file;
use crate::start_error::StartError;

/// The arguments of `migrate`.
#[derive(Args, Debug)]
pub struct Migrate {
    #[command(flatten)]
    flags: ConfigFlags,
}

impl Migrate {
    pub(super) fn run(self, output: Output) -> Result<(), Failure> {
        let config = self.flags.load()?;
        let location = location(&config)?;
        let directory = config.data.directory;
        private_file::create_folder(&directory)
            .map_err(|source| StartError::Directory { path: directory, source })?;
        let done = block_on(countermark_store::migrate(&location))?;
        output.result(&json!({"from": done.from, "to": done.to}), |_| {
            if done.from == done.to {
                format!("The schema was at version {} already.", done.to)
            } else {
                format!("The schema went from version {} to {}.", done.from, done.to)
            }
        });
        Ok(())
    }
}
