//! What is told of an upload, and how long it may be: a notification must stay below 20 kB.

use countermark_core::{UnixSeconds, UploadParameters};
use serde_json::{Value, json};

use crate::error::DomainError;
use crate::store::Upload;

/// Most bytes of a report of what an upload has become.
pub const MAX_REPORT_BYTES: usize = 8 * 1024;

/// Most bytes of effective parameters as JSON.
const MAX_EFFECTIVE_BYTES: usize = 8 * 1024;

pub(crate) const UPLOAD_COMPLETED: &str = "upload.completed";

/// The report with its members in one order and without spaces: a repetition is known by what it says.
pub(crate) fn canonical(report: &str) -> Result<Value, DomainError> {
    let invalid = |detail| DomainError::Invalid { pointer: "/result", detail };
    if report.len() > MAX_REPORT_BYTES {
        return Err(invalid("expected at most 8 KiB of JSON"));
    }
    let Ok(object @ Value::Object(_)) = serde_json::from_str(report) else {
        return Err(invalid("expected a JSON object"));
    };
    // A number can get longer when it is written out: 1e15 has 18 characters then.
    if object.to_string().len() > MAX_REPORT_BYTES {
        return Err(invalid("expected at most 8 KiB of JSON"));
    }
    Ok(object)
}

pub(crate) fn demand_short(effective: &UploadParameters) -> Result<(), DomainError> {
    let json = serde_json::to_string(effective).expect("strings serialise");
    if json.len() <= MAX_EFFECTIVE_BYTES {
        return Ok(());
    }
    let detail = "expected parameters that, with those of the token, are at most 8 KiB of JSON";
    Err(DomainError::Invalid { pointer: "/request", detail })
}

/// The body that every receiver of a completed upload is sent.
pub(crate) fn notification(upload: &Upload, report: &Value, now: UnixSeconds) -> String {
    json!({
        "type": UPLOAD_COMPLETED,
        "timestamp": rfc3339(now),
        "data": {
            "uploadId": upload.id,
            "tokenId": upload.token,
            "owner": upload.owner,
            "effective": upload.effective,
            "result": report,
        },
    })
    .to_string()
}

fn rfc3339(at: UnixSeconds) -> String {
    i64::try_from(at.get())
        .ok()
        .and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0))
        .expect("Unix seconds end with the year 9999")
        .to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use countermark_core::{TokenId, TokenKind, UploadExtra, UploadId};

    use super::*;
    use crate::store::UploadState;

    fn upload(owner: &str, tag: &str) -> Upload {
        Upload {
            id: UploadId::from_parts(1_800_000_000_000, [7; 10]),
            token: TokenId::from_uuid(TokenKind::Upload, [1; 16]),
            owner: Some(owner.to_owned()),
            began_by: None,
            state: UploadState::Reserved,
            effective: UploadParameters { tags: vec![tag.to_owned()], ..UploadParameters::default() },
            extra: UploadExtra::default(),
            began_at: UnixSeconds::default(),
            deadline: UnixSeconds::MAX,
            ended_at: None,
            result: None,
        }
    }

    #[test]
    fn receivers_are_told_the_upload_its_parameters_and_the_report_as_it_is() {
        let (upload, report) = (upload("shop", "ü"), json!({"bytes": 1, "free": [null]}));
        let body = notification(&upload, &report, UnixSeconds::new(1_800_000_000).unwrap());
        let expected = json!({
            "type": "upload.completed",
            "timestamp": "2027-01-15T08:00:00Z",
            "data": {
                "uploadId": upload.id.to_string(),
                "tokenId": upload.token.to_string(),
                "owner": "shop",
                "effective": {
                    "cloudId": null, "publicId": null, "tags": ["ü"],
                    "transformation": null, "format": null, "projection": null
                },
                "result": {"bytes": 1, "free": [null]}
            }
        });
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
        let last = notification(&upload, &report, UnixSeconds::MAX);
        assert!(last.contains("9999-12-31T23:59:59Z"), "{last}");
    }

    #[test]
    fn the_longest_notification_stays_below_20_kb() {
        let empty = serde_json::to_string(&upload("", "").effective).unwrap().len();
        // An owner has at most 200 characters.
        let longest = upload(&"\u{1F98A}".repeat(200), &"x".repeat(MAX_EFFECTIVE_BYTES - empty));
        assert!(demand_short(&longest.effective).is_ok());
        assert!(demand_short(&upload("", &"x".repeat(MAX_EFFECTIVE_BYTES - empty + 1)).effective).is_err());
        let report = canonical(&json!({"text": "x".repeat(MAX_REPORT_BYTES - 11)}).to_string()).unwrap();
        assert!(notification(&longest, &report, UnixSeconds::MAX).len() < 20_000);
    }
}
