//! What the target says of an image that it has stored.

use countermark_domain::UploadResult;
use serde_json::{Map, Value};

use crate::json::{self, Free};

/// Most bytes of a report, as everywhere.
pub(super) const LONGEST_REPORT: usize = 8 * 1024;

/// A JSON object whose judged members are of the right kinds.
#[derive(Debug)]
pub(super) struct Report(Map<String, Value>);

impl Report {
    /// `None` for what is no report.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let Free(Value::Object(members)) = json::read(bytes).ok()? else { return None };
        let report = Self(members);
        let is = |name, right: fn(&Value) -> bool| report.member(name).is_none_or(right);
        let is_judgeable = is("bytes", Value::is_u64)
            && is("contentType", |it| it.as_str().is_some_and(|text| text.len() <= 255))
            && is("existed", Value::is_boolean);
        is_judgeable.then_some(report)
    }

    /// States the size for a target that does not: it has got so many bytes.
    pub(super) fn state_size(&mut self, bytes: usize) {
        if self.member("bytes").is_none() {
            self.0.insert("bytes".to_owned(), bytes.into());
        }
    }

    /// The whole object as JSON.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(&self.0).expect("what was read as JSON is written as JSON")
    }

    /// For the completion; `json` is the whole report.
    pub(super) fn result<'a>(&'a self, json: &'a str) -> UploadResult<'a> {
        UploadResult {
            bytes: self.whole("bytes"),
            content_type: self.text("contentType"),
            existed: self.member("existed").and_then(Value::as_bool),
            report: json,
        }
    }

    /// A member that is a whole number.
    pub(super) fn whole(&self, name: &str) -> Option<u64> {
        self.member(name)?.as_u64()
    }

    /// A member that is a text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.member(name)?.as_str()
    }

    fn member(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_an_object_whose_judged_members_can_be_judged() {
        for good in [r"{}", r#"{"bytes": 5, "contentType": "image/png", "existed": false, "x": [1]}"#] {
            assert!(Report::read(good.as_bytes()).is_some(), "{good}");
        }
        for bad in [
            "",
            "[]",
            "null",
            "ok",
            r#"{"bytes": -1}"#,
            r#"{"bytes": "5"}"#,
            r#"{"bytes": 5, "bytes": 6}"#,
            r#"{"contentType": 1}"#,
            r#"{"existed": "no"}"#,
        ] {
            assert!(Report::read(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_size_is_stated_only_where_the_target_does_not() {
        let sized = |text: &str| {
            let mut report = Report::read(text.as_bytes()).unwrap();
            report.state_size(7);
            report.whole("bytes")
        };
        assert_eq!(sized("{}"), Some(7));
        assert_eq!(sized(r#"{"bytes": null}"#), Some(7));
        assert_eq!(sized(r#"{"bytes": 5}"#), Some(5));
    }
}
