//! The `extra` of an upload token: its directives applied and its constraints judged, as the core does it.

use countermark_core::{Completion, DenyReason, MimeGlob, UploadExtra, UploadParameters, decide_completion};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::arguments;
use crate::exceptions::{Refusal, invalid_argument};
use crate::members::Members;

/// Reads an `extra`. Absent members direct nothing and demand nothing.
///
/// # Errors
/// `InvalidArgument` naming the member.
pub(crate) fn read(extra: &Members<'_>) -> PyResult<UploadExtra> {
    const KNOWN: [&str; 15] = [
        "notificationUrls",
        "tags",
        "addTags",
        "transformation",
        "transformationPrefix",
        "transformationPostfix",
        "cloudId",
        "format",
        "projection",
        "publicId",
        "minBytes",
        "maxBytes",
        "mimeTypes",
        "publicIdPrefix",
        "insertOnly",
    ];
    extra.refuse_others(&KNOWN)?;
    Ok(UploadExtra {
        notification_urls: extra.texts("notificationUrls")?.unwrap_or_default(),
        tags: extra.texts("tags")?,
        add_tags: extra.texts("addTags")?.unwrap_or_default(),
        transformation: extra.text("transformation")?,
        transformation_prefix: extra.text("transformationPrefix")?,
        transformation_postfix: extra.text("transformationPostfix")?,
        cloud_id: extra.text("cloudId")?,
        format: extra.text("format")?,
        projection: extra.text("projection")?,
        public_id: extra.text("publicId")?,
        min_bytes: extra.number("minBytes")?,
        max_bytes: extra.number("maxBytes")?,
        mime_types: extra.parsed("mimeTypes", MimeGlob::parse)?.unwrap_or_default(),
        public_id_prefix: extra.text("publicIdPrefix")?,
        insert_only: extra.flag("insertOnly")?.unwrap_or_default(),
    })
}

/// A copy of the service's ``extra`` of an upload token in which every member is one that is known, of its type.
#[pyfunction]
pub(crate) fn read_upload_extra<'py>(extra: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let members = Members::copy_of("extra", extra, &[])?;
    read(&members)?;
    Ok(members.as_dict().clone())
}

/// What an upload really gets of the parameters that its client asks for.
///
/// Raises:
///     WrongCloud: the client asks for another cloud than the token's.
#[pyfunction]
pub(crate) fn direct_upload<'py>(
    extra: &Bound<'py, PyAny>,
    asked: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyDict>> {
    let py = extra.py();
    let extra = read(&Members::copy_of("extra", extra, &[])?)?;
    let asked = Members::copy_of("asked", asked, &[])?;
    let asked = UploadParameters {
        cloud_id: asked.text("cloud_id")?,
        public_id: asked.text("public_id")?,
        tags: asked.texts("tags")?.unwrap_or_default(),
        transformation: asked.text("transformation")?,
        format: asked.text("format")?,
        projection: asked.text("projection")?,
    };
    let effective = extra.direct(asked).map_err(|reason| Refusal::of(reason).raise(py))?;
    let members = PyDict::new(py);
    members.set_item("cloud_id", effective.cloud_id)?;
    members.set_item("public_id", effective.public_id)?;
    members.set_item("tags", pyo3::types::PyTuple::new(py, effective.tags)?)?;
    members.set_item("transformation", effective.transformation)?;
    members.set_item("format", effective.format)?;
    members.set_item("projection", effective.projection)?;
    Ok(members)
}

/// The names of the constraints that an upload does not meet, as ``maxBytes``; a fact that is demanded but not given meets
/// none. ``existed`` is looked at, and then demanded by ``insertOnly``, only if ``completes``.
#[pyfunction]
#[pyo3(signature = (extra, *, bytes, content_type, public_id, existed, completes))]
pub(crate) fn failed_constraints(
    extra: &Bound<'_, PyAny>,
    bytes: Option<&Bound<'_, PyAny>>,
    content_type: Option<&Bound<'_, PyString>>,
    public_id: Option<&Bound<'_, PyString>>,
    existed: Option<bool>,
    completes: bool,
) -> PyResult<Vec<&'static str>> {
    let extra = read(&Members::copy_of("extra", extra, &[])?)?;
    let content_type = content_type.map(|it| arguments::text("content_type", it)).transpose()?;
    let public_id = public_id.map(|it| arguments::text("public_id", it)).transpose()?;
    let facts = Completion {
        bytes: bytes.map(|bytes| size("bytes", bytes)).transpose()?,
        content_type: content_type.as_deref(),
        public_id: public_id.as_deref(),
        existed: if completes { existed } else { Some(false) },
    };
    let fails = |one: &UploadExtra| decide_completion(one, &facts) == Err(DenyReason::ConstraintFailed);
    let each = each_constraint(&extra);
    Ok(each.into_iter().filter(|(_, one)| fails(one)).map(|(name, _)| name).collect())
}

/// A size in bytes.
///
/// # Errors
/// `TypeError` for another type, `InvalidArgument` for a negative or huge number.
pub(crate) fn size(argument: &str, bytes: &Bound<'_, PyAny>) -> PyResult<u64> {
    if arguments::whole_number(bytes).is_none() {
        return Err(arguments::wrong_type(argument, "int", bytes));
    }
    bytes
        .extract()
        .map_err(|_| invalid_argument(bytes.py(), argument, "expected a size of 0 to 18446744073709551615"))
}

/// The same demands, one at a time, so that the one that is not met can be named.
fn each_constraint(extra: &UploadExtra) -> [(&'static str, UploadExtra); 5] {
    let none = UploadExtra::default;
    [
        ("minBytes", UploadExtra { min_bytes: extra.min_bytes, ..none() }),
        ("maxBytes", UploadExtra { max_bytes: extra.max_bytes, ..none() }),
        ("mimeTypes", UploadExtra { mime_types: extra.mime_types.clone(), ..none() }),
        (
            "publicIdPrefix",
            UploadExtra {
                public_id_prefix: extra.public_id_prefix.clone(),
                // The directive replaces the client's name, so it is the directive's that is judged.
                public_id: extra.public_id.clone(),
                ..none()
            },
        ),
        ("insertOnly", UploadExtra { insert_only: extra.insert_only, ..none() }),
    ]
}
