//! What a fault is in Shardimage's words: `{"success":false,"error":{"type","code","message"}}`.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use countermark_domain::DomainError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::facade::{DialectError, Fault};
use crate::problem::{MemberError, Problem, codes};

/// The dialect's numbers of what goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// 0: none of the others.
    General,
    /// 1000: something in the request is not acceptable.
    Validation,
    /// 1001: there is no such thing.
    NotFound,
    /// 1002: the key, its signature, or an upload token does not allow it.
    AccessDenied,
    /// 1003: the request is not one that HTTP has an answer for here.
    Http,
}

impl ErrorCode {
    const fn number(self) -> u16 {
        match self {
            Self::General => 0,
            Self::Validation => 1000,
            Self::NotFound => 1001,
            Self::AccessDenied => 1002,
            Self::Http => 1003,
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::General => "GeneralError",
            Self::Validation => "ValidationError",
            Self::NotFound => "NotFoundError",
            Self::AccessDenied => "AccessDeniedError",
            Self::Http => "HttpError",
        }
    }
}

/// The body of every error answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShardimageErrorBody, example = json!({"success": false, "error": {"type": "ValidationError", "code": 1000,
    "message": {"limit": ["expected {what}", {"what": "a whole number from 0 to 9223372036854775807"}]}}}))]
pub struct ErrorBody {
    /// Always false.
    #[schema(example = false)]
    success: bool,
    /// What is wrong.
    error: Told,
}

/// What is wrong, by number and in words.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShardimageError)]
struct Told {
    /// The code as a name.
    #[serde(rename = "type")]
    #[schema(example = "NotFoundError")]
    kind: &'static str,
    /// 0 general, 1000 validation, 1001 not found, 1002 access denied, 1003 HTTP.
    #[schema(example = 1001)]
    code: u16,
    /// A text, or by member a template with its parameters.
    #[schema(value_type = serde_json::Value)]
    message: Message,
}

/// What is said of a member, and what its `{name}` stand for.
type Template = (&'static str, BTreeMap<&'static str, String>);

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Message {
    Text(String),
    /// A template and its parameters by member.
    Members(BTreeMap<String, Template>),
}

/// Words a fault.
pub fn worded(fault: Fault) -> DialectError {
    let is_unpermitted = matches!(fault, Fault::Domain(DomainError::PermissionRequired(_)));
    let problem = fault.into_problem();
    // The decision on a key does not tell its permissions from its networks.
    refused(if is_unpermitted {
        problem.detail("this key may not do that, or not from this address")
    } else {
        problem
    })
}

/// Words a problem.
pub fn refused(problem: Problem) -> DialectError {
    let status = if is(&problem, &codes::REVOKED_TOKEN) { 404 } else { problem.code().status };
    let status = StatusCode::from_u16(status).expect("the table holds valid statuses");
    let worded = answer(status, code_of(&problem), message_of(&problem)).carrying(&problem);
    if status == StatusCode::UNAUTHORIZED {
        worded.header(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE))
    } else {
        worded
    }
}

/// What [`refused`] has no problem for.
pub fn told(status: StatusCode, code: ErrorCode, message: &str) -> DialectError {
    answer(status, code, Message::Text(message.to_owned()))
}

/// The same with the id of the message that it answers: the SDK finds no answer without.
#[must_use]
pub fn about(worded: DialectError, content_id: Option<HeaderValue>) -> DialectError {
    match content_id {
        Some(id) => worded.header(CONTENT_ID, id),
        None => worded,
    }
}

/// Names a message inside others, and its answer.
pub const CONTENT_ID: HeaderName = HeaderName::from_static("content-id");

/// HTTP demands a challenge with 401; this scheme is known to nobody, so that no browser asks for a password.
const CHALLENGE: &str = r#"Shardimage realm="countermark""#;

fn answer(status: StatusCode, code: ErrorCode, message: Message) -> DialectError {
    let error = Told { kind: code.kind(), code: code.number(), message };
    DialectError::json(status, &ErrorBody { success: false, error })
}

fn is(problem: &Problem, code: &codes::Code) -> bool {
    problem.code().name == code.name
}

fn code_of(problem: &Problem) -> ErrorCode {
    match problem.code().status {
        _ if is(problem, &codes::REVOKED_TOKEN) => ErrorCode::NotFound,
        _ if is(problem, &codes::LIMIT_BELOW_USED) => ErrorCode::Validation,
        400 => ErrorCode::Validation,
        401 | 403 | 429 => ErrorCode::AccessDenied,
        404 => ErrorCode::NotFound,
        405 | 408 | 413 | 415 => ErrorCode::Http,
        _ => ErrorCode::General,
    }
}

fn message_of(problem: &Problem) -> Message {
    // The native detail would name a header that is none of this dialect's.
    if is(problem, &codes::UNAUTHENTICATED) {
        return Message::Text("the key with this signature is not one that can be used now".to_owned());
    }
    let members: BTreeMap<_, _> = problem.errors().iter().filter_map(templated).collect();
    if members.is_empty() { Message::Text(problem.told().to_owned()) } else { Message::Members(members) }
}

/// The member's path with dots, and what is said of it; `None` for what concerns the whole body.
fn templated(error: &MemberError) -> Option<(String, Template)> {
    let path = error.pointer.trim_start_matches(['/', '?']).replace('/', ".");
    if path.is_empty() {
        return None;
    }
    let path = path.replace("~1", "/").replace("~0", "~");
    let (template, what) = match error.detail.strip_prefix("expected ") {
        Some(expected) => ("expected {what}", expected),
        None => ("{what}", error.detail.as_str()),
    };
    Some((path, (template, BTreeMap::from([("what", what.to_owned())]))))
}
