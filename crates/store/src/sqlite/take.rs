//! Taking uses: the guarded statement alone decides whether a use is granted.

use std::collections::HashMap;

use countermark_core::{TokenId, UnixSeconds};
use countermark_domain::store::{IdempotencyKey, StoreError, UseOutcome, UseRequest};
use sqlx::{Row, SqliteConnection};

use super::idempotency;
use super::unavailable;
use super::writer::Verdict;

/// SQLite's greatest integer; `used` stays there instead of overflowing into a floating point number.
const MOST: u64 = i64::MAX as u64;

/// Takes for each `[token, revision, cost]` the whole cost or nothing. At most one revision of a token can match.
pub(super) const TAKE: &str = "
    UPDATE token_counters
    SET used = min(used, 9223372036854775807 - wanted.cost) + wanted.cost,
        last_used_at = max(ifnull(last_used_at, 0), ?2)
    FROM (SELECT value ->> 0 AS token, value ->> 1 AS revision, value ->> 2 AS cost FROM json_each(?1)) AS wanted
    WHERE token_counters.token = wanted.token
      AND token_counters.revision = wanted.revision
      AND enabled
      AND revoked_at IS NULL
      AND (expiry IS NULL OR ?2 < expiry)
      AND (use_limit IS NULL OR used <= use_limit - wanted.cost)
    RETURNING token, revision, used";

/// What the guarded statement sees of each token, for telling why it refused.
pub(super) const COUNTERS: &str = "
    SELECT token, revision, use_limit, used,
           enabled AND revoked_at IS NULL AND (expiry IS NULL OR ?2 < expiry) AS usable
    FROM token_counters
    WHERE token IN (SELECT value FROM json_each(?1))";

/// The uses of one token that were decided on one revision.
struct Group {
    token: TokenId,
    revision: u64,
    cost: u64,
    members: Vec<usize>,
}

struct Counter {
    revision: u64,
    limit: Option<u64>,
    used: u64,
    is_usable: bool,
    taken: u64,
}

/// Takes all uses in at most five statements, however many they are.
///
/// First each token's uses are taken together, which nearly always succeeds. What is left over (spent, stale or
/// repeated) is played through in the order of the batch on what the transaction reads, and then taken by the same
/// guarded statement.
pub(crate) async fn take(
    connection: &mut SqliteConnection,
    uses: &[UseRequest],
    now: UnixSeconds,
) -> Result<Verdict<Vec<UseOutcome>>, StoreError> {
    let keys: Vec<IdempotencyKey> = uses.iter().filter_map(|one| one.idempotency).collect();
    let mut known = idempotency::live(connection, &keys, now).await?;
    let mut outcomes = vec![None; uses.len()];
    if !has_duplicate_scopes(&keys) {
        let fresh = |one: &UseRequest| one.idempotency.is_none_or(|key| !known.contains_key(&key.scope));
        take_whole_groups(connection, uses, now, fresh, &mut outcomes).await?;
    }
    let left: Vec<usize> = (0..uses.len()).filter(|index| outcomes[*index].is_none()).collect();
    if !left.is_empty() {
        take_one_by_one(connection, uses, now, &left, &mut known, &mut outcomes).await?;
    }
    let outcomes: Vec<UseOutcome> =
        outcomes.into_iter().map(|outcome| outcome.unwrap_or(UseOutcome::Stale)).collect();
    let granted =
        uses.iter().zip(&outcomes).filter(|(_, outcome)| matches!(outcome, UseOutcome::Granted { .. }));
    let granted_keys: Vec<IdempotencyKey> = granted.clone().filter_map(|(one, _)| one.idempotency).collect();
    let has_granted = granted.count() > 0;
    idempotency::remember_uses(connection, &granted_keys, now).await?;
    Ok(if has_granted { Verdict::Keep(outcomes) } else { Verdict::Undo(outcomes) })
}

fn has_duplicate_scopes(keys: &[IdempotencyKey]) -> bool {
    let mut scopes: Vec<&[u8; 32]> = keys.iter().map(|key| &key.scope).collect();
    scopes.sort_unstable();
    scopes.windows(2).any(|pair| pair[0] == pair[1])
}

async fn take_whole_groups(
    connection: &mut SqliteConnection,
    uses: &[UseRequest],
    now: UnixSeconds,
    is_wanted: impl Fn(&UseRequest) -> bool,
    outcomes: &mut [Option<UseOutcome>],
) -> Result<(), StoreError> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places: HashMap<(TokenId, u64), usize> = HashMap::with_capacity(uses.len());
    for (index, one) in uses.iter().enumerate().filter(|(_, one)| is_wanted(one)) {
        let place = *places.entry((one.token, one.revision)).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Group { token: one.token, revision: one.revision, cost: 0, members: Vec::new() });
        }
        groups[place].cost = groups[place].cost.saturating_add(one.cost);
        groups[place].members.push(index);
    }
    groups.retain(|group| group.cost <= MOST);
    let wanted = groups.iter().map(|group| (group.token, group.revision, group.cost));
    let taken = take_guarded(connection, wanted, now).await?;
    for group in &groups {
        let Some(used) = taken.get(&group.token).filter(|(revision, _)| *revision == group.revision) else {
            continue;
        };
        let mut used = used.1.saturating_sub(group.cost);
        for &index in &group.members {
            used = used.saturating_add(uses[index].cost);
            outcomes[index] = Some(UseOutcome::Granted { used });
        }
    }
    Ok(())
}

/// The tokens of which the whole cost has been taken, with the revision asked for and the uses so far.
async fn take_guarded(
    connection: &mut SqliteConnection,
    wanted: impl Iterator<Item = (TokenId, u64, u64)> + Clone,
    now: UnixSeconds,
) -> Result<HashMap<TokenId, (u64, u64)>, StoreError> {
    let mut json = String::from("[");
    for (token, revision, cost) in wanted {
        use std::fmt::Write as _;
        let comma = if json.len() > 1 { "," } else { "" };
        // Revisions are below 2^63, being counted up from 1 in the database; a greater one matches nothing.
        write!(json, "{comma}[\"{token}\",{revision},{cost}]").expect("a String takes everything");
    }
    if json.len() == 1 {
        return Ok(HashMap::new());
    }
    json.push(']');
    let rows = sqlx::query(TAKE)
        .bind(json)
        .bind(seconds(now))
        .fetch_all(&mut *connection)
        .await
        .map_err(unavailable)?;
    let mut taken = HashMap::with_capacity(rows.len());
    for row in &rows {
        let counter = super::row::Reader::new(row, "token_counters", "token");
        taken.insert(counter.token_id("token")?, (counter.unsigned("revision")?, counter.unsigned("used")?));
    }
    Ok(taken)
}

async fn take_one_by_one(
    connection: &mut SqliteConnection,
    uses: &[UseRequest],
    now: UnixSeconds,
    left: &[usize],
    known: &mut HashMap<[u8; 32], [u8; 32]>,
    outcomes: &mut [Option<UseOutcome>],
) -> Result<(), StoreError> {
    let mut counters = read_counters(connection, left.iter().map(|index| uses[*index].token), now).await?;
    for &index in left {
        outcomes[index] = Some(play(&uses[index], &mut counters, known));
    }
    let wanted = counters
        .iter()
        .filter(|(_, counter)| counter.taken > 0)
        .map(|(token, counter)| (*token, counter.revision, counter.taken));
    let taken = take_guarded(connection, wanted.clone(), now).await?;
    for (token, ..) in wanted {
        // Both run in one transaction that nobody else can write beside, so this only guards against our own mistake.
        if taken.get(&token).map(|(_, used)| *used) != counters.get(&token).map(|counter| counter.used) {
            return Err(StoreError::Unavailable("the guarded statement refused what it should grant".into()));
        }
    }
    Ok(())
}

fn play(
    one: &UseRequest,
    counters: &mut HashMap<TokenId, Counter>,
    known: &mut HashMap<[u8; 32], [u8; 32]>,
) -> UseOutcome {
    let Some(counter) = counters.get_mut(&one.token) else { return UseOutcome::Stale };
    if !counter.is_usable || counter.revision != one.revision {
        return UseOutcome::Stale;
    }
    match one.idempotency.and_then(|key| known.get(&key.scope).map(|request| *request == key.request)) {
        Some(true) => return UseOutcome::Repeated { used: counter.used },
        Some(false) => return UseOutcome::KeyMismatch,
        None => {}
    }
    let sum = counter.used.saturating_add(one.cost);
    if counter.limit.is_some_and(|limit| sum > limit) {
        return UseOutcome::Exhausted { used: counter.used };
    }
    counter.used = sum.min(MOST);
    counter.taken = counter.taken.saturating_add(one.cost).min(MOST);
    if let Some(key) = one.idempotency {
        known.insert(key.scope, key.request);
    }
    UseOutcome::Granted { used: counter.used }
}

async fn read_counters(
    connection: &mut SqliteConnection,
    tokens: impl Iterator<Item = TokenId>,
    now: UnixSeconds,
) -> Result<HashMap<TokenId, Counter>, StoreError> {
    let mut tokens: Vec<TokenId> = tokens.collect();
    tokens.sort_unstable();
    tokens.dedup();
    let json = serde_json::to_string(&tokens).expect("ids are strings");
    let rows = sqlx::query(COUNTERS)
        .bind(json)
        .bind(seconds(now))
        .fetch_all(connection)
        .await
        .map_err(unavailable)?;
    let mut counters = HashMap::with_capacity(rows.len());
    for row in &rows {
        let reader = super::row::Reader::new(row, "token_counters", "token");
        let counter = Counter {
            revision: reader.unsigned("revision")?,
            limit: reader.optional_unsigned("use_limit")?,
            used: reader.unsigned("used")?,
            is_usable: row.try_get("usable").map_err(unavailable)?,
            taken: 0,
        };
        counters.insert(reader.token_id("token")?, counter);
    }
    Ok(counters)
}

fn seconds(at: UnixSeconds) -> i64 {
    super::row::signed(at.get())
}
