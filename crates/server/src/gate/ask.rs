//! One ask: who asks, what was asked of the proxy, with which credential, under which rule; then the service decides.

use std::borrow::Cow;

use actix_web::HttpRequest;
use countermark_core::{
    DenyReason, Host, Malformed, SignedUrl, find_target_fault, looks_signed, may_be_chosen,
};
use countermark_domain::store::StoreError;
use countermark_domain::{Answer, Credential, DomainError, Facts, Question, Service};

use super::answer::{Pass, Refused};
use super::credential::Presented;
use super::heads::Heads;
use super::original::{Original, Untold};
use super::rules::{find_rule, usual_permission, without_prefix};
use super::{Dialect, Gate, destination};
use crate::config::{GateChallenge, GateRule};
use crate::state::AppState;
use crate::throttle::Entrance;

/// Decides; a counted use is durable before this returns.
pub(super) async fn ask(dialect: &Dialect, request: &HttpRequest, state: &AppState) -> Result<Pass, Refused> {
    let gate = &state.gate;
    if !gate.trust.holds(request.peer_addr(), request.headers()) {
        gate.tell_untrusted(request);
        return Err(Refused::Untrusted);
    }
    let heads = Heads::read(request.headers(), dialect.names)
        .map_err(|_| Refused::Malformed("a header stands twice, or beside one spelled with _ or . for -"))?;
    let original = (dialect.original)(request, &heads).map_err(|untold| match untold {
        Untold::Missing(name) => {
            gate.tell_missing(dialect, name);
            Refused::Untold
        }
        Untold::Unreadable => Refused::Malformed("the proxy's report of the request cannot be read"),
    })?;
    let is_signed = looks_signed(original.target);
    let is_preflight = is_preflight(&original, &heads);
    if (is_preflight || !is_signed)
        && let Some(fault) = find_target_fault(original.target)
    {
        return Err(malformed(fault));
    }
    let host = Host::parse(original.host).map_err(malformed)?;
    if is_preflight {
        return Ok(Pass { token: None, max_age: None });
    }
    let presented = Presented::read(original.target, is_signed, &heads)
        .map_err(|_| Refused::Malformed("more than one credential was presented"))?;
    let rule = gate.rule(&original, &host, &heads, is_signed)?;
    let destination = destination_of(&original, &heads)?;
    let client = original.client.map(|address| address.to_string());
    decide(state, &Case { original, host, presented, rule, destination, client }).await
}

/// All that the decision depends on.
struct Case<'a> {
    original: Original<'a>,
    host: Host,
    presented: Presented<'a>,
    rule: Option<&'a GateRule>,
    destination: Option<&'a str>,
    client: Option<String>,
}

async fn decide(state: &AppState, case: &Case<'_>) -> Result<Pass, Refused> {
    let (service, gate) = (&*state.service, &state.gate);
    let question = case.question()?;
    let may_be_guess = case.may_be_guess();
    let throttled = |seconds| Refused::Throttled { seconds };
    if may_be_guess && let Some(seconds) = state.throttle.brake(Entrance::Gate, case.original.client) {
        return Err(throttled(seconds));
    }
    let answer = match service.authorize_from_cache(&question) {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => service.authorize(&question).await,
        Err(error) => Err(error),
    };
    let answer = answer.map_err(|error| gate.failed(&error))?;
    let max_age = case.max_age(&answer, service, gate.max_age);
    let token = answer.token.map(|entry| (entry, answer.used));
    match answer.verdict {
        Ok(_) => Ok(Pass { token, max_age }),
        Err(DenyReason::UnknownToken)
            if may_be_guess
                && let Some(seconds) = state.throttle.count(Entrance::Gate, case.original.client) =>
        {
            Err(throttled(seconds))
        }
        Err(reason) => Err(Refused::Denied { reason, token, challenge: case.challenge() }),
    }
}

impl Case<'_> {
    fn question(&self) -> Result<Question<'_>, Refused> {
        let host = self.host.as_str();
        let original = &self.original;
        let mut facts = Facts {
            method: Some(original.method),
            destination: self.destination,
            permission: Some(usual_permission(original.method)),
            bytes: original.bytes,
            content_type: original.content_type,
            client: self.client.as_deref(),
            ..Facts::default()
        };
        if let Some(GateRule { demand, .. }) = self.rule {
            let is_spared = demand.links && matches!(self.presented, Presented::Link { .. });
            facts.is_demanded_of_all =
                !is_spared && (demand.permission.is_some() || demand.storage.is_some());
            facts.permission = demand.permission.as_deref().or(facts.permission);
            facts.storage = demand.storage.as_deref();
            facts.demanded_cloud = demand.cloud.as_deref();
        }
        let credential = match &self.presented {
            Presented::Nothing => return Err(Refused::NoCredential(self.challenge())),
            Presented::Link { viewer } => {
                // Host and path come from the link itself.
                facts.viewer = viewer.as_ref().map(|basic| basic.pair());
                Credential::Target { host, target: original.target }
            }
            Presented::Value(value) => Credential::Value(value),
            Presented::Basic(basic) => {
                let (username, password) = basic.pair();
                Credential::Basic { username, password }
            }
            // Nothing was ever issued that is empty: refused as unknown, and counted as that.
            Presented::Unusable => Credential::Value(""),
        };
        if !matches!(credential, Credential::Target { .. }) {
            facts.host = Some(host);
            facts.path = Some(self.virtual_path(path_of(original.target))?);
            facts.destination = self.destination.map(|path| self.virtual_path(path)).transpose()?;
            facts.upload = upload_of(original);
        }
        let cost = if self.rule.is_some_and(|rule| rule.demand.free) { 0 } else { 1 };
        Ok(Question { credential, facts, cost, dry_run: false, idempotency: None })
    }

    /// The path as a key's `basePath` knows it: without what the rule strips.
    fn virtual_path<'p>(&self, path: &'p str) -> Result<&'p str, Refused> {
        match self.rule.and_then(|rule| rule.demand.strip.as_ref()) {
            None => Ok(path),
            Some(prefix) => without_prefix(prefix, path).ok_or_else(outside),
        }
    }

    /// Whether the client presents a value that can be found by trying: one that a person may have chosen.
    fn may_be_guess(&self) -> bool {
        match &self.presented {
            Presented::Value(value) => may_be_chosen(value),
            // Only a value that stands twice is looked up.
            Presented::Basic(basic) => {
                let (username, password) = basic.pair();
                may_be_chosen(username) && username == password
            }
            Presented::Nothing | Presented::Link { .. } | Presented::Unusable => false,
        }
    }

    fn challenge(&self) -> GateChallenge {
        self.rule.map(|rule| rule.challenge).unwrap_or_default()
    }

    /// Seconds until the first instant from which on the same link could be refused, and at most `most`; only for links
    /// that open to everybody and as often as one likes.
    fn max_age(&self, answer: &Answer, service: &Service, most: u64) -> Option<u64> {
        let terms = &answer.token.as_ref().filter(|_| answer.verdict.is_ok())?.terms;
        let Presented::Link { viewer: None } = &self.presented else { return None };
        if terms.limit.is_some() {
            return None;
        }
        let left = answer.link_ends.map(|end| end.get().saturating_sub(service.now().get()));
        Some(left.map_or(most, |seconds| seconds.min(most))).filter(|seconds| *seconds > 0)
    }
}

impl Gate {
    /// The rule that the request meets. The destination of a MOVE or COPY meets one with the same demand.
    fn rule(
        &self,
        original: &Original<'_>,
        host: &Host,
        heads: &Heads<'_>,
        is_signed: bool,
    ) -> Result<Option<&GateRule>, Refused> {
        if self.rules.is_empty() {
            return Ok(None);
        }
        let path = if is_signed {
            SignedUrl::parse_target(host.clone(), original.target).map_err(malformed)?.path()
        } else {
            Cow::Borrowed(path_of(original.target))
        };
        let find = |path: &str| find_rule(&self.rules, host.as_str(), original.method, path);
        let rule = find(&path).map_err(malformed)?;
        if is_move(original.method) && self.rules.iter().any(|rule| rule.path.is_some()) {
            let destination = destination_of(original, heads)?.ok_or_else(outside)?;
            let there = find(destination).map_err(malformed)?;
            if there.map(|rule| &rule.demand) != rule.map(|rule| &rule.demand) {
                return Err(outside());
            }
        }
        Ok(rule)
    }

    fn failed(&self, error: &DomainError) -> Refused {
        if let DomainError::Invalid { detail, .. } = error {
            return Refused::Malformed(detail);
        }
        self.tell_failing(error);
        match error {
            DomainError::Store(StoreError::Corrupt { .. }) => Refused::Broken,
            _ => Refused::Unavailable,
        }
    }
}

/// A destination to which the rule does not reach.
fn outside() -> Refused {
    Refused::Denied { reason: DenyReason::PathDenied, token: None, challenge: GateChallenge::default() }
}

fn malformed(fault: Malformed) -> Refused {
    Refused::Malformed(fault.0)
}

/// What a browser asks before a request from another origin: without credentials of its own, and without effect.
fn is_preflight(original: &Original<'_>, heads: &Heads<'_>) -> bool {
    let has_key = heads.authorization.is_some() || heads.custom_key.is_some();
    original.method == "OPTIONS" && heads.origin.is_some() && heads.preflight_method.is_some() && !has_key
}

fn is_move(method: &str) -> bool {
    matches!(method, "MOVE" | "COPY")
}

fn destination_of<'a>(original: &Original<'_>, heads: &Heads<'a>) -> Result<Option<&'a str>, Refused> {
    let Some(value) = heads.destination.filter(|_| is_move(original.method)) else { return Ok(None) };
    let path = destination::path(value, original.host);
    path.map(Some).ok_or(Refused::Malformed("expected a path on the same host and port as the Destination"))
}

fn path_of(target: &str) -> &str {
    target.split_once('?').map_or(target, |(path, _)| path)
}

/// The upload that a request continues, named by the last segment of its path.
fn upload_of(original: &Original<'_>) -> Option<countermark_core::UploadId> {
    if !matches!(original.method, "PATCH" | "HEAD" | "DELETE") {
        return None;
    }
    path_of(original.target).rsplit('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn what_keeps_a_decision_from_being_made_never_allows() {
        let gate = Gate::new(&Config::default().gate);
        let down = StoreError::Unavailable("the disk is full".to_owned());
        assert!(matches!(gate.failed(&DomainError::Store(down)), Refused::Unavailable));
        assert!(matches!(gate.failed(&DomainError::Overloaded), Refused::Unavailable));
        let differs = DomainError::Invalid { pointer: "/request/host", detail: "x" };
        assert!(matches!(gate.failed(&differs), Refused::Malformed("x")));
    }

    #[test]
    fn only_what_continues_an_upload_names_one() {
        let id = countermark_core::UploadId::from_parts(1_800_000_000_000, [7; 10]);
        let upload = |method, target: &str| {
            upload_of(&Original { target, method, host: "h", client: None, bytes: None, content_type: None })
        };
        for method in ["PATCH", "HEAD", "DELETE"] {
            assert_eq!(upload(method, &format!("/files/{id}?x=/y")), Some(id));
            assert_eq!(upload(method, &format!("/files/{id}/")), None);
            assert_eq!(upload(method, &format!("/files/?{id}")), None);
        }
        for method in ["GET", "POST", "PUT"] {
            assert_eq!(upload(method, &format!("/files/{id}")), None);
        }
    }
}
