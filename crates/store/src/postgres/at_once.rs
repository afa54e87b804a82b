//! Taking uses by one statement, which commits by itself: one round trip instead of four. For batches that need nothing else
//! than their counters; whatever is more takes the long way of [`super::take`].
//!
//! What is granted follows from how the counters stood before, which the statement tells: the batch is played through on
//! that, as on the long way, and must come to what the statement has taken.

use std::collections::{BTreeMap, HashMap};

use countermark_core::{TokenId, UnixSeconds};
use countermark_domain::store::{Booked, StoreError, UseOutcome, UseRequest};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::failure::Failure;
use super::take::texts;
use crate::counter::{self, Counter};
use crate::notice::Told;
use crate::row::{Reader, signed};

/// Takes the sum of several uses of one token, all or none; none also if something is to be told then.
pub(super) const TAKE_ONE: &str = "
    UPDATE token_counters
    SET used = used + $3, last_used_at = greatest(coalesce(last_used_at, 0), $4)
    WHERE token = $1
      AND revision = $2
      AND enabled
      AND revoked_at IS NULL
      AND (expiry IS NULL OR $4 < expiry)
      AND used <= 9223372036854775807 - $3
      AND (use_limit IS NULL OR used <= use_limit - $3)
      AND (notice_at IS NULL OR used < notice_at - $3)
    RETURNING token, revision, use_limit, used - $3 AS used, given_back, TRUE AS is_usable, FALSE AS is_left,
              $3 AS taken";

/// Locks the counters in the order of their ids, so that two nodes never wait for each other in a circle; then takes of each
/// token as many of its uses as there is room for, all of them at the same cost. If something is to be told of any of
/// them, or a count is at the end of numbers, nothing is taken.
///
/// A row that had to be waited for is seen as it is after that by the lock; the update finds it as it was before and then
/// takes its newest version. So its condition names nothing that another node may have changed.
pub(super) const TAKE_MANY: &str = "
    WITH locked AS (
        SELECT token, revision, use_limit, used, given_back, notice_at,
               enabled AND revoked_at IS NULL AND (expiry IS NULL OR $5 < expiry) AS is_usable
        FROM token_counters
        WHERE token = ANY ($1)
        ORDER BY token
        FOR UPDATE
    ), granted AS (
        SELECT locked.*, cost * uses AS total,
               CASE WHEN is_usable AND locked.revision = wanted.revision
                    THEN least(uses, coalesce((use_limit - used) / cost, uses)) * cost
                    ELSE 0 END AS taken
        FROM locked
        JOIN unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS wanted (token, revision, cost, uses)
          ON locked.token = wanted.token
    ), told AS (
        SELECT count(*) > 0 AS is_left
        FROM granted
        WHERE taken > 0 AND (notice_at - taken <= used OR used > 9223372036854775807 - total)
    ), done AS (
        UPDATE token_counters
        SET used = token_counters.used + granted.taken,
            last_used_at = greatest(coalesce(token_counters.last_used_at, 0), $5)
        FROM granted, told
        WHERE token_counters.token = granted.token
          AND granted.taken > 0
          AND NOT told.is_left
        RETURNING token_counters.token
    )
    SELECT granted.token, revision, use_limit, used, given_back, is_usable, is_left,
           CASE WHEN done.token IS NULL THEN 0 ELSE taken END AS taken
    FROM granted CROSS JOIN told LEFT JOIN done ON done.token = granted.token";

/// Above this a use takes the long way: so sums of a batch stay far from the end of numbers.
const MOST_COST: u64 = 1 << 32;

/// What a batch wants of one token.
struct Wanted {
    revision: u64,
    /// Of each of its uses; 0 if they differ.
    cost: u64,
    uses: u64,
    total: u64,
}

/// Takes a batch, if one statement can; `None` if nothing has been taken.
pub(super) async fn take(
    connection: &mut PgConnection,
    uses: &[UseRequest],
    now: UnixSeconds,
) -> Result<Option<Booked<Vec<UseOutcome>>>, Failure> {
    let Some(wanted) = wanted(uses) else { return Ok(None) };
    let rows = match wanted.first_key_value() {
        Some((token, one)) if wanted.len() == 1 => take_one(connection, *token, one, now).await?,
        _ if wanted.values().all(|it| it.total == it.cost * it.uses) => {
            take_many(connection, &wanted, now).await?
        }
        _ => return Ok(None),
    };
    let Some(taken) = read(&rows)? else { return Ok(None) };
    let mut counters: HashMap<TokenId, Counter> =
        taken.iter().map(|(token, (counter, _))| (*token, *counter)).collect();
    let played = counter::play(uses, &mut counters, HashMap::new());
    if counters.iter().any(|(token, counter)| counter.taken != taken[token].1) {
        let text = "the guarded statement has taken something else than it was to grant";
        return Err(StoreError::Unavailable(text.into()).into());
    }
    Ok(Some(Booked { outcome: played.outcomes, tallies: counter::tallies(&counters) }))
}

/// `None` unless every use needs its counter only, and the uses of a token were decided on the same revision.
fn wanted(uses: &[UseRequest]) -> Option<BTreeMap<TokenId, Wanted>> {
    let mut wanted: BTreeMap<TokenId, Wanted> = BTreeMap::new();
    for one in uses {
        if one.idempotency.is_some() || !(1..=MOST_COST).contains(&one.cost) {
            return None;
        }
        let new = Wanted { revision: one.revision, cost: one.cost, uses: 0, total: 0 };
        let of_token = wanted.entry(one.token).or_insert(new);
        if of_token.revision != one.revision {
            return None;
        }
        of_token.uses += 1;
        of_token.total += one.cost;
        if of_token.cost != one.cost {
            of_token.cost = 0;
        }
    }
    Some(wanted)
}

async fn take_one(
    connection: &mut PgConnection,
    token: TokenId,
    wanted: &Wanted,
    now: UnixSeconds,
) -> Result<Vec<PgRow>, Failure> {
    let query = sqlx::query(TAKE_ONE)
        .bind(token.to_string())
        .bind(signed(wanted.revision))
        .bind(signed(wanted.total))
        .bind(signed(now.get()));
    Ok(query.fetch_all(connection).await?)
}

async fn take_many(
    connection: &mut PgConnection,
    wanted: &BTreeMap<TokenId, Wanted>,
    now: UnixSeconds,
) -> Result<Vec<PgRow>, Failure> {
    let numbers = |of: fn(&Wanted) -> u64| wanted.values().map(|it| signed(of(it))).collect::<Vec<i64>>();
    let query = sqlx::query(TAKE_MANY)
        .bind(texts(wanted.keys()))
        .bind(numbers(|it| it.revision))
        .bind(numbers(|it| it.cost))
        .bind(numbers(|it| it.uses))
        .bind(signed(now.get()));
    Ok(query.fetch_all(connection).await?)
}

/// The counters as they stood before, and what has been taken of each; `None` if the batch is left to the long way.
fn read(rows: &[PgRow]) -> Result<Option<HashMap<TokenId, (Counter, u64)>>, StoreError> {
    if rows.is_empty() {
        return Ok(None);
    }
    let mut taken = HashMap::with_capacity(rows.len());
    for row in rows {
        let reader = Reader::new(row, "token_counters", "token");
        if reader.column("is_left")? {
            return Ok(None);
        }
        let counter = Counter {
            revision: reader.unsigned("revision")?,
            limit: reader.optional_unsigned("use_limit")?,
            used: reader.unsigned("used")?,
            given_back: reader.unsigned("given_back")?,
            is_usable: reader.column("is_usable")?,
            taken: 0,
            // Nothing is to be told of what has been taken.
            notice_at: None,
            told: Told::default(),
        };
        taken.insert(reader.token_id("token")?, (counter, reader.unsigned("taken")?));
    }
    Ok(Some(taken))
}
