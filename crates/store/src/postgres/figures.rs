//! Statistics: hourly figures and the uses of tokens without a limit.

use std::collections::BTreeMap;

use countermark_core::{TokenId, UnixSeconds};
use countermark_domain::store::{Booked, HourlyDecisions, HourlyUse, Statistics, StoreError};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::failure::Failure;
use super::take;
use super::transaction::Transaction;
use crate::row::{Reader, signed};
use crate::verdict::Verdict;

/// A token may be purged between the use and its booking: then there is nothing to book on.
const BOOK_TOKENS: &str = "
    INSERT INTO usage_hourly (token, hour, uses, refusals)
    SELECT new.token, $4, new.uses, new.refusals
    FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS new (token, uses, refusals)
    JOIN access_tokens t ON t.id = new.token
    ORDER BY t.id
    ON CONFLICT (token, hour) DO UPDATE
    SET uses = least(usage_hourly.uses, 9223372036854775807 - excluded.uses) + excluded.uses,
        refusals = least(usage_hourly.refusals, 9223372036854775807 - excluded.refusals) + excluded.refusals";

const BOOK_DECISIONS: &str = "
    INSERT INTO decisions_hourly (hour, code, decisions)
    SELECT $3, new.code, new.decisions FROM unnest($1::text[], $2::bigint[]) AS new (code, decisions)
    ORDER BY new.code COLLATE \"C\"
    ON CONFLICT (hour, code) DO UPDATE
    SET decisions = least(decisions_hourly.decisions, 9223372036854775807 - excluded.decisions) + excluded.decisions";

/// A token may have got a limit since these uses: they count against it, but never beyond it.
const ADD_UNLIMITED: &str = "
    UPDATE token_counters
    SET used = least(least(used, 9223372036854775807 - added.uses) + added.uses,
                     coalesce(use_limit, 9223372036854775807)),
        last_used_at = greatest(coalesce(last_used_at, 0), added.last)
    FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS added (token, uses, last)
    WHERE token_counters.token = added.token";

/// Several nodes book at the same time, so figures are added to what is there, in the order of their keys.
pub(super) async fn add(
    transaction: &mut Transaction,
    statistics: &Statistics,
) -> Result<Verdict<Booked<()>>, Failure> {
    let hour = signed(statistics.hour.get());
    // Each statement takes one row a key.
    let mut figures: BTreeMap<TokenId, (u64, u64)> = BTreeMap::new();
    let mut unlimited: BTreeMap<TokenId, (u64, u64)> = BTreeMap::new();
    for one in &statistics.tokens {
        if one.uses > 0 || one.refusals > 0 {
            let (uses, refusals) = figures.entry(one.token).or_default();
            *uses = uses.saturating_add(one.uses);
            *refusals = refusals.saturating_add(one.refusals);
        }
        if let Some(last) = one.last_used_at {
            let (uses, latest) = unlimited.entry(one.token).or_default();
            *uses = uses.saturating_add(one.unlimited_uses);
            *latest = last.get().max(*latest);
        }
    }
    let mut decisions: BTreeMap<&str, u64> = BTreeMap::new();
    for (code, count) in &statistics.decisions {
        let all = decisions.entry(code).or_default();
        *all = all.saturating_add(*count);
    }
    add_to_tokens(transaction, BOOK_TOKENS, &figures, Some(hour)).await?;
    if !decisions.is_empty() {
        let (codes, counts): (Vec<String>, Vec<i64>) =
            decisions.into_iter().map(|(code, count)| (code.to_owned(), signed(count))).unzip();
        sqlx::query(BOOK_DECISIONS).bind(codes).bind(counts).bind(hour).execute(&mut **transaction).await?;
    }
    take::lock(transaction, &unlimited.keys().copied().collect()).await?;
    add_to_tokens(transaction, ADD_UNLIMITED, &unlimited, None).await?;
    let added = unlimited.iter().filter(|(_, (uses, _))| *uses > 0).map(|(token, _)| *token).collect();
    Ok(Verdict::Keep(Booked { outcome: (), tallies: take::read_tallies(transaction, &added).await? }))
}

/// Runs a statement on two numbers of each token.
async fn add_to_tokens(
    transaction: &mut Transaction,
    statement: &'static str,
    figures: &BTreeMap<TokenId, (u64, u64)>,
    hour: Option<i64>,
) -> Result<(), Failure> {
    if figures.is_empty() {
        return Ok(());
    }
    let (first, second): (Vec<i64>, Vec<i64>) =
        figures.values().map(|(first, second)| (signed(*first), signed(*second))).unzip();
    let mut query = sqlx::query(statement).bind(take::texts(figures.keys())).bind(first).bind(second);
    if let Some(hour) = hour {
        query = query.bind(hour);
    }
    query.execute(&mut **transaction).await?;
    Ok(())
}

pub(super) async fn usage(
    connection: &mut PgConnection,
    id: TokenId,
    from: UnixSeconds,
    to: UnixSeconds,
) -> Result<Vec<HourlyUse>, Failure> {
    let rows = sqlx::query(
        "SELECT token, hour, uses, refusals FROM usage_hourly
         WHERE token = $1 AND hour >= $2 AND hour < $3 ORDER BY hour",
    )
    .bind(id.to_string())
    .bind(signed(from.get()))
    .bind(signed(to.get()))
    .fetch_all(connection)
    .await?;
    let read = |row: &PgRow| {
        let reader = Reader::new(row, "usage_hourly", "token");
        Ok(HourlyUse {
            hour: reader.instant("hour")?,
            uses: reader.unsigned("uses")?,
            refusals: reader.unsigned("refusals")?,
        })
    };
    Ok(rows.iter().map(read).collect::<Result<_, StoreError>>()?)
}

pub(super) async fn decisions(
    connection: &mut PgConnection,
    from: UnixSeconds,
    to: UnixSeconds,
) -> Result<Vec<HourlyDecisions>, Failure> {
    let rows = sqlx::query(
        "SELECT hour, code, decisions FROM decisions_hourly WHERE hour >= $1 AND hour < $2 ORDER BY hour, code",
    )
    .bind(signed(from.get()))
    .bind(signed(to.get()))
    .fetch_all(connection)
    .await?;
    let read = |row: &PgRow| {
        let reader = Reader::new(row, "decisions_hourly", "code");
        Ok(HourlyDecisions {
            hour: reader.instant("hour")?,
            code: reader.column("code")?,
            count: reader.unsigned("decisions")?,
        })
    };
    Ok(rows.iter().map(read).collect::<Result<_, StoreError>>()?)
}
