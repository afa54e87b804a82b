//! `PATCH /v1/access-tokens/{id}`: changing the configuration.

use actix_web::http::header;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use countermark_core::{BasePath, Counting, Permission};
use countermark_domain::TokenPatch;
use serde::Deserialize;
use utoipa::ToSchema;

use super::extra::{Extra, inner, patch};
use super::issue::{at, window};
use super::member::{CloudId, CountWindow, Limit, Parsed, StorageId};
use super::notify::NotifyRequest;
use super::record::Record;
use super::schema::AccessTokenCounting;
use super::{record_answer, token_id};
use crate::body::{BODY_LIMIT, json_bytes};
use crate::json::{self, Choice, LabelsPatch, List, Obj, Patch, Text, UnixTime, object};
use crate::native::caller::audited_caller;
use crate::native::error::problem;
use crate::native::refusals::Refusals;
use crate::problem::{Problem, ProblemBody, codes};
use crate::query::Query;
use crate::state::AppState;

/// A JSON merge patch of a token: null resets a member, what is left out stays. Type, value and secret cannot be changed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = UpdateAccessTokenRequest, example = json!({"limit": 200, "labels": {"campaign": null}, "extra": {"hosts": ["img.example.com"]}}))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateRequest {
    /// Display name; not empty.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    name: Patch<Text<1, 200>>,
    /// Free text.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 2000)]
    description: Patch<Text<0, 2000>>,
    /// On whose behalf it acts; not empty.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    owner: Patch<Text<1, 200>>,
    /// Labels to set, or by null to remove; at most 20 in all, and no `=` in a name.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, Option<String>>>)]
    labels: Patch<LabelsPatch>,
    /// Reversible switch.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    enabled: Patch<bool>,
    /// First instant at which it works, Unix seconds.
    #[serde(default)]
    #[schema(value_type = Option<UnixTime>)]
    not_before: Patch<UnixTime>,
    /// First instant at which it no longer works, Unix seconds.
    #[serde(default)]
    #[schema(value_type = Option<UnixTime>)]
    expiry: Patch<UnixTime>,
    /// Most uses in its whole life, at least those already taken.
    #[serde(default)]
    #[schema(value_type = Option<Limit>)]
    limit: Patch<Limit>,
    /// imageUrl: which requests count.
    #[serde(default)]
    #[schema(value_type = Option<AccessTokenCounting>)]
    counting: Patch<Choice<Counting>>,
    /// imageUrl: seconds within which GETs of one target by one client are the same use.
    #[serde(default)]
    #[schema(value_type = Option<CountWindow>)]
    count_window: Patch<CountWindow>,
    /// apiKey: what it may do.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    permissions: Patch<List<Parsed<Permission>, 100>>,
    /// apiKey: path that it is confined to.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 1024)]
    base_path: Patch<Parsed<BasePath>>,
    /// apiKey: storages that it may touch.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    storages: Patch<List<Parsed<StorageId>, 100>>,
    /// apiKey: clouds that it may touch.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    clouds: Patch<List<Parsed<CloudId>, 100>>,
    /// Which events of its life are told, and to whom; each member patched on its own, null = none are.
    #[serde(default)]
    #[schema(value_type = Option<NotifyRequest>)]
    notify: Patch<Obj<NotifyRequest>>,
    /// Whether the record may be swept away once it has expired.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    auto_delete: Patch<bool>,
    /// imageUrl, upload: further settings, each patched on its own.
    #[serde(default, deserialize_with = "object")]
    #[schema(value_type = Extra, required = false)]
    extra: Extra,
}

/// Changes a token
///
/// When this has been answered, no use is allowed any more that the new configuration refuses.
#[utoipa::path(
    patch, path = "/v1/access-tokens/{id}", operation_id = "update_access_token", tag = "access tokens",
    params(
        ("id" = String, Path, description = "Token id.", example = "iu_034YCGMODo7rNXJe1rD0Im"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that the record must still have, or `*`.", example = "\"1\"")
    ),
    request_body(content = UpdateRequest, content_type = "application/merge-patch+json"),
    responses(
        (status = 200, description = "The new record.", body = Record<'_>, headers(("ETag" = String, description = "The revision, quoted."))),
        (status = 404, description = "No such token.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The token is revoked, or the limit is below the uses already taken.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "The record has changed.", body = ProblemBody, content_type = "application/problem+json"),
        Refusals<'_>
    ),
    security(("managementKey" = []))
)]
pub async fn update_access_token(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let bytes = json_bytes::<BODY_LIMIT>(&request, &mut payload.into_inner()).await?;
    let caller = audited_caller(&request, &state, "tokens:write").await?;
    Query::of(&request, &[])?;
    let if_revision = if_match(&request)?;
    let patch = json::read::<UpdateRequest>(&bytes)?.patch()?;
    let id = token_id(&request)?;
    let token = state.service.update(&caller, id, if_revision, patch).await.map_err(problem)?;
    Ok(record_answer(&token, state.service.now()))
}

impl UpdateRequest {
    fn patch(self) -> Result<TokenPatch, Problem> {
        let (extra, secret) = self.extra.patch()?;
        if secret.is_some() {
            let expected = "expected no secret here: regenerate makes the next version";
            return Err(Problem::invalid_member("/extra/secret", expected));
        }
        Ok(TokenPatch {
            secret: None,
            name: patch(self.name, Text::into_string),
            description: patch(self.description, Text::into_string),
            owner: patch(self.owner, Text::into_string),
            labels: patch(self.labels, |labels| {
                labels.0.into_iter().map(|(name, value)| (name, value.map(Text::into_string))).collect()
            }),
            enabled: patch(self.enabled, |enabled| enabled),
            not_before: patch(self.not_before, at),
            expiry: patch(self.expiry, at),
            limit: patch(self.limit, Limit::get),
            notify: patch(self.notify, |notify| notify.0.patch()),
            auto_delete: patch(self.auto_delete, |auto| auto),
            counting: patch(self.counting, |counting| counting.0),
            count_window: patch(self.count_window, window),
            permissions: patch(self.permissions, inner),
            base_path: patch(self.base_path, |path| path.0),
            storages: patch(self.storages, |list| inner(list).into_iter().map(|one| one.0).collect()),
            clouds: patch(self.clouds, |list| inner(list).into_iter().map(|one| one.0).collect()),
            extra,
        })
    }
}

/// The revision that `If-Match` demands; `None` where any will do.
fn if_match(request: &HttpRequest) -> Result<Option<u64>, Problem> {
    let refused = || {
        let expected = "expected one strong entity tag such as \"1\", or *, in If-Match";
        Problem::new(&codes::INVALID_HEADER).detail(expected)
    };
    let mut headers = request.headers().get_all(header::IF_MATCH);
    let Some(tag) = headers.next() else { return Ok(None) };
    let tag = tag.to_str().ok().filter(|_| headers.next().is_none()).ok_or_else(refused)?;
    if tag == "*" {
        return Ok(None);
    }
    let inside = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).ok_or_else(refused)?;
    if inside.bytes().any(|byte| byte == b'"' || byte <= b' ') {
        return Err(refused());
    }
    let is_ours = inside.bytes().all(|byte| byte.is_ascii_digit()) && !inside.starts_with('0');
    // Revisions begin with 1: a tag that is not ours matches none.
    Ok(Some(inside.parse().ok().filter(|_| is_ours).unwrap_or(0)))
}
