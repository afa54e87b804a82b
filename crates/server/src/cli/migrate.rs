//! `countermark migrate`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::block_on;
use super::failure::Failure;
use super::output::Output;
use super::relocate::{self, Target};
use super::restore::Disabled;
use crate::config::{Config, ConfigFlags};
use crate::installation::location;
use crate::private_file;
use crate::start_error::StartError;

/// The arguments of `migrate`.
#[derive(Args, Debug)]
#[command(
    after_help = "With --to or --to-file the stopped installation is moved from SQLite to an empty PostgreSQL database, for good: \
    it is not opened here any more. An interrupted move is continued by the same command. Other users of the machine can see \
    arguments: a URL with a password belongs into a file."
)]
pub struct Migrate {
    /// Move the installation to this PostgreSQL database
    #[arg(long, value_name = "URL", conflicts_with = "to_file")]
    to: Option<String>,
    /// The same with the URL from a file
    #[arg(long, value_name = "FILE")]
    to_file: Option<PathBuf>,
    /// Take a move back, so that the installation is opened here again
    #[arg(long, conflicts_with_all = ["to", "to_file"])]
    cancel: bool,
    /// With --cancel, also after the move has ended: what has been done there is lost
    #[arg(long, requires = "cancel")]
    abandon_target: bool,
    /// With --abandon-target, which tokens are disabled here, since they may have been used there
    #[arg(long, value_enum, value_name = "WHICH", default_value = "limited", requires = "abandon_target")]
    disable: Disabled,
    #[command(flatten)]
    flags: ConfigFlags,
}

impl Migrate {
    pub(super) fn run(self, output: Output) -> Result<(), Failure> {
        let config = self.flags.load()?;
        if self.cancel {
            return relocate::cancel(&config, self.abandon_target.then_some(self.disable), output);
        }
        match (&self.to, &self.to_file) {
            (Some(url), _) => relocate::run(&config, Target::Given(url), output),
            (None, Some(file)) => relocate::run(&config, Target::InFile(file), output),
            (None, None) => bring_up(config, output),
        }
    }
}

fn bring_up(config: Config, output: Output) -> Result<(), Failure> {
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
