//! Uploads: reserving a use and ending the reservation, each in one transaction.
//!
//! Whatever touches uploads of a token locks the counter of the token first.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use countermark_core::{Tally, TokenId, UnixSeconds, UploadId};
use countermark_domain::store::{
    Booked, ENDED_UPLOAD_SECONDS, IDEMPOTENCY_SECONDS, IdempotencyKey, NewUpload, StoreError, Upload,
    UploadBegun, UploadEnd, UploadEnded, UploadState, UploadStore,
};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::failure::Failure;
use super::transaction::Transaction;
use super::{PostgresStore, notice, notification, take};
use crate::counter::{self, Counter};
use crate::record::{self, upload_state_name, upload_state_of};
use crate::row::{Reader, signed};
use crate::vault::Vault;
use crate::verdict::Verdict;

#[async_trait]
impl UploadStore for PostgresStore {
    async fn begin_upload(
        &self,
        new: NewUpload,
        now: UnixSeconds,
    ) -> Result<Booked<UploadBegun>, StoreError> {
        let vault = self.vault.clone();
        self.write(async move |transaction| begin(transaction, &vault, &new, now).await).await
    }

    async fn find_upload(&self, id: UploadId) -> Result<Option<Upload>, StoreError> {
        self.read(async move |connection| find(connection, id).await).await
    }

    async fn end_upload(
        &self,
        id: UploadId,
        end: UploadEnd,
        now: UnixSeconds,
    ) -> Result<Booked<UploadEnded>, StoreError> {
        self.write(async move |transaction| self::end(transaction, id, &end, now).await).await
    }

    async fn expire_uploads(&self, now: UnixSeconds, at_most: u32) -> Result<Booked<u64>, StoreError> {
        self.write_much(async move |transaction| expire(transaction, now, at_most).await).await
    }
}

/// What deadlines have ended: how many uploads, and the tokens whose uses have gone back.
struct Expired {
    ended: u64,
    given_back: BTreeSet<TokenId>,
}

/// Which reservations a transaction ends by their deadline.
#[derive(Default)]
struct Due {
    /// Only of these tokens, whose counters are locked.
    tokens: BTreeSet<TokenId>,
    /// Only this one.
    upload: Option<UploadId>,
    at_most: Option<u32>,
}

pub(super) const FIND: &str = "
    SELECT id, token, owner, began_by, state, effective, extra, began_at, deadline, ended_at, result
    FROM uploads WHERE id = $1";

pub(super) const FIND_BY_KEY: &str = "
    SELECT id, token, owner, began_by, state, effective, extra, began_at, deadline, ended_at, result,
           idempotency_request
    FROM uploads WHERE idempotency_scope = $1";

/// Of which tokens the first reservations are due.
pub(super) const TOKENS_DUE: &str = "
    SELECT token FROM uploads WHERE state = 'reserved' AND deadline <= $1 ORDER BY deadline LIMIT $2";

/// `state_at_deadline` in SQL.
pub(super) const END_DUE: &str = "
    UPDATE uploads
    SET state = CASE WHEN began_by IS NULL THEN 'completed' ELSE 'aborted' END, ended_at = deadline
    WHERE id IN (SELECT id FROM uploads
                 WHERE state = 'reserved' AND deadline <= $1 AND token = ANY ($2) AND id = coalesce($3, id)
                 ORDER BY deadline LIMIT $4)
    RETURNING id, token, state";

pub(super) const COUNT_OPEN: &str = "SELECT count(*) FROM uploads WHERE token = $1 AND state = 'reserved'";

pub(super) const FORGET: &str = "
    DELETE FROM uploads
    WHERE id IN (SELECT id FROM uploads WHERE ended_at < $1 - $2 ORDER BY ended_at LIMIT $3)";

async fn begin(
    transaction: &mut Transaction,
    vault: &Vault,
    new: &NewUpload,
    now: UnixSeconds,
) -> Result<Verdict<Booked<UploadBegun>>, Failure> {
    let token = BTreeSet::from([new.upload.token]);
    let mut counters = take::lock_counters(transaction, token.clone(), now).await?;
    let expired = end_due(transaction, now, Due { tokens: token.clone(), ..Due::default() }).await?;
    if !expired.given_back.is_empty() {
        counters = take::lock_counters(transaction, token, now).await?;
    }
    let outcome = reserve(transaction, vault, new, &mut counters, now).await?;
    let has_changed = expired.ended > 0 || matches!(outcome, UploadBegun::Reserved { .. });
    let tallies = counter::tallies(&counters);
    let booked = Booked { outcome, tallies };
    Ok(if has_changed { Verdict::Keep(booked) } else { Verdict::Undo(booked) })
}

/// Leaves the counters as they are unless the outcome is [`UploadBegun::Reserved`].
async fn reserve(
    transaction: &mut Transaction,
    vault: &Vault,
    new: &NewUpload,
    counters: &mut HashMap<TokenId, Counter>,
    now: UnixSeconds,
) -> Result<UploadBegun, Failure> {
    let token = new.upload.token;
    let counter = match counters.get_mut(&token) {
        Some(counter) if counter.is_as_decided(new.revision) => counter,
        _ => return Ok(UploadBegun::Stale),
    };
    if let Some(key) = new.idempotency
        && let Some(outcome) = recall(transaction, key, counter.used, now).await?
    {
        return Ok(outcome);
    }
    if !counter.has_room_for(1) {
        return Ok(UploadBegun::Exhausted { used: counter.used });
    }
    let open: i64 =
        sqlx::query_scalar(COUNT_OPEN).bind(token.to_string()).fetch_one(&mut **transaction).await?;
    if open >= i64::from(new.open_at_most) {
        return Ok(UploadBegun::TooManyOpen);
    }
    counter.set_aside(1);
    let (used, notice) = (counter.used, counter.notice(token));
    take::take_guarded(transaction, counters, now).await?;
    insert(transaction, new).await?;
    notice::tell_uses(transaction, vault, notice.as_slice(), now).await?;
    Ok(UploadBegun::Reserved { used })
}

/// What the same request, or another one under its key, has begun before; a key that is too old is set free.
async fn recall(
    transaction: &mut Transaction,
    key: IdempotencyKey,
    used: u64,
    now: UnixSeconds,
) -> Result<Option<UploadBegun>, Failure> {
    sqlx::query(
        "UPDATE uploads SET idempotency_scope = NULL, idempotency_request = NULL
         WHERE idempotency_scope = $1 AND began_at <= $2 - $3",
    )
    .bind(key.scope.as_slice())
    .bind(signed(now.get()))
    .bind(signed(IDEMPOTENCY_SECONDS))
    .execute(&mut **transaction)
    .await?;
    let row = sqlx::query(FIND_BY_KEY).bind(key.scope.as_slice()).fetch_optional(&mut **transaction).await?;
    let Some(row) = row else { return Ok(None) };
    if Reader::new(&row, "uploads", "id").digest("idempotency_request")? != key.request {
        return Ok(Some(UploadBegun::KeyMismatch));
    }
    let upload = record::upload(&row)?;
    Ok(Some(match upload.state {
        UploadState::Aborted => UploadBegun::GivenBack,
        UploadState::Reserved | UploadState::Completed => {
            UploadBegun::Repeated { upload: Box::new(upload), used }
        }
    }))
}

async fn insert(transaction: &mut Transaction, new: &NewUpload) -> Result<(), Failure> {
    let upload = &new.upload;
    let json = |it: serde_json::Result<String>| it.expect("strings and numbers serialise");
    sqlx::query(
        "INSERT INTO uploads (id, token, owner, began_by, state, effective, extra, began_at, deadline,
                              idempotency_scope, idempotency_request)
         VALUES ($1, $2, $3, $4, 'reserved', $5, $6, $7, $8, $9, $10)",
    )
    .bind(upload.id.to_string())
    .bind(upload.token.to_string())
    .bind(&upload.owner)
    .bind(upload.began_by.map(|id| id.to_string()))
    .bind(json(serde_json::to_string(&upload.effective)))
    .bind(json(serde_json::to_string(&upload.extra)))
    .bind(signed(upload.began_at.get()))
    .bind(signed(upload.deadline.get()))
    .bind(new.idempotency.map(|key| key.scope.to_vec()))
    .bind(new.idempotency.map(|key| key.request.to_vec()))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn end(
    transaction: &mut Transaction,
    id: UploadId,
    end: &UploadEnd,
    now: UnixSeconds,
) -> Result<Verdict<Booked<UploadEnded>>, Failure> {
    let gone = || Verdict::Undo(Booked { outcome: UploadEnded::Gone, tallies: Vec::new() });
    let Some(upload) = find(transaction, id).await? else { return Ok(gone()) };
    let token = BTreeSet::from([upload.token]);
    take::lock(transaction, &token).await?;
    let expired =
        end_due(transaction, now, Due { tokens: token, upload: Some(id), ..Due::default() }).await?;
    // As it is now that nobody else can end it, or that it has gone with its token.
    let Some(upload) = find(transaction, id).await? else { return Ok(gone()) };
    let is_first = upload.state == UploadState::Reserved;
    let is_repeated = match end {
        UploadEnd::Complete { result, .. } => upload.result.as_ref() == Some(result),
        UploadEnd::Abort => upload.state == UploadState::Aborted,
    };
    let upload = if is_first { end_reserved(transaction, upload, end, now).await? } else { upload };
    let (tally, limit) = counter_of(transaction, upload.token).await?;
    let tallies = vec![(upload.token, tally)];
    let outcome = if is_first || is_repeated {
        UploadEnded::Ended { upload: Box::new(upload), counter: (tally.used, limit) }
    } else {
        UploadEnded::Closed(Box::new(upload))
    };
    let booked = Booked { outcome, tallies };
    Ok(if is_first || expired.ended > 0 { Verdict::Keep(booked) } else { Verdict::Undo(booked) })
}

async fn end_reserved(
    transaction: &mut Transaction,
    mut upload: Upload,
    end: &UploadEnd,
    now: UnixSeconds,
) -> Result<Upload, Failure> {
    upload.ended_at = Some(now);
    match end {
        UploadEnd::Complete { result, notifications } => {
            (upload.state, upload.result) = (UploadState::Completed, Some(result.clone()));
            notification::enqueue(transaction, notifications, now).await?;
        }
        UploadEnd::Abort => {
            upload.state = UploadState::Aborted;
            give_back(transaction, &BTreeMap::from([(upload.token, 1)])).await?;
        }
    }
    sqlx::query(
        "UPDATE uploads SET state = $2, ended_at = $3, result = $4 WHERE id = $1 AND state = 'reserved'",
    )
    .bind(upload.id.to_string())
    .bind(upload_state_name(upload.state))
    .bind(signed(now.get()))
    .bind(&upload.result)
    .execute(&mut **transaction)
    .await?;
    Ok(upload)
}

async fn expire(
    transaction: &mut Transaction,
    now: UnixSeconds,
    at_most: u32,
) -> Result<Verdict<Booked<u64>>, Failure> {
    let rows = sqlx::query(TOKENS_DUE)
        .bind(signed(now.get()))
        .bind(i64::from(at_most))
        .fetch_all(&mut **transaction)
        .await?;
    let tokens = rows.iter().map(|row| Reader::new(row, "uploads", "token").token_id("token"));
    let tokens: BTreeSet<TokenId> = tokens.collect::<Result<_, _>>()?;
    take::lock(transaction, &tokens).await?;
    let expired = end_due(transaction, now, Due { tokens, upload: None, at_most: Some(at_most) }).await?;
    let forgotten = sqlx::query(FORGET)
        .bind(signed(now.get()))
        .bind(signed(ENDED_UPLOAD_SECONDS))
        .bind(i64::from(at_most))
        .execute(&mut **transaction)
        .await?;
    let is_nothing = expired.ended == 0 && forgotten.rows_affected() == 0;
    let tallies = take::read_tallies(transaction, &expired.given_back).await?;
    let booked = Booked { outcome: expired.ended, tallies };
    Ok(if is_nothing { Verdict::Undo(booked) } else { Verdict::Keep(booked) })
}

async fn end_due(transaction: &mut Transaction, now: UnixSeconds, due: Due) -> Result<Expired, Failure> {
    let rows = sqlx::query(END_DUE)
        .bind(signed(now.get()))
        .bind(take::texts(&due.tokens))
        .bind(due.upload.map(|id| id.to_string()))
        .bind(i64::from(due.at_most.unwrap_or(u32::MAX)))
        .fetch_all(&mut **transaction)
        .await?;
    let mut uses: BTreeMap<TokenId, u64> = BTreeMap::new();
    for row in &rows {
        let reader = Reader::new(row, "uploads", "id");
        if upload_state_of(&reader)? == UploadState::Aborted {
            *uses.entry(reader.token_id("token")?).or_default() += 1;
        }
    }
    give_back(transaction, &uses).await?;
    Ok(Expired { ended: rows.len() as u64, given_back: uses.into_keys().collect() })
}

/// Puts back that many uses of each token.
async fn give_back(transaction: &mut Transaction, uses: &BTreeMap<TokenId, u64>) -> Result<(), Failure> {
    if uses.is_empty() {
        return Ok(());
    }
    let (tokens, counts): (Vec<String>, Vec<i64>) =
        uses.iter().map(|(token, count)| (token.to_string(), signed(*count))).unzip();
    sqlx::query(
        "UPDATE token_counters SET used = greatest(used - back.uses, 0), given_back = given_back + back.uses
         FROM unnest($1::text[], $2::bigint[]) AS back (token, uses) WHERE token_counters.token = back.token",
    )
    .bind(tokens)
    .bind(counts)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// How the counter stands, and the limit.
async fn counter_of(transaction: &mut Transaction, token: TokenId) -> Result<(Tally, Option<u64>), Failure> {
    let row = sqlx::query("SELECT token, used, given_back, use_limit FROM token_counters WHERE token = $1")
        .bind(token.to_string())
        .fetch_one(&mut **transaction)
        .await?;
    let reader = Reader::new(&row, "token_counters", "token");
    let tally = Tally { used: reader.unsigned("used")?, given_back: reader.unsigned("given_back")? };
    Ok((tally, reader.optional_unsigned("use_limit")?))
}

async fn find(connection: &mut PgConnection, id: UploadId) -> Result<Option<Upload>, Failure> {
    let row = sqlx::query(FIND).bind(id.to_string()).fetch_optional(connection).await?;
    Ok(row.as_ref().map(|row: &PgRow| record::upload(row)).transpose()?)
}
