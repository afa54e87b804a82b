//! The bodies of notifications.

use chrono::{DateTime, SecondsFormat};
use countermark_core::{TokenEvent, TokenId, UnixSeconds};
use serde::Serialize;

/// What an event tells of its token; no secrets.
#[derive(Clone, Debug)]
pub struct TokenFacts<'a> {
    /// Public handle.
    pub id: TokenId,
    /// Display name.
    pub name: Option<&'a str>,
    /// On whose behalf it acts.
    pub owner: Option<&'a str>,
    /// Most uses.
    pub limit: Option<u64>,
    /// Uses so far.
    pub used: u64,
    /// First instant at which it no longer works.
    pub expiry: Option<UnixSeconds>,
    /// When it was revoked.
    pub revoked_at: Option<UnixSeconds>,
}

/// The JSON text of a notification: `{"type", "timestamp" (RFC 3339), "data"}`.
pub fn body(event_type: &str, at: UnixSeconds, data: &impl Serialize) -> String {
    #[derive(Serialize)]
    struct Body<'a, T> {
        #[serde(rename = "type")]
        event_type: &'a str,
        timestamp: String,
        data: &'a T,
    }
    let instant = i64::try_from(at.get()).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let instant = instant.expect("the year 9999 is within the range of dates");
    let timestamp = instant.to_rfc3339_opts(SecondsFormat::Secs, true);
    serde_json::to_string(&Body { event_type, timestamp, data })
        .expect("texts, numbers and maps with string keys always serialise")
}

/// The JSON text of an event of a token.
pub fn token_body(event: TokenEvent, at: UnixSeconds, facts: &TokenFacts<'_>) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Data<'a> {
        token_id: TokenId,
        #[serde(rename = "type")]
        kind: &'static str,
        owner: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        limit: Option<u64>,
        used: u64,
        remaining: Option<u64>,
        expiry: Option<UnixSeconds>,
        #[serde(skip_serializing_if = "Option::is_none")]
        revoked_at: Option<UnixSeconds>,
    }
    let data = Data {
        token_id: facts.id,
        kind: facts.id.kind().name(),
        owner: facts.owner,
        name: facts.name,
        limit: facts.limit,
        used: facts.used,
        remaining: facts.limit.map(|limit| limit.saturating_sub(facts.used)),
        expiry: facts.expiry,
        revoked_at: facts.revoked_at,
    };
    body(event.event_type(), at, &data)
}

#[cfg(test)]
mod tests {
    use countermark_core::TokenKind;

    use super::*;

    #[test]
    fn an_event_of_a_token_tells_its_figures_at_that_instant() {
        let id = TokenId::from_uuid(TokenKind::Upload, [0; 16]);
        let at = UnixSeconds::new(1_800_000_000).unwrap();
        let facts = TokenFacts {
            id,
            name: None,
            owner: Some("shop \"1\""),
            limit: Some(10),
            used: 8,
            expiry: None,
            revoked_at: None,
        };
        assert_eq!(
            token_body(TokenEvent::LimitNear, at, &facts),
            format!(
                r#"{{"type":"token.limit_near","timestamp":"2027-01-15T08:00:00Z","data":{{"tokenId":"{id}","type":"upload","owner":"shop \"1\"","limit":10,"used":8,"remaining":2,"expiry":null}}}}"#
            )
        );
        assert!(body("x", UnixSeconds::MAX, &()).contains("9999-12-31T23:59:59Z"));
    }
}
