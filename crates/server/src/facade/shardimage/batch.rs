//! `POST /multipart/mixed`: many calls at once, each signed and answered by itself.

use actix_web::body::MessageBody;
use actix_web::http::{Method, header};
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{HttpRequest, HttpResponse, ResponseError};

use super::error::{CONTENT_ID, ErrorBody, about, worded};
use super::message::{Asked, content_id};
use super::multipart::{Part, boundary, parts};
use super::upload::refuse_deferred;
use super::{signed, tokens};
use crate::body::{BATCH_BODY_LIMIT, check_inner};
use crate::facade::call::Call;
use crate::facade::{DialectError, Fault};
use crate::problem::{Problem, codes};
use crate::state::AppState;

/// Most calls at once: as many as the SDK sends.
const MOST_PARTS: usize = 100;
/// Most new passwords of viewers in all of them, as many as one token may have: each is slow to hash on purpose.
const MOST_PASSWORDS: usize = 100;

/// Ends each part of an answer. Nothing in the parts can look like it: their bodies are JSON in one line.
const BOUNDARY: &str = "countermark-batch";

/// Makes many calls at once
///
/// At most 100 parts of the type `application/http`, each a whole request with a `Content-ID` and a signature of its own; a
/// part that fails, fails alone. All parts together set at most 100 new passwords of viewers. Uploads cannot be deferred
/// into a batch (501). The request itself is signed as well. The answers come in the order of the calls, each
/// with the `Content-Id` of its call.
#[utoipa::path(
    post, path = "/multipart/mixed", operation_id = "shardimage_batch", tag = "Shardimage dialect",
    request_body(content = String, content_type = "multipart/mixed", description = "Requests in parts.", example = json!("--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\nHEAD /secure/v1/access-token/iu_034YCGMODo7rNXJe1rD0Im HTTP/1.1\r\nContent-ID:1\r\nX-Shardimage-Auth-Key:123456789012\r\nX-Shardimage-Auth-Signature:s-00d179dac8603ef19ce4114b776c075d83797222\r\n\r\n\r\n--b--")),
    responses(
        (status = 200, description = "Answers in parts.", body = String, content_type = "multipart/mixed", example = json!("--countermark-batch\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\nHTTP/1.1 200 OK\r\nContent-Id: 1\r\nContent-Length: 0\r\n\r\n\r\n--countermark-batch--\r\n")),
        (status = "4XX", description = "The batch as a whole is refused.", body = ErrorBody),
        (status = 501, description = "It holds uploads.", body = ErrorBody)
    ),
    security(("shardimageKey" = [], "shardimageSignature" = []))
)]
pub async fn shardimage_batch(
    request: HttpRequest,
    payload: Payload,
    state: Data<AppState>,
) -> Result<HttpResponse, DialectError> {
    let id = content_id(request.headers());
    let call = Call::of(&request, &state);
    if is_deferred_upload(&request) {
        return Err(about(refuse_deferred(&request, payload, &state).await, id));
    }
    let asked = Asked::read::<BATCH_BODY_LIMIT>(&request, payload).await;
    let answered = match asked {
        Ok(asked) => batch(&call, &asked).await,
        Err(problem) => Err(problem.into()),
    };
    let mut answered = answered.map_err(|fault| about(worded(fault), id.clone()))?;
    if let Some(id) = id {
        answered.headers_mut().insert(CONTENT_ID, id);
    }
    Ok(answered)
}

/// The SDK presents the tokens of deferred uploads with the whole batch, in the place of a key.
fn is_deferred_upload(request: &HttpRequest) -> bool {
    let has = |name| request.headers().contains_key(name);
    has("x-shardimage-auth-token") && !has("x-shardimage-auth-key")
}

async fn batch(call: &Call<'_>, asked: &Asked) -> Result<HttpResponse, Fault> {
    signed::caller(call, asked, "tokens:read").await?;
    let boundary = boundary(asked.only(&header::CONTENT_TYPE)?, "mixed")?;
    let calls: Vec<_> = parts(&asked.body, boundary, MOST_PARTS)?.iter().map(request_in).collect();
    let passwords: usize = calls.iter().flatten().map(tokens::new_passwords).sum();
    if passwords > MOST_PASSWORDS {
        let expected = format!("expected at most {MOST_PASSWORDS} new passwords of viewers in all parts");
        return Err(Problem::new(&codes::MALFORMED_BODY).member("", expected).into());
    }
    let mut body = Vec::new();
    for asked in calls {
        render(&answer_to(call, asked).await, &mut body);
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_TYPE, format!("multipart/mixed; boundary={BOUNDARY}")))
        .body(body))
}

/// One answer, as it is written into its part.
struct Answer {
    /// Status line and header fields.
    head: String,
    body: Bytes,
}

async fn answer_to(call: &Call<'_>, asked: Result<Asked, Problem>) -> Answer {
    let asked = match asked {
        Ok(asked) => asked,
        Err(problem) => return Answer::refusing(call, problem.into(), None),
    };
    if let Err(problem) = check_inner(&asked.headers, asked.body.len()) {
        return Answer::refusing(call, problem.into(), Some(&asked));
    }
    match tokens::answer_part(call, &asked).await {
        Some(Ok(response)) => Answer::of(response, &asked),
        Some(Err(fault)) => Answer::refusing(call, fault, Some(&asked)),
        None if asked.path() == "/multipart/mixed" => {
            let detail = "expected no batch within a batch";
            Answer::refusing(call, Problem::invalid_member("", detail).into(), Some(&asked))
        }
        None => Answer::refusing(call, Problem::not_found().into(), Some(&asked)),
    }
}

fn request_in(part: &Part) -> Result<Asked, Problem> {
    let mut types = part.headers.get_all(header::CONTENT_TYPE);
    let is_http = |value: &header::HeaderValue| {
        let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/http")
    };
    match (types.next(), types.next()) {
        (Some(only), None) if is_http(only) => Asked::in_part(&part.content),
        _ => Err(Problem::new(&codes::UNSUPPORTED_MEDIA_TYPE)
            .detail("expected parts of the content type application/http")),
    }
}

impl Answer {
    fn of(response: HttpResponse, asked: &Asked) -> Self {
        Self::rendered(response, Some(asked))
    }

    fn refusing(call: &Call<'_>, fault: Fault, asked: Option<&Asked>) -> Self {
        let worded = worded(fault);
        call.log_fault(&worded);
        Self::rendered(worded.error_response(), asked)
    }

    fn rendered(response: HttpResponse, asked: Option<&Asked>) -> Self {
        let status = response.status();
        let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let phrase = status.canonical_reason().unwrap_or("Unknown");
        let mut head = format!("HTTP/1.1 {} {phrase}\r\n", status.as_u16());
        if let Some(id) = asked.and_then(Asked::content_id) {
            head.push_str(&format!("Content-Id: {}\r\n", id.to_str().unwrap_or_default()));
        }
        if let Some(content_type) = content_type {
            head.push_str(&format!("Content-Type: {content_type}\r\n"));
        }
        let is_head = asked.is_some_and(|asked| asked.method == Method::HEAD);
        let body =
            if is_head { Bytes::new() } else { response.into_body().try_into_bytes().unwrap_or_default() };
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        Self { head, body }
    }
}

fn render(answer: &Answer, into: &mut Vec<u8>) {
    into.extend_from_slice(format!("--{BOUNDARY}\r\nContent-Type: application/http\r\n").as_bytes());
    into.extend_from_slice(b"Content-Transfer-Encoding: binary\r\n\r\n");
    into.extend_from_slice(answer.head.as_bytes());
    into.extend_from_slice(b"\r\n");
    into.extend_from_slice(&answer.body);
    into.extend_from_slice(b"\r\n");
}
