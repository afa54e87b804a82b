//! Changes of the configuration: each takes its position in its own transaction and is announced after its commit.

use std::collections::HashMap;

use countermark_core::{Token, TokenEvent, TokenId, UnixSeconds, ValueDigest};
use countermark_domain::store::{
    AuditEntry, Change, Changed, IDEMPOTENCY_SECONDS, Inserted, KeptAnswer, NewCredential, Position,
    StoreError,
};
use sqlx::sqlite::{SqliteQueryResult, SqliteRow};
use sqlx::{SqliteConnection, SqliteExecutor, SqlitePool};

use super::credential::{self, Stored};
use super::{audit, idempotency, notice, unavailable};
use crate::notice::Told;
use crate::record::{self, TokenColumns};
use crate::row::{Reader, seconds, signed};
use crate::vault::Vault;
use crate::verdict::Verdict;

pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    vault: &Vault,
    token: &Token,
    credential: NewCredential,
    entry: AuditEntry,
    kept: Option<KeptAnswer>,
) -> Result<Verdict<Inserted>, StoreError> {
    if let Some(kept) = &kept
        && !idempotency::keep(connection, vault, kept, entry.at).await?
    {
        return Ok(Verdict::Undo(Inserted::KeyTaken));
    }
    Ok(match insert_rows(connection, vault, token, credential, &entry).await? {
        Ok(change) => Verdict::Announce(Inserted::Done, change),
        Err(Taken::Value) => Verdict::Undo(Inserted::ValueTaken),
        Err(Taken::Name) => Verdict::Undo(Inserted::NameTaken),
    })
}

pub(crate) async fn bootstrap(
    connection: &mut SqliteConnection,
    vault: &Vault,
    token: &Token,
    credential: NewCredential,
    entry: AuditEntry,
) -> Result<Verdict<bool>, StoreError> {
    let done = sqlx::query("UPDATE installation SET bootstrapped_at = ?1 WHERE bootstrapped_at IS NULL")
        .bind(signed(entry.at.get()))
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    if done.rows_affected() == 0 {
        return Ok(Verdict::Undo(false));
    }
    match insert_rows(connection, vault, token, credential, &entry).await? {
        Ok(change) => Ok(Verdict::Announce(true, change)),
        Err(Taken::Value | Taken::Name) => {
            Err(StoreError::Unavailable("the first administrator's value belongs to another token".into()))
        }
    }
}

/// What of a new token another one has already.
enum Taken {
    Value,
    Name,
}

/// On `Err` the caller must roll back.
async fn insert_rows(
    connection: &mut SqliteConnection,
    vault: &Vault,
    token: &Token,
    credential: NewCredential,
    entry: &AuditEntry,
) -> Result<Result<Change, Taken>, StoreError> {
    if !insert_token(connection, token).await? {
        return Ok(Err(Taken::Name));
    }
    insert_counters(connection, token).await?;
    let at = token.about.created_at;
    let values = match credential::store(connection, vault, token.terms.id, credential, at).await? {
        Stored::Value(digest) => vec![digest],
        Stored::Secret => Vec::new(),
        Stored::Taken => return Ok(Err(Taken::Value)),
    };
    audit::append(connection, entry).await?;
    announce(connection, vec![token.terms.id], values).await.map(Ok)
}

/// Whether the name was free.
async fn insert_token(connection: &mut SqliteConnection, token: &Token) -> Result<bool, StoreError> {
    let (about, columns) = (&token.about, TokenColumns::of(token));
    let done = sqlx::query(
        "INSERT INTO access_tokens (id, name, description, owner, labels, not_before, terms, auto_delete, sweep_at,
                                    recoverable, preview, dialect, created_at, updated_at, created_by, notify,
                                    expiring_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    )
    .bind(columns.id)
    .bind(&about.name)
    .bind(&about.description)
    .bind(token.terms.owner.as_deref())
    .bind(columns.labels)
    .bind(seconds(token.terms.not_before))
    .bind(columns.terms)
    .bind(about.auto_delete)
    .bind(columns.sweep_at)
    .bind(about.recoverable)
    .bind(&about.preview)
    .bind(token.terms.dialect.name())
    .bind(signed(about.created_at.get()))
    .bind(signed(about.updated_at.get()))
    .bind(about.created_by.map(|id| id.to_string()))
    .bind(columns.notify)
    .bind(columns.expiring_at)
    .execute(connection)
    .await;
    name_was_free(done)
}

async fn insert_counters(connection: &mut SqliteConnection, token: &Token) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO token_counters (token, revision, enabled, revoked_at, expiry, use_limit, used, last_used_at,
                                     notice_at, given_back)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )
    .bind(token.terms.id.to_string())
    .bind(signed(token.terms.revision))
    .bind(token.terms.enabled)
    .bind(seconds(token.terms.revoked_at))
    .bind(seconds(token.terms.expiry))
    .bind(token.terms.limit.map(signed))
    .bind(signed(token.usage.used))
    .bind(seconds(token.usage.last_used_at))
    .bind(Told::default().notice_at(token, token.usage.used).map(signed))
    .bind(signed(token.usage.given_back))
    .execute(connection)
    .await
    .map_err(unavailable)?;
    Ok(())
}

pub(crate) async fn update(
    connection: &mut SqliteConnection,
    vault: &Vault,
    token: &Token,
    expected: u64,
    credential: Option<NewCredential>,
    entry: AuditEntry,
) -> Result<Verdict<Changed>, StoreError> {
    let standing = match judge(connection, token.terms.id, expected).await? {
        Ok(standing) => standing,
        Err(refusal) => return Ok(Verdict::Undo(refusal)),
    };
    let used = standing.used;
    if token.terms.limit.is_some_and(|limit| limit < used) {
        return Ok(Verdict::Undo(Changed::LimitBelowUsed));
    }
    let is_same_limit = standing.limit == token.terms.limit;
    let is_used_up_by_this = !is_same_limit && used > 0 && token.terms.limit == Some(used);
    let told = if is_same_limit { standing.told } else { Told::by_change(token, is_used_up_by_this) };
    sqlx::query(
        "UPDATE token_counters
         SET revision = ?2, enabled = ?3, expiry = ?4, use_limit = ?5, notice_at = ?6, near_told = ?7, reached_told = ?8
         WHERE token = ?1",
    )
    .bind(token.terms.id.to_string())
    .bind(signed(token.terms.revision))
    .bind(token.terms.enabled)
    .bind(seconds(token.terms.expiry))
    .bind(token.terms.limit.map(signed))
    .bind(told.notice_at(token, used).map(signed))
    .bind(told.near)
    .bind(told.reached)
    .execute(&mut *connection)
    .await
    .map_err(unavailable)?;
    if !update_token(connection, token).await? {
        return Ok(Verdict::Undo(Changed::NameTaken));
    }
    let mut values = Vec::new();
    if let Some(credential) = credential {
        credential::end_former(connection, token.terms.id, entry.at).await?;
        match credential::store(connection, vault, token.terms.id, credential, entry.at).await? {
            Stored::Value(digest) => values.push(digest),
            Stored::Secret => {}
            Stored::Taken => return Ok(Verdict::Undo(Changed::ValueTaken)),
        }
    }
    if is_used_up_by_this {
        notice::tell(connection, vault, TokenEvent::LimitReached, &[token.terms.id], entry.at).await?;
    }
    audit::append(connection, &entry).await?;
    let change = announce(connection, vec![token.terms.id], values).await?;
    Ok(Verdict::Announce(Changed::Done, change))
}

/// Whether the name was free.
async fn update_token(connection: &mut SqliteConnection, token: &Token) -> Result<bool, StoreError> {
    let (about, columns) = (&token.about, TokenColumns::of(token));
    let done = sqlx::query(
        "UPDATE access_tokens
         SET name = ?2, description = ?3, owner = ?4, labels = ?5, not_before = ?6, terms = ?7, auto_delete = ?8,
             sweep_at = ?9, updated_at = ?10, notify = ?11,
             expiring_at = iif(?12 IS expiring_told, NULL, ?12)
         WHERE id = ?1",
    )
    .bind(columns.id)
    .bind(&about.name)
    .bind(&about.description)
    .bind(token.terms.owner.as_deref())
    .bind(columns.labels)
    .bind(seconds(token.terms.not_before))
    .bind(columns.terms)
    .bind(about.auto_delete)
    .bind(columns.sweep_at)
    .bind(signed(about.updated_at.get()))
    .bind(columns.notify)
    .bind(columns.expiring_at)
    .execute(connection)
    .await;
    name_was_free(done)
}

/// The columns of the index that holds names to be unique, as SQLite names them where it refuses a row.
const UNIQUE_NAMES: &str = "access_tokens.dialect, access_tokens.name";

/// A refused statement has changed nothing, and the transaction around it goes on.
fn name_was_free(done: Result<SqliteQueryResult, sqlx::Error>) -> Result<bool, StoreError> {
    match done {
        Ok(_) => Ok(true),
        Err(sqlx::Error::Database(error)) if error.message().contains(UNIQUE_NAMES) => Ok(false),
        Err(error) => Err(unavailable(error)),
    }
}

/// What a regeneration replaces: the secret half, and what is shown of it.
pub(crate) struct Regeneration<'a> {
    pub token: &'a Token,
    pub expected: u64,
    pub credential: NewCredential,
    pub overlap_until: UnixSeconds,
}

pub(crate) async fn regenerate(
    connection: &mut SqliteConnection,
    vault: &Vault,
    regeneration: Regeneration<'_>,
    entry: AuditEntry,
    kept: Option<KeptAnswer>,
) -> Result<Verdict<Changed>, StoreError> {
    let Regeneration { token, expected, credential, overlap_until } = regeneration;
    let id = token.terms.id;
    if let Some(kept) = &kept
        && !idempotency::keep(connection, vault, kept, entry.at).await?
    {
        return Ok(Verdict::Undo(Changed::KeyTaken));
    }
    if let Err(refusal) = judge(connection, id, expected).await? {
        return Ok(Verdict::Undo(refusal));
    }
    credential::end_former(connection, id, overlap_until).await?;
    let values = match credential::store(connection, vault, id, credential, token.about.updated_at).await? {
        Stored::Value(digest) => vec![digest],
        Stored::Secret => Vec::new(),
        Stored::Taken => return Ok(Verdict::Undo(Changed::ValueTaken)),
    };
    update_preview(connection, token).await?;
    audit::append(connection, &entry).await?;
    let change = announce(connection, vec![id], values).await?;
    Ok(Verdict::Announce(Changed::Done, change))
}

async fn update_preview(connection: &mut SqliteConnection, token: &Token) -> Result<(), StoreError> {
    let id = token.terms.id.to_string();
    sqlx::query("UPDATE token_counters SET revision = ?2 WHERE token = ?1")
        .bind(&id)
        .bind(signed(token.terms.revision))
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    sqlx::query("UPDATE access_tokens SET preview = ?2, recoverable = ?3, updated_at = ?4 WHERE id = ?1")
        .bind(&id)
        .bind(&token.about.preview)
        .bind(token.about.recoverable)
        .bind(signed(token.about.updated_at.get()))
        .execute(connection)
        .await
        .map_err(unavailable)?;
    Ok(())
}

/// How a token stands that is to be changed.
struct Standing {
    used: u64,
    limit: Option<u64>,
    told: Told,
}

/// How a token stands that has the expected revision, or why it must not be changed.
async fn judge(
    connection: &mut SqliteConnection,
    id: TokenId,
    expected: u64,
) -> Result<Result<Standing, Changed>, StoreError> {
    let row = sqlx::query(
        "SELECT token, revision, used, use_limit, near_told, reached_told FROM token_counters WHERE token = ?1",
    )
    .bind(id.to_string())
    .fetch_optional(connection)
    .await
    .map_err(unavailable)?;
    let Some(row) = row else { return Ok(Err(Changed::Gone)) };
    let reader = Reader::new(&row, "token_counters", "token");
    if reader.unsigned("revision")? != expected {
        return Ok(Err(Changed::Stale));
    }
    Ok(Ok(Standing {
        used: reader.unsigned("used")?,
        limit: reader.optional_unsigned("use_limit")?,
        told: Told { near: reader.column("near_told")?, reached: reader.column("reached_told")? },
    }))
}

/// All that a token has issued, down to the last; UNION also ends on a circle.
const DESCENT: &str = "
    WITH RECURSIVE ended (id) AS (
        SELECT id FROM access_tokens WHERE id = ?1
        UNION
        SELECT child.id FROM ended JOIN access_tokens child ON child.created_by = ended.id WHERE ?2
    )
    SELECT ended.id AS id, c.revision AS revision, c.revoked_at IS NULL AS is_live
    FROM ended JOIN token_counters c ON c.token = ended.id";

/// A token that is being ended, of its descent.
struct Descendant {
    id: TokenId,
    revision: u64,
    is_live: bool,
}

async fn descendants(
    executor: impl SqliteExecutor<'_>,
    id: TokenId,
    cascade: bool,
) -> Result<Vec<Descendant>, StoreError> {
    let rows = sqlx::query(DESCENT)
        .bind(id.to_string())
        .bind(cascade)
        .fetch_all(executor)
        .await
        .map_err(unavailable)?;
    let read = |row: &SqliteRow| {
        let reader = Reader::new(row, "access_tokens", "id");
        Ok(Descendant {
            id: reader.token_id("id")?,
            revision: reader.unsigned("revision")?,
            is_live: reader.column("is_live")?,
        })
    };
    rows.iter().map(read).collect()
}

pub(crate) async fn descent(readers: &SqlitePool, id: TokenId) -> Result<Vec<(TokenId, u64)>, StoreError> {
    let all = descendants(readers, id, true).await?;
    Ok(all.into_iter().filter(|one| one.is_live).map(|one| (one.id, one.revision)).collect())
}

pub(crate) async fn revoke(
    connection: &mut SqliteConnection,
    vault: &Vault,
    id: TokenId,
    at: UnixSeconds,
    judged: Option<&[(TokenId, u64)]>,
    entry: AuditEntry,
) -> Result<Verdict<Option<Vec<TokenId>>>, StoreError> {
    let descendants = descendants(&mut *connection, id, judged.is_some()).await?;
    let revoked: Vec<TokenId> = descendants.iter().map(|one| one.id).collect();
    if revoked.is_empty() {
        return Ok(Verdict::Undo(Some(revoked)));
    }
    if let Some(judged) = judged {
        let judged: HashMap<TokenId, u64> = judged.iter().copied().collect();
        // A revision of 1 that nobody has judged is a token that was issued since.
        let is_as_judged = |one: &Descendant| one.revision == judged.get(&one.id).copied().unwrap_or(1);
        if !descendants.iter().filter(|one| one.is_live).all(is_as_judged) {
            return Ok(Verdict::Undo(None));
        }
    }
    let live: Vec<TokenId> = descendants.iter().filter(|one| one.is_live).map(|one| one.id).collect();
    audit::append(connection, &entry).await?;
    if live.is_empty() {
        return Ok(Verdict::Keep(Some(revoked)));
    }
    end(connection, &live, at).await?;
    notice::tell(connection, vault, TokenEvent::Revoked, &live, at).await?;
    let change = announce(connection, live, Vec::new()).await?;
    Ok(Verdict::Announce(Some(revoked), change))
}

async fn end(connection: &mut SqliteConnection, live: &[TokenId], at: UnixSeconds) -> Result<(), StoreError> {
    let ids = serde_json::to_string(live).expect("ids are strings");
    for statement in [
        "UPDATE token_counters SET revoked_at = ?2, revision = revision + 1
         WHERE token IN (SELECT value FROM json_each(?1))",
        "UPDATE access_tokens SET updated_at = ?2, expiring_at = NULL WHERE id IN (SELECT value FROM json_each(?1))",
    ] {
        sqlx::query(statement)
            .bind(&ids)
            .bind(signed(at.get()))
            .execute(&mut *connection)
            .await
            .map_err(unavailable)?;
    }
    Ok(())
}

pub(crate) async fn purge(
    connection: &mut SqliteConnection,
    vault: &Vault,
    id: TokenId,
    entry: AuditEntry,
) -> Result<Verdict<bool>, StoreError> {
    // Whoever wants to know of a token's end learns of it also if it ends this way.
    if descendants(&mut *connection, id, false).await?.iter().any(|one| one.is_live) {
        end(connection, &[id], entry.at).await?;
        notice::tell(connection, vault, TokenEvent::Revoked, &[id], entry.at).await?;
    }
    // Credentials, counters and figures go with it by their foreign keys.
    let done = sqlx::query("DELETE FROM access_tokens WHERE id = ?1")
        .bind(id.to_string())
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    if done.rows_affected() == 0 {
        return Ok(Verdict::Undo(false));
    }
    audit::append(connection, &entry).await?;
    let change = announce(connection, vec![id], Vec::new()).await?;
    Ok(Verdict::Announce(true, change))
}

/// What has begun may be finished: a token stays until its last reservation has ended, if only by its deadline.
pub(super) const SWEEP: &str = "
    DELETE FROM access_tokens
    WHERE id IN (SELECT id FROM access_tokens t
                 WHERE sweep_at <= ?1
                   AND NOT EXISTS (SELECT 1 FROM uploads WHERE token = t.id AND state = 'reserved')
                 ORDER BY sweep_at LIMIT ?2)
    RETURNING id";

pub(crate) async fn sweep(
    connection: &mut SqliteConnection,
    now: UnixSeconds,
    at_most: u32,
) -> Result<Verdict<u64>, StoreError> {
    let forgotten = sqlx::query("DELETE FROM idempotency_keys WHERE created_at <= ?1 - ?2")
        .bind(signed(now.get()))
        .bind(signed(IDEMPOTENCY_SECONDS))
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    let rows = sqlx::query(SWEEP)
        .bind(signed(now.get()))
        .bind(at_most)
        .fetch_all(&mut *connection)
        .await
        .map_err(unavailable)?;
    let swept: Vec<TokenId> = rows
        .iter()
        .map(|row| Reader::new(row, "access_tokens", "id").token_id("id"))
        .collect::<Result<_, _>>()?;
    if swept.is_empty() {
        let nothing = forgotten.rows_affected() == 0;
        return Ok(if nothing { Verdict::Undo(0) } else { Verdict::Keep(0) });
    }
    let count = swept.len() as u64;
    for token in &swept {
        audit::append(connection, &record::audit_of_sweep(*token, now)).await?;
    }
    let change = announce(connection, swept, Vec::new()).await?;
    Ok(Verdict::Announce(count, change))
}

async fn announce(
    connection: &mut SqliteConnection,
    tokens: Vec<TokenId>,
    values: Vec<ValueDigest>,
) -> Result<Change, StoreError> {
    let row = sqlx::query(
        "UPDATE installation SET change_position = change_position + 1 RETURNING change_position",
    )
    .fetch_one(connection)
    .await
    .map_err(unavailable)?;
    let position = Reader::new(&row, "installation", "change_position").unsigned("change_position")?;
    Ok(Change { position: Position(position), tokens, values })
}
