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
use tokio::time::Instant;

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

/// The bytes of a large body, whatever type they are said to be. The first 64 KiB have the time of a small
/// body, and each further 64 KiB half of it. Its memory is taken once, if its length is announced.
///
/// # Errors
/// As [`any_bytes`].
pub fn large_bytes(
    request: &HttpRequest,
    payload: &mut Payload,
    limit: usize,
) -> impl Future<Output = Result<Bytes, Problem>> + 'static {
    let headers = request.headers();
    let refused = check_encoding(headers).and_then(|()| check_announced_length(headers, limit)).err();
    let expected = announced_length(headers).map_or(0, |length| usize::try_from(length).unwrap_or(limit));
    let timeout = timeout(request);
    let payload = payload.take();
    async move {
        match refused {
            Some(problem) => Err(problem),
            None => at_pace(payload, limit, expected, timeout).await,
        }
    }
}

/// Takes a body that nobody wants, so that a client that is still sending reads why; keeps none of it. False: it is longer than
/// `limit`, broken, or has not come in the time of a small body, and the connection is to be closed.
pub async fn discard(request: &HttpRequest, payload: Payload, limit: usize) -> bool {
    if check_announced_length(request.headers(), limit).is_err() {
        return false;
    }
    let sink = async {
        let mut chunks = pin!(BodyStream::new(payload));
        let mut so_far = 0;
        while let Some(chunk) = poll_fn(|context| chunks.as_mut().poll_next(context)).await {
            let Ok(chunk) = checked(chunk, so_far, limit) else { return false };
            so_far += chunk.len();
        }
        true
    };
    tokio::time::timeout(timeout(request), sink).await.unwrap_or(false)
}

/// How many bytes of a large body must come before its next moment.
const PIECE: usize = 64 * 1024;

/// When how much of a large body must have come.
struct Pace {
    /// All of this is for the first piece.
    first_until: Instant,
    each: Duration,
    until: Instant,
    due: usize,
}

impl Pace {
    fn from(now: Instant, first: Duration) -> Self {
        let first_until = now + first;
        Self { first_until, each: first / 2, until: first_until, due: PIECE }
    }

    fn came(&mut self, so_far: usize, now: Instant) {
        if so_far >= self.due {
            self.due = so_far + PIECE;
            self.until = self.first_until.max(now + self.each);
        }
    }
}

fn timeout(request: &HttpRequest) -> Duration {
    request.app_data::<BodyTimeout>().map_or(DEFAULT_BODY_TIMEOUT, |timeout| timeout.0)
}

fn bytes<const LIMIT: usize>(
    request: &HttpRequest,
    payload: &mut Payload,
    media_type: Result<(), Problem>,
) -> impl Future<Output = Result<Bytes, Problem>> + 'static {
    let headers = request.headers();
    let refused = media_type
        .and_then(|()| check_encoding(headers))
        .and_then(|()| check_announced_length(headers, LIMIT))
        .err();
    let timeout = timeout(request);
    let payload = payload.take();
    async move {
        match refused {
            Some(problem) => Err(problem),
            None => in_time(payload, LIMIT, 0, timeout).await,
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

/// Holds a body inside another one to the rules of those that come by themselves.
///
/// # Errors
/// 413, or 415 for an encoded body.
pub fn check_inner(headers: &HeaderMap, length: usize) -> Result<(), Problem> {
    check_encoding(headers)?;
    if length > BODY_LIMIT { Err(too_large(BODY_LIMIT)) } else { Ok(()) }
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn check_announced_length(headers: &HeaderMap, limit: usize) -> Result<(), Problem> {
    if announced_length(headers).is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    Ok(())
}

fn too_large(limit: usize) -> Problem {
    Problem::new(&codes::BODY_TOO_LARGE).detail(format!("expected at most {limit} bytes")).closing()
}

fn late(timeout: Duration) -> Problem {
    Problem::new(&codes::REQUEST_TIMEOUT)
        .detail(format!("the body did not arrive within {} seconds", timeout.as_secs()))
        .closing()
}

/// The timer is only made if the body is not there at once: nearly always it has come with the head.
async fn in_time(
    payload: Payload,
    limit: usize,
    expected: usize,
    timeout: Duration,
) -> Result<Bytes, Problem> {
    let mut whole = pin!(collect(payload, limit, expected));
    let at_once = poll_fn(|context| Poll::Ready(whole.as_mut().poll(context))).await;
    if let Poll::Ready(read) = at_once {
        return read;
    }
    tokio::time::timeout(timeout, whole).await.unwrap_or_else(|_| Err(late(timeout)))
}

async fn at_pace(payload: Payload, limit: usize, expected: usize, first: Duration) -> Result<Bytes, Problem> {
    let mut chunks = pin!(BodyStream::new(payload));
    let mut whole = BytesMut::with_capacity(expected);
    let mut pace = Pace::from(Instant::now(), first);
    loop {
        let next = poll_fn(|context| chunks.as_mut().poll_next(context));
        let Ok(next) = tokio::time::timeout_at(pace.until, next).await else {
            let told = format!("the body came more slowly than 64 KiB in {} seconds", pace.each.as_secs());
            return Err(Problem::new(&codes::REQUEST_TIMEOUT).detail(told).closing());
        };
        let Some(chunk) = next else { return Ok(whole.freeze()) };
        whole.extend_from_slice(&checked(chunk, whole.len(), limit)?);
        pace.came(whole.len(), Instant::now());
    }
}

async fn collect(payload: Payload, limit: usize, expected: usize) -> Result<Bytes, Problem> {
    let mut chunks = pin!(BodyStream::new(payload));
    let Some(first) = poll_fn(|context| chunks.as_mut().poll_next(context)).await else {
        return Ok(Bytes::new());
    };
    let first = checked(first, 0, limit)?;
    let Some(second) = poll_fn(|context| chunks.as_mut().poll_next(context)).await else {
        return Ok(first);
    };
    let mut whole = BytesMut::with_capacity(expected.max(first.len()));
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&checked(second, whole.len(), limit)?);
    while let Some(chunk) = poll_fn(|context| chunks.as_mut().poll_next(context)).await {
        whole.extend_from_slice(&checked(chunk, whole.len(), limit)?);
    }
    Ok(whole.freeze())
}

fn checked(
    chunk: Result<Bytes, impl std::fmt::Debug>,
    so_far: usize,
    limit: usize,
) -> Result<Bytes, Problem> {
    let broken = |_| Problem::new(&codes::MALFORMED_BODY).detail("the body broke off").closing();
    let chunk = chunk.map_err(broken)?;
    if so_far + chunk.len() > limit { Err(too_large(limit)) } else { Ok(chunk) }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use actix_web::test::TestRequest;
    use futures_util::{Stream, StreamExt};
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

    #[test]
    fn each_further_64_kib_must_come_in_half_of_the_first_time() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut pace = Pace::from(start, 10 * second);
        pace.came(PIECE - 1, start + second);
        assert_eq!(pace.until, start + 10 * second);
        pace.came(PIECE, start + 2 * second);
        assert_eq!(pace.until, start + 10 * second, "the first time is all theirs");
        pace.came(2 * PIECE, start + 9 * second);
        assert_eq!(pace.until, start + 14 * second);
        pace.came(3 * PIECE - 1, start + 13 * second);
        assert_eq!(pace.until, start + 14 * second, "a trickle gains no time");
    }

    /// A request whose body begins with these bytes and never ends.
    fn endless(begin: usize) -> (HttpRequest, Payload) {
        let begin = [Ok(Bytes::from(vec![b'x'; begin]))];
        let payload = futures_util::stream::iter(begin).chain(futures_util::stream::pending());
        let (request, _) =
            TestRequest::post().app_data(BodyTimeout(Duration::from_millis(20))).to_http_parts();
        (request, Payload::from(Box::pin(payload) as Pin<Box<dyn Stream<Item = _>>>))
    }

    #[actix_web::test]
    async fn a_large_body_that_stops_is_late_and_one_that_nobody_wants_is_given_up() {
        for begin in [1, 10 * PIECE] {
            let (request, mut payload) = endless(begin);
            let late = large_bytes(&request, &mut payload, 100 * PIECE).await.unwrap_err();
            assert_eq!((late.code().name, late.closes()), ("REQUEST_TIMEOUT", true));
            let (request, payload) = endless(begin);
            assert!(!discard(&request, payload, 100 * PIECE).await);
        }
        let (request, payload) = endless(2);
        assert!(!discard(&request, payload, 1).await, "longer than its limit");
        let (request, payload) = post("x/y", "body").to_http_parts();
        assert!(discard(&request, payload, 4).await);
    }

    #[actix_web::test]
    async fn an_empty_body_is_malformed() {
        assert_eq!(read(post("application/json", "")).await, Err("MALFORMED_BODY"));
    }
}
