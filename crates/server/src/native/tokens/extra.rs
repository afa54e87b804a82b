//! The `extra` of a request: settings of imageUrl and upload tokens, to issue with or to patch by.

use std::collections::BTreeMap;

use countermark_core::{Host, MimeGlob, SigningSecret};
use countermark_domain::{ExtraPatch, NewPassword, Patch, UploadPatch};
use serde::Deserialize;
use utoipa::ToSchema;

use super::member::{CloudId, Limit, NotificationUrl, Parsed, Password};
use crate::json::{self, List, Members, Text};
use crate::problem::Problem;

/// Settings of imageUrl and upload tokens. Null is the same as leaving a member out at the issue, and resets it in a
/// patch; the empty string is neither and is refused, but for `transformation`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = AccessTokenExtraRequest)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Extra {
    /// imageUrl, upload: the only cloud; null = any.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64)]
    cloud_id: json::Patch<Parsed<CloudId>>,
    /// imageUrl: the only hosts; none = any.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    hosts: json::Patch<List<Parsed<Host>, 100>>,
    /// imageUrl, only at the issue: the signing secret, 32 to 256 bytes; generated if absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 32, max_length = 256)]
    secret: json::Patch<Parsed<SigningSecret>>,
    /// imageUrl: HTTP Basic users with their passwords, of whom the viewer must be one. A password is a string, or
    /// `["msha1", hex]`; in a patch null removes the user.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, serde_json::Value>>)]
    authentication: json::Patch<Members<Option<Password>, 100, 128>>,
    /// upload: addresses told when an upload completes.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 20)]
    notification_urls: json::Patch<List<Parsed<NotificationUrl>, 20>>,
    /// upload: replaces the client's tags; the empty list replaces them by none.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    tags: json::Patch<List<Text<1, 200>, 100>>,
    /// upload: appended to the tags.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    add_tags: json::Patch<List<Text<1, 200>, 100>>,
    /// upload: replaces the client's transformation; the empty string replaces it by none.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 1024)]
    transformation: json::Patch<Text<0, 1024>>,
    /// upload: stands before the transformation.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 1024)]
    transformation_prefix: json::Patch<Text<1, 1024>>,
    /// upload: stands after the transformation.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 1024)]
    transformation_postfix: json::Patch<Text<1, 1024>>,
    /// upload: replaces the client's format.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64)]
    format: json::Patch<Text<1, 64>>,
    /// upload: replaces the client's projection.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64)]
    projection: json::Patch<Text<1, 64>>,
    /// upload: replaces the client's public id.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 512)]
    public_id: json::Patch<Text<1, 512>>,
    /// upload: least size in bytes.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    min_bytes: json::Patch<Limit>,
    /// upload: greatest size in bytes.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    max_bytes: json::Patch<Limit>,
    /// upload: content types of which one must match; none = any.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    mime_types: json::Patch<List<Parsed<MimeGlob>, 100>>,
    /// upload: what the public id must begin with.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 512)]
    public_id_prefix: json::Patch<Text<1, 512>>,
    /// upload: whether an upload over an existing image is refused.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    insert_only: json::Patch<bool>,
}

impl Extra {
    /// The changes to make, and the secret, which is none of them.
    ///
    /// # Errors
    /// 400 for the name of a user that HTTP Basic cannot carry.
    pub fn patch(self) -> Result<(ExtraPatch, Option<SigningSecret>), Problem> {
        let patch = ExtraPatch {
            cloud_id: patch(self.cloud_id, |cloud| cloud.0.0),
            hosts: patch(self.hosts, inner),
            authentication: users(self.authentication)?,
            kept_users: None,
            upload: UploadPatch {
                notification_urls: patch(self.notification_urls, |list| {
                    list.0.into_iter().map(|url| url.0.0).collect()
                }),
                tags: patch(self.tags, texts),
                add_tags: patch(self.add_tags, texts),
                transformation: patch(self.transformation, Text::into_string),
                transformation_prefix: patch(self.transformation_prefix, Text::into_string),
                transformation_postfix: patch(self.transformation_postfix, Text::into_string),
                format: patch(self.format, Text::into_string),
                projection: patch(self.projection, Text::into_string),
                public_id: patch(self.public_id, Text::into_string),
                min_bytes: patch(self.min_bytes, Limit::get),
                max_bytes: patch(self.max_bytes, Limit::get),
                mime_types: patch(self.mime_types, inner),
                public_id_prefix: patch(self.public_id_prefix, Text::into_string),
                insert_only: patch(self.insert_only, |only| only),
            },
        };
        Ok((patch, self.secret.applied_to(None).map(|secret| secret.0)))
    }
}

/// The wire's change to a member as the domain's.
pub fn patch<T, U>(wire: json::Patch<T>, read: impl FnOnce(T) -> U) -> Patch<U> {
    match wire {
        json::Patch::Absent => Patch::Keep,
        json::Patch::Null => Patch::Clear,
        json::Patch::Set(value) => Patch::Set(read(value)),
    }
}

/// What the elements of a list were read as.
pub fn inner<T, const MAX: usize>(list: List<Parsed<T>, MAX>) -> Vec<T> {
    list.0.into_iter().map(|one| one.0).collect()
}

fn texts<const MIN: usize, const LONGEST: usize, const MAX: usize>(
    list: List<Text<MIN, LONGEST>, MAX>,
) -> Vec<String> {
    list.0.into_iter().map(Text::into_string).collect()
}

type Users = Members<Option<Password>, 100, 128>;

fn users(wire: json::Patch<Users>) -> Result<Patch<BTreeMap<String, Option<NewPassword>>>, Problem> {
    if let json::Patch::Set(users) = &wire
        && users.0.keys().any(|user| user.contains(':'))
    {
        let expected = "expected user names without colon, which HTTP Basic cannot carry";
        return Err(Problem::invalid_member("/extra/authentication", expected));
    }
    Ok(patch(wire, |users| {
        users.0.into_iter().map(|(user, password)| (user, password.map(|it| it.0))).collect()
    }))
}
