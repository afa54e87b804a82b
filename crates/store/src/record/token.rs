//! Tokens.

use countermark_core::{
    About, Dialect, KeyVersion, SecretVersion, SigningSecret, Terms, Token, TokenId, TokenKind, UnixSeconds,
    Usage, ValueDigest, ValueSlot,
};
use countermark_domain::store::StoreError;

use super::terms::{self, Credentials};
use crate::notice;
use crate::row::{Reader, StoredRow, from_hex, seconds};
use crate::vault::{Vault, secret_cell, secret_row};

/// Columns of `access_tokens` that are put together from several members or need another form.
pub(crate) struct TokenColumns {
    pub id: String,
    pub labels: String,
    pub notify: Option<String>,
    pub terms: String,
    pub sweep_at: Option<i64>,
    pub expiring_at: Option<i64>,
}

impl TokenColumns {
    pub(crate) fn of(token: &Token) -> Self {
        let notify = token.about.notify.as_ref();
        Self {
            id: token.terms.id.to_string(),
            labels: serde_json::to_string(&token.about.labels).expect("a map of strings serialises"),
            notify: notify.map(|it| serde_json::to_string(it).expect("lists of strings serialise")),
            terms: terms::to_json(&token.terms.purpose),
            sweep_at: if token.about.auto_delete { seconds(token.terms.expiry) } else { None },
            expiring_at: seconds(notice::expiring_at(token)),
        }
    }
}

/// The token in a row with these columns and the credentials as JSON in `value_slots` and `key_slots`.
pub(crate) fn token(row: &dyn StoredRow, vault: &Vault) -> Result<Token, StoreError> {
    let reader = Reader::new(row, "access_tokens", "id");
    let counters = reader.of_table("token_counters");
    let id = reader.token_id("id")?;
    let credentials = Credentials { secrets: secrets(&reader, vault, id)?, values: values(&reader)? };
    let dialect: &str = reader.column("dialect")?;
    let text: &str = reader.column("terms")?;
    let purpose = terms::from_json(id.kind(), text, credentials).ok_or_else(|| reader.corrupt("terms"))?;
    Ok(Token {
        terms: Terms {
            id,
            dialect: Dialect::from_name(dialect).ok_or_else(|| reader.corrupt("dialect"))?,
            revision: counters.unsigned("revision")?,
            owner: reader.optional::<String>("owner")?.map(Into::into),
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
        name: reader.optional("name")?,
        description: reader.optional("description")?,
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
