//! `POST /v1/access-tokens`: issuing.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::{BasePath, Counting, Dialect, Permission, TokenKind, UnixSeconds, UploadExtra};
use countermark_domain::{Draft, Expiry, ExtraPatch, NewPassword, Patch, PurposeDraft};
use serde::Deserialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

use super::extra::{Extra, inner};
use super::member::{CloudId, CountWindow, Limit, Parsed, StorageId};
use super::notify::NotifyRequest;
use super::record::Record;
use super::schema::{AccessTokenCounting, AccessTokenType};
use super::{outcome_answer, rendered_at, repeatable};
use crate::body::{BODY_LIMIT, json_bytes};
use crate::json::{self, Choice, Labels, List, Text, UnixTime, optional_object};
use crate::native::caller::audited_caller;
use crate::native::error::problem;
use crate::native::refusals::Refusals;
use crate::problem::{Problem, ProblemBody};
use crate::query::Query;
use crate::state::AppState;

/// The body of `POST /v1/access-tokens`. Null is the same as leaving a member out.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = IssueAccessTokenRequest, example = json!({
    "type": "imageUrl", "name": "press photos", "owner": "shop", "labels": {"campaign": "spring"}, "limit": 100,
    "ttl": 86400, "extra": {"cloudId": "mycloud"}
}))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssueRequest {
    /// What the token is for.
    #[serde(rename = "type")]
    #[schema(value_type = AccessTokenType)]
    kind: Choice<TokenKind>,
    /// Display name; not empty.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    name: Option<Text<1, 200>>,
    /// Free text.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 2000)]
    description: Option<Text<0, 2000>>,
    /// On whose behalf it acts; answered with every decision; not empty.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    owner: Option<Text<1, 200>>,
    /// At most 20 labels by name, which holds no `=`.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    labels: Option<Labels>,
    /// Whether it may be used at once; true if absent.
    #[serde(default)]
    enabled: Option<bool>,
    /// First instant at which it works, Unix seconds.
    #[serde(default)]
    not_before: Option<UnixTime>,
    /// First instant at which it no longer works, Unix seconds; absent = never.
    #[serde(default)]
    expiry: Option<UnixTime>,
    /// Seconds after which it no longer works; instead of `expiry`.
    #[serde(default)]
    ttl: Option<UnixTime>,
    /// Most uses in its whole life; absent = unlimited, 0 = none.
    #[serde(default)]
    limit: Option<Limit>,
    /// imageUrl: which requests count; `get` if absent.
    #[serde(default)]
    #[schema(value_type = Option<AccessTokenCounting>)]
    counting: Option<Choice<Counting>>,
    /// imageUrl: seconds within which GETs of one target by one client are the same use.
    #[serde(default)]
    count_window: Option<CountWindow>,
    /// apiKey: what it may do.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    permissions: Option<List<Parsed<Permission>, 100>>,
    /// apiKey: path that it is confined to.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 1024)]
    base_path: Option<Parsed<BasePath>>,
    /// apiKey: storages that it may touch; absent = all.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    storages: Option<List<Parsed<StorageId>, 100>>,
    /// apiKey: clouds that it may touch; absent = all.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    clouds: Option<List<Parsed<CloudId>, 100>>,
    /// Which events of its life are told, and to whom; absent = none.
    #[serde(default, deserialize_with = "optional_object")]
    #[schema(value_type = Option<NotifyRequest>)]
    notify: Option<NotifyRequest>,
    /// Whether the record may be swept away once it has expired.
    #[serde(default)]
    auto_delete: Option<bool>,
    /// Whether the value or secret is kept sealed, to be shown again.
    #[serde(default)]
    recoverable: Option<bool>,
    /// imageUrl, upload: further settings.
    #[serde(default, deserialize_with = "optional_object")]
    #[schema(value_type = Option<Extra>)]
    extra: Option<Extra>,
}

/// Issues a token
///
/// The answer shows, only now, `value` (upload, apiKey) or `extra.secret` with `keyVersion` (imageUrl). Bounds that are
/// left open become those of the calling key.
#[utoipa::path(
    post, path = "/v1/access-tokens", operation_id = "issue_access_token", tag = "access tokens",
    request_body(content = IssueRequest, content_type = "application/json", examples(
        ("imageUrl" = (summary = "Signs URLs of one cloud, 100 uses", value = json!({"type": "imageUrl", "name": "press photos", "limit": 100, "ttl": 86400, "extra": {"cloudId": "mycloud"}}))),
        ("upload" = (summary = "Takes images of at most 5 MB", value = json!({"type": "upload", "owner": "shop", "limit": 1, "extra": {"maxBytes": 5_000_000, "mimeTypes": ["image/*"], "addTags": ["inbox"]}}))),
        ("apiKey" = (summary = "Asks for decisions and signs", value = json!({"type": "apiKey", "name": "gate", "permissions": ["authorize", "sign"]})))
    )),
    params(("Idempotency-Key" = Option<String>, Header, description = "A retry with the same key and body within 24 hours gets the same answer.")),
    responses(
        (status = 201, description = "Issued.", body = Record<'_>, headers(
            ("Location" = String, description = "Path of the record."),
            ("ETag" = String, description = "The revision, quoted.")
        )),
        (status = 409, description = "The value is taken.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The idempotency key was used for another request.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals<'_>
    ),
    security(("managementKey" = []))
)]
pub async fn issue_access_token(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let bytes = json_bytes::<BODY_LIMIT>(&request, &mut payload.into_inner()).await?;
    let caller = audited_caller(&request, &state, "tokens:write").await?;
    Query::of(&request, &[])?;
    let draft = json::read::<IssueRequest>(&bytes)?.draft()?;
    let render = rendered_at(state.service.now());
    let repeatable = repeatable(&request, &caller, "issue", &bytes, &render)?;
    let outcome = state.service.issue(&caller, draft, repeatable).await.map_err(problem)?;
    outcome_answer(StatusCode::CREATED, outcome, render)
}

impl IssueRequest {
    fn draft(mut self) -> Result<Draft, Problem> {
        self.refuse_members_of_other_kinds()?;
        let expiry = match (self.expiry, self.ttl) {
            (Some(_), Some(_)) => {
                return Err(Problem::invalid_member("/ttl", "expected either expiry or ttl"));
            }
            (Some(instant), None) => Some(Expiry::At(at(instant))),
            (None, Some(seconds)) => Some(Expiry::After(seconds.get())),
            (None, None) => None,
        };
        Ok(Draft {
            name: self.name.take().map(Text::into_string),
            description: self.description.take().map(Text::into_string),
            owner: self.owner.take().map(Text::into_string),
            labels: self.labels.take().map(labels).unwrap_or_default(),
            enabled: self.enabled.unwrap_or(true),
            not_before: self.not_before.map(at),
            expiry,
            limit: self.limit.map(Limit::get),
            notify: self.notify.take().map(|notify| notify.patch().over(None)),
            auto_delete: self.auto_delete.unwrap_or(false),
            recoverable: self.recoverable.unwrap_or(false),
            dialect: Dialect::Native,
            purpose: self.purpose()?,
        })
    }

    fn refuse_members_of_other_kinds(&self) -> Result<(), Problem> {
        let of_image =
            [("/counting", self.counting.is_some()), ("/countWindow", self.count_window.is_some())];
        let of_api_key = [
            ("/permissions", self.permissions.is_some()),
            ("/basePath", self.base_path.is_some()),
            ("/storages", self.storages.is_some()),
            ("/clouds", self.clouds.is_some()),
        ];
        let foreign: Vec<_> = match self.kind.0 {
            TokenKind::ImageUrl => of_api_key.to_vec(),
            TokenKind::Upload => of_image.into_iter().chain(of_api_key).collect(),
            TokenKind::ApiKey => of_image.into_iter().chain([("/extra", self.extra.is_some())]).collect(),
        };
        refuse(self.kind.0, foreign)
    }

    fn purpose(self) -> Result<PurposeDraft, Problem> {
        let (extra, secret) = self.extra.unwrap_or_default().patch()?;
        Ok(match self.kind.0 {
            TokenKind::ImageUrl => {
                refuse(self.kind.0, extra.upload.first_mentioned().map(|pointer| (pointer, true)))?;
                PurposeDraft::ImageUrl {
                    counting: self.counting.map_or_else(Counting::default, |counting| counting.0),
                    count_window: self.count_window.map_or(0, window),
                    cloud_id: extra.cloud_id.into_set(),
                    hosts: extra.hosts.into_set().unwrap_or_default(),
                    secret,
                    authentication: passwords(extra.authentication)?,
                    legacy_signatures: false,
                }
            }
            TokenKind::Upload => {
                let foreign = [
                    ("/extra/hosts", extra.hosts.is_mentioned()),
                    ("/extra/secret", secret.is_some()),
                    ("/extra/authentication", extra.authentication.is_mentioned()),
                ];
                refuse(self.kind.0, foreign)?;
                PurposeDraft::Upload { value: None, extra: Box::new(directives(extra)) }
            }
            TokenKind::ApiKey => PurposeDraft::ApiKey {
                value: None,
                permissions: self.permissions.map(inner).unwrap_or_default(),
                base_path: self.base_path.map(|path| path.0),
                storages: self.storages.map(|list| inner(list).into_iter().map(|one| one.0).collect()),
                clouds: self.clouds.map(|list| inner(list).into_iter().map(|one| one.0).collect()),
                source_networks: None,
            },
        })
    }
}

/// The instant; members of this type cannot lie beyond the last one.
pub(super) fn at(instant: UnixTime) -> UnixSeconds {
    UnixSeconds::new(instant.get()).unwrap_or(UnixSeconds::MAX)
}

/// The seconds of a counting window.
pub(super) fn window(seconds: CountWindow) -> u32 {
    u32::try_from(seconds.get()).unwrap_or(u32::MAX)
}

fn labels(labels: Labels) -> BTreeMap<String, String> {
    labels.0.into_iter().map(|(name, value)| (name, value.into_string())).collect()
}

fn directives(extra: ExtraPatch) -> UploadExtra {
    let mut directives = UploadExtra { cloud_id: extra.cloud_id.into_set(), ..UploadExtra::default() };
    extra.upload.apply(&mut directives);
    directives
}

fn passwords(
    users: Patch<BTreeMap<String, Option<NewPassword>>>,
) -> Result<BTreeMap<String, NewPassword>, Problem> {
    let expected = || Problem::invalid_member("/extra/authentication", "expected a password for each user");
    let users = users.into_set().unwrap_or_default();
    users.into_iter().map(|(user, password)| Ok((user, password.ok_or_else(expected)?))).collect()
}

fn refuse(kind: TokenKind, foreign: impl IntoIterator<Item = (&'static str, bool)>) -> Result<(), Problem> {
    match foreign.into_iter().find(|(_, is_given)| *is_given) {
        Some((pointer, _)) => {
            let expected = format!("expected no such member for the type {}", kind.name());
            Err(Problem::invalid_member(pointer, expected))
        }
        None => Ok(()),
    }
}
