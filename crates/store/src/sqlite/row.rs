//! Reading columns without trust: whatever is not as it must be is `Corrupt` with table, column and row.

use countermark_core::{TokenId, UnixSeconds};
use countermark_domain::store::StoreError;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};

/// One row of one table.
pub(crate) struct Reader<'r> {
    row: &'r SqliteRow,
    table: &'static str,
    key: &'static str,
}

impl<'r> Reader<'r> {
    /// `key` is the column that names the row in errors.
    pub(crate) fn new(row: &'r SqliteRow, table: &'static str, key: &'static str) -> Self {
        Self { row, table, key }
    }

    /// The same row, of which further columns come from another table.
    pub(crate) fn of_table(&self, table: &'static str) -> Self {
        Self { row: self.row, table, key: self.key }
    }

    pub(crate) fn corrupt(&self, column: &'static str) -> StoreError {
        let row = match self.row.try_get::<String, _>(self.key) {
            Ok(text) => text,
            Err(_) => self.row.try_get::<Vec<u8>, _>(self.key).map(|key| hex(&key)).unwrap_or_default(),
        };
        StoreError::Corrupt { table: self.table, column, row }
    }

    pub(crate) fn column<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite>,
    {
        self.row.try_get(column).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn unsigned(&self, column: &'static str) -> Result<u64, StoreError> {
        let number: i64 = self.column(column)?;
        u64::try_from(number).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn optional_unsigned(&self, column: &'static str) -> Result<Option<u64>, StoreError> {
        let number: Option<i64> = self.column(column)?;
        number.map(|number| u64::try_from(number).map_err(|_| self.corrupt(column))).transpose()
    }

    pub(crate) fn instant(&self, column: &'static str) -> Result<UnixSeconds, StoreError> {
        UnixSeconds::new(self.unsigned(column)?).ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn optional_instant(&self, column: &'static str) -> Result<Option<UnixSeconds>, StoreError> {
        let number = self.optional_unsigned(column)?;
        number.map(|it| UnixSeconds::new(it).ok_or_else(|| self.corrupt(column))).transpose()
    }

    pub(crate) fn token_id(&self, column: &'static str) -> Result<TokenId, StoreError> {
        let text: &str = self.column(column)?;
        text.parse().map_err(|_| self.corrupt(column))
    }

    pub(crate) fn optional_token_id(&self, column: &'static str) -> Result<Option<TokenId>, StoreError> {
        let text: Option<&str> = self.column(column)?;
        text.map(|text| text.parse().map_err(|_| self.corrupt(column))).transpose()
    }

    pub(crate) fn digest(&self, column: &'static str) -> Result<[u8; 32], StoreError> {
        let bytes: &[u8] = self.column(column)?;
        bytes.try_into().map_err(|_| self.corrupt(column))
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        let text: &str = self.column(column)?;
        serde_json::from_str(text).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn optional_json<T: serde::de::DeserializeOwned>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        let text: Option<&str> = self.column(column)?;
        text.map(|text| serde_json::from_str(text).map_err(|_| self.corrupt(column))).transpose()
    }

    /// An id or the like, read by its own parser.
    pub(crate) fn parsed<T: std::str::FromStr>(&self, column: &'static str) -> Result<T, StoreError> {
        let text: &str = self.column(column)?;
        text.parse().map_err(|_| self.corrupt(column))
    }
}

/// The number as SQLite keeps it; what is greater than its greatest becomes that.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a String takes everything");
    }
    text
}

pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_reads_back_and_refuses_the_rest() {
        assert_eq!(from_hex(&hex(&[0, 15, 255])), Some(vec![0, 15, 255]));
        assert_eq!(from_hex("0AfF"), Some(vec![10, 255]));
        assert_eq!(from_hex("0"), None);
        assert_eq!(from_hex("0g"), None);
    }
}
