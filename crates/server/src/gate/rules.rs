//! Which demand of the configuration a request meets.

use countermark_core::{Malformed, find_ambiguity};

use crate::config::{GateDemand, GateRule};

/// The demand of the first rule that matches; `host` is canonical, `path` undecoded and without query.
///
/// # Errors
/// The path could be read in two ways, and a rule would have to know which.
pub(super) fn find_demand<'r>(
    rules: &'r [GateRule],
    host: &str,
    method: &str,
    path: &str,
) -> Result<Option<&'r GateDemand>, Malformed> {
    let concerns = |rule: &&GateRule| {
        rule.host.as_deref().is_none_or(|it| it == host)
            && rule.methods.as_ref().is_none_or(|methods| methods.iter().any(|it| it == method))
    };
    for rule in rules.iter().filter(concerns) {
        let Some(prefix) = &rule.path else { return Ok(Some(&rule.demand)) };
        if let Some(ambiguity) = find_ambiguity(path) {
            return Err(ambiguity);
        }
        if prefix.covers(path) {
            return Ok(Some(&rule.demand));
        }
    }
    Ok(None)
}

/// The permission that a method needs where no rule names one.
pub(super) fn usual_permission(method: &str) -> &'static str {
    if matches!(method, "GET" | "HEAD" | "OPTIONS" | "PROPFIND") { "read" } else { "write" }
}
