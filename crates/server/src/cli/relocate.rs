//! `countermark migrate --to`: moving an installation to another database, and taking that back.

use std::path::Path;

use countermark_store::{CopyKeys, Location, cancel_move, move_to};
use serde_json::json;

use super::failure::Failure;
use super::output::Output;
use super::restore::{Disabled, now};
use super::{block_on, secret, system_rng};
use crate::config::Config;
use crate::installation::{fill_random, location, location_of};
use crate::master_key;

/// How the target is named.
pub(super) enum Target<'a> {
    Given(&'a str),
    InFile(&'a Path),
}

pub(super) fn run(config: &Config, target: Target<'_>, output: Output) -> Result<(), Failure> {
    let (name, target) = match target {
        Target::Given(url) => ("--to".to_owned(), location_of(config, url)),
        Target::InFile(file) => (file.display().to_string(), location_of(config, &secret::from_file(file)?)),
    };
    let Some(target @ Location::Postgres(_)) = target else {
        let message =
            "expected postgres://user@host/database; to go from PostgreSQL to SQLite, use backup and restore";
        return Err(Failure::usage(format!("{name}: {message}")));
    };
    let source = location(config)?;
    let master_key = master_key::demand(config)?;
    let keys = CopyKeys { master_key: &master_key, fill_random: fill_random(&system_rng()) };
    let mut last = "";
    let mut progress = |table: &'static str, _| {
        if table != last {
            output.progress(&format!("copying {table}"));
            last = table;
        }
    };
    let moved = block_on(move_to(&source, &target, keys, now(), &mut progress))?;
    output.result(&json!({"to": moved.to, "rows": moved.rows, "wasComplete": moved.was_complete}), |_| {
        if moved.was_complete {
            return format!("The installation had been moved to {} already; nothing was done.", moved.to);
        }
        format!(
            "The installation has been moved to {}: {} rows, all read again on both sides and found the same.\n\
             Serve it from there by data.database_url, with the same master key. The old database is kept as it is, and is \
             opened no more.",
            moved.to, moved.rows
        )
    });
    Ok(())
}

pub(super) fn cancel(config: &Config, abandon: Option<Disabled>, output: Output) -> Result<(), Failure> {
    let rng = fill_random(&system_rng());
    let disable = abandon.map(Disabled::meant);
    let cancelled = block_on(cancel_move(&location(config)?, disable, now(), &rng))?;
    let to = cancelled.departure.to.clone();
    let warning = if cancelled.departure.is_complete() {
        format!(
            "Nothing may serve {to} any more: it would grant the same uses once more. What has been done there is lost: \
             tokens that were revoked there live here; revoke them anew."
        )
    } else {
        format!("What has been copied to {to} is opened by nobody; remove it.")
    };
    let report = json!({
        "to": to,
        "wasComplete": cancelled.departure.is_complete(),
        "disabled": cancelled.disabled,
        "warnings": [warning],
    });
    output.result(&report, |_| {
        format!(
            "The move is taken back: the installation is opened here again. {} tokens were disabled.\n{warning}",
            cancelled.disabled
        )
    });
    Ok(())
}
