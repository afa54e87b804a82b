//! Lists of tokens.

use countermark_core::{Dialect, Status, Token, TokenKind, UnixSeconds};
use countermark_domain::store::ListFilter;
use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::failure::Failure;
use super::token::token_columns;
use crate::record;
use crate::row::signed;
use crate::vault::Vault;

const SELECT: &str = concat!(
    "SELECT ",
    token_columns!(),
    " FROM access_tokens t LEFT JOIN token_counters c ON c.token = t.id WHERE true"
);

pub(super) async fn list(
    connection: &mut PgConnection,
    vault: &Vault,
    filter: &ListFilter,
) -> Result<Vec<Token>, Failure> {
    if asks_for_nul(filter) {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new(SELECT);
    push_exact(&mut query, filter);
    if let Some((status, now)) = filter.status {
        push_status(&mut query, status, now);
    }
    if let Some((label, value)) = &filter.label {
        query
            .push(" AND EXISTS (SELECT 1 FROM json_each_text(t.labels::json) l WHERE l.key = ")
            .push_bind(label.clone());
        if let Some(value) = value {
            query.push(" AND l.value = ").push_bind(value.clone());
        }
        query.push(")");
    }
    if let Some(text) = &filter.contains {
        push_contains(&mut query, text);
    }
    // An id's digits sort by its time of issue, and unlike a row number they mean the same once the row is gone.
    if let Some(after) = filter.after {
        let after = after.to_string();
        query.push(" AND (substr(t.id, 4), t.id) < (").push_bind(after[3..].to_owned());
        query.push(", ").push_bind(after).push(")");
    }
    query.push(" ORDER BY substr(t.id, 4) DESC, t.id DESC LIMIT ").push_bind(i64::from(filter.at_most));
    let rows = query.build().fetch_all(connection).await?;
    Ok(rows.iter().map(|row| record::token(row, vault)).collect::<Result<_, _>>()?)
}

/// PostgreSQL keeps no text with NUL, so none is found, and takes none as a parameter.
fn asks_for_nul(filter: &ListFilter) -> bool {
    let label = filter.label.as_ref();
    let label = label.into_iter().flat_map(|(name, value)| [Some(name), value.as_ref()]);
    [&filter.owner, &filter.name, &filter.contains]
        .into_iter()
        .map(Option::as_ref)
        .chain(label)
        .flatten()
        .any(|text| text.contains('\0'))
}

fn push_exact(query: &mut QueryBuilder<Postgres>, filter: &ListFilter) {
    if let Some(kind) = filter.kind {
        query.push(" AND substr(t.id, 1, 3) = ").push_bind(id_prefix(kind));
    }
    if let Some(owner) = &filter.owner {
        query.push(" AND t.owner = ").push_bind(owner.clone());
    }
    if let Some(name) = &filter.name {
        query.push(" AND t.name = ").push_bind(name.clone());
    }
    if let Some(dialect) = filter.dialect {
        query.push(" AND t.dialect = ").push_bind(dialect.name());
        if dialect != Dialect::Native {
            // Said once more in words that the index knows.
            query.push(" AND t.dialect <> 'native'");
        }
    }
}

/// The order of `Terms::status`, which a property test holds it to.
fn push_status(query: &mut QueryBuilder<Postgres>, status: Status, now: UnixSeconds) {
    let now = signed(now.get());
    query.push(
        " AND CASE WHEN c.revoked_at IS NOT NULL THEN 'revoked'
                   WHEN NOT c.enabled THEN 'disabled'
                   WHEN c.expiry <= ",
    );
    query.push_bind(now).push(
        " THEN 'expired'
                   WHEN c.used >= c.use_limit THEN 'exhausted'
                   WHEN t.not_before > ",
    );
    query.push_bind(now).push(" THEN 'notYetValid' ELSE 'active' END = ").push_bind(status.name());
}

/// In the collation "C", lower() changes ASCII letters only, as the filter promises.
fn push_contains(query: &mut QueryBuilder<Postgres>, text: &str) {
    let text = text.to_ascii_lowercase();
    for (index, column) in ["name", "description", "owner", "id", "preview"].into_iter().enumerate() {
        query.push(if index == 0 { " AND (" } else { " OR " });
        query.push("strpos(lower(t.").push(column).push(" COLLATE \"C\"), ");
        query.push_bind(text.clone()).push(") > 0");
    }
    query.push(")");
}

fn id_prefix(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::ImageUrl => "iu_",
        TokenKind::Upload => "up_",
        TokenKind::ApiKey => "ak_",
    }
}
