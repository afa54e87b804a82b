//! `countermark restore`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use countermark_core::UnixSeconds;
use countermark_domain::clock::{Clock, SystemClock};
use countermark_store::{CopyKeys, Disable, Location, OpenError, RestoreOrder, Restored, restore};
use serde_json::{Value, json};

use super::failure::Failure;
use super::output::Output;
use super::{block_on, system_rng};
use crate::config::{Config, ConfigFlags};
use crate::facade::instant::without_fraction;
use crate::installation::{fill_random, location};
use crate::start_error::StartError;
use crate::{master_key, private_file};

/// The arguments of `restore`.
#[derive(Args, Debug)]
pub struct Restore {
    /// The backup to read; it stays as it is
    file: PathBuf,
    /// Move a SQLite database that is there aside
    #[arg(long)]
    replace: bool,
    /// Which tokens are disabled, since more may have happened than the backup knows
    #[arg(long, value_enum, value_name = "WHICH", default_value = "limited")]
    disable: Disabled,
    #[command(flatten)]
    flags: ConfigFlags,
}

/// Which tokens are disabled when data come back that are older than the truth.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Disabled {
    /// Those under a limit that could still be used
    Limited,
    /// All that could still be used
    All,
    /// None; uses can be taken twice then
    None,
}

impl Disabled {
    pub(super) fn meant(self) -> Disable {
        match self {
            Self::Limited => Disable::Limited,
            Self::All => Disable::All,
            Self::None => Disable::None,
        }
    }
}

impl Restore {
    pub(super) fn run(self, output: Output) -> Result<(), Failure> {
        let config = self.flags.load()?;
        let location = location(&config)?;
        let restored = self.restore(&config, &location, output)?;
        let warnings = warnings(self.disable);
        let report = json!({
            "file": self.file.display().to_string(),
            "epoch": restored.epoch,
            "tokens": restored.tokens,
            "disabled": restored.disabled,
            "asOf": without_fraction(restored.as_of),
            "replaced": restored.replaced.as_ref().map(|path| path.display().to_string()),
            "warnings": warnings,
        });
        output.result(&report, |report| told(report, &restored, &warnings));
        Ok(())
    }

    fn restore(&self, config: &Config, location: &Location, output: Output) -> Result<Restored, Failure> {
        let directory = &config.data.directory;
        private_file::create_folder(directory)
            .map_err(|source| StartError::Directory { path: directory.clone(), source })?;
        let master_key = master_key::demand(config)?;
        let keys = CopyKeys { master_key: &master_key, fill_random: fill_random(&system_rng()) };
        let order = RestoreOrder {
            file: &self.file,
            target: location,
            replace: self.replace,
            disable: self.disable.meant(),
            now: now(),
            workspace: directory,
        };
        let mut last = "";
        let mut progress = |table: &'static str, _| {
            if table != last {
                output.progress(&format!("copying {table}"));
                last = table;
            }
        };
        block_on(restore(order, keys, &mut progress)).map_err(|error| match (&error, location) {
            (OpenError::NotEmpty(_), Location::Sqlite(_)) => {
                Failure::refused(format!("{error}; --replace moves it aside first"))
            }
            (OpenError::NotEmpty(_), _) => Failure::refused(format!(
                "{error}; stop every node, and give it an empty schema (ALTER SCHEMA … RENAME TO …; CREATE SCHEMA …)"
            )),
            _ => error.into(),
        })
    }
}

/// What no backup can know of the time after it.
fn warnings(disable: Disabled) -> Vec<&'static str> {
    let mut warnings = match disable {
        Disabled::Limited => vec![
            "Uses that were taken since the backup are not in it: tokens under a limit are disabled. Enable only those of which \
             you know how often they were used.",
            "Tokens without a limit that were revoked or disabled since the backup work again: end them anew.",
        ],
        Disabled::All => vec![
            "Every token that could be used is disabled, administrators too: `countermark admin create` makes a new one. Enable \
             what you know to be right.",
        ],
        Disabled::None => vec![
            "Uses that were taken since the backup can be taken once more: limits are not kept.",
            "Tokens that were revoked or disabled since the backup work again: end them anew.",
        ],
    };
    warnings.push("Tokens that were issued since the backup are unknown, and changes since then are undone.");
    warnings
}

fn told(report: &Value, restored: &Restored, warnings: &[&str]) -> String {
    let mut text = format!(
        "Restored {} with {} tokens. The backup knows nothing later than {}, or little.\n\
         {} tokens were disabled; `countermark token list --status disabled` lists them. This is epoch {} of the data.\n",
        report["file"].as_str().unwrap_or_default(),
        restored.tokens,
        without_fraction(restored.as_of),
        restored.disabled,
        restored.epoch,
    );
    if let Some(replaced) = report["replaced"].as_str() {
        text.push_str(&format!("The database that was there before is now {replaced}.\n"));
    }
    for warning in warnings {
        text.push_str(&format!("Mind: {warning}\n"));
    }
    text
}

/// The time on this machine.
pub(super) fn now() -> UnixSeconds {
    UnixSeconds::new(SystemClock.now_millis() / 1000).unwrap_or_default()
}
