//! `POST /multipart/related`: an upload and its file in one request.

use actix_web::http::header;
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::asked::AskedUpload;
use super::credentials::{Admission, admit, agrees};
use super::flow::{Order, upload};
use super::image::Image;
use super::image_type::content_type;
use super::refusal::Refusal;
use super::related::{self, Inner};
use super::target::{Content, UploadTarget};
use super::{answered, asked_of, refused_early};
use crate::body::large_bytes;
use crate::facade::DialectError;
use crate::facade::call::Call;
use crate::problem::{Problem, codes};
use crate::state::AppState;

/// Most bytes of the request beside the file itself.
const ENVELOPE: usize = 128 * 1024;
/// Most bytes of the upload's own body, as of every other body.
const LONGEST_BODY: usize = 64 * 1024;
/// Longest content type of a file.
const LONGEST_TYPE: usize = 255;
/// Where the first part is sent to, before the cloud.
const CLOUDS: &str = "/upload/v1/c/";

/// Uploads an image
///
/// The body has two parts of the type `application/http`. The first holds a request `POST /upload/v1/c/{cloudId}` with the
/// parameters as JSON or MessagePack and a `Content-ID`, the second a request `POST /file` with the bytes,
/// `X-Shardimage-Ref-Id` (the first one's `Content-ID`) and `X-Shardimage-Ref-Attribute: file`. One use of the token is
/// reserved when all of it has arrived, spent when the upload target has stored the image, and goes back if it has not.
#[utoipa::path(
    post, path = "/multipart/related", operation_id = "shardimage_upload", tag = "Shardimage dialect",
    request_body(content = String, content_type = "multipart/related", description = "The upload and its file."),
    params(("X-Shardimage-Auth-token" = String, Header, description = "The id of an upload token; each part may repeat it.")),
    responses(
        (status = 200, description = "Stored.", body = Image),
        (status = 400, description = "The request is not of this form."),
        (status = 401, description = "No upload token, or none that is known."),
        (status = 403, description = "The token refuses the upload, or its uses are spent."),
        (status = 409, description = "There is an image of this name already."),
        (status = 413, description = "The file is larger than `facades.shardimage_upload_bytes`."),
        (status = 422, description = "The upload target does not accept the image."),
        (status = 501, description = "There is no upload target."),
        (status = 502, description = "The upload target has not answered as it should."),
        (status = 503, description = "The upload target cannot be reached, or too many uploads are under way."),
    ),
    security(("shardimageUploadToken" = []))
)]
pub async fn upload_with_file(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    let limit = state.facades.shardimage_upload_bytes.saturating_add(ENVELOPE);
    let call = Call::of(&request, &state);
    let admission = match admit(&request, &call, UploadTarget::seat_with_file).await {
        Ok(admission) => admission,
        Err(refusal) => return Err(refused_early(&request, payload, limit, refusal).await),
    };
    let bytes = large_bytes(&request, &mut payload.into_inner(), limit).await;
    let bytes = bytes.map_err(|problem| Refusal::from(problem).worded())?;
    let order =
        order(&request, &state, bytes, admission).map_err(|problem| Refusal::from(problem).worded())?;
    match upload(state.clone(), order).await {
        Ok(image) => Ok(answered(&image)),
        Err(failure) => Err(Refusal::from(failure).worded()),
    }
}

fn order(
    request: &HttpRequest,
    state: &AppState,
    bytes: Bytes,
    admission: Admission,
) -> Result<Order, Problem> {
    let mut types = request.headers().get_all(header::CONTENT_TYPE);
    let boundary = match (types.next(), types.next()) {
        (Some(only), None) => only.to_str().ok().and_then(related::boundary),
        _ => None,
    };
    let boundary = boundary.ok_or_else(|| {
        Problem::new(&codes::UNSUPPORTED_MEDIA_TYPE).detail("expected multipart/related with a boundary")
    })?;
    let (first, second) = related::read(&bytes, boundary).map_err(malformed)?;
    for part in [&first, &second] {
        agrees(part, &admission.value)?;
    }
    let (cloud, asked) = asked(&first)?;
    let file = file(&first, &second, state.facades.shardimage_upload_bytes)?;
    Ok(Order {
        value: admission.value,
        is_insertion: asked.is_insertion(),
        asked: asked.parameters(cloud)?,
        content: file,
        seat: admission.seat,
    })
}

fn asked(part: &Inner) -> Result<(&str, AskedUpload), Problem> {
    let cloud = part.target.strip_prefix(CLOUDS).filter(|_| part.method == "POST");
    let cloud = cloud.ok_or_else(|| malformed("expected POST /upload/v1/c/{cloudId} as the first part"))?;
    if part.body.len() > LONGEST_BODY {
        let expected = format!("expected at most {LONGEST_BODY} bytes in the first part");
        return Err(Problem::new(&codes::BODY_TOO_LARGE).detail(expected));
    }
    let asked = asked_of(part.header("content-type").map_err(malformed)?, &part.body)?;
    asked.expect_no_bytes()?;
    Ok((cloud, asked))
}

fn file(first: &Inner, part: &Inner, most: usize) -> Result<Content, Problem> {
    if (part.method.as_str(), part.target.as_str()) != ("POST", "/file") {
        return Err(malformed("expected POST /file as the second part"));
    }
    let id = first.header("content-id").map_err(malformed)?;
    let refers_to = part.header("x-shardimage-ref-id").map_err(malformed)?;
    if id.is_none_or(str::is_empty) || id != refers_to {
        return Err(malformed("expected the first part's Content-ID as X-Shardimage-Ref-Id of the second"));
    }
    if part.header("x-shardimage-ref-attribute").map_err(malformed)? != Some("file") {
        return Err(malformed("expected X-Shardimage-Ref-Attribute: file in the second part"));
    }
    if part.body.len() > most {
        let expected = format!("expected a file of at most {most} bytes");
        return Err(Problem::new(&codes::BODY_TOO_LARGE).detail(expected));
    }
    let given = part.header("content-type").map_err(malformed)?;
    if given.is_some_and(|given| given.len() > LONGEST_TYPE || !given.bytes().all(is_visible)) {
        return Err(malformed("expected a content type of at most 255 visible characters"));
    }
    let content_type = content_type(given, &part.body);
    Ok(Content::File { bytes: part.body.clone(), content_type })
}

fn is_visible(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

fn malformed(detail: &'static str) -> Problem {
    Problem::new(&codes::MALFORMED_BODY).detail(detail)
}
