//! What the client of an upload asks for.

use countermark_core::{UploadParameters, is_cloud_id};
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::json::{Free, List, Text};
use crate::problem::{Problem, codes};

/// The body of an upload; members that are not known here are passed over.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ShardimageUpload, example = json!({"file": "", "tags": ["pets"], "format": "webp", "publicId": "cat"}))]
#[serde(rename_all = "camelCase")]
pub struct AskedUpload {
    /// Empty: the bytes are the second part of the request.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 0)]
    file: Free,
    /// Address of the image, which the upload target fetches; of `…/remote` only.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 2048, example = "https://example.com/cat.png")]
    resource: Option<Text<1, 2048>>,
    /// The cloud of the path once more.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 64)]
    cloud_id: Option<Text<0, 64>>,
    /// Name of the image.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 512)]
    public_id: Option<Text<0, 512>>,
    /// Tags.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    tags: Option<List<Text<1, 200>, 100>>,
    /// Transformation to store the image with.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 1024)]
    transformation: Option<Text<0, 1024>>,
    /// Image format.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 64)]
    format: Option<Text<0, 64>>,
    /// Projection.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 64)]
    projection: Option<Text<0, 64>>,
    /// Whether an image of the same name may be replaced; false is passed on to the upload target.
    #[serde(default)]
    allow_override: Option<bool>,
}

impl AskedUpload {
    /// Whether the client wants nothing replaced.
    pub(super) fn is_insertion(&self) -> bool {
        self.allow_override == Some(false)
    }

    /// Demands that the member `file` holds no bytes: they come as a part of their own.
    ///
    /// # Errors
    /// 400 for anything but an empty text or null.
    pub(super) fn expect_no_bytes(&self) -> Result<(), Problem> {
        match &self.file.0 {
            Value::Null => Ok(()),
            Value::String(text) if text.is_empty() => Ok(()),
            _ => Err(without_file()),
        }
    }

    /// The address of the image, as it was understood here: the target must not understand another one.
    ///
    /// # Errors
    /// 400 unless there is one over HTTP without user info.
    pub(super) fn resource(&self) -> Result<String, Problem> {
        let begins = |text: &str, with: &str| {
            text.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with))
        };
        let is_plain = |url: &Url| url.has_host() && url.username().is_empty() && url.password().is_none();
        let given = self.resource.as_deref().filter(|it| begins(it, "http://") || begins(it, "https://"));
        let url = given.and_then(|text| text.parse::<Url>().ok()).filter(is_plain);
        url.map(String::from).ok_or_else(|| {
            let expected = "expected an http:// or https:// address without a user's name";
            Problem::invalid_member("/resource", expected)
        })
    }

    /// The parameters, for the cloud of the path.
    ///
    /// # Errors
    /// 404 for what names no cloud, 400 for two clouds.
    pub(super) fn parameters(self, cloud: &str) -> Result<UploadParameters, Problem> {
        if !is_cloud_id(cloud) {
            return Err(Problem::new(&codes::NOT_FOUND)
                .detail("expected a cloud id of 1 to 64 characters of A-Z a-z 0-9 - _ in the path"));
        }
        if self.cloud_id.as_deref().is_some_and(|named| !named.is_empty() && named != cloud) {
            return Err(Problem::invalid_member("/cloudId", "expected the cloud of the path"));
        }
        Ok(UploadParameters {
            cloud_id: Some(cloud.to_owned()),
            public_id: self.public_id.map(Text::into_string),
            tags: self.tags.unwrap_or_default().0.into_iter().map(Text::into_string).collect(),
            transformation: self.transformation.map(Text::into_string),
            format: self.format.map(Text::into_string),
            projection: self.projection.map(Text::into_string),
        })
    }
}

/// 400 for an upload whose bytes are not where they belong.
pub(super) fn without_file() -> Problem {
    Problem::invalid_member("/file", "expected the bytes as the second part of POST /multipart/related")
}
