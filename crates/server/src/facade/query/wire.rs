//! The shapes of the dialect's bodies.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName};
use actix_web::web::Bytes;
use countermark_core::{Permission, Purpose, Token, TokenId, UnixSeconds};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::error::missing;
use crate::facade::Fault;
use crate::json::{self, Whole};

/// The body of an answer.
#[derive(Debug, Serialize)]
pub struct Data<T> {
    /// The rows.
    pub data: Vec<T>,
}

/// One row of the list. Its members are sorted by name, as on the original's wire.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QueryToken, example = json!({
    "active": 1, "created_at": 1_632_000_000, "expiration_date": 1_632_960_000, "id": 221_498_548_224_001_i64,
    "name": "example", "token": "cmk_hTQ3pXfNw0sLkJv7Bz1YcRmD6aGe9uTiOq4n2w", "updated_at": 1_632_000_000, "write": 1
}))]
pub struct Row<'a> {
    /// 1 if the token may be used, else 0.
    active: u8,
    /// Unix seconds.
    created_at: u64,
    /// First second at which it no longer works; never if this equals `updated_at`.
    expiration_date: u64,
    /// Ascends with the time of creation.
    id: u64,
    /// Unique.
    name: &'a str,
    /// The value in full.
    token: &'a str,
    /// Unix seconds.
    updated_at: u64,
    /// 1 if it may write, else 0.
    write: u8,
}

impl<'a> Row<'a> {
    /// The row of a token with its value.
    pub fn of(token: &'a Token, value: Option<&'a str>) -> Self {
        let (terms, about) = (&token.terms, &token.about);
        let updated_at = about.updated_at.get();
        Self {
            active: u8::from(terms.enabled && terms.revoked_at.is_none()),
            created_at: about.created_at.get(),
            expiration_date: match terms.expiry.map(UnixSeconds::get) {
                None => updated_at,
                // It has ended, and must not look as if it never did.
                Some(expiry) if expiry == updated_at => expiry.saturating_sub(1),
                Some(expiry) => expiry,
            },
            id: row_id(terms.id),
            name: about.name.as_deref().unwrap_or_default(),
            token: value.unwrap_or_default(),
            updated_at,
            write: u8::from(may_write(token)),
        }
    }
}

/// The date of a request: Unix seconds or milliseconds, told apart by their size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpirationDate {
    /// The instant; a fraction of a second is cut off.
    pub at: UnixSeconds,
    /// Whether it was given in seconds.
    pub is_in_seconds: bool,
}

/// The first number that is read as milliseconds: they mean 1973, while as many seconds would mean the year 5138.
const FIRST_MILLIS: u64 = 100_000_000_000;
/// The last second of the year 9999, in milliseconds.
const MOST: u64 = 253_402_300_799_999;

impl<'de> Deserialize<'de> for ExpirationDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Whole::<0, MOST>::deserialize(deserializer)?.get();
        let is_in_seconds = number < FIRST_MILLIS;
        let seconds = if is_in_seconds { number } else { number / 1000 };
        Ok(Self { at: UnixSeconds::new(seconds).unwrap_or(UnixSeconds::MAX), is_in_seconds })
    }
}

/// What a token with or without the right to write may do.
pub fn permissions(write: bool) -> Vec<Permission> {
    let names: &[&str] = if write { &["read", "write"] } else { &["read"] };
    names.iter().map(|name| Permission::parse(name).expect("both are permissions")).collect()
}

/// Reads a body.
///
/// # Errors
/// 400 for none at all and for whatever is no object as expected.
pub fn read<'a, T: Deserialize<'a>>(bytes: &'a Bytes) -> Result<T, Fault> {
    if bytes.is_empty() {
        return Err(missing("The body is empty"));
    }
    Ok(json::read(bytes)?)
}

/// 200 with these rows; no content type is named.
pub fn rows<T: Serialize>(data: Vec<T>) -> HttpResponse {
    let bytes = serde_json::to_vec(&Data { data }).expect("rows are plain structs of texts and numbers");
    done_with(StatusCode::OK, bytes)
}

/// This status without a body.
pub fn done(status: StatusCode) -> HttpResponse {
    done_with(status, Vec::new())
}

fn done_with(status: StatusCode, bytes: Vec<u8>) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // Nobody shall guess the type that is not named.
        .insert_header((HeaderName::from_static("x-content-type-options"), "nosniff"))
        .body(bytes)
}

fn may_write(token: &Token) -> bool {
    match &token.terms.purpose {
        Purpose::ApiKey(api) => api.permissions.covers("write"),
        Purpose::ImageUrl(_) | Purpose::Upload(_) => false,
    }
}

/// 2020-01-01 in Unix milliseconds.
const FIRST_MILLISECOND: u64 = 1_577_836_800_000;

/// A number that grows with the time of issue and fits the 53 bits of a JavaScript number until 2089: the id's milliseconds
/// since 2020, then the 12 random bits that follow them. No route takes it.
fn row_id(id: TokenId) -> u64 {
    let high = u64::try_from(u128::from_be_bytes(id.uuid()) >> 64).expect("64 bits");
    ((high >> 16).saturating_sub(FIRST_MILLISECOND) << 12) | (high & 0xfff)
}

#[cfg(test)]
mod tests {
    use countermark_core::TokenKind;

    use super::*;

    #[test]
    fn dates_are_seconds_or_milliseconds_by_their_size() {
        // S1-5.
        let read = |text: &str| {
            serde_json::from_str::<ExpirationDate>(text).ok().map(|date| (date.at.get(), date.is_in_seconds))
        };
        assert_eq!(read("1632960000000"), Some((1_632_960_000, false)));
        assert_eq!(read("1632960000"), Some((1_632_960_000, true)));
        assert_eq!(read("99999999999"), Some((99_999_999_999, true)));
        assert_eq!(read("100000000000"), Some((100_000_000, false)));
        assert_eq!(read("1632960000999"), Some((1_632_960_000, false)));
        assert_eq!(read("253402300799999"), Some((253_402_300_799, false)));
        for bad in ["253402300800000", "-1", "1.5", "1e9", "\"1632960000\"", "true", "null"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn row_ids_ascend_and_are_exact_in_javascript() {
        let id = |millis, random| row_id(TokenId::from_parts(TokenKind::ApiKey, millis, [random; 10]));
        assert!(id(1_800_000_000_000, 255) < id(1_800_000_000_001, 0));
        assert!(id(3_700_000_000_000, 255) < 1 << 53, "in 2087");
        assert_eq!(id(FIRST_MILLISECOND, 0), 0);
        assert_eq!(row_id(TokenId::from_uuid(TokenKind::ApiKey, [0; 16])), 0, "before 2020");
    }
}
