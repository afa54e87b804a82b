//! From rows to tokens.

use countermark_core::{
    About, Dialect, KeyVersion, SecretVersion, SigningSecret, Terms, Token, TokenId, TokenKind, UnixSeconds,
    Usage, ValueDigest, ValueSlot,
};
use countermark_domain::store::{Lookup, Position, Snapshot, StoreError};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};

use super::row::{Reader, from_hex};
use super::{Vault, unavailable};
use crate::record::{self, Credentials};
use crate::seal::Cell;

/// The columns of a whole token; the credentials come as JSON, so that a token is one row and a read one snapshot.
macro_rules! token_columns {
    () => {
        "t.id, t.name, t.description, t.owner, t.labels, t.not_before, t.terms, t.auto_delete, t.recoverable,
         t.preview, t.dialect, t.created_at, t.updated_at, t.created_by, t.notify,
         c.revision, c.enabled, c.revoked_at, c.expiry, c.use_limit, c.used, c.given_back, c.last_used_at,
         (SELECT json_group_array(json_array(hex(v.digest), v.valid_until) ORDER BY v.number)
          FROM token_values v WHERE v.token = t.id) AS value_slots,
         (SELECT json_group_array(json_array(s.version, s.created_at, s.verify_until, hex(s.sealed),
                                             s.master_key_version) ORDER BY s.version)
          FROM signing_secrets s WHERE s.token = t.id) AS key_slots"
    };
}
pub(super) use token_columns;

pub(super) const FIND_BY_ID: &str = concat!(
    "SELECT i.change_position, ",
    token_columns!(),
    " FROM installation i
      LEFT JOIN access_tokens t ON t.id = ?1
      LEFT JOIN token_counters c ON c.token = t.id"
);

pub(super) const FIND_BY_VALUE: &str = concat!(
    "SELECT i.change_position, ",
    token_columns!(),
    " FROM installation i
      LEFT JOIN access_tokens t ON t.id = (SELECT token FROM token_values WHERE digest = ?1)
      LEFT JOIN token_counters c ON c.token = t.id"
);

pub(crate) async fn find(
    readers: &SqlitePool,
    vault: &Vault,
    by: Lookup,
) -> Result<Snapshot<Option<Token>>, StoreError> {
    let query = match by {
        Lookup::Id(id) => sqlx::query(FIND_BY_ID).bind(id.to_string()),
        Lookup::Value(digest) => sqlx::query(FIND_BY_VALUE).bind(digest.0.to_vec()),
    };
    let row = query.fetch_one(readers).await.map_err(unavailable)?;
    let position = Position(Reader::new(&row, "installation", "id").unsigned("change_position")?);
    let is_there = row.try_get::<Option<&str>, _>("id").map_err(unavailable)?.is_some();
    let found = if is_there { Some(read(&row, vault)?) } else { None };
    Ok(Snapshot { position, found })
}

/// The token in a row of [`token_columns`].
pub(crate) fn read(row: &SqliteRow, vault: &Vault) -> Result<Token, StoreError> {
    let reader = Reader::new(row, "access_tokens", "id");
    let counters = reader.of_table("token_counters");
    let id = reader.token_id("id")?;
    let credentials = Credentials { secrets: secrets(&reader, vault, id)?, values: values(&reader)? };
    let dialect: &str = reader.column("dialect")?;
    let text: &str = reader.column("terms")?;
    let purpose = record::from_json(id.kind(), text, credentials).ok_or_else(|| reader.corrupt("terms"))?;
    Ok(Token {
        terms: Terms {
            id,
            dialect: Dialect::from_name(dialect).ok_or_else(|| reader.corrupt("dialect"))?,
            revision: counters.unsigned("revision")?,
            owner: reader.column::<Option<String>>("owner")?.map(Into::into),
            enabled: counters.column("enabled")?,
            revoked_at: counters.optional_instant("revoked_at")?,
            not_before: reader.optional_instant("not_before")?,
            expiry: counters.optional_instant("expiry")?,
            limit: counters.optional_unsigned("use_limit")?,
            purpose,
        },
        about: about(&reader)?,
        usage: Usage {
            used: counters.unsigned("used")?,
            given_back: counters.unsigned("given_back")?,
            last_used_at: counters.optional_instant("last_used_at")?,
        },
    })
}

fn about(reader: &Reader<'_>) -> Result<About, StoreError> {
    Ok(About {
        name: reader.column("name")?,
        description: reader.column("description")?,
        labels: reader.json("labels")?,
        notify: reader.optional_json("notify")?,
        auto_delete: reader.column("auto_delete")?,
        recoverable: reader.column("recoverable")?,
        preview: reader.column("preview")?,
        created_at: reader.instant("created_at")?,
        updated_at: reader.instant("updated_at")?,
        created_by: reader.optional_token_id("created_by")?,
    })
}

fn values(reader: &Reader<'_>) -> Result<Vec<ValueSlot>, StoreError> {
    let digest = || reader.of_table("token_values").corrupt("digest");
    let slots: Vec<(String, Option<UnixSeconds>)> =
        reader.of_table("token_values").json("value_slots").map_err(|_| {
            // The column is put together by the query; what can be wrong in it is an instant of the table.
            reader.of_table("token_values").corrupt("valid_until")
        })?;
    slots
        .into_iter()
        .map(|(hex, valid_until)| {
            let bytes = from_hex(&hex).ok_or_else(digest)?;
            let digest = ValueDigest(bytes.try_into().map_err(|_| digest())?);
            Ok(ValueSlot { digest, valid_until })
        })
        .collect()
}

/// A signing secret as the query hands it over: version, creation, end, sealed in hexadecimal, master key version.
type KeyColumns = (u16, UnixSeconds, Option<UnixSeconds>, String, u64);

fn secrets(
    reader: &Reader<'_>,
    vault: &Vault,
    id: TokenId,
) -> Result<Vec<(SecretVersion, SigningSecret)>, StoreError> {
    let secrets = reader.of_table("signing_secrets");
    let slots: Vec<KeyColumns> =
        secrets.json("key_slots").map_err(|_| secrets.corrupt("version, created_at or verify_until"))?;
    if slots.is_empty() && id.kind() == TokenKind::ImageUrl {
        return Err(secrets.corrupt("sealed"));
    }
    slots
        .into_iter()
        .map(|(number, created_at, verify_until, sealed, key_version)| {
            let row = secret_row(id, number);
            let cell = secret_cell(&row);
            let sealed = from_hex(&sealed).ok_or_else(|| cell.corrupt())?;
            let secret = vault.open_text(cell, key_version, &sealed)?;
            let secret = SigningSecret::short_foreign(secret.to_string()).map_err(|_| cell.corrupt())?;
            let number = KeyVersion::new(number).ok_or_else(|| secrets.corrupt("version"))?;
            Ok((SecretVersion { number, created_at, verify_until }, secret))
        })
        .collect()
}

/// How a row of `signing_secrets` is named in errors and associated data.
pub(crate) fn secret_row(id: TokenId, version: u16) -> String {
    format!("{id}/{version}")
}

/// The place of a sealed signing secret.
pub(crate) fn secret_cell(row: &str) -> Cell<'_> {
    Cell { table: "signing_secrets", column: "sealed", row }
}

/// How a row of `token_values` is named in errors and associated data; the token is part of it, so that a sealed value
/// cannot be moved to another token.
pub(crate) fn value_row(token: &str, digest: &[u8]) -> String {
    format!("{token}/{}", super::row::hex(digest))
}

/// The place of a sealed value.
pub(crate) fn value_cell(row: &str) -> Cell<'_> {
    Cell { table: "token_values", column: "sealed", row }
}
