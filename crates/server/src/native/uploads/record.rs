//! An upload as it stands on the wire.

use countermark_core::{MimeGlob, TokenId, UnixSeconds, UploadId, UploadParameters};
use countermark_domain::UploadStanding;
use countermark_domain::store::{Upload, UploadState};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// One upload.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Upload)]
#[serde(rename_all = "camelCase")]
pub struct Record<'a> {
    /// Its public handle; whoever knows it can name the upload, not act on it.
    #[schema(value_type = String, example = "upl_034YCGMODo7rNXJe1rD0Im")]
    id: UploadId,
    /// The upload token whose use it holds.
    #[schema(value_type = String, example = "up_034YCGMODo7rNXJe1rD0Im")]
    token_id: TokenId,
    /// On whose behalf the token acted when the upload began.
    #[schema(example = "shop")]
    owner: Option<&'a str>,
    /// `reserved`, then for ever `completed` (its use is spent) or `aborted` (its use has gone back).
    #[schema(example = "reserved")]
    state: &'static str,
    /// The parameters that the upload really gets.
    effective: Effective<'a>,
    /// What it must be, judged again when it completes.
    constraints: Constraints<'a>,
    /// The API key that began it; null if the token's holder did so alone.
    #[schema(value_type = Option<String>, example = "ak_034YCGMODo7rNXJe1rD0Im")]
    began_by: Option<TokenId>,
    /// When it began, Unix seconds.
    #[schema(value_type = u64, example = 1_800_000_000_u64)]
    began_at: UnixSeconds,
    /// When a reservation ends by itself: aborted if an API key began it, completed if the holder did.
    #[schema(value_type = u64, example = 1_800_086_400_u64)]
    deadline: UnixSeconds,
    /// When it ended, Unix seconds; null while it is reserved.
    #[schema(value_type = Option<u64>, example = json!(null))]
    ended_at: Option<UnixSeconds>,
    /// What it has become, as it was reported; null also where the deadline completed it.
    #[schema(value_type = Option<Object>, example = json!(null))]
    result: Option<Value>,
}

/// The parameters that an upload really gets: the client's, as the token directs them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UploadEffective)]
#[serde(rename_all = "camelCase")]
struct Effective<'a> {
    /// Target cloud.
    #[schema(example = "mycloud")]
    cloud_id: Option<&'a str>,
    /// Name of the image.
    #[schema(example = "inbox/cat")]
    public_id: Option<&'a str>,
    /// Tags, each once.
    #[schema(example = json!(["pets", "inbox"]))]
    tags: &'a [String],
    /// Transformation to store the image with.
    #[schema(example = "w:2000")]
    transformation: Option<&'a str>,
    /// Image format.
    #[schema(example = "jpg")]
    format: Option<&'a str>,
    /// Projection.
    #[schema(example = json!(null))]
    projection: Option<&'a str>,
}

/// What an upload must be; null and empty demand nothing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UploadConstraints)]
#[serde(rename_all = "camelCase")]
struct Constraints<'a> {
    /// Least size in bytes.
    #[schema(example = 1)]
    min_bytes: Option<u64>,
    /// Greatest size in bytes.
    #[schema(example = 5_000_000)]
    max_bytes: Option<u64>,
    /// Content types of which one must match.
    #[schema(value_type = Vec<String>, example = json!(["image/*"]))]
    mime_types: &'a [MimeGlob],
    /// What the effective public id must begin with.
    #[schema(example = "inbox/")]
    public_id_prefix: Option<&'a str>,
    /// Whether it must not replace an existing image; then the report must say `"existed": false`.
    #[schema(example = false)]
    insert_only: bool,
}

/// One upload, and what its token has left.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UploadStanding)]
#[serde(rename_all = "camelCase")]
pub struct Standing<'a> {
    #[serde(flatten)]
    upload: Record<'a>,
    /// Uses that the token has left, this upload's own not among them; null = unlimited.
    #[schema(example = 9)]
    remaining: Option<u64>,
}

impl<'a> Record<'a> {
    /// The record on the wire.
    pub fn of(upload: &'a Upload) -> Self {
        let (effective, extra) = (&upload.effective, &upload.extra);
        Self {
            id: upload.id,
            token_id: upload.token,
            owner: upload.owner.as_deref(),
            state: match upload.state {
                UploadState::Reserved => "reserved",
                UploadState::Completed => "completed",
                UploadState::Aborted => "aborted",
            },
            effective: Effective::of(effective),
            constraints: Constraints {
                min_bytes: extra.min_bytes,
                max_bytes: extra.max_bytes,
                mime_types: &extra.mime_types,
                public_id_prefix: extra.public_id_prefix.as_deref(),
                insert_only: extra.insert_only,
            },
            began_by: upload.began_by,
            began_at: upload.began_at,
            deadline: upload.deadline,
            ended_at: upload.ended_at,
            result: upload.result.as_deref().and_then(|report| serde_json::from_str(report).ok()),
        }
    }
}

impl<'a> Effective<'a> {
    fn of(parameters: &'a UploadParameters) -> Self {
        Self {
            cloud_id: parameters.cloud_id.as_deref(),
            public_id: parameters.public_id.as_deref(),
            tags: &parameters.tags,
            transformation: parameters.transformation.as_deref(),
            format: parameters.format.as_deref(),
            projection: parameters.projection.as_deref(),
        }
    }
}

impl<'a> Standing<'a> {
    /// The upload with what is left of its token.
    pub fn new(upload: &'a Upload, remaining: Option<u64>) -> Self {
        Self { upload: Record::of(upload), remaining }
    }

    /// The upload's id.
    pub const fn id(&self) -> UploadId {
        self.upload.id
    }

    /// The same of a call that has ended the upload.
    pub fn of(standing: &'a UploadStanding) -> Self {
        Self::new(&standing.upload, standing.remaining)
    }
}
