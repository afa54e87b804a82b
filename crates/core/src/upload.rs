//! What an upload token makes of an upload: directives that set its parameters, constraints that it must meet.

use serde::{Deserialize, Serialize};

use crate::mime::MimeGlob;
use crate::path_scope::find_ambiguity;
use crate::reason::DenyReason;

/// The `extra` of an upload token. Absent members direct nothing and constrain nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct UploadExtra {
    /// Addresses told when an upload of this token completes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notification_urls: Vec<String>,
    /// Replaces the client's tags, also by none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Appended to the tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add_tags: Vec<String>,
    /// Replaces the client's transformation, also by none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transformation: Option<String>,
    /// Stands before the transformation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transformation_prefix: Option<String>,
    /// Stands after the transformation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transformation_postfix: Option<String>,
    /// The only cloud that uploads may go to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_id: Option<String>,
    /// Replaces the client's format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Replaces the client's projection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projection: Option<String>,
    /// Replaces the client's public id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_id: Option<String>,
    /// Least size of an upload, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_bytes: Option<u64>,
    /// Greatest size of an upload, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// Content types of which one must match; empty = any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mime_types: Vec<MimeGlob>,
    /// What the effective public id must begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_id_prefix: Option<String>,
    /// Whether an upload over an existing image is refused at its completion.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insert_only: bool,
}

/// The parameters of an upload as its client asks for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UploadParameters {
    /// Target cloud.
    pub cloud_id: Option<String>,
    /// Name of the image.
    pub public_id: Option<String>,
    /// Tags in the client's order.
    pub tags: Vec<String>,
    /// Transformation to store the image with.
    pub transformation: Option<String>,
    /// Image format.
    pub format: Option<String>,
    /// Projection.
    pub projection: Option<String>,
}

impl UploadExtra {
    /// The parameters that an upload really gets.
    ///
    /// # Errors
    /// [`DenyReason::WrongCloud`] when the client asks for another cloud than the token's.
    pub fn direct(&self, asked: UploadParameters) -> Result<UploadParameters, DenyReason> {
        let cloud_id = non_empty(asked.cloud_id);
        if let (Some(demanded), Some(asked)) = (&self.cloud_id, &cloud_id)
            && demanded != asked
        {
            return Err(DenyReason::WrongCloud);
        }
        Ok(UploadParameters {
            cloud_id: replaced(&self.cloud_id, cloud_id),
            public_id: replaced(&self.public_id, non_empty(asked.public_id)),
            tags: self.direct_tags(asked.tags),
            transformation: self.direct_transformation(asked.transformation.as_deref()),
            format: replaced(&self.format, non_empty(asked.format)),
            projection: replaced(&self.projection, non_empty(asked.projection)),
        })
    }

    /// Whether size, content type and effective public id are as the token demands; a fact that is demanded but not
    /// given does not fit. `insert_only` can only be known at the completion.
    pub fn admits(&self, bytes: Option<u64>, content_type: Option<&str>, public_id: Option<&str>) -> bool {
        let public_id = self.public_id.as_deref().filter(|it| !it.is_empty()).or(public_id);
        self.min_bytes.is_none_or(|least| bytes.is_some_and(|it| it >= least))
            && self.max_bytes.is_none_or(|most| bytes.is_some_and(|it| it <= most))
            && (self.mime_types.is_empty()
                || content_type.is_some_and(|it| self.mime_types.iter().any(|glob| glob.matches(it))))
            && self
                .public_id_prefix
                .as_deref()
                .is_none_or(|it| public_id.is_some_and(|id| id.starts_with(it) && is_plain(id)))
    }

    fn direct_tags(&self, asked: Vec<String>) -> Vec<String> {
        let mut tags = Vec::new();
        for tag in self.tags.clone().unwrap_or(asked).into_iter().chain(self.add_tags.iter().cloned()) {
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        tags
    }

    fn direct_transformation(&self, asked: Option<&str>) -> Option<String> {
        let parts = [
            self.transformation_prefix.as_deref(),
            self.transformation.as_deref().or(asked),
            self.transformation_postfix.as_deref(),
        ];
        let parts: Vec<&str> = parts
            .into_iter()
            .flatten()
            .map(|part| part.trim_matches('/'))
            .filter(|part| !part.is_empty())
            .collect();
        if parts.is_empty() { None } else { Some(parts.join("/")) }
    }
}

/// Whether the name, where it becomes a path, leads nowhere else than it says: `in/../x` begins with `in/` and is not in it.
fn is_plain(public_id: &str) -> bool {
    find_ambiguity(&format!("/{}", public_id.strip_prefix('/').unwrap_or(public_id))).is_none()
}

fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|it| !it.is_empty())
}

fn replaced(directive: &Option<String>, asked: Option<String>) -> Option<String> {
    non_empty(directive.clone()).or(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_cloud_than_the_tokens_is_refused() {
        let extra = UploadExtra { cloud_id: Some("c1".into()), ..UploadExtra::default() };
        let asked = UploadParameters { cloud_id: Some("c2".into()), ..UploadParameters::default() };
        assert_eq!(extra.direct(asked), Err(DenyReason::WrongCloud));
    }

    #[test]
    fn what_is_empty_counts_as_absent_with_client_and_token() {
        let empty = || Some(String::new());
        let asked = UploadParameters {
            cloud_id: empty(),
            public_id: empty(),
            tags: Vec::new(),
            transformation: empty(),
            format: empty(),
            projection: empty(),
        };
        let bound = UploadExtra { cloud_id: Some("c1".into()), ..UploadExtra::default() };
        let effective = UploadParameters { cloud_id: Some("c1".into()), ..UploadParameters::default() };
        assert_eq!(bound.direct(asked.clone()), Ok(effective));
        assert_eq!(UploadExtra::default().direct(asked), Ok(UploadParameters::default()));

        let own = || Some("own".to_owned());
        let directs_nothing = UploadExtra {
            public_id: empty(),
            format: empty(),
            projection: empty(),
            ..UploadExtra::default()
        };
        let asked = UploadParameters {
            public_id: own(),
            format: own(),
            projection: own(),
            ..UploadParameters::default()
        };
        assert_eq!(directs_nothing.direct(asked.clone()), Ok(asked));
    }

    #[test]
    fn a_demanded_fact_that_is_missing_does_not_fit() {
        let extra = UploadExtra { max_bytes: Some(10), ..UploadExtra::default() };
        assert!(extra.admits(Some(10), None, None));
        assert!(!extra.admits(Some(11), None, None));
        assert!(!extra.admits(None, None, None));
        let extra = UploadExtra { min_bytes: Some(1), ..UploadExtra::default() };
        assert!(extra.admits(Some(1), None, None) && !extra.admits(Some(0), None, None));
        let extra =
            UploadExtra { mime_types: vec![MimeGlob::parse("image/*").unwrap()], ..UploadExtra::default() };
        assert!(extra.admits(None, Some("image/png"), None));
        assert!(!extra.admits(None, Some("text/html"), None) && !extra.admits(None, None, None));
    }

    #[test]
    fn the_name_prefix_holds_for_the_effective_public_id() {
        let extra = UploadExtra { public_id_prefix: Some("in/".into()), ..UploadExtra::default() };
        assert!(extra.admits(None, None, Some("in/a")));
        assert!(!extra.admits(None, None, Some("out/a")) && !extra.admits(None, None, None));
        let fixed = UploadExtra { public_id: Some("in/fixed".into()), ..extra };
        assert!(fixed.admits(None, None, Some("out/a")), "the directive replaces what the client asks for");
    }

    #[test]
    fn a_name_under_a_prefix_must_not_lead_out_of_it_as_a_path() {
        let extra = UploadExtra { public_id_prefix: Some("in/".into()), ..UploadExtra::default() };
        for id in ["in/../x", "in/%2e%2e/x", "in//x", "in/..%2fx", r"in/\..\x", "in/./x", "in/x/..", "in/%zz"]
        {
            assert!(!extra.admits(None, None, Some(id)), "{id}");
        }
        for id in ["in/x", "in/a/b..c", "in/ü", "in/a%20b"] {
            assert!(extra.admits(None, None, Some(id)), "{id}");
        }
        assert!(UploadExtra::default().admits(None, None, Some("in/../x")), "no prefix, no place to stay in");
        let rooted = UploadExtra { public_id_prefix: Some("/in/".into()), ..UploadExtra::default() };
        assert!(rooted.admits(None, None, Some("/in/x")) && !rooted.admits(None, None, Some("/in/../x")));
    }
}
