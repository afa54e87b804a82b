//! Errors as RFC 9457 problems; what went wrong inside is logged, never sent.

pub mod codes;
mod pages;

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

pub use codes::Code;
pub use pages::pages;

use crate::request_id::RequestId;

/// The challenge to whoever presents nothing that could be a credential: no error is named (RFC 6750, section 3.1).
pub const BEARER_CHALLENGE: &str = r#"Bearer realm="countermark""#;

/// The challenge to whoever presents a credential that is refused (RFC 6750, section 3.1).
pub const INVALID_TOKEN_CHALLENGE: &str = r#"Bearer realm="countermark", error="invalid_token""#;

/// An error answer. Handlers return it as `Err`; [`crate::respond::Respond`] adds the request id and the public URL.
pub struct Problem(Box<Parts>);

struct Parts {
    code: &'static Code,
    detail: Cow<'static, str>,
    errors: Vec<MemberError>,
    headers: Vec<(HeaderName, HeaderValue)>,
    closes: bool,
    cause: Option<String>,
}

/// What is wrong with one part of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = ProblemMember)]
pub struct MemberError {
    /// A JSON pointer into the body, or `?` and the name of a query parameter.
    #[schema(example = "/expiry")]
    pub pointer: String,
    /// What was expected there; never the value that was sent.
    #[schema(example = "expected a whole number from 0 to 253402300799")]
    pub detail: String,
}

/// The body of every error answer (RFC 9457, `application/problem+json`).
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "http://127.0.0.1:8080/docs/errors/INVALID_MEMBER", "title": "A member of the body is not acceptable",
    "status": 400, "detail": "/expiry: expected a whole number from 0 to 253402300799", "code": "INVALID_MEMBER",
    "requestId": "9f86d081884c7d65", "errors": [{"pointer": "/expiry", "detail": "expected a whole number from 0 to 253402300799"}]
}))]
#[serde(rename_all = "camelCase")]
pub struct ProblemBody<'a> {
    /// The page that explains the code.
    #[serde(rename = "type")]
    #[schema(example = "http://127.0.0.1:8080/docs/errors/INVALID_MEMBER")]
    pub page: String,
    /// One line for people; the same for every occurrence of the code.
    #[schema(example = "A member of the body is not acceptable")]
    pub title: &'a str,
    /// The HTTP status, repeated.
    #[schema(example = 400)]
    pub status: u16,
    /// What is particular about this occurrence.
    #[schema(example = "expected a whole number from 0 to 253402300799")]
    pub detail: &'a str,
    /// The stable code for programs.
    #[schema(example = "INVALID_MEMBER")]
    pub code: &'a str,
    /// Names this request in the log; the same as the `x-request-id` header.
    #[schema(example = "9f86d081884c7d65")]
    pub request_id: &'a str,
    /// The parts of the request that are at fault; often empty.
    pub errors: &'a [MemberError],
}

impl Problem {
    /// A problem whose detail is the code's title until [`Problem::detail`] says more.
    pub fn new(code: &'static Code) -> Self {
        Self(Box::new(Parts {
            code,
            detail: Cow::Borrowed(code.title),
            errors: Vec::new(),
            headers: Vec::new(),
            closes: false,
            cause: None,
        }))
    }

    /// 400 for a member of the body; `pointer` is a JSON pointer.
    pub fn invalid_member(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(&codes::INVALID_MEMBER).member(pointer, detail)
    }

    /// 401 for a request that presents no key.
    pub fn unauthenticated() -> Self {
        Self::new(&codes::UNAUTHENTICATED)
            .detail("present a management key as Authorization: Bearer cmk_…")
            .header(header::WWW_AUTHENTICATE, HeaderValue::from_static(BEARER_CHALLENGE))
    }

    /// 401 for a key that is refused; the same for unknown and ended ones.
    pub fn key_refused() -> Self {
        Self::new(&codes::UNAUTHENTICATED)
            .detail("the key is not one that can be used now")
            .header(header::WWW_AUTHENTICATE, HeaderValue::from_static(INVALID_TOKEN_CHALLENGE))
    }

    /// 403 for a route that needs `permission`.
    pub fn permission_required(permission: &str) -> Self {
        let challenge = format!(r#"{BEARER_CHALLENGE}, error="insufficient_scope", scope="{permission}""#);
        let challenge =
            HeaderValue::try_from(challenge).expect("permissions are visible ASCII without quotes");
        Self::new(&codes::PERMISSION_REQUIRED)
            .detail(format!("this route needs the permission {permission}"))
            .header(header::WWW_AUTHENTICATE, challenge)
    }

    /// 404, the same for absent and foreign records.
    pub fn not_found() -> Self {
        Self::new(&codes::NOT_FOUND).detail("no such resource")
    }

    /// 429 after too many failures; the client may try again in `seconds`.
    pub fn throttled(seconds: u64) -> Self {
        Self::new(&codes::THROTTLED).retry_after(seconds)
    }

    /// 503; `cause` goes to the log only.
    pub fn unavailable(cause: impl fmt::Display) -> Self {
        Self::new(&codes::UNAVAILABLE).retry_after(1).because(cause)
    }

    /// 500; `cause` goes to the log only and must not hold a secret.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(&codes::INTERNAL).because(cause)
    }

    /// Says what is particular about this occurrence; must not repeat what the client sent.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// Names a part of the request; the first one becomes the detail as well.
    #[must_use]
    pub fn member(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let member = MemberError { pointer: pointer.into(), detail: detail.into() };
        if self.0.errors.is_empty() {
            self.0.detail = match member.pointer.as_str() {
                "" => Cow::Owned(member.detail.clone()),
                pointer => Cow::Owned(format!("{pointer}: {}", member.detail)),
            };
        }
        self.0.errors.push(member);
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Says after how many seconds the client may try again.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Closes the connection after the answer, for requests whose body was not read to its end.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.0.closes = true;
        self
    }

    /// Whether the connection ends with this answer.
    pub fn closes(&self) -> bool {
        self.0.closes
    }

    /// The cause for the log, not for the client.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// The stable code.
    pub fn code(&self) -> &'static Code {
        self.0.code
    }

    /// What is particular about this occurrence, or else the code's title.
    pub fn detail_text(&self) -> &str {
        &self.0.detail
    }

    /// The parts of the request at fault.
    pub fn errors(&self) -> &[MemberError] {
        &self.0.errors
    }

    /// What the log shall say, if anything was given.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The headers that the answer has beside the usual ones.
    pub fn headers(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.0.headers.iter()
    }

    /// The body of the answer, for those who wrap it into one of another shape.
    pub fn body(&self, public_url: &str, request_id: Option<&RequestId>) -> String {
        let code = self.0.code;
        let body = ProblemBody {
            page: format!("{public_url}/docs/errors/{}", code.name),
            title: code.title,
            status: code.status,
            detail: &self.0.detail,
            code: code.name,
            request_id: request_id.map_or("", RequestId::as_str),
            errors: &self.0.errors,
        };
        serde_json::to_string(&body).expect("texts and numbers always become JSON")
    }

    /// The answer in full.
    pub fn render(&self, public_url: &str, request_id: Option<&RequestId>) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        for (name, value) in &self.0.headers {
            response.append_header((name.clone(), value.clone()));
        }
        if self.0.closes {
            response.force_close();
        }
        response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
        response.content_type("application/problem+json");
        response.body(self.body(public_url, request_id))
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.code.status).expect("the table holds valid statuses")
    }

    fn error_response(&self) -> HttpResponse {
        self.render("", None)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.name, self.0.detail)
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Problem({self}, {:?})", self.0.errors)
    }
}
