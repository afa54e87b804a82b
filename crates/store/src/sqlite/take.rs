//! Taking uses: the guarded statement alone decides whether a use is granted.

use std::collections::{BTreeSet, HashMap};

use countermark_core::{Tally, TokenId, UnixSeconds};
use countermark_domain::store::{Booked, IdempotencyKey, StoreError, UseOutcome, UseRequest};
use sqlx::SqliteConnection;

use super::{idempotency, notice, unavailable};
use crate::counter::{self, Counter};
use crate::notice::Told;
use crate::row::signed;
use crate::vault::Vault;
use crate::verdict::Verdict;

/// Takes for each `token: [revision, cost]` the whole cost or nothing; the number of changed rows tells whether all
/// were granted. MATERIALIZED, or the JSON of a row is read anew wherever the statement names its members.
pub(super) const TAKE: &str = "
    WITH wanted AS MATERIALIZED (
        SELECT key AS token, value ->> 0 AS revision, value ->> 1 AS cost FROM json_each(?1)
    )
    UPDATE token_counters
    SET used = min(used, 9223372036854775807 - wanted.cost) + wanted.cost,
        last_used_at = max(ifnull(last_used_at, 0), ?2)
    FROM wanted
    WHERE token_counters.token = wanted.token
      AND token_counters.revision = wanted.revision
      AND enabled
      AND revoked_at IS NULL
      AND (expiry IS NULL OR ?2 < expiry)
      AND (use_limit IS NULL OR used <= use_limit - wanted.cost)";

/// What the guarded statement will see of each token. One row for all of them: handing rows over between the threads
/// costs more than finding them.
pub(super) const COUNTERS: &str = "
    SELECT json_group_array(json_array(token, revision, use_limit, used,
                            enabled AND revoked_at IS NULL AND (expiry IS NULL OR ?2 < expiry), notice_at,
                            near_told, reached_told, given_back))
    FROM token_counters
    WHERE token IN (SELECT value FROM json_each(?1))";

pub(super) const TALLIES: &str = "
    SELECT json_group_array(json_array(token, used, given_back))
    FROM token_counters
    WHERE token IN (SELECT value FROM json_each(?1))";

/// One counter as [`COUNTERS`] hands it over: token, revision, limit, uses, whether it is usable at all, the uses at
/// which something is to be told, whether the limit has been told to be near, and to be reached, uses given back.
type CounterColumns = (TokenId, u64, Option<u64>, u64, u8, Option<u64>, u8, u8, u64);

/// Takes all uses in at most four statements, however many they are.
///
/// The batch is played through in its order on what the transaction reads; what it grants is then taken by the
/// guarded statement, token by token. Nobody can write in between, so the two agree; if they did not, nothing would be
/// granted.
pub(crate) async fn take(
    connection: &mut SqliteConnection,
    vault: &Vault,
    uses: &[UseRequest],
    now: UnixSeconds,
) -> Result<Verdict<Booked<Vec<UseOutcome>>>, StoreError> {
    let keys: Vec<IdempotencyKey> = uses.iter().filter_map(|one| one.idempotency).collect();
    let known = idempotency::live(connection, &keys, now).await?;
    let mut counters = read_counters(connection, uses.iter().map(|one| one.token).collect(), now).await?;
    let played = counter::play(uses, &mut counters, known);
    let booked = Booked { outcome: played.outcomes, tallies: counter::tallies(&counters) };
    if !played.is_any_granted {
        return Ok(Verdict::Undo(booked));
    }
    take_guarded(connection, &counters, now).await?;
    idempotency::remember_uses(connection, &played.keys, now).await?;
    notice::tell_uses(connection, vault, &played.notices, now).await?;
    Ok(Verdict::Keep(booked))
}

/// How the counters of these tokens stand; those that are gone are left out.
pub(super) async fn read_tallies(
    connection: &mut SqliteConnection,
    tokens: &BTreeSet<TokenId>,
) -> Result<Vec<(TokenId, Tally)>, StoreError> {
    if tokens.is_empty() {
        return Ok(Vec::new());
    }
    let rows: String = sqlx::query_scalar(TALLIES)
        .bind(serde_json::to_string(tokens).expect("ids are strings"))
        .fetch_one(connection)
        .await
        .map_err(unavailable)?;
    let rows: Vec<(TokenId, u64, u64)> =
        serde_json::from_str(&rows).map_err(|_| corrupt("used or given_back", tokens.len()))?;
    Ok(rows.into_iter().map(|(token, used, given_back)| (token, Tally { used, given_back })).collect())
}

fn corrupt(column: &'static str, tokens: usize) -> StoreError {
    StoreError::Corrupt { table: "token_counters", column, row: format!("one of {tokens} in a batch") }
}

pub(super) async fn read_counters(
    connection: &mut SqliteConnection,
    mut tokens: Vec<TokenId>,
    now: UnixSeconds,
) -> Result<HashMap<TokenId, Counter>, StoreError> {
    tokens.sort_unstable();
    tokens.dedup();
    let rows: String = sqlx::query_scalar(COUNTERS)
        .bind(serde_json::to_string(&tokens).expect("ids are strings"))
        .bind(signed(now.get()))
        .fetch_one(connection)
        .await
        .map_err(unavailable)?;
    let rows: Vec<CounterColumns> = serde_json::from_str(&rows)
        .map_err(|_| corrupt("revision, use_limit, used or given_back", tokens.len()))?;
    Ok(rows
        .into_iter()
        .map(|(token, revision, limit, used, usable, notice_at, near, reached, given_back)| {
            let (is_usable, told) = (usable == 1, Told { near: near == 1, reached: reached == 1 });
            let taken = 0;
            (token, Counter { revision, limit, used, given_back, is_usable, taken, notice_at, told })
        })
        .collect())
}

/// Takes what has been set aside, by the one guarded statement.
pub(super) async fn take_guarded(
    connection: &mut SqliteConnection,
    counters: &HashMap<TokenId, Counter>,
    now: UnixSeconds,
) -> Result<(), StoreError> {
    let wanted = counter::set_aside(counters);
    let done = sqlx::query(TAKE)
        .bind(serde_json::to_string(&wanted).expect("ids are strings"))
        .bind(signed(now.get()))
        .execute(connection)
        .await
        .map_err(unavailable)?;
    if done.rows_affected() == wanted.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::Unavailable("the guarded statement refused what it was to grant".into()))
    }
}
