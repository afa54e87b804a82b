//! The log of changes, from which every node learns what the others have changed.

use countermark_core::ValueDigest;
use countermark_domain::store::{Change, Position, StoreError};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::failure::Failure;
use super::take::texts;
use super::transaction::Transaction;
use crate::row::{Reader, from_hex, hex, signed};

/// Most tokens of one change that are named: whoever has to forget more forgets everything.
const MOST_TOKENS: usize = 1_000;

const NOTE: &str = "INSERT INTO changes (position, tokens, digests) VALUES ($1, $2, $3)";

/// The same, and wakes up the other nodes at the commit.
const NOTE_AND_WAKE: &str = "
    WITH noted AS (INSERT INTO changes (position, tokens, digests) VALUES ($1, $2, $3))
    SELECT pg_notify($4, '')";

/// Notes a change within its transaction.
pub(super) async fn note(transaction: &mut Transaction, change: &Change) -> Result<(), Failure> {
    let channel = transaction.channel();
    let tokens = (change.tokens.len() <= MOST_TOKENS).then(|| texts(&change.tokens).join(" "));
    let digests: Vec<String> = change.values.iter().map(|digest| hex(&digest.0)).collect();
    let statement = if channel.is_some() { NOTE_AND_WAKE } else { NOTE };
    let mut query =
        sqlx::query(statement).bind(signed(change.position.0)).bind(tokens).bind(digests.join(" "));
    if let Some(channel) = &channel {
        query = query.bind(&**channel);
    }
    query.execute(&mut **transaction).await?;
    Ok(())
}

/// Every change after `applied`, up to the last; `None` if they are not all known one by one.
pub(super) async fn after(
    connection: &mut PgConnection,
    applied: Position,
    last: Position,
) -> Result<Option<Vec<Change>>, Failure> {
    let changes = since(connection, applied).await?;
    let is_whole = |changes: &Vec<Change>| changes.last().map_or(applied, |change| change.position) == last;
    Ok(changes.filter(is_whole))
}

/// Changes after `applied` without a gap, as far as they can be seen; `None` if there is a gap or one is not known by its
/// tokens.
pub(super) async fn since(
    connection: &mut PgConnection,
    applied: Position,
) -> Result<Option<Vec<Change>>, Failure> {
    let rows =
        sqlx::query("SELECT position, tokens, digests FROM changes WHERE position > $1 ORDER BY position")
            .bind(signed(applied.0))
            .fetch_all(connection)
            .await?;
    let changes: Option<Vec<Change>> = rows.iter().map(change).collect::<Result<_, StoreError>>()?;
    let is_next = |(index, change): (u64, &Change)| change.position.0 == applied.0 + 1 + index;
    Ok(changes.filter(|changes| (0..).zip(changes).all(is_next)))
}

/// `None` for one whose tokens are too many to name.
fn change(row: &PgRow) -> Result<Option<Change>, StoreError> {
    let reader = Reader::new(row, "changes", "position");
    let position = Position(reader.unsigned("position")?);
    let Some(tokens) = reader.optional::<&str>("tokens")? else { return Ok(None) };
    let tokens = tokens.split_whitespace().map(str::parse).collect::<Result<_, _>>();
    let digests = reader.column::<&str>("digests")?.split_whitespace();
    let digest = |text| from_hex(text)?.try_into().ok().map(ValueDigest);
    let values = digests.map(digest).collect::<Option<_>>();
    Ok(Some(Change {
        position,
        tokens: tokens.map_err(|_| reader.corrupt("tokens"))?,
        values: values.ok_or_else(|| reader.corrupt("digests"))?,
    }))
}

/// Removes what every node has taken in.
pub(super) async fn prune(connection: &mut PgConnection) -> Result<(), Failure> {
    sqlx::query("DELETE FROM changes WHERE position <= (SELECT min(acknowledged) FROM nodes)")
        .execute(connection)
        .await?;
    Ok(())
}
