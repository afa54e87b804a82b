//! What `doctor` finds in the database.

use std::sync::Arc;

use countermark_domain::cache::Cache;
use countermark_domain::clock::{Clock, SystemClock, TOLERATED_STEP_BACK_SECONDS};
use countermark_domain::store::Position;
use countermark_store::{Facts, Location, OpenError, Settings};

use super::Findings;
use crate::cli::{block_on, system_rng};
use crate::config::Config;
use crate::installation::fill_random;
use crate::master_key;

pub(super) fn examine(config: &Config, location: &Location, is_running: bool, findings: &mut Findings) {
    const CHECK: &str = "database";
    let shown = match location {
        Location::Sqlite(path) => path.display().to_string(),
        _ => "the configured one".to_owned(),
    };
    let facts = match block_on(countermark_store::check(location)) {
        Ok(facts) => facts,
        Err(OpenError::Missing(_)) => {
            let detail = format!("{shown} is not there");
            return findings.warn(CHECK, &detail, "the first `countermark serve` makes it");
        }
        Err(error) => {
            let detail = format!("{shown}: {error}");
            return findings.fail(CHECK, &detail, "restore the last good backup if it stays so");
        }
    };
    soundness(&shown, &facts, findings);
    schema(&facts, findings);
    if copies(&facts, findings) {
        return;
    }
    if facts.is_rotation_unfinished {
        findings.fail(
            "seals",
            "a rotation of the master key was interrupted",
            "finish it with `countermark keys rotate`",
        );
    } else if facts.schema == facts.schema_known && facts.master_key_version.is_some() {
        match location {
            Location::Sqlite(_) if is_running => {}
            Location::Sqlite(_) => opened(config, location, findings),
            _ => key(config, location, findings),
        }
    }
}

/// Whether the installation cannot be opened because of a copy from it or into it.
fn copies(facts: &Facts, findings: &mut Findings) -> bool {
    const CHECK: &str = "move";
    if facts.is_half_filled {
        let advice = "finish it with the command that began it, or empty the database";
        findings.fail(CHECK, "the database holds the beginning of a copy, which nobody can open", advice);
        return true;
    }
    let Some(departure) = &facts.departure else { return false };
    let advice = if departure.is_complete() {
        "serve it there: set data.database_url"
    } else {
        "finish it with the same `countermark migrate --to`, or give it up with `countermark migrate --cancel`"
    };
    findings.fail(CHECK, &format!("the installation {}", departure.tale()), advice);
    true
}

fn soundness(shown: &str, facts: &Facts, findings: &mut Findings) {
    const CHECK: &str = "database";
    match facts.problems.first() {
        None => {
            let megabytes = (facts.database_bytes + facts.log_bytes).div_ceil(1 << 20);
            let epoch = facts.epoch.map(|epoch| format!(", epoch {epoch}")).unwrap_or_default();
            let detail = format!(
                "{shown} is sound: {} tokens, {megabytes} MiB, {}{epoch}",
                facts.tokens, facts.engine_version
            );
            findings.ok(CHECK, &detail);
        }
        Some(problem) => {
            let detail = format!("{shown}: {} faults, such as: {problem}", facts.problems.len());
            findings.fail(CHECK, &detail, "stop the service and restore the last good backup");
        }
    }
}

fn schema(facts: &Facts, findings: &mut Findings) {
    let detail = format!("version {}, this program knows {}", facts.schema, facts.schema_known);
    match facts.schema.cmp(&facts.schema_known) {
        std::cmp::Ordering::Equal => findings.ok("schema", &detail),
        std::cmp::Ordering::Less => {
            findings.warn("schema", &detail, "`countermark migrate` or the next start brings it up to date")
        }
        std::cmp::Ordering::Greater => findings.fail("schema", &detail, "run the newer version"),
    }
}

/// Whether the key fits, where others may be at work.
fn key(config: &Config, location: &Location, findings: &mut Findings) {
    let Ok(Some(master_key)) = master_key::find(config) else {
        return findings.fail("seals", "there is no master key to open them", "put the master key back");
    };
    match block_on(countermark_store::check_master_key(location, &master_key)) {
        Ok(()) => findings.ok("seals", "the master key fits"),
        Err(error) => findings.fail("seals", &error.to_string(), "put the right master key back"),
    }
}

/// What only shows with the key and under the lock: whether the key fits, and the highest time.
fn opened(config: &Config, location: &Location, findings: &mut Findings) {
    let Ok(Some(master_key)) = master_key::find(config) else {
        return findings.fail("seals", "there is no master key to open them", "put the master key back");
    };
    let listener = Arc::new(Cache::new(1, Position(0)));
    let settings = Settings { master_key, fill_random: fill_random(&system_rng()), listener };
    let highest = block_on(async {
        let store = countermark_store::open(location, settings).await?;
        let highest = store.highest_time().await;
        store.close().await;
        highest.map_err(OpenError::from)
    });
    match highest {
        Err(error) => findings.fail("seals", &error.to_string(), "put the right master key back"),
        Ok(highest) => {
            findings.ok("seals", "the master key fits");
            let behind = highest.get().saturating_sub(SystemClock.now_millis() / 1000);
            if behind > TOLERATED_STEP_BACK_SECONDS {
                let detail = format!("{behind} s behind the highest time seen");
                findings.fail(
                    "clock",
                    &detail,
                    "set it right; the service is not ready until it has caught up",
                );
            } else {
                findings.ok("clock", "not behind the highest time seen");
            }
        }
    }
}
