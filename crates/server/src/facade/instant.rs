//! Instants as most dialects write them: ISO 8601.

use chrono::{DateTime, SecondsFormat, Utc};
use countermark_core::UnixSeconds;

/// In UTC with milliseconds: `2024-01-01T00:00:00.000Z`.
pub fn with_millis(instant: UnixSeconds) -> String {
    utc(instant).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// In UTC without a fraction: `2024-01-01T00:00:00Z`.
pub fn without_fraction(instant: UnixSeconds) -> String {
    utc(instant).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Reads ISO 8601 with a time and an offset; a fraction of a second is cut off, so that nothing lasts longer than it says.
/// `None` for anything else and for instants before 1970.
pub fn read(text: &str) -> Option<UnixSeconds> {
    let instant = DateTime::parse_from_rfc3339(text).ok()?;
    UnixSeconds::new(u64::try_from(instant.timestamp()).ok()?)
}

fn utc(instant: UnixSeconds) -> DateTime<Utc> {
    let seconds = i64::try_from(instant.get()).expect("instants end with the year 9999");
    DateTime::from_timestamp(seconds, 0).expect("instants end with the year 9999")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_the_documents_show_them() {
        let at = UnixSeconds::new(1_704_067_200).unwrap();
        assert_eq!(with_millis(at), "2024-01-01T00:00:00.000Z");
        assert_eq!(without_fraction(at), "2024-01-01T00:00:00Z");
        assert_eq!(with_millis(UnixSeconds::MAX), "9999-12-31T23:59:59.000Z");
    }

    #[test]
    fn every_offset_is_read_and_fractions_are_cut_off() {
        let seconds = |text| read(text).map(UnixSeconds::get);
        assert_eq!(seconds("2024-01-01T00:00:00.999Z"), Some(1_704_067_200));
        assert_eq!(seconds("2024-01-01T02:00:00+02:00"), Some(1_704_067_200));
        for bad in
            ["", "2024-01-01", "2024-13-01T00:00:00Z", "1969-12-31T23:59:59Z", "10000-01-01T00:00:00Z", "now"]
        {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
