//! The answer: an image as the SDK's model reads it.

use countermark_domain::store::Upload;
use serde::Serialize;
use utoipa::ToSchema;

use super::report::Report;

/// Longest text of the target's report that is shown.
const LONGEST_TEXT: usize = 255;

/// A stored image. Of what only the target can know, its report says some.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShardimageImage, example = json!({
    "publicId": "cat", "cloudId": "mycloud", "createdAt": 1_800_000_007_u64, "object": {"md5": null, "size": 48_213},
    "format": "webp", "mimeType": "image/png", "dimensions": {"width": 640, "height": 480}, "tags": ["pets"]
}))]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// The name that it really got.
    public_id: Option<String>,
    /// Its cloud.
    cloud_id: Option<String>,
    /// When the upload was completed, Unix seconds.
    created_at: Option<u64>,
    /// The stored file.
    object: StoredObject,
    /// The format that the upload was to have.
    format: Option<String>,
    /// The content type, as the target has reported it.
    mime_type: Option<String>,
    /// Width and height, if the target has reported them.
    dimensions: Option<Dimensions>,
    /// Its tags, as the token directs them.
    tags: Vec<String>,
}

/// A stored file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShardimageImageObject)]
struct StoredObject {
    /// Its MD5, if the target has reported it.
    md5: Option<String>,
    /// Its size in bytes.
    size: Option<u64>,
}

/// Width and height of an image, in pixels.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShardimageDimensions)]
struct Dimensions {
    /// Width in pixels.
    width: Option<u64>,
    /// Height in pixels.
    height: Option<u64>,
}

impl Image {
    pub(super) fn of(upload: &Upload, report: &Report) -> Self {
        let text = |name| report.text(name).filter(|text| text.len() <= LONGEST_TEXT).map(str::to_owned);
        let (width, height) = (report.whole("width"), report.whole("height"));
        let effective = &upload.effective;
        Self {
            public_id: effective.public_id.clone().or_else(|| text("publicId")),
            cloud_id: effective.cloud_id.clone(),
            created_at: upload.ended_at.map(|at| at.get()),
            object: StoredObject { md5: text("md5"), size: report.whole("bytes") },
            format: effective.format.clone(),
            mime_type: text("contentType"),
            dimensions: (width.is_some() || height.is_some()).then_some(Dimensions { width, height }),
            tags: effective.tags.clone(),
        }
    }
}
