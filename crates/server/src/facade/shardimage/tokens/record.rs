//! Access tokens as they are answered.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::http::header;
use countermark_core::{ImageTerms, Purpose, Token, UploadExtra};
use serde::Serialize;

/// Stands for a secret or password that is stored and not shown.
pub const MASK: &str = "***";

/// One token, its members in the order of the dialect's document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    expiry: Option<u64>,
    limit: Option<u64>,
    extra: Extra<'a>,
    created_at: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Extra<'a> {
    ImageUrl(ImageUrl<'a>),
    Upload(Upload<'a>),
    None,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageUrl<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_id: Option<&'a str>,
    secret: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    authentication: BTreeMap<&'a str, &'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Upload<'a> {
    notification_urls: Option<&'a [String]>,
    add_tags: Option<&'a [String]>,
    transformation_prefix: Option<&'a str>,
    cloud_id: Option<&'a str>,
    format: Option<&'a str>,
    projection: Option<&'a str>,
    transformation: Option<&'a str>,
    transformation_postfix: Option<&'a str>,
    public_id: Option<&'a str>,
    tags: Option<&'a [String]>,
}

/// 200 with the token under the `id` that it has in this dialect, and with its secret masked.
pub fn answer(token: &Token, id: &str) -> HttpResponse {
    answer_with(token, id, MASK)
}

/// As [`answer`], with this in the place of the secret.
pub fn answer_with(token: &Token, id: &str, secret: &str) -> HttpResponse {
    let record = Record {
        id,
        kind: token.terms.kind().name(),
        expiry: token.terms.expiry.map(|expiry| expiry.get()),
        limit: token.terms.limit,
        extra: match &token.terms.purpose {
            Purpose::ImageUrl(image) => Extra::ImageUrl(image_url(image, secret)),
            Purpose::Upload(upload) => Extra::Upload(Upload::of(&upload.extra)),
            Purpose::ApiKey(_) => Extra::None,
        },
        created_at: token.about.created_at.get(),
    };
    let body = serde_json::to_string(&record).expect("texts and numbers always become JSON");
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .body(body)
}

/// The SDK's model takes texts only as passwords, so a hashed one is masked, too, where it was just given.
fn image_url<'a>(image: &'a ImageTerms, secret: &'a str) -> ImageUrl<'a> {
    ImageUrl {
        cloud_id: image.cloud_id.as_deref(),
        secret,
        authentication: image.viewers.keys().map(|user| (&**user, MASK)).collect(),
    }
}

impl<'a> Upload<'a> {
    fn of(extra: &'a UploadExtra) -> Self {
        let listed = |list: &'a Vec<String>| (!list.is_empty()).then_some(list.as_slice());
        Self {
            notification_urls: listed(&extra.notification_urls),
            add_tags: listed(&extra.add_tags),
            transformation_prefix: extra.transformation_prefix.as_deref(),
            cloud_id: extra.cloud_id.as_deref(),
            format: extra.format.as_deref(),
            projection: extra.projection.as_deref(),
            transformation: extra.transformation.as_deref(),
            transformation_postfix: extra.transformation_postfix.as_deref(),
            public_id: extra.public_id.as_deref(),
            tags: extra.tags.as_deref(),
        }
    }
}
