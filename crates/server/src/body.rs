//! The only reader of bodies: right type, not encoded, in time, small enough.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::body::{BodyStream, MessageBody};
use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, BytesMut};

use crate::problem::{Problem, codes};

/// Most bytes of a body, except where a route says otherwise.
pub const BODY_LIMIT: usize = 64 * 1024;
/// Most bytes of the body of a batch.
pub const BATCH_BODY_LIMIT: usize = 1024 * 1024;
/// How long a body may take to arrive unless [`BodyTimeout`] is in the application data.
pub const DEFAULT_BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a body may take to arrive; goes into the application data.
#[derive(Clone, Copy, Debug)]
pub struct BodyTimeout(pub Duration);

/// The body's bytes as they came, for [`crate::json::read`] and for the digest of an idempotent request.
///
/// # Errors
/// 408, 413 or 415; whether they are JSON is not looked at.
pub fn json_bytes<const LIMIT: usize>(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<Bytes, Problem>> + 'static {
    let media_type = check_media_type(request.headers(), request.method());
    bytes::<LIMIT>(request, payload, media_type)
}

/// The body's bytes, whatever type they are said to be: clients of some dialects name none.
///
/// # Errors
/// 408, 413, or 415 for an encoded body.
pub fn any_bytes<const LIMIT: usize>(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<Bytes, Problem>> + 'static {
    bytes::<LIMIT>(request, payload, Ok(()))
}

/// The bytes of a form as they came, at most 64 KiB.
///
/// # Errors
/// 408, 413 or 415.
pub fn form_bytes(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<Bytes, Problem>> + 'static {
    let mut types = request.headers().get_all(header::CONTENT_TYPE);
    let is_form = |value: &header::HeaderValue| {
        let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    };
    let media_type = match (types.next(), types.next()) {
        (Some(only), None) if is_form(only) => Ok(()),
        _ => Err(Problem::new(&codes::UNSUPPORTED_MEDIA_TYPE)
            .detail("expected the content type application/x-www-form-urlencoded")),
    };
    bytes::<BODY_LIMIT>(request, payload, media_type)
}

fn bytes<const LIMIT: usize>(
    request: &HttpRequest,
    payload: &mut Payload,
    media_type: Result<(), Problem>,
) -> impl Future<Output = Result<Bytes, Problem>> + 'static {
    let headers = request.headers();
    let refused = media_type
        .and_then(|()| check_encoding(headers))
        .and_then(|()| check_announced_length::<LIMIT>(headers))
        .err();
    let timeout = request.app_data::<BodyTimeout>().map_or(DEFAULT_BODY_TIMEOUT, |timeout| timeout.0);
    let payload = payload.take();
    async move {
        match refused {
            Some(problem) => Err(problem),
            None => in_time::<LIMIT>(payload, timeout).await,
        }
    }
}

fn check_media_type(headers: &HeaderMap, method: &Method) -> Result<(), Problem> {
    let patch = method == Method::PATCH;
    let mut types = headers.get_all(header::CONTENT_TYPE);
    if let (Some(only), None) = (types.next(), types.next()) {
        // Almost every client sends exactly this.
        if only.as_bytes() == b"application/json" {
            return Ok(());
        }
        let essence = only.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let is = |name: &str| essence.eq_ignore_ascii_case(name);
        if is("application/json") || (patch && is("application/merge-patch+json")) {
            return Ok(());
        }
    }
    Err(Problem::new(&codes::UNSUPPORTED_MEDIA_TYPE).detail(if patch {
        "expected the content type application/merge-patch+json or application/json"
    } else {
        "expected the content type application/json"
    }))
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let identity = |value: &header::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(header::CONTENT_ENCODING).all(identity) {
        return Ok(());
    }
    Err(Problem::new(&codes::UNSUPPORTED_MEDIA_TYPE).detail("expected a body without Content-Encoding"))
}

fn check_announced_length<const LIMIT: usize>(headers: &HeaderMap) -> Result<(), Problem> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > LIMIT as u64) {
        return Err(too_large::<LIMIT>());
    }
    Ok(())
}

fn too_large<const LIMIT: usize>() -> Problem {
    Problem::new(&codes::BODY_TOO_LARGE).detail(format!("expected at most {LIMIT} bytes")).closing()
}

/// The timer is only made if the body is not there at once: nearly always it has come with the head.
async fn in_time<const LIMIT: usize>(payload: Payload, timeout: Duration) -> Result<Bytes, Problem> {
    let mut whole = pin!(collect::<LIMIT>(payload));
    let at_once = poll_fn(|context| Poll::Ready(whole.as_mut().poll(context))).await;
    if let Poll::Ready(read) = at_once {
        return read;
    }
    match tokio::time::timeout(timeout, whole).await {
        Ok(read) => read,
        Err(_) => Err(Problem::new(&codes::REQUEST_TIMEOUT)
            .detail(format!("the body did not arrive within {} seconds", timeout.as_secs()))
            .closing()),
    }
}

async fn collect<const LIMIT: usize>(payload: Payload) -> Result<Bytes, Problem> {
    let mut chunks = pin!(BodyStream::new(payload));
    let Some(first) = poll_fn(|context| chunks.as_mut().poll_next(context)).await else {
        return Ok(Bytes::new());
    };
    let first = checked::<LIMIT>(first, 0)?;
    let Some(second) = poll_fn(|context| chunks.as_mut().poll_next(context)).await else {
        return Ok(first);
    };
    let mut whole = BytesMut::from(&first[..]);
    whole.extend_from_slice(&checked::<LIMIT>(second, whole.len())?);
    while let Some(chunk) = poll_fn(|context| chunks.as_mut().poll_next(context)).await {
        whole.extend_from_slice(&checked::<LIMIT>(chunk, whole.len())?);
    }
    Ok(whole.freeze())
}

fn checked<const LIMIT: usize>(
    chunk: Result<Bytes, impl std::fmt::Debug>,
    so_far: usize,
) -> Result<Bytes, Problem> {
    let broken = |_| Problem::new(&codes::MALFORMED_BODY).detail("the body broke off").closing();
    let chunk = chunk.map_err(broken)?;
    if so_far + chunk.len() > LIMIT { Err(too_large::<LIMIT>()) } else { Ok(chunk) }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use serde::Deserialize;

    use super::*;
    use crate::json;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        text: String,
    }

    async fn read(request: TestRequest) -> Result<String, &'static str> {
        let (request, mut payload) = request.to_http_parts();
        let bytes = json_bytes::<BODY_LIMIT>(&request, &mut payload).await;
        let read = bytes.and_then(|bytes| json::read::<Sample>(&bytes));
        read.map(|sample| sample.text).map_err(|problem| problem.code().name)
    }

    fn post(content_type: &str, body: impl Into<Bytes>) -> TestRequest {
        TestRequest::post().insert_header(("content-type", content_type)).set_payload(body)
    }

    #[actix_web::test]
    async fn only_json_is_read() {
        let body = r#"{"text":"x"}"#;
        for good in ["application/json", "Application/JSON; charset=utf-8"] {
            assert_eq!(read(post(good, body)).await.as_deref(), Ok("x"), "{good}");
        }
        for bad in ["text/plain", "application/jsonp", "application/merge-patch+json", ""] {
            assert_eq!(read(post(bad, body)).await, Err("UNSUPPORTED_MEDIA_TYPE"), "{bad}");
        }
        let none = TestRequest::post().set_payload(body);
        assert_eq!(read(none).await, Err("UNSUPPORTED_MEDIA_TYPE"));
        let patch = post("application/merge-patch+json", body).method(Method::PATCH);
        assert_eq!(read(patch).await.as_deref(), Ok("x"));
        let two = post("application/json", body).append_header(("content-type", "text/plain"));
        assert_eq!(read(two).await, Err("UNSUPPORTED_MEDIA_TYPE"));
    }

    #[actix_web::test]
    async fn an_encoded_body_is_refused() {
        let body = r#"{"text":"x"}"#;
        let gzip = post("application/json", body).insert_header(("content-encoding", "gzip"));
        assert_eq!(read(gzip).await, Err("UNSUPPORTED_MEDIA_TYPE"));
        let identity = post("application/json", body).insert_header(("content-encoding", "identity"));
        assert_eq!(read(identity).await.as_deref(), Ok("x"));
    }

    #[actix_web::test]
    async fn a_body_of_64_kib_is_read_and_one_byte_more_is_not() {
        let body = |bytes: usize| format!(r#"{{"text":"{}"}}"#, "x".repeat(bytes - 11));
        assert_eq!(body(BODY_LIMIT).len(), BODY_LIMIT);
        assert!(read(post("application/json", body(BODY_LIMIT))).await.is_ok());
        assert_eq!(read(post("application/json", body(BODY_LIMIT + 1))).await, Err("BODY_TOO_LARGE"));
        let announced = post("application/json", "{}").insert_header(("content-length", "65537"));
        assert_eq!(read(announced).await, Err("BODY_TOO_LARGE"));
    }

    #[actix_web::test]
    async fn an_empty_body_is_malformed() {
        assert_eq!(read(post("application/json", "")).await, Err("MALFORMED_BODY"));
    }
}
