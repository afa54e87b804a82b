//! Changes of the configuration: each takes its position in its own transaction and is announced after its commit.

use std::collections::{BTreeSet, HashMap};

use countermark_core::{Token, TokenEvent, TokenId, UnixSeconds, ValueDigest};
use countermark_domain::store::{
    AuditEntry, Change, Changed, IDEMPOTENCY_SECONDS, Inserted, KeptAnswer, NewCredential, Position,
    StoreError,
};
use sqlx::PgConnection;
use sqlx::postgres::{PgQueryResult, PgRow};

use super::credential::{self, Stored};
use super::failure::Failure;
use super::installation::key_fits;
use super::transaction::Transaction;
use super::{audit, idempotency, log, notice, take};
use crate::notice::Told;
use crate::record::{self, TokenColumns};
use crate::row::{Reader, seconds, signed};
use crate::vault::Vault;
use crate::verdict::Verdict;

pub(super) async fn insert(
    transaction: &mut Transaction,
    vault: &Vault,
    token: &Token,
    credential: &NewCredential,
    entry: &AuditEntry,
    kept: Option<&KeptAnswer>,
) -> Result<Verdict<Inserted>, Failure> {
    if let Some(kept) = kept
        && !idempotency::keep(transaction, vault, kept, entry.at).await?
    {
        return Ok(Verdict::Undo(Inserted::KeyTaken));
    }
    Ok(match insert_rows(transaction, vault, token, credential, entry).await? {
        Ok(change) => Verdict::Announce(Inserted::Done, change),
        Err(Taken::Value) => Verdict::Undo(Inserted::ValueTaken),
        Err(Taken::Name) => Verdict::Undo(Inserted::NameTaken),
    })
}

pub(super) async fn bootstrap(
    transaction: &mut Transaction,
    vault: &Vault,
    token: &Token,
    credential: &NewCredential,
    entry: &AuditEntry,
) -> Result<Verdict<bool>, Failure> {
    let done = sqlx::query("UPDATE installation SET bootstrapped_at = $1 WHERE bootstrapped_at IS NULL")
        .bind(signed(entry.at.get()))
        .execute(&mut **transaction)
        .await?;
    if done.rows_affected() == 0 {
        return Ok(Verdict::Undo(false));
    }
    match insert_rows(transaction, vault, token, credential, entry).await? {
        Ok(change) => Ok(Verdict::Announce(true, change)),
        Err(Taken::Value | Taken::Name) => {
            let text = "the first administrator's value belongs to another token";
            Err(StoreError::Unavailable(text.into()).into())
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
    transaction: &mut Transaction,
    vault: &Vault,
    token: &Token,
    credential: &NewCredential,
    entry: &AuditEntry,
) -> Result<Result<Change, Taken>, Failure> {
    if !insert_token(transaction, token).await? {
        return Ok(Err(Taken::Name));
    }
    insert_counters(transaction, token).await?;
    let at = token.about.created_at;
    let values = match credential::store(transaction, vault, token.terms.id, credential, at).await? {
        Stored::Value(digest) => vec![digest],
        Stored::Secret => Vec::new(),
        Stored::Taken => return Ok(Err(Taken::Value)),
    };
    audit::append(transaction, entry).await?;
    announce(transaction, vec![token.terms.id], values, Some(vault)).await.map(Ok)
}

/// Whether the name was free.
async fn insert_token(transaction: &mut Transaction, token: &Token) -> Result<bool, Failure> {
    let (about, columns) = (&token.about, TokenColumns::of(token));
    let done = sqlx::query(
        "INSERT INTO access_tokens (id, name, description, owner, labels, not_before, terms, auto_delete, sweep_at,
                                    recoverable, preview, dialect, created_at, updated_at, created_by, notify,
                                    expiring_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
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
    .execute(&mut **transaction)
    .await;
    name_was_free(done)
}

async fn insert_counters(transaction: &mut Transaction, token: &Token) -> Result<(), Failure> {
    sqlx::query(
        "INSERT INTO token_counters (token, revision, enabled, revoked_at, expiry, use_limit, used, last_used_at,
                                     notice_at, given_back)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
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
    .execute(&mut **transaction).await?;
    Ok(())
}

pub(super) async fn update(
    transaction: &mut Transaction,
    vault: &Vault,
    token: &Token,
    expected: u64,
    credential: Option<&NewCredential>,
    entry: &AuditEntry,
) -> Result<Verdict<Changed>, Failure> {
    let standing = match judge(transaction, token.terms.id, expected).await? {
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
         SET revision = $2, enabled = $3, expiry = $4, use_limit = $5, notice_at = $6, near_told = $7, reached_told = $8
         WHERE token = $1",
    )
    .bind(token.terms.id.to_string())
    .bind(signed(token.terms.revision))
    .bind(token.terms.enabled)
    .bind(seconds(token.terms.expiry))
    .bind(token.terms.limit.map(signed))
    .bind(told.notice_at(token, used).map(signed))
    .bind(told.near)
    .bind(told.reached)
    .execute(&mut **transaction).await?;
    if !update_token(transaction, token).await? {
        return Ok(Verdict::Undo(Changed::NameTaken));
    }
    let mut values = Vec::new();
    if let Some(credential) = credential {
        credential::end_former(transaction, token.terms.id, entry.at).await?;
        match credential::store(transaction, vault, token.terms.id, credential, entry.at).await? {
            Stored::Value(digest) => values.push(digest),
            Stored::Secret => {}
            Stored::Taken => return Ok(Verdict::Undo(Changed::ValueTaken)),
        }
    }
    if is_used_up_by_this {
        notice::tell(transaction, vault, TokenEvent::LimitReached, &[token.terms.id], entry.at).await?;
    }
    audit::append(transaction, entry).await?;
    let change = announce(transaction, vec![token.terms.id], values, credential.map(|_| vault)).await?;
    Ok(Verdict::Announce(Changed::Done, change))
}

/// Whether the name was free.
async fn update_token(transaction: &mut Transaction, token: &Token) -> Result<bool, Failure> {
    let (about, columns) = (&token.about, TokenColumns::of(token));
    let done = sqlx::query(
        "UPDATE access_tokens
         SET name = $2, description = $3, owner = $4, labels = $5, not_before = $6, terms = $7, auto_delete = $8,
             sweep_at = $9, updated_at = $10, notify = $11,
             expiring_at = CASE WHEN $12 IS DISTINCT FROM expiring_told THEN $12 END
         WHERE id = $1",
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
    .execute(&mut **transaction)
    .await;
    name_was_free(done)
}

/// The index that holds names to be unique.
const UNIQUE_NAMES: &str = "access_tokens_unique_names";

/// After a refused statement nothing but the end of the transaction is possible.
fn name_was_free(done: Result<PgQueryResult, sqlx::Error>) -> Result<bool, Failure> {
    match done {
        Ok(_) => Ok(true),
        Err(sqlx::Error::Database(error)) if error.constraint() == Some(UNIQUE_NAMES) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What a regeneration replaces: the secret half, and what is shown of it.
pub(super) struct Regeneration<'a> {
    pub token: &'a Token,
    pub expected: u64,
    pub credential: &'a NewCredential,
    pub overlap_until: UnixSeconds,
}

pub(super) async fn regenerate(
    transaction: &mut Transaction,
    vault: &Vault,
    regeneration: Regeneration<'_>,
    entry: &AuditEntry,
    kept: Option<&KeptAnswer>,
) -> Result<Verdict<Changed>, Failure> {
    let Regeneration { token, expected, credential, overlap_until } = regeneration;
    let id = token.terms.id;
    if let Some(kept) = kept
        && !idempotency::keep(transaction, vault, kept, entry.at).await?
    {
        return Ok(Verdict::Undo(Changed::KeyTaken));
    }
    if let Err(refusal) = judge(transaction, id, expected).await? {
        return Ok(Verdict::Undo(refusal));
    }
    credential::end_former(transaction, id, overlap_until).await?;
    let values = match credential::store(transaction, vault, id, credential, token.about.updated_at).await? {
        Stored::Value(digest) => vec![digest],
        Stored::Secret => Vec::new(),
        Stored::Taken => return Ok(Verdict::Undo(Changed::ValueTaken)),
    };
    update_preview(transaction, token).await?;
    audit::append(transaction, entry).await?;
    let change = announce(transaction, vec![id], values, Some(vault)).await?;
    Ok(Verdict::Announce(Changed::Done, change))
}

async fn update_preview(transaction: &mut Transaction, token: &Token) -> Result<(), Failure> {
    let id = token.terms.id.to_string();
    sqlx::query("UPDATE token_counters SET revision = $2 WHERE token = $1")
        .bind(&id)
        .bind(signed(token.terms.revision))
        .execute(&mut **transaction)
        .await?;
    sqlx::query("UPDATE access_tokens SET preview = $2, recoverable = $3, updated_at = $4 WHERE id = $1")
        .bind(&id)
        .bind(&token.about.preview)
        .bind(token.about.recoverable)
        .bind(signed(token.about.updated_at.get()))
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// How a token stands that is to be changed.
struct Standing {
    used: u64,
    limit: Option<u64>,
    told: Told,
}

/// How a token stands that has the expected revision, locked until the end of the transaction; or why it must not be
/// changed.
async fn judge(
    transaction: &mut Transaction,
    id: TokenId,
    expected: u64,
) -> Result<Result<Standing, Changed>, Failure> {
    let row = sqlx::query(
        "SELECT token, revision, used, use_limit, near_told, reached_told FROM token_counters WHERE token = $1
         FOR UPDATE",
    )
    .bind(id.to_string())
    .fetch_optional(&mut **transaction).await?;
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
        SELECT id FROM access_tokens WHERE id = $1
        UNION
        SELECT child.id FROM ended JOIN access_tokens child ON child.created_by = ended.id WHERE $2
    )
    SELECT ended.id AS id, c.revision AS revision, c.revoked_at IS NULL AS is_live
    FROM ended JOIN token_counters c ON c.token = ended.id
    ORDER BY substr(ended.id, 4), ended.id";

/// A token that is being ended, of its descent.
struct Descendant {
    id: TokenId,
    revision: u64,
    is_live: bool,
}

async fn descendants(
    connection: &mut PgConnection,
    id: TokenId,
    cascade: bool,
) -> Result<Vec<Descendant>, Failure> {
    let rows = sqlx::query(DESCENT).bind(id.to_string()).bind(cascade).fetch_all(connection).await?;
    let read = |row: &PgRow| {
        let reader = Reader::new(row, "access_tokens", "id");
        Ok(Descendant {
            id: reader.token_id("id")?,
            revision: reader.unsigned("revision")?,
            is_live: reader.column("is_live")?,
        })
    };
    Ok(rows.iter().map(read).collect::<Result<_, StoreError>>()?)
}

/// The descent, locked until the end of the transaction: none of it changes or issues anything any more. While it was
/// waited for, more may have been issued, so it is read until all that is found is locked.
async fn lock_descendants(
    transaction: &mut Transaction,
    id: TokenId,
    cascade: bool,
) -> Result<Vec<Descendant>, Failure> {
    let mut locked = BTreeSet::new();
    loop {
        let found = descendants(transaction, id, cascade).await?;
        let new: BTreeSet<TokenId> =
            found.iter().map(|one| one.id).filter(|one| !locked.contains(one)).collect();
        if new.is_empty() {
            return Ok(found);
        }
        take::lock(transaction, &new).await?;
        locked.extend(new);
    }
}

pub(super) async fn descent(
    connection: &mut PgConnection,
    id: TokenId,
) -> Result<Vec<(TokenId, u64)>, Failure> {
    let all = descendants(connection, id, true).await?;
    Ok(all.into_iter().filter(|one| one.is_live).map(|one| (one.id, one.revision)).collect())
}

pub(super) async fn revoke(
    transaction: &mut Transaction,
    vault: &Vault,
    id: TokenId,
    at: UnixSeconds,
    judged: Option<&[(TokenId, u64)]>,
    entry: &AuditEntry,
) -> Result<Verdict<Option<Vec<TokenId>>>, Failure> {
    let descendants = lock_descendants(transaction, id, judged.is_some()).await?;
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
    audit::append(transaction, entry).await?;
    if live.is_empty() {
        return Ok(Verdict::Keep(Some(revoked)));
    }
    end(transaction, &live, at).await?;
    notice::tell(transaction, vault, TokenEvent::Revoked, &live, at).await?;
    let change = announce(transaction, live, Vec::new(), None).await?;
    Ok(Verdict::Announce(Some(revoked), change))
}

async fn end(transaction: &mut Transaction, live: &[TokenId], at: UnixSeconds) -> Result<(), Failure> {
    for statement in [
        "UPDATE token_counters SET revoked_at = $2, revision = revision + 1 WHERE token = ANY ($1)",
        "UPDATE access_tokens SET updated_at = $2, expiring_at = NULL WHERE id = ANY ($1)",
    ] {
        sqlx::query(statement)
            .bind(take::texts(live))
            .bind(signed(at.get()))
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

pub(super) async fn purge(
    transaction: &mut Transaction,
    vault: &Vault,
    id: TokenId,
    entry: &AuditEntry,
) -> Result<Verdict<bool>, Failure> {
    // Whoever wants to know of a token's end learns of it also if it ends this way.
    if lock_descendants(transaction, id, false).await?.iter().any(|one| one.is_live) {
        end(transaction, &[id], entry.at).await?;
        notice::tell(transaction, vault, TokenEvent::Revoked, &[id], entry.at).await?;
    }
    // Credentials, counters and figures go with it by their foreign keys.
    let done = sqlx::query("DELETE FROM access_tokens WHERE id = $1")
        .bind(id.to_string())
        .execute(&mut **transaction)
        .await?;
    if done.rows_affected() == 0 {
        return Ok(Verdict::Undo(false));
    }
    audit::append(transaction, entry).await?;
    let change = announce(transaction, vec![id], Vec::new(), None).await?;
    Ok(Verdict::Announce(true, change))
}

/// What has begun may be finished: a token stays until its last reservation has ended, if only by its deadline.
pub(super) const TO_SWEEP: &str = "
    SELECT id FROM access_tokens t
    WHERE sweep_at <= $1 AND NOT EXISTS (SELECT 1 FROM uploads WHERE token = t.id AND state = 'reserved')
    ORDER BY sweep_at LIMIT $2";

/// Looks again at what is locked by now: an upload may have begun, or the token may have got more time.
pub(super) const SWEEP: &str = "
    DELETE FROM access_tokens t
    WHERE id = ANY ($2) AND sweep_at <= $1
      AND NOT EXISTS (SELECT 1 FROM uploads WHERE token = t.id AND state = 'reserved')
    RETURNING id";

pub(super) async fn sweep(
    transaction: &mut Transaction,
    now: UnixSeconds,
    at_most: u32,
) -> Result<Verdict<u64>, Failure> {
    let forgotten = sqlx::query("DELETE FROM idempotency_keys WHERE created_at <= $1 - $2")
        .bind(signed(now.get()))
        .bind(signed(IDEMPOTENCY_SECONDS))
        .execute(&mut **transaction)
        .await?;
    let rows = sqlx::query(TO_SWEEP)
        .bind(signed(now.get()))
        .bind(i64::from(at_most))
        .fetch_all(&mut **transaction)
        .await?;
    let found: BTreeSet<TokenId> = ids(&rows)?;
    let swept: Vec<TokenId> = if found.is_empty() {
        Vec::new()
    } else {
        take::lock(transaction, &found).await?;
        let rows = sqlx::query(SWEEP)
            .bind(signed(now.get()))
            .bind(take::texts(&found))
            .fetch_all(&mut **transaction)
            .await?;
        ids(&rows)?
    };
    if swept.is_empty() {
        let nothing = forgotten.rows_affected() == 0;
        return Ok(if nothing { Verdict::Undo(0) } else { Verdict::Keep(0) });
    }
    let count = swept.len() as u64;
    for token in &swept {
        audit::append(transaction, &record::audit_of_sweep(*token, now)).await?;
    }
    let change = announce(transaction, swept, Vec::new(), None).await?;
    Ok(Verdict::Announce(count, change))
}

fn ids<C: FromIterator<TokenId>>(rows: &[PgRow]) -> Result<C, StoreError> {
    rows.iter().map(|row| Reader::new(row, "access_tokens", "id").token_id("id")).collect()
}

/// Takes the next position, last of all: its row is locked until the commit, so that positions are committed in their
/// order on all nodes. What the transaction has `sealed` must have been sealed under the only master key.
async fn announce(
    transaction: &mut Transaction,
    tokens: Vec<TokenId>,
    values: Vec<ValueDigest>,
    sealed: Option<&Vault>,
) -> Result<Change, Failure> {
    transaction.take_turn().await?;
    let row = sqlx::query(
        "UPDATE installation SET change_position = change_position + 1
         RETURNING change_position, master_key_version, next_key_check IS NOT NULL AS is_rotating",
    )
    .fetch_one(&mut **transaction)
    .await?;
    let reader = Reader::new(&row, "installation", "change_position");
    if let Some(vault) = sealed {
        key_fits(&reader, vault)?;
    }
    let change = Change { position: Position(reader.unsigned("change_position")?), tokens, values };
    log::note(transaction, &change).await?;
    Ok(change)
}
