//! Uploads: reserving a use and ending the reservation, each in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use countermark_core::{Tally, TokenId, UnixSeconds, UploadId};
use countermark_domain::store::{
    Booked, ENDED_UPLOAD_SECONDS, IDEMPOTENCY_SECONDS, IdempotencyKey, NewUpload, StoreError, Upload,
    UploadBegun, UploadEnd, UploadEnded, UploadState, UploadStore,
};
use sqlx::{SqliteConnection, SqliteExecutor};

use super::{SqliteStore, notice, notification, take, unavailable};
use crate::counter::{self, Counter};
use crate::record::{self, upload_state_name, upload_state_of};
use crate::row::{Reader, signed};
use crate::vault::Vault;
use crate::verdict::Verdict;

#[async_trait]
impl UploadStore for SqliteStore {
    async fn begin_upload(
        &self,
        new: NewUpload,
        now: UnixSeconds,
    ) -> Result<Booked<UploadBegun>, StoreError> {
        let vault = self.vault.clone();
        self.writer.run(async move |connection| begin(connection, &vault, &new, now).await).await
    }

    async fn find_upload(&self, id: UploadId) -> Result<Option<Upload>, StoreError> {
        find(&self.readers, id).await
    }

    async fn end_upload(
        &self,
        id: UploadId,
        end: UploadEnd,
        now: UnixSeconds,
    ) -> Result<Booked<UploadEnded>, StoreError> {
        self.writer.run(async move |connection| self::end(connection, id, end, now).await).await
    }

    async fn expire_uploads(&self, now: UnixSeconds, at_most: u32) -> Result<Booked<u64>, StoreError> {
        self.writer.run(async move |connection| expire(connection, now, at_most).await).await
    }
}

/// What deadlines have ended: how many uploads, and the tokens whose uses have gone back.
struct Expired {
    ended: u64,
    given_back: BTreeSet<TokenId>,
}

/// Which reservations a transaction ends by their deadline.
enum Due {
    OfToken(TokenId),
    One(UploadId),
    Any(u32),
}

pub(super) const FIND: &str = "
    SELECT id, token, owner, began_by, state, effective, extra, began_at, deadline, ended_at, result
    FROM uploads WHERE id = ?1";

pub(super) const FIND_BY_KEY: &str = "
    SELECT id, token, owner, began_by, state, effective, extra, began_at, deadline, ended_at, result,
           idempotency_request
    FROM uploads WHERE idempotency_scope = ?1";

/// `state_at_deadline` in SQL.
pub(super) const END_DUE: &str = "
    UPDATE uploads
    SET state = CASE WHEN began_by IS NULL THEN 'completed' ELSE 'aborted' END, ended_at = deadline
    WHERE id IN (SELECT id FROM uploads
                 WHERE state = 'reserved' AND deadline <= ?1 AND token = ifnull(?2, token) AND id = ifnull(?3, id)
                 ORDER BY deadline LIMIT ?4)
    RETURNING id, token, state";

pub(super) const COUNT_OPEN: &str = "SELECT count(*) FROM uploads WHERE token = ?1 AND state = 'reserved'";

pub(super) const FORGET: &str = "
    DELETE FROM uploads
    WHERE id IN (SELECT id FROM uploads WHERE ended_at < ?1 - ?2 ORDER BY ended_at LIMIT ?3)";

async fn begin(
    connection: &mut SqliteConnection,
    vault: &Vault,
    new: &NewUpload,
    now: UnixSeconds,
) -> Result<Verdict<Booked<UploadBegun>>, StoreError> {
    let token = new.upload.token;
    let expired = end_due(connection, now, Due::OfToken(token)).await?;
    let mut counters = take::read_counters(connection, vec![token], now).await?;
    let outcome = reserve(connection, vault, new, &mut counters, now).await?;
    let has_changed = expired.ended > 0 || matches!(outcome, UploadBegun::Reserved { .. });
    let tallies = counter::tallies(&counters);
    let booked = Booked { outcome, tallies };
    Ok(if has_changed { Verdict::Keep(booked) } else { Verdict::Undo(booked) })
}

/// Leaves the counters as they are unless the outcome is [`UploadBegun::Reserved`].
async fn reserve(
    connection: &mut SqliteConnection,
    vault: &Vault,
    new: &NewUpload,
    counters: &mut HashMap<TokenId, Counter>,
    now: UnixSeconds,
) -> Result<UploadBegun, StoreError> {
    let token = new.upload.token;
    let counter = match counters.get_mut(&token) {
        Some(counter) if counter.is_as_decided(new.revision) => counter,
        _ => return Ok(UploadBegun::Stale),
    };
    if let Some(key) = new.idempotency
        && let Some(outcome) = recall(connection, key, counter.used, now).await?
    {
        return Ok(outcome);
    }
    if !counter.has_room_for(1) {
        return Ok(UploadBegun::Exhausted { used: counter.used });
    }
    let open: i64 = sqlx::query_scalar(COUNT_OPEN)
        .bind(token.to_string())
        .fetch_one(&mut *connection)
        .await
        .map_err(unavailable)?;
    if open >= i64::from(new.open_at_most) {
        return Ok(UploadBegun::TooManyOpen);
    }
    counter.set_aside(1);
    let (used, notice) = (counter.used, counter.notice(token));
    take::take_guarded(connection, counters, now).await?;
    insert(connection, new).await?;
    notice::tell_uses(connection, vault, notice.as_slice(), now).await?;
    Ok(UploadBegun::Reserved { used })
}

/// What the same request, or another one under its key, has begun before; a key that is too old is set free.
async fn recall(
    connection: &mut SqliteConnection,
    key: IdempotencyKey,
    used: u64,
    now: UnixSeconds,
) -> Result<Option<UploadBegun>, StoreError> {
    sqlx::query(
        "UPDATE uploads SET idempotency_scope = NULL, idempotency_request = NULL
         WHERE idempotency_scope = ?1 AND began_at <= ?2 - ?3",
    )
    .bind(key.scope.as_slice())
    .bind(signed(now.get()))
    .bind(signed(IDEMPOTENCY_SECONDS))
    .execute(&mut *connection)
    .await
    .map_err(unavailable)?;
    let row = sqlx::query(FIND_BY_KEY)
        .bind(key.scope.as_slice())
        .fetch_optional(connection)
        .await
        .map_err(unavailable)?;
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

async fn insert(connection: &mut SqliteConnection, new: &NewUpload) -> Result<(), StoreError> {
    let upload = &new.upload;
    let json = |it: serde_json::Result<String>| it.expect("strings and numbers serialise");
    sqlx::query(
        "INSERT INTO uploads (id, token, owner, began_by, state, effective, extra, began_at, deadline,
                              idempotency_scope, idempotency_request)
         VALUES (?1, ?2, ?3, ?4, 'reserved', ?5, ?6, ?7, ?8, ?9, ?10)",
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
    .execute(connection)
    .await
    .map_err(unavailable)?;
    Ok(())
}

async fn end(
    connection: &mut SqliteConnection,
    id: UploadId,
    end: UploadEnd,
    now: UnixSeconds,
) -> Result<Verdict<Booked<UploadEnded>>, StoreError> {
    let expired = end_due(connection, now, Due::One(id)).await?;
    let Some(upload) = find(&mut *connection, id).await? else {
        return Ok(Verdict::Undo(Booked { outcome: UploadEnded::Gone, tallies: Vec::new() }));
    };
    let is_first = upload.state == UploadState::Reserved;
    let is_repeated = match &end {
        UploadEnd::Complete { result, .. } => upload.result.as_ref() == Some(result),
        UploadEnd::Abort => upload.state == UploadState::Aborted,
    };
    let upload = if is_first { end_reserved(connection, upload, end, now).await? } else { upload };
    let (tally, limit) = counter_of(connection, upload.token).await?;
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
    connection: &mut SqliteConnection,
    mut upload: Upload,
    end: UploadEnd,
    now: UnixSeconds,
) -> Result<Upload, StoreError> {
    upload.ended_at = Some(now);
    match end {
        UploadEnd::Complete { result, notifications } => {
            (upload.state, upload.result) = (UploadState::Completed, Some(result));
            notification::enqueue(connection, &notifications, now).await?;
        }
        UploadEnd::Abort => {
            upload.state = UploadState::Aborted;
            give_back(connection, &BTreeMap::from([(upload.token, 1)])).await?;
        }
    }
    sqlx::query(
        "UPDATE uploads SET state = ?2, ended_at = ?3, result = ?4 WHERE id = ?1 AND state = 'reserved'",
    )
    .bind(upload.id.to_string())
    .bind(upload_state_name(upload.state))
    .bind(signed(now.get()))
    .bind(&upload.result)
    .execute(connection)
    .await
    .map_err(unavailable)?;
    Ok(upload)
}

async fn expire(
    connection: &mut SqliteConnection,
    now: UnixSeconds,
    at_most: u32,
) -> Result<Verdict<Booked<u64>>, StoreError> {
    let expired = end_due(connection, now, Due::Any(at_most)).await?;
    let forgotten = sqlx::query(FORGET)
        .bind(signed(now.get()))
        .bind(signed(ENDED_UPLOAD_SECONDS))
        .bind(at_most)
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    let is_nothing = expired.ended == 0 && forgotten.rows_affected() == 0;
    let tallies = take::read_tallies(connection, &expired.given_back).await?;
    let booked = Booked { outcome: expired.ended, tallies };
    Ok(if is_nothing { Verdict::Undo(booked) } else { Verdict::Keep(booked) })
}

async fn end_due(
    connection: &mut SqliteConnection,
    now: UnixSeconds,
    due: Due,
) -> Result<Expired, StoreError> {
    let (token, id, at_most) = match due {
        Due::OfToken(token) => (Some(token.to_string()), None, u32::MAX),
        Due::One(id) => (None, Some(id.to_string()), 1),
        Due::Any(at_most) => (None, None, at_most),
    };
    let rows = sqlx::query(END_DUE)
        .bind(signed(now.get()))
        .bind(token)
        .bind(id)
        .bind(at_most)
        .fetch_all(&mut *connection)
        .await
        .map_err(unavailable)?;
    let mut uses: BTreeMap<TokenId, u64> = BTreeMap::new();
    for row in &rows {
        let reader = Reader::new(row, "uploads", "id");
        if upload_state_of(&reader)? == UploadState::Aborted {
            *uses.entry(reader.token_id("token")?).or_default() += 1;
        }
    }
    give_back(connection, &uses).await?;
    Ok(Expired { ended: rows.len() as u64, given_back: uses.into_keys().collect() })
}

/// Puts back that many uses of each token.
async fn give_back(
    connection: &mut SqliteConnection,
    uses: &BTreeMap<TokenId, u64>,
) -> Result<(), StoreError> {
    if uses.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE token_counters SET used = max(used - back.value, 0), given_back = given_back + back.value
         FROM json_each(?1) AS back WHERE token_counters.token = back.key",
    )
    .bind(serde_json::to_string(uses).expect("ids are strings"))
    .execute(connection)
    .await
    .map_err(unavailable)?;
    Ok(())
}

/// How the counter stands, and the limit.
async fn counter_of(
    connection: &mut SqliteConnection,
    token: TokenId,
) -> Result<(Tally, Option<u64>), StoreError> {
    let row = sqlx::query("SELECT token, used, given_back, use_limit FROM token_counters WHERE token = ?1")
        .bind(token.to_string())
        .fetch_one(connection)
        .await
        .map_err(unavailable)?;
    let reader = Reader::new(&row, "token_counters", "token");
    let tally = Tally { used: reader.unsigned("used")?, given_back: reader.unsigned("given_back")? };
    Ok((tally, reader.optional_unsigned("use_limit")?))
}

async fn find(executor: impl SqliteExecutor<'_>, id: UploadId) -> Result<Option<Upload>, StoreError> {
    let row = sqlx::query(FIND).bind(id.to_string()).fetch_optional(executor).await.map_err(unavailable)?;
    row.as_ref().map(|row| record::upload(row)).transpose()
}
