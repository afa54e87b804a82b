//! `Retry-After` (RFC 9110, section 10.2.3): seconds or a date.

use chrono::NaiveDateTime;
use countermark_core::UnixSeconds;

/// Longest wait that a receiver can ask for.
const LONGEST: u64 = 86_400;

/// The three forms of a date that RFC 9110, section 5.6.7, demands to be read.
const DATES: [&str; 3] = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

/// Seconds from `now`, at most a day, none for a date that is past; `None` for what is neither number nor date.
pub(super) fn seconds(value: &str, now: UnixSeconds) -> Option<u64> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Only a number too large for the type is left to fail.
        return Some(value.parse().unwrap_or(LONGEST).min(LONGEST));
    }
    let date = DATES.iter().find_map(|form| NaiveDateTime::parse_from_str(value, form).ok())?;
    let instant = u64::try_from(date.and_utc().timestamp()).unwrap_or(0);
    Some(instant.saturating_sub(now.get()).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_all_three_forms_of_a_date_are_read_and_capped() {
        // 1994-11-06T08:49:37Z, the example of RFC 9110.
        let now = UnixSeconds::new(784_111_777).unwrap();
        for (value, expected) in [
            ("0", Some(0)),
            ("120", Some(120)),
            ("86401", Some(86_400)),
            ("99999999999999999999999", Some(86_400)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:51:37 GMT", Some(120)),
            ("Sunday, 06-Nov-94 08:51:37 GMT", Some(120)),
            ("Sun Nov  6 08:51:37 1994", Some(120)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Wed, 06 Nov 2024 08:49:37 GMT", Some(86_400)),
            ("Thu, 01 Jan 1903 00:00:00 GMT", Some(0)),
            ("Mon, 06 Nov 1994 08:51:37 GMT", None),
            ("Sun, 06 Nov 1994 08:51:37 CET", None),
            ("-1", None),
            ("+5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(seconds(value, now), expected, "{value}");
        }
    }
}
