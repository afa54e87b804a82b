//! Reading columns without trust: whatever is not as it must be is `Corrupt` with table, column and row.

use countermark_core::{TokenId, UnixSeconds};
use countermark_domain::store::StoreError;
use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

/// The few types of columns that both engines have; `None` is NULL.
pub(crate) trait StoredRow {
    fn text(&self, column: &str) -> Result<Option<&str>, sqlx::Error>;
    fn number(&self, column: &str) -> Result<Option<i64>, sqlx::Error>;
    fn flag(&self, column: &str) -> Result<Option<bool>, sqlx::Error>;
    fn bytes(&self, column: &str) -> Result<Option<&[u8]>, sqlx::Error>;
}

macro_rules! stored_row {
    ($($row:ty),*) => { $(
        impl StoredRow for $row {
            fn text(&self, column: &str) -> Result<Option<&str>, sqlx::Error> {
                self.try_get(column)
            }

            fn number(&self, column: &str) -> Result<Option<i64>, sqlx::Error> {
                self.try_get(column)
            }

            fn flag(&self, column: &str) -> Result<Option<bool>, sqlx::Error> {
                self.try_get(column)
            }

            fn bytes(&self, column: &str) -> Result<Option<&[u8]>, sqlx::Error> {
                self.try_get(column)
            }
        }
    )* };
}

stored_row!(SqliteRow, PgRow);

/// What a column is read as.
pub(crate) trait Column<'r>: Sized {
    fn read(row: &'r dyn StoredRow, column: &str) -> Result<Option<Self>, sqlx::Error>;
}

impl<'r> Column<'r> for &'r str {
    fn read(row: &'r dyn StoredRow, column: &str) -> Result<Option<Self>, sqlx::Error> {
        row.text(column)
    }
}

impl Column<'_> for String {
    fn read(row: &dyn StoredRow, column: &str) -> Result<Option<Self>, sqlx::Error> {
        Ok(row.text(column)?.map(str::to_owned))
    }
}

impl Column<'_> for i64 {
    fn read(row: &dyn StoredRow, column: &str) -> Result<Option<Self>, sqlx::Error> {
        row.number(column)
    }
}

impl Column<'_> for bool {
    fn read(row: &dyn StoredRow, column: &str) -> Result<Option<Self>, sqlx::Error> {
        row.flag(column)
    }
}

impl<'r> Column<'r> for &'r [u8] {
    fn read(row: &'r dyn StoredRow, column: &str) -> Result<Option<Self>, sqlx::Error> {
        row.bytes(column)
    }
}

impl Column<'_> for Vec<u8> {
    fn read(row: &dyn StoredRow, column: &str) -> Result<Option<Self>, sqlx::Error> {
        Ok(row.bytes(column)?.map(<[u8]>::to_vec))
    }
}

/// One row of one table.
pub(crate) struct Reader<'r> {
    row: &'r dyn StoredRow,
    table: &'static str,
    key: &'static str,
}

impl<'r> Reader<'r> {
    /// `key` is the column that names the row in errors.
    pub(crate) fn new(row: &'r dyn StoredRow, table: &'static str, key: &'static str) -> Self {
        Self { row, table, key }
    }

    /// The same row, of which further columns come from another table.
    pub(crate) fn of_table(&self, table: &'static str) -> Self {
        Self { row: self.row, table, key: self.key }
    }

    pub(crate) fn corrupt(&self, column: &'static str) -> StoreError {
        let row = match (self.row.text(self.key), self.row.bytes(self.key), self.row.number(self.key)) {
            (Ok(Some(text)), _, _) => text.to_owned(),
            (_, Ok(Some(key)), _) => hex(key),
            (_, _, Ok(Some(number))) => number.to_string(),
            _ => String::new(),
        };
        StoreError::Corrupt { table: self.table, column, row }
    }

    pub(crate) fn column<T: Column<'r>>(&self, column: &'static str) -> Result<T, StoreError> {
        self.optional(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn optional<T: Column<'r>>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        T::read(self.row, column).map_err(|_| self.corrupt(column))
    }

    pub(crate) fn unsigned(&self, column: &'static str) -> Result<u64, StoreError> {
        self.optional_unsigned(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn optional_unsigned(&self, column: &'static str) -> Result<Option<u64>, StoreError> {
        let number: Option<i64> = self.optional(column)?;
        number.map(|number| u64::try_from(number).map_err(|_| self.corrupt(column))).transpose()
    }

    pub(crate) fn instant(&self, column: &'static str) -> Result<UnixSeconds, StoreError> {
        self.optional_instant(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub(crate) fn optional_instant(&self, column: &'static str) -> Result<Option<UnixSeconds>, StoreError> {
        let number = self.optional_unsigned(column)?;
        number.map(|it| UnixSeconds::new(it).ok_or_else(|| self.corrupt(column))).transpose()
    }

    pub(crate) fn token_id(&self, column: &'static str) -> Result<TokenId, StoreError> {
        self.parsed(column)
    }

    pub(crate) fn optional_token_id(&self, column: &'static str) -> Result<Option<TokenId>, StoreError> {
        let text: Option<&str> = self.optional(column)?;
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
        let text: Option<&str> = self.optional(column)?;
        text.map(|text| serde_json::from_str(text).map_err(|_| self.corrupt(column))).transpose()
    }

    /// An id or the like, read by its own parser.
    pub(crate) fn parsed<T: std::str::FromStr>(&self, column: &'static str) -> Result<T, StoreError> {
        let text: &str = self.column(column)?;
        text.parse().map_err(|_| self.corrupt(column))
    }
}

/// The number as the engines keep it; what is greater than their greatest becomes that.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// An instant as the engines keep it.
pub(crate) fn seconds(instant: Option<UnixSeconds>) -> Option<i64> {
    instant.map(|it| signed(it.get()))
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
