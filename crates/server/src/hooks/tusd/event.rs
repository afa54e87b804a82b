//! The hook request, read as far as it concerns us; members of later versions are passed over.

use std::collections::BTreeMap;

use countermark_core::UploadId;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::json::{self, Whole};
use crate::problem::Problem;

/// tusd counts in signed 64-bit numbers.
type Bytes = Whole<0, 9_223_372_036_854_775_807>;

/// The hooks that change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    PreCreate,
    PreFinish,
    PostFinish,
    PostTerminate,
}

/// The kind of hook; `None` for one that changes nothing, whatever else it holds.
///
/// # Errors
/// 400 for what is no object with a text `Type`.
pub(super) fn hook_of(bytes: &[u8]) -> Result<Option<Hook>, Problem> {
    Ok(match json::read::<HookType>(bytes)?.kind.as_str() {
        "pre-create" => Some(Hook::PreCreate),
        "pre-finish" => Some(Hook::PreFinish),
        "post-finish" => Some(Hook::PostFinish),
        "post-terminate" => Some(Hook::PostTerminate),
        _ => None,
    })
}

#[derive(Deserialize)]
struct HookType {
    #[serde(rename = "Type")]
    kind: String,
}

/// What tusd sends for each hook.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = TusdHookRequest, example = json!({"Type": "pre-create", "Event": {
    "Upload": {
        "ID": "", "Size": 48_213, "SizeIsDeferred": false, "Offset": 0, "MetaData": {"filename": "cat.png"},
        "IsPartial": false, "IsFinal": false, "PartialUploads": null, "Storage": null
    },
    "HTTPRequest": {
        "Method": "POST", "URI": "/files/", "RemoteAddr": "127.0.0.1:39012",
        "Header": {"Authorization": ["Bearer cmu_yXBHMoc5L40zBANMAAcNPMMcv7FQw4U51gMv1l"]}
    }
}}))]
pub struct HookRequest {
    /// Which hook this is.
    #[serde(rename = "Type")]
    #[schema(example = "pre-create")]
    #[expect(dead_code, reason = "read before, by itself; here it stands for the schema")]
    kind: String,
    /// What has happened.
    #[serde(rename = "Event")]
    pub(super) event: Event,
}

/// The upload and the client's request to tusd that the hook is about.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = TusdEvent)]
pub struct Event {
    /// The upload.
    #[serde(rename = "Upload")]
    pub(super) upload: UploadInfo,
    /// The client's request to tusd.
    #[serde(rename = "HTTPRequest")]
    pub(super) request: ClientRequest,
}

/// The upload as tusd knows it.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = TusdUpload)]
pub struct UploadInfo {
    /// Empty before the upload is created.
    #[serde(rename = "ID", default)]
    id: Option<String>,
    /// The announced size in bytes.
    #[serde(rename = "Size", default)]
    #[schema(value_type = Option<u64>)]
    size: Option<Bytes>,
    /// Whether the size is announced later.
    #[serde(rename = "SizeIsDeferred", default)]
    size_is_deferred: bool,
    /// Bytes received so far.
    #[serde(rename = "Offset", default)]
    #[schema(value_type = Option<u64>)]
    offset: Option<Bytes>,
    /// The client's metadata, or those that `pre-create` was answered with.
    #[serde(rename = "MetaData", default)]
    metadata: Option<BTreeMap<String, String>>,
    /// Whether it is a part that is to be joined with others.
    #[serde(rename = "IsPartial", default)]
    is_partial: bool,
    /// Whether it is joined of parts.
    #[serde(rename = "IsFinal", default)]
    is_final: bool,
}

/// The client's request to tusd.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = TusdClientRequest)]
pub struct ClientRequest {
    /// Path and query.
    #[serde(rename = "URI", default)]
    pub(super) uri: String,
    /// Its headers.
    #[serde(rename = "Header", default)]
    header: Option<BTreeMap<String, Option<Vec<String>>>>,
}

impl UploadInfo {
    /// Our id, if the upload is ours. tusd's S3 store appends `+` and an id of its own.
    pub(super) fn id(&self) -> Option<UploadId> {
        self.id.as_deref()?.split('+').next()?.parse().ok()
    }

    /// The announced size; `None` while it is not known.
    pub(super) fn size(&self) -> Option<u64> {
        self.size.map(Bytes::get).filter(|_| !self.size_is_deferred)
    }

    /// Bytes received so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset.map_or(0, Bytes::get)
    }

    /// Whether all bytes have been received.
    pub(super) fn is_whole(&self) -> bool {
        self.size() == Some(self.offset())
    }

    /// Whether it is part of an upload in parallel parts.
    pub(super) fn is_in_parts(&self) -> bool {
        self.is_partial || self.is_final
    }

    /// The metadata; empty if there are none.
    pub(super) fn metadata(&self) -> BTreeMap<String, String> {
        self.metadata.clone().unwrap_or_default()
    }
}

impl ClientRequest {
    /// Every value of the header of this name, in whatever case it was sent.
    pub(super) fn header_values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let headers = self.header.iter().flatten();
        let named = headers.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let values: Vec<_> =
            named.flat_map(|(_, values)| values.iter().flatten()).map(String::as_str).collect();
        values.into_iter()
    }

    /// The header of this name, unless it stands twice.
    pub(super) fn only_header(&self, name: &str) -> Option<&str> {
        let mut values = self.header_values(name);
        values.next().filter(|_| values.next().is_none())
    }
}
