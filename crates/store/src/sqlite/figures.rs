//! Statistics: hourly figures and the uses of tokens without a limit.

use std::collections::BTreeMap;

use countermark_core::{TokenId, UnixSeconds};
use countermark_domain::store::{Booked, HourlyDecisions, HourlyUse, Statistics, StoreError};
use sqlx::{SqliteConnection, SqlitePool};

use super::{take, unavailable};
use crate::row::{Reader, signed};
use crate::verdict::Verdict;

/// A token may be purged between the use and its booking: then there is nothing to book on.
const BOOK_TOKENS: &str = "
    INSERT INTO usage_hourly (token, hour, uses, refusals)
    SELECT value ->> 0, ?2, value ->> 1, value ->> 2 FROM json_each(?1)
    WHERE EXISTS (SELECT 1 FROM access_tokens WHERE id = value ->> 0)
    ON CONFLICT (token, hour) DO UPDATE
    SET uses = min(uses, 9223372036854775807 - excluded.uses) + excluded.uses,
        refusals = min(refusals, 9223372036854775807 - excluded.refusals) + excluded.refusals";

const BOOK_DECISIONS: &str = "
    INSERT INTO decisions_hourly (hour, code, decisions)
    SELECT ?2, value ->> 0, value ->> 1 FROM json_each(?1) WHERE true
    ON CONFLICT (hour, code) DO UPDATE
    SET decisions = min(decisions, 9223372036854775807 - excluded.decisions) + excluded.decisions";

/// A token may have got a limit since these uses: they count against it, but never beyond it.
const ADD_UNLIMITED: &str = "
    UPDATE token_counters
    SET used = min(min(used, 9223372036854775807 - added.uses) + added.uses, ifnull(use_limit, 9223372036854775807)),
        last_used_at = max(ifnull(last_used_at, 0), added.last)
    FROM (SELECT value ->> 0 AS token, value ->> 1 AS uses, value ->> 2 AS last FROM json_each(?1)) AS added
    WHERE token_counters.token = added.token";

pub(crate) async fn add(
    connection: &mut SqliteConnection,
    statistics: &Statistics,
) -> Result<Verdict<Booked<()>>, StoreError> {
    let tokens: Vec<(TokenId, i64, i64)> = statistics
        .tokens
        .iter()
        .filter(|one| one.uses > 0 || one.refusals > 0)
        .map(|one| (one.token, signed(one.uses), signed(one.refusals)))
        .collect();
    let decisions: Vec<(&str, i64)> =
        statistics.decisions.iter().map(|(code, count)| (*code, signed(*count))).collect();
    // The statement takes one row a token: of several it would add any one.
    let mut unlimited: BTreeMap<TokenId, (u64, u64)> = BTreeMap::new();
    for one in &statistics.tokens {
        if let Some(last) = one.last_used_at {
            let (uses, latest) = unlimited.entry(one.token).or_default();
            *uses = uses.saturating_add(one.unlimited_uses);
            *latest = last.get().max(*latest);
        }
    }
    let added = unlimited.iter().filter(|(_, (uses, _))| *uses > 0).map(|(token, _)| *token).collect();
    let unlimited: Vec<(TokenId, i64, u64)> =
        unlimited.into_iter().map(|(token, (uses, last))| (token, signed(uses), last)).collect();
    let list = |it: serde_json::Result<String>| it.expect("ids, codes and numbers serialise");
    for (statement, rows) in [
        (BOOK_TOKENS, list(serde_json::to_string(&tokens))),
        (BOOK_DECISIONS, list(serde_json::to_string(&decisions))),
        (ADD_UNLIMITED, list(serde_json::to_string(&unlimited))),
    ] {
        sqlx::query(statement)
            .bind(rows)
            .bind(signed(statistics.hour.get()))
            .execute(&mut *connection)
            .await
            .map_err(unavailable)?;
    }
    Ok(Verdict::Keep(Booked { outcome: (), tallies: take::read_tallies(connection, &added).await? }))
}

pub(crate) async fn usage(
    readers: &SqlitePool,
    id: TokenId,
    from: UnixSeconds,
    to: UnixSeconds,
) -> Result<Vec<HourlyUse>, StoreError> {
    let rows = sqlx::query(
        "SELECT token, hour, uses, refusals FROM usage_hourly
         WHERE token = ?1 AND hour >= ?2 AND hour < ?3 ORDER BY hour",
    )
    .bind(id.to_string())
    .bind(signed(from.get()))
    .bind(signed(to.get()))
    .fetch_all(readers)
    .await
    .map_err(unavailable)?;
    rows.iter()
        .map(|row| {
            let reader = Reader::new(row, "usage_hourly", "token");
            Ok(HourlyUse {
                hour: reader.instant("hour")?,
                uses: reader.unsigned("uses")?,
                refusals: reader.unsigned("refusals")?,
            })
        })
        .collect()
}

pub(crate) async fn decisions(
    readers: &SqlitePool,
    from: UnixSeconds,
    to: UnixSeconds,
) -> Result<Vec<HourlyDecisions>, StoreError> {
    let rows = sqlx::query(
        "SELECT hour, code, decisions FROM decisions_hourly WHERE hour >= ?1 AND hour < ?2 ORDER BY hour, code",
    )
    .bind(signed(from.get()))
    .bind(signed(to.get()))
    .fetch_all(readers)
    .await
    .map_err(unavailable)?;
    rows.iter()
        .map(|row| {
            let reader = Reader::new(row, "decisions_hourly", "code");
            Ok(HourlyDecisions {
                hour: reader.instant("hour")?,
                code: reader.column("code")?,
                count: reader.unsigned("decisions")?,
            })
        })
        .collect()
}
