//! Taking uses: the guarded statement alone decides whether a use is granted.

use std::collections::{BTreeSet, HashMap};

use countermark_core::{Tally, TokenId, UnixSeconds};
use countermark_domain::store::{Booked, IdempotencyKey, StoreError, UseOutcome, UseRequest};
use sqlx::postgres::PgRow;

use super::failure::Failure;
use super::transaction::Transaction;
use super::{idempotency, notice};
use crate::counter::{self, Counter};
use crate::notice::Told;
use crate::row::{Reader, signed};
use crate::vault::Vault;
use crate::verdict::Verdict;

/// Takes for each token the whole cost or nothing; the number of changed rows tells whether all were granted.
pub(super) const TAKE: &str = "
    UPDATE token_counters
    SET used = least(used, 9223372036854775807 - wanted.cost) + wanted.cost,
        last_used_at = greatest(coalesce(last_used_at, 0), $4)
    FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS wanted (token, revision, cost)
    WHERE token_counters.token = wanted.token
      AND token_counters.revision = wanted.revision
      AND enabled
      AND revoked_at IS NULL
      AND (expiry IS NULL OR $4 < expiry)
      AND (use_limit IS NULL OR used <= use_limit - wanted.cost)";

/// What the guarded statement will see of each token: locked, so that no other node changes it before the commit, and in
/// the order of the ids, so that two nodes never wait for each other in a circle.
pub(super) const COUNTERS: &str = "
    SELECT token, revision, use_limit, used, given_back,
           enabled AND revoked_at IS NULL AND (expiry IS NULL OR $2 < expiry) AS is_usable,
           notice_at, near_told, reached_told
    FROM token_counters
    WHERE token = ANY ($1)
    ORDER BY token
    FOR UPDATE";

pub(super) const TALLIES: &str = "SELECT token, used, given_back FROM token_counters WHERE token = ANY ($1)";

/// Takes all uses in at most four statements, however many they are.
///
/// The batch is played through in its order on what the transaction has locked; what it grants is then taken by the
/// guarded statement, token by token. Nobody can write in between, so the two agree; if they did not, nothing would be
/// granted.
pub(super) async fn take(
    transaction: &mut Transaction,
    vault: &Vault,
    uses: &[UseRequest],
    now: UnixSeconds,
) -> Result<Verdict<Booked<Vec<UseOutcome>>>, Failure> {
    let keys: Vec<IdempotencyKey> = uses.iter().filter_map(|one| one.idempotency).collect();
    let mut counters = lock_counters(transaction, uses.iter().map(|one| one.token).collect(), now).await?;
    let known = idempotency::live(transaction, &keys, now).await?;
    let played = counter::play(uses, &mut counters, known);
    let booked = Booked { outcome: played.outcomes, tallies: counter::tallies(&counters) };
    if !played.is_any_granted {
        return Ok(Verdict::Undo(booked));
    }
    take_guarded(transaction, &counters, now).await?;
    idempotency::remember_uses(transaction, &played.keys, now).await?;
    notice::tell_uses(transaction, vault, &played.notices, now).await?;
    Ok(Verdict::Keep(booked))
}

/// How the counters of these tokens stand; those that are gone are left out.
pub(super) async fn read_tallies(
    transaction: &mut Transaction,
    tokens: &BTreeSet<TokenId>,
) -> Result<Vec<(TokenId, Tally)>, Failure> {
    if tokens.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(TALLIES).bind(texts(tokens)).fetch_all(&mut **transaction).await?;
    let read = |row: &PgRow| {
        let reader = Reader::new(row, "token_counters", "token");
        let tally = Tally { used: reader.unsigned("used")?, given_back: reader.unsigned("given_back")? };
        Ok((reader.token_id("token")?, tally))
    };
    Ok(rows.iter().map(read).collect::<Result<_, StoreError>>()?)
}

/// Locks the counters of these tokens until the end of the transaction.
pub(super) async fn lock(transaction: &mut Transaction, tokens: &BTreeSet<TokenId>) -> Result<(), Failure> {
    sqlx::query("SELECT token FROM token_counters WHERE token = ANY ($1) ORDER BY token FOR UPDATE")
        .bind(texts(tokens))
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

pub(super) async fn lock_counters(
    transaction: &mut Transaction,
    tokens: BTreeSet<TokenId>,
    now: UnixSeconds,
) -> Result<HashMap<TokenId, Counter>, Failure> {
    let rows = sqlx::query(COUNTERS)
        .bind(texts(&tokens))
        .bind(signed(now.get()))
        .fetch_all(&mut **transaction)
        .await?;
    let read = |row: &PgRow| {
        let reader = Reader::new(row, "token_counters", "token");
        let counter = Counter {
            revision: reader.unsigned("revision")?,
            limit: reader.optional_unsigned("use_limit")?,
            used: reader.unsigned("used")?,
            given_back: reader.unsigned("given_back")?,
            is_usable: reader.column("is_usable")?,
            taken: 0,
            notice_at: reader.optional_unsigned("notice_at")?,
            told: Told { near: reader.column("near_told")?, reached: reader.column("reached_told")? },
        };
        Ok((reader.token_id("token")?, counter))
    };
    Ok(rows.iter().map(read).collect::<Result<_, StoreError>>()?)
}

/// Takes what has been set aside, by the one guarded statement.
pub(super) async fn take_guarded(
    transaction: &mut Transaction,
    counters: &HashMap<TokenId, Counter>,
    now: UnixSeconds,
) -> Result<(), Failure> {
    let wanted = counter::set_aside(counters);
    let (revisions, costs): (Vec<i64>, Vec<i64>) =
        wanted.values().map(|(revision, cost)| (signed(*revision), signed(*cost))).unzip();
    let done = sqlx::query(TAKE)
        .bind(texts(wanted.keys()))
        .bind(revisions)
        .bind(costs)
        .bind(signed(now.get()))
        .execute(&mut **transaction)
        .await?;
    if done.rows_affected() == wanted.len() as u64 {
        Ok(())
    } else {
        let text = "the guarded statement refused what it was to grant";
        Err(StoreError::Unavailable(text.into()).into())
    }
}

/// Ids as they are bound to a statement.
pub(super) fn texts<'a>(tokens: impl IntoIterator<Item = &'a TokenId>) -> Vec<String> {
    tokens.into_iter().map(TokenId::to_string).collect()
}
