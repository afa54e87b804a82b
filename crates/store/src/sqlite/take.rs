//! Taking uses: the guarded statement alone decides whether a use is granted.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use countermark_core::{Tally, TokenEvent, TokenId, UnixSeconds};
use countermark_domain::store::{Booked, IdempotencyKey, StoreError, UseOutcome, UseRequest};
use sqlx::SqliteConnection;

use super::notice::{self, Notice, Told};
use super::row::signed;
use super::writer::Verdict;
use super::{Vault, idempotency, unavailable};

/// SQLite's greatest integer; `used` stays there instead of overflowing into a floating point number.
const MOST: u64 = i64::MAX as u64;

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

/// What the guarded statement will see of one token, and what is to be taken of it.
pub(super) struct Counter {
    revision: u64,
    limit: Option<u64>,
    pub(super) used: u64,
    given_back: u64,
    is_usable: bool,
    taken: u64,
    notice_at: Option<u64>,
    told: Told,
}

/// What the granted uses of a batch leave to be done.
#[derive(Default)]
struct Granted {
    keys: Vec<IdempotencyKey>,
    notices: Vec<Notice>,
}

impl Counter {
    /// What the use just granted has to tell. Whether anybody wants to know is looked up once it is known that
    /// somebody may; most tokens have no `notice_at` at all.
    pub(super) fn notice(&mut self, token: TokenId) -> Option<Notice> {
        if self.used < self.notice_at? {
            return None;
        }
        let limit = self.limit?;
        let is_near = !self.told.near && self.used >= TokenEvent::near_at(limit);
        let is_reached = !self.told.reached && self.used >= limit;
        self.told = Told { near: self.told.near || is_near, reached: self.told.reached || is_reached };
        self.notice_at = Some(limit).filter(|_| !self.told.reached);
        Some(Notice { token, used: self.used, is_near, is_reached })
    }

    /// How it stands with what has been set aside.
    pub(super) const fn tally(&self) -> Tally {
        Tally { used: self.used, given_back: self.given_back }
    }

    /// Whether the decision made on this revision still holds.
    pub(super) fn is_as_decided(&self, revision: u64) -> bool {
        self.is_usable && self.revision == revision
    }

    /// Whether so many uses are left.
    pub(super) fn has_room_for(&self, cost: u64) -> bool {
        self.limit.is_none_or(|limit| self.used.saturating_add(cost) <= limit)
    }

    /// Sets uses aside for [`take_guarded`], all or none; whether there are enough.
    pub(super) fn set_aside(&mut self, cost: u64) -> bool {
        if !self.has_room_for(cost) {
            return false;
        }
        self.used = self.used.saturating_add(cost).min(MOST);
        self.taken = self.taken.saturating_add(cost).min(MOST);
        true
    }
}

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
    let mut known = idempotency::live(connection, &keys, now).await?;
    let mut counters = read_counters(connection, uses.iter().map(|one| one.token).collect(), now).await?;
    let mut granted = Granted::default();
    let outcomes: Vec<UseOutcome> =
        uses.iter().map(|one| play(one, &mut counters, &mut known, &mut granted)).collect();
    let is_any_granted = outcomes.iter().any(|outcome| matches!(outcome, UseOutcome::Granted { .. }));
    let tallies = counters.iter().map(|(token, counter)| (*token, counter.tally())).collect();
    let booked = Booked { outcome: outcomes, tallies };
    if !is_any_granted {
        return Ok(Verdict::Undo(booked));
    }
    take_guarded(connection, &counters, now).await?;
    idempotency::remember_uses(connection, &granted.keys, now).await?;
    notice::tell_uses(connection, vault, &granted.notices, now).await?;
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

fn play(
    one: &UseRequest,
    counters: &mut HashMap<TokenId, Counter>,
    known: &mut HashMap<[u8; 32], [u8; 32]>,
    granted: &mut Granted,
) -> UseOutcome {
    let Some(counter) = counters.get_mut(&one.token) else { return UseOutcome::Stale };
    if !counter.is_as_decided(one.revision) {
        return UseOutcome::Stale;
    }
    match one.idempotency.and_then(|key| known.get(&key.scope).map(|request| *request == key.request)) {
        Some(true) => return UseOutcome::Repeated { used: counter.used },
        Some(false) => return UseOutcome::KeyMismatch,
        None => {}
    }
    if !counter.set_aside(one.cost) {
        return UseOutcome::Exhausted { used: counter.used };
    }
    if let Some(key) = one.idempotency {
        known.insert(key.scope, key.request);
        granted.keys.push(key);
    }
    granted.notices.extend(counter.notice(one.token));
    UseOutcome::Granted { used: counter.used }
}

/// Takes what has been set aside, by the one guarded statement.
pub(super) async fn take_guarded(
    connection: &mut SqliteConnection,
    counters: &HashMap<TokenId, Counter>,
    now: UnixSeconds,
) -> Result<(), StoreError> {
    // In the order of the table, so that neighbours are found on the page at hand.
    let wanted: BTreeMap<TokenId, (u64, u64)> = counters
        .iter()
        .filter(|(_, counter)| counter.taken > 0)
        .map(|(token, counter)| (*token, (counter.revision, counter.taken)))
        .collect();
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
