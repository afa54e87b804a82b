//! Pages of lists: how many items, and an opaque text for where the next page begins.

use std::fmt::Display;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::problem::Problem;
use crate::query::Query;

/// Items of a page: `limit`, 1 to 200, 50 if absent.
///
/// # Errors
/// 400 for any other number.
pub fn page_size(query: &Query<'_>) -> Result<u32, Problem> {
    let limit = query.whole("limit", 1..=200)?.unwrap_or(50);
    Ok(u32::try_from(limit).expect("the range fits"))
}

/// The place that `cursor` names.
///
/// # Errors
/// 400 for what [`written`] has not written.
pub fn read<T: FromStr>(query: &Query<'_>) -> Result<Option<T>, Problem> {
    query.parsed("cursor", "the nextCursor of an earlier page", |text| {
        String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?.parse().ok()
    })
}

/// The cursor for a place.
pub fn written(place: impl Display) -> String {
    URL_SAFE_NO_PAD.encode(place.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_anything_else_is_refused() {
        let query = format!("cursor={}", written(42u64));
        assert_eq!(read::<u64>(&Query::parse(&query, &["cursor"]).unwrap()).unwrap(), Some(42));
        assert_eq!(read::<u64>(&Query::parse("", &["cursor"]).unwrap()).unwrap(), None);
        for bad in ["", "42", "NDI=", "NDJ", "%00"] {
            let query = format!("cursor={bad}");
            let problem = read::<u64>(&Query::parse(&query, &["cursor"]).unwrap()).unwrap_err();
            assert_eq!(problem.errors()[0].pointer, "?cursor", "{bad}");
        }
    }
}
