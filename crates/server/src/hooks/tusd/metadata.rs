//! Upload parameters in tus metadata: what the client asks for, and what the upload really gets put over it.

use std::collections::BTreeMap;

use countermark_core::{UploadParameters, is_cloud_id};

use crate::problem::{Problem, codes};

/// The metadata of a tus upload.
pub(super) type Metadata = BTreeMap<String, String>;

/// Most tags that a client may ask for; as many as a token may direct.
const MOST_TAGS: usize = 100;
/// Longest content type that is looked at, in characters.
const LONGEST_TYPE: usize = 255;

/// The parameters that the client asks for: members of the names that the native API uses, `tags` separated by commas.
/// A file name is no public id: two people's `photo.jpg` are two images.
///
/// # Errors
/// 400 `INVALID_METADATA` that names the member.
pub(super) fn asked(metadata: &Metadata) -> Result<UploadParameters, Problem> {
    let cloud_id = text(metadata, "cloudId", 64)?.filter(|id| !id.is_empty());
    if cloud_id.as_deref().is_some_and(|id| !is_cloud_id(id)) {
        return Err(invalid("cloudId", "expected 1 to 64 characters of A-Z a-z 0-9 - _"));
    }
    Ok(UploadParameters {
        cloud_id,
        public_id: text(metadata, "publicId", 512)?,
        tags: tags(metadata)?,
        transformation: text(metadata, "transformation", 1024)?,
        format: text(metadata, "format", 64)?,
        projection: text(metadata, "projection", 64)?,
    })
}

/// The content type that the client declares: `filetype`, which tusd serves the file with, or `contentType`.
///
/// # Errors
/// 400 `INVALID_METADATA` also where the two differ: whoever reads the other one would see what was never checked.
pub(super) fn content_type(metadata: &Metadata) -> Result<Option<String>, Problem> {
    let [file_type, content_type] =
        [text(metadata, "filetype", LONGEST_TYPE)?, text(metadata, "contentType", LONGEST_TYPE)?];
    match (&file_type, &content_type) {
        (Some(one), Some(other)) if one != other => {
            Err(invalid("contentType", "expected the same content type as in filetype"))
        }
        _ => Ok(file_type.or(content_type).filter(|it| !it.is_empty())),
    }
}

/// The client's metadata with the parameters that the upload really gets in place of those that were asked for.
pub(super) fn directed(metadata: &Metadata, effective: &UploadParameters) -> Metadata {
    let mut directed = metadata.clone();
    let tags = Some(effective.tags.join(",")).filter(|_| !effective.tags.is_empty());
    let members = [
        ("cloudId", &effective.cloud_id),
        ("publicId", &effective.public_id),
        ("tags", &tags),
        ("transformation", &effective.transformation),
        ("format", &effective.format),
        ("projection", &effective.projection),
    ];
    for (name, value) in members {
        match value {
            Some(value) => directed.insert(name.to_owned(), value.clone()),
            None => directed.remove(name),
        };
    }
    directed
}

fn tags(metadata: &Metadata) -> Result<Vec<String>, Problem> {
    let list = text(metadata, "tags", MOST_TAGS * 201)?.unwrap_or_default();
    let tags: Vec<String> =
        list.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    if tags.len() > MOST_TAGS || tags.iter().any(|tag| tag.chars().count() > 200) {
        return Err(invalid(
            "tags",
            "expected at most 100 tags of at most 200 characters, separated by commas",
        ));
    }
    Ok(tags)
}

fn text(metadata: &Metadata, name: &str, longest: usize) -> Result<Option<String>, Problem> {
    let Some(text) = metadata.get(name) else { return Ok(None) };
    if text.chars().count() > longest || text.chars().any(char::is_control) {
        let expected = format!("expected at most {longest} characters without control characters");
        return Err(invalid(name, &expected));
    }
    Ok(Some(text.clone()))
}

fn invalid(name: &str, expected: &str) -> Problem {
    Problem::new(&codes::INVALID_METADATA).member(format!("/{name}"), expected)
}

#[cfg(test)]
mod tests {
    use countermark_core::UploadExtra;
    use serde_json::Value;

    use super::*;

    fn metadata(members: &[(&str, &str)]) -> Metadata {
        members.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn at_fault(problem: Problem) -> String {
        assert_eq!(problem.code().name, "INVALID_METADATA");
        assert!(!format!("{problem:?}").contains("canary"));
        problem.errors()[0].pointer.clone()
    }

    #[test]
    fn parameters_are_read_from_members_of_their_names() {
        let given = metadata(&[
            ("cloudId", "c1"),
            ("publicId", "in/cat"),
            ("tags", "a, b,,b "),
            ("transformation", "o-w:100"),
            ("format", "webp"),
            ("projection", "EQUIRECTANGULAR"),
            ("filename", "cat.png"),
            ("filetype", "image/png"),
        ]);
        let asked = asked(&given).unwrap();
        assert_eq!(asked.cloud_id.as_deref(), Some("c1"));
        assert_eq!(asked.public_id.as_deref(), Some("in/cat"));
        assert_eq!(asked.tags, ["a", "b", "b"]);
        assert_eq!(asked.transformation.as_deref(), Some("o-w:100"));
        assert_eq!(asked.format.as_deref(), Some("webp"));
        assert_eq!(asked.projection.as_deref(), Some("EQUIRECTANGULAR"));
        assert_eq!(content_type(&given).unwrap().as_deref(), Some("image/png"));
    }

    #[test]
    fn a_file_name_is_no_public_id() {
        assert_eq!(
            asked(&metadata(&[("filename", "cat.png"), ("name", "x")])).unwrap(),
            UploadParameters::default()
        );
    }

    #[test]
    fn two_content_types_must_agree() {
        let both = |one, other| content_type(&metadata(&[("filetype", one), ("contentType", other)]));
        assert_eq!(both("image/png", "image/png").unwrap().as_deref(), Some("image/png"));
        assert_eq!(at_fault(both("text/canary", "image/png").unwrap_err()), "/contentType");
        let supabase = content_type(&metadata(&[("contentType", "image/gif")]));
        assert_eq!(supabase.unwrap().as_deref(), Some("image/gif"));
        assert_eq!(content_type(&metadata(&[("filetype", "")])).unwrap(), None);
    }

    #[test]
    fn bad_members_are_named_without_their_value() {
        let long = "canary".repeat(300);
        let many = "canary,".repeat(101);
        let cases = [
            ("cloudId", "canary/x"),
            ("publicId", &long),
            ("publicId", "canary\n"),
            ("tags", &many),
            ("transformation", &long),
            ("format", &long),
            ("projection", &long),
        ];
        for (name, value) in cases {
            assert_eq!(at_fault(asked(&metadata(&[(name, value)])).unwrap_err()), format!("/{name}"));
        }
    }

    #[test]
    fn by_the_vectors_no_value_of_the_client_survives_a_directive() {
        let vectors = include_str!("../../../../../tests/vectors/upload_directives.json");
        let vectors: Vec<Value> = serde_json::from_str(vectors).unwrap();
        assert!(vectors.len() > 20);
        for vector in vectors {
            let extra: UploadExtra = serde_json::from_value(vector["extra"].clone()).unwrap();
            let asked: UploadParameters = serde_json::from_value(vector["request"].clone()).unwrap();
            let Ok(effective) = extra.direct(asked.clone()) else { continue };
            let before = directed(&metadata(&[("filename", "cat.png")]), &asked);
            let after = directed(&before, &effective);
            assert_eq!(after["filename"], "cat.png");
            for (name, value) in vector["effective"].as_object().unwrap() {
                let text = match value {
                    Value::Array(tags) => tags.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
                    other => other.as_str().unwrap_or_default().to_owned(),
                };
                assert_eq!(after.get(name).cloned().unwrap_or_default(), text, "{name} in {vector}");
            }
        }
    }
}
