//! Finding one token.

use countermark_core::Token;
use countermark_domain::store::{Lookup, Position, Snapshot};
use sqlx::PgConnection;

use super::failure::Failure;
use crate::record;
use crate::row::Reader;
use crate::vault::Vault;

/// The columns of a whole token; the credentials come as JSON, so that a token is one row and a read one snapshot.
macro_rules! token_columns {
    () => {
        "t.id, t.name, t.description, t.owner, t.labels, t.not_before, t.terms, t.auto_delete, t.recoverable,
         t.preview, t.dialect, t.created_at, t.updated_at, t.created_by, t.notify,
         c.revision, c.enabled, c.revoked_at, c.expiry, c.use_limit, c.used, c.given_back, c.last_used_at,
         (SELECT coalesce(json_agg(json_build_array(encode(v.digest, 'hex'), v.valid_until) ORDER BY v.number), '[]')
          FROM token_values v WHERE v.token = t.id)::text AS value_slots,
         (SELECT coalesce(json_agg(json_build_array(s.version, s.created_at, s.verify_until, encode(s.sealed, 'hex'),
                                                    s.master_key_version) ORDER BY s.version), '[]')
          FROM signing_secrets s WHERE s.token = t.id)::text AS key_slots"
    };
}
pub(super) use token_columns;

pub(super) const FIND_BY_ID: &str = concat!(
    "SELECT i.change_position, ",
    token_columns!(),
    " FROM installation i
      LEFT JOIN access_tokens t ON t.id = $1
      LEFT JOIN token_counters c ON c.token = t.id"
);

pub(super) const FIND_BY_VALUE: &str = concat!(
    "SELECT i.change_position, ",
    token_columns!(),
    " FROM installation i
      LEFT JOIN access_tokens t ON t.id = (SELECT token FROM token_values WHERE digest = $1)
      LEFT JOIN token_counters c ON c.token = t.id"
);

/// One statement, so that the position is that of the very snapshot in which the token was found.
pub(super) async fn find(
    connection: &mut PgConnection,
    vault: &Vault,
    by: Lookup,
) -> Result<Snapshot<Option<Token>>, Failure> {
    let query = match by {
        Lookup::Id(id) => sqlx::query(FIND_BY_ID).bind(id.to_string()),
        Lookup::Value(digest) => sqlx::query(FIND_BY_VALUE).bind(digest.0.to_vec()),
    };
    let row = query.fetch_one(connection).await?;
    let reader = Reader::new(&row, "installation", "id");
    let position = Position(reader.unsigned("change_position")?);
    let is_there = reader.optional::<&str>("id")?.is_some();
    let found = if is_there { Some(record::token(&row, vault)?) } else { None };
    Ok(Snapshot { position, found })
}
