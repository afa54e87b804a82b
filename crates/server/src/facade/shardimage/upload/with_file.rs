//! `POST /multipart/related`: an upload and its file in one request.

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::asked::AskedUpload;
use super::credentials::{Admission, admit, agrees};
use super::flow::{Order, upload};
use super::image::Image;
use super::image_type::content_type;
use super::refusal::Refusal;
use super::target::{Content, UploadTarget};
use super::{answered, refused_early};
use crate::body::{BODY_LIMIT, large_bytes};
use crate::facade::DialectError;
use crate::facade::call::Call;
use crate::facade::shardimage::error::{CONTENT_ID, ErrorBody};
use crate::facade::shardimage::message::{Asked, malformed};
use crate::facade::shardimage::multipart;
use crate::problem::{Problem, codes};
use crate::state::AppState;

/// Most bytes of the request beside the file itself.
const ENVELOPE: usize = 128 * 1024;
/// Longest content type of a file.
const LONGEST_TYPE: usize = 255;
/// Where the first part is sent to, before the cloud.
const CLOUDS: &str = "/upload/v1/c/";
/// Names the part that the file is for.
const REF_ID: HeaderName = HeaderName::from_static("x-shardimage-ref-id");
/// Names the member that the file stands for.
const REF_ATTRIBUTE: HeaderName = HeaderName::from_static("x-shardimage-ref-attribute");
/// Under these a part's bytes would be others than the file's.
const ENCODINGS: [HeaderName; 2] = [header::TRANSFER_ENCODING, header::CONTENT_ENCODING];

/// Uploads an image
///
/// The body has two parts of the type `application/http`. The first holds a request `POST /upload/v1/c/{cloudId}` with the
/// parameters as JSON or MessagePack and a `Content-ID`, the second a request `POST /file` with the bytes,
/// `X-Shardimage-Ref-Id` (the first one's `Content-ID`) and `X-Shardimage-Ref-Attribute: file`. One use of the token is
/// reserved when all of it has arrived, spent when the upload target has stored the image, and goes back if it has not.
#[utoipa::path(
    post, path = "/multipart/related", operation_id = "shardimage_upload", tag = "Shardimage dialect",
    request_body(content = String, content_type = "multipart/related", description = "The upload and its file.", example = json!("--b\r\nContent-Type: application/http\r\n\r\nPOST /upload/v1/c/mycloud HTTP/1.1\r\nContent-ID:1\r\nContent-Type:application/json\r\n\r\n{\"file\":\"\",\"publicId\":\"cat\"}\r\n--b\r\nContent-Type: application/http\r\n\r\nPOST /file HTTP/1.1\r\nContent-Type:application/octet-stream\r\nX-Shardimage-Ref-Id:1\r\nX-Shardimage-Ref-Attribute:file\r\n\r\n…\r\n--b--")),
    params(("X-Shardimage-Auth-token" = String, Header, description = "The id of an upload token; each part may repeat it.")),
    responses(
        (status = 200, description = "Stored.", body = Image),
        (status = 400, description = "The request is not of this form.", body = ErrorBody),
        (status = 401, description = "No upload token, or none that is known.", body = ErrorBody),
        (status = 403, description = "The token refuses the upload, or its uses are spent.", body = ErrorBody),
        (status = 409, description = "There is an image of this name already.", body = ErrorBody),
        (status = 413, description = "The file is larger than `facades.shardimage_upload_bytes`.", body = ErrorBody),
        (status = 422, description = "The upload target does not accept the image.", body = ErrorBody),
        (status = 501, description = "There is no upload target.", body = ErrorBody),
        (status = 502, description = "The upload target has not answered as it should.", body = ErrorBody),
        (status = 503, description = "The upload target cannot be reached, or too many uploads are under way.", body = ErrorBody),
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
    let (first, second) = parts(request, &bytes)?;
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

fn parts(request: &HttpRequest, bytes: &Bytes) -> Result<(Asked, Asked), Problem> {
    let content_type = match &request.headers().get_all(header::CONTENT_TYPE).collect::<Vec<_>>()[..] {
        [only] => only.to_str().ok(),
        _ => None,
    };
    let boundary = multipart::boundary(content_type, "related")?;
    let parts = multipart::parts(bytes, boundary, 2)?.into_iter().map(|part| {
        let is_request = |kind: &HeaderValue| kind.as_bytes().eq_ignore_ascii_case(b"application/http");
        if part.headers.get(header::CONTENT_TYPE).is_some_and(is_request) {
            Asked::in_part(&part.content)
        } else {
            Err(malformed("each part has the type application/http"))
        }
    });
    let Ok([first, second]) = <[Asked; 2]>::try_from(parts.collect::<Result<Vec<_>, _>>()?) else {
        return Err(malformed("there are two parts, the upload and its file"));
    };
    let is_encoded = |part: &Asked| ENCODINGS.iter().any(|name| part.headers.contains_key(name));
    if [&first, &second].into_iter().any(is_encoded) {
        return Err(malformed("the parts have no encoding"));
    }
    Ok((first, second))
}

fn asked(part: &Asked) -> Result<(&str, AskedUpload), Problem> {
    let cloud = part.target.strip_prefix(CLOUDS).filter(|_| part.method == Method::POST);
    let cloud = cloud.ok_or_else(|| malformed("the first part is POST /upload/v1/c/{cloudId}"))?;
    if part.body.len() > BODY_LIMIT {
        let expected = format!("expected at most {BODY_LIMIT} bytes in the first part");
        return Err(Problem::new(&codes::BODY_TOO_LARGE).detail(expected));
    }
    let asked: AskedUpload = part.object()?;
    asked.expect_no_bytes()?;
    Ok((cloud, asked))
}

fn file(first: &Asked, part: &Asked, most: usize) -> Result<Content, Problem> {
    if (&part.method, part.target.as_str()) != (&Method::POST, "/file") {
        return Err(malformed("the second part is POST /file"));
    }
    let id = first.only(&CONTENT_ID)?;
    if id.is_none_or(str::is_empty) || id != part.only(&REF_ID)? {
        return Err(malformed("the second part names the Content-ID of the first as X-Shardimage-Ref-Id"));
    }
    if part.only(&REF_ATTRIBUTE)? != Some("file") {
        return Err(malformed("the second part has X-Shardimage-Ref-Attribute: file"));
    }
    if part.body.len() > most {
        let expected = format!("expected a file of at most {most} bytes");
        return Err(Problem::new(&codes::BODY_TOO_LARGE).detail(expected));
    }
    let given = part.only(&header::CONTENT_TYPE)?;
    if given.is_some_and(|given| given.len() > LONGEST_TYPE) {
        return Err(malformed("a content type has at most 255 characters"));
    }
    let content_type = content_type(given, &part.body);
    Ok(Content::File { bytes: part.body.clone(), content_type })
}
