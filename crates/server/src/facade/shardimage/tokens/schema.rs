//! The dialect's one resource as its document has it, for the OpenAPI document: requests and answers are alike.

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// An access token.
#[derive(ToSchema)]
#[schema(as = ShardimageAccessToken, example = json!({"id": null, "expiry": 1_900_000_000, "limit": 1000,
    "extra": {"cloudId": "mycloud", "secret": "secretString"}, "createdAt": null, "type": "imageUrl"}))]
#[expect(dead_code, reason = "only its schema is used")]
pub struct AccessToken {
    /// Read only. Of an imageUrl token its public handle; of an upload token its value, the whole secret.
    id: Option<String>,
    /// What the token is for; it never changes.
    #[schema(rename = "type")]
    kind: AccessTokenType,
    /// First instant at which it no longer works, Unix seconds; null = never.
    #[schema(minimum = 0, maximum = 253_402_300_799_u64)]
    expiry: Option<u64>,
    /// Most uses in its whole life; null = unlimited, 0 = none.
    #[schema(minimum = 0)]
    limit: Option<u64>,
    /// Further settings by type. Null or `[]` for none.
    extra: Option<Extra>,
    /// Read only: when it was created, Unix seconds.
    #[schema(rename = "createdAt")]
    created_at: Option<u64>,
}

/// What a token is for.
#[derive(ToSchema)]
#[schema(as = ShardimageAccessTokenType)]
#[expect(dead_code, reason = "only its schema is used")]
pub enum AccessTokenType {
    /// Signs image URLs.
    #[schema(rename = "imageUrl")]
    ImageUrl,
    /// Uploads.
    #[schema(rename = "upload")]
    Upload,
}

/// Further settings.
#[derive(ToSchema)]
#[schema(as = ShardimageAccessTokenExtra)]
#[expect(dead_code, reason = "only its schema is used")]
pub enum Extra {
    /// Of an imageUrl token.
    #[schema(rename = "imageUrl")]
    ImageUrl(ImageUrlExtra),
    /// Of an upload token.
    #[schema(rename = "upload")]
    Upload(Box<UploadExtra>),
}

/// Further settings of an imageUrl token.
#[derive(ToSchema)]
#[schema(as = ShardimageImageUrlExtra, rename_all = "camelCase", example = json!({"cloudId": "mycloud", "secret": "secretString",
    "authentication": {"viewer1": "plain", "viewer2": ["msha1", "3b30eff44ca0646eb0e58e1da6e8bd62e12af7e7"]}}))]
#[expect(dead_code, reason = "only its schema is used")]
pub struct ImageUrlExtra {
    /// The only cloud. Without it the token serves images of every cloud.
    #[schema(min_length = 1, max_length = 64)]
    cloud_id: Option<String>,
    /// The signing secret, 8 to 256 bytes. Answered in clear by the creation alone, else as `***`; an update with `***`
    /// or without it leaves it alone, and any other becomes the next version and ends the old.
    #[schema(max_length = 256)]
    secret: String,
    /// HTTP Basic users of whom the viewer must be one: a password, or `["msha1", 40 hexadecimal digits]`. Answered as
    /// `***`, with which an update leaves a password alone; a user that an update leaves out is removed.
    authentication: Option<BTreeMap<String, serde_json::Value>>,
}

/// Further settings of an upload token, all optional.
#[derive(ToSchema)]
#[schema(as = ShardimageUploadExtra, rename_all = "camelCase", example = json!({"transformation": "w:200", "transformationPrefix": null,
    "transformationPostfix": null, "format": "webp", "cloudId": "mycloud", "projection": null, "tags": ["a"],
    "addTags": ["b"], "notificationUrls": ["https://example.com/hook"], "publicId": "pid"}))]
#[expect(dead_code, reason = "only its schema is used")]
pub struct UploadExtra {
    /// Addresses told when an upload has finished.
    #[schema(max_items = 20)]
    notification_urls: Option<Vec<String>>,
    /// Appended to the tags.
    #[schema(max_items = 100)]
    add_tags: Option<Vec<String>>,
    /// Stands before the transformation.
    #[schema(max_length = 1024)]
    transformation_prefix: Option<String>,
    /// The only cloud. Without it the token uploads to every cloud, at its owner's cost.
    #[schema(min_length = 1, max_length = 64)]
    cloud_id: Option<String>,
    /// Replaces the format of the upload.
    #[schema(max_length = 64)]
    format: Option<String>,
    /// Replaces the projection of the upload.
    #[schema(max_length = 64)]
    projection: Option<String>,
    /// Replaces the transformation of the upload.
    #[schema(max_length = 1024)]
    transformation: Option<String>,
    /// Stands after the transformation.
    #[schema(max_length = 1024)]
    transformation_postfix: Option<String>,
    /// Replaces the public id of the upload.
    #[schema(max_length = 512)]
    public_id: Option<String>,
    /// Replaces the tags of the upload; the empty list by none.
    #[schema(max_items = 100)]
    tags: Option<Vec<String>>,
}
